"""What supervisor, control and workers say to each other: small records, and how they become bytes.

A record is a class with annotated fields (int, bool, str, bytes, list, dict of those; None). On the wire it is its
class's number and its fields in order, each value with a tag and, where its size varies, a length. File descriptors do
not belong to the bytes: they travel beside them (channel.py) in `fds`, a list that the receiver owns. Standard library
only: the supervisor imports this.
"""
import struct

_INT = struct.Struct("<q")
_SIZE = struct.Struct("<I")


class MessageError(Exception):
    """Bytes that are not a message. Peers are our own processes, so this is a bug or a corrupted peer."""


class Message:
    """Base of all records. Positional or keyword arguments in the order of the annotations, defaults as in the
    class."""

    FIELDS = ()
    TYPES = []                                       # filled while this module is imported, constant afterwards

    def __init_subclass__(cls):
        cls.FIELDS = tuple(cls.__annotations__) if "__annotations__" in cls.__dict__ else ()
        cls.type_number = len(Message.TYPES)
        Message.TYPES.append(cls)

    def __init__(self, *values, fds=(), **named):
        named.update(zip(self.FIELDS, values, strict=False))
        if len(values) > len(self.FIELDS) or named.keys() - set(self.FIELDS):
            raise TypeError(f"{type(self).__name__} has the fields {self.FIELDS}")
        for name in self.FIELDS:
            if name in named:
                setattr(self, name, named[name])
            elif not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} needs {name}")
        self.fds = list(fds)

    def __eq__(self, other):
        return type(self) is type(other) and all(getattr(self, f) == getattr(other, f) for f in self.FIELDS)

    def __repr__(self):
        values = ", ".join(f"{name}={_short(getattr(self, name))}" for name in self.FIELDS)
        return f"{type(self).__name__}({values})"


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# supervisor -> control, worker

class Start(Message):
    """First message of every process. `index`: worker's slot, -1 for control; `concurrency`: number of slots;
    `started_us`: wall clock of the instance's start; `lives`: how many processes this slot had before; `health_failed`,
    `log_levels`: what the admin was told meanwhile.
    fds of a worker: its stats segment, the limit table, the channel to control [, the generation to serve at once].
    fds of control: its own segment, the limit table, every worker's segment [, the generation that is being served]."""
    index: int
    concurrency: int
    started_us: int
    lives: int = 0
    supervisor_pid: int = 0
    base_id: int = 0
    health_failed: bool = False
    log_levels: dict = None


class Sockets(Message):
    """To a worker: `fds` are the listening sockets for `keys` (same order). Sent before the generation that needs
    them."""
    keys: list


class Unlisten(Message):
    """To a worker: forget the sockets of these keys."""
    keys: list


class ControlChannel(Message):
    """To a worker: control was replaced; fds: the channel to the new one."""


class WorkerUp(Message):
    """To control: a worker runs in slot `index`; fds: the channel to it."""
    index: int
    pid: int


class WorkerDown(Message):
    """To control: the process in slot `index` is gone with waitpid's `status`; it is replaced in `away_ms`."""
    index: int
    pid: int
    status: int
    away_ms: int


class Drain(Message):
    """To all: stop accepting, finish what is in flight within `limit_s`, exit. 0 = exit at once."""
    limit_s: int


class ReopenLogs(Message):
    """To all: SIGUSR1, or (from control) POST /reopen_logs."""


# control, worker -> supervisor

class Ready(Message):
    """A worker serves."""


class Bind(Message):
    """Bind what is not bound yet and hand the sockets to those that own them. `plans`: see listening.py."""
    plans: list


class Bound(Message):
    """Supervisor's answer to Bind. `error`: "" or Envoy's words; then nothing of that Bind is kept. `addresses`:
    {key: [ip, port] or [path]} as bound."""
    error: str
    failed_key: str
    addresses: dict


class Keep(Message):
    """The generation in use needs these keys only; the supervisor closes the others."""
    keys: list


class Serving(Message):
    """The first answers are possible: all live workers acked. fds: the generation, kept for processes to come."""
    number: int


class Refused(Message):
    """The configuration cannot be used (already told on standard error). Ends an instance that never served."""


class Quit(Message):
    """POST /quitquitquit: end the instance as SIGTERM does."""


# control <-> worker

class Generation(Message):
    """A whole configuration; fds: a sealed memory file with it (generation.py). Equal digest = nothing to do."""
    number: int
    digest: str


class Ack(Message):
    """The worker serves the generation."""
    number: int


class Nack(Message):
    """The worker cannot build the generation and keeps the one before. `error`: for the log and the management
    server."""
    number: int
    error: str


class Assignment(Message):
    """New endpoints of one cluster (DNS, EDS): a serialized ClusterLoadAssignment."""
    cluster: str
    payload: bytes


class SetHealth(Message):
    """POST /healthcheck/fail|ok. Also to the supervisor, for processes to come."""
    failed: bool


class DrainListeners(Message):
    """POST /drain_listeners: `graceful`: go on accepting during the drain time; `inbound_only`; `skip_exit`: do not
    close."""
    graceful: bool = False
    inbound_only: bool = False
    skip_exit: bool = False


class LogLevels(Message):
    """POST /logging: {component: level number}. Also to the supervisor, for itself and processes to come."""
    levels: dict


# not sent by itself: what a generation's memory file holds

class Contents(Message):
    """`bootstrap`: the serialized Bootstrap without its static resources; `resources`: [[kind, name, serialized
    resource, origin, version, updated us], ...] in order; `assignments`: {cluster name: serialized
    ClusterLoadAssignment} that DNS found so far; `loaded_us`: wall clock of the start."""
    number: int
    loaded_us: int
    bootstrap: bytes
    resources: list
    assignments: dict


def encode(message):
    """bytes of a record, without its fds."""
    out = [bytes((message.type_number,))]
    for name in message.FIELDS:
        _encode_value(getattr(message, name), out)
    return b"".join(out)


def decode(data, fds=()):
    """The record that `data` holds. MessageError for anything else."""
    if not data or data[0] >= len(Message.TYPES):
        raise MessageError("unknown message type")
    cls = Message.TYPES[data[0]]
    values, position = [], 1
    try:
        for _ in cls.FIELDS:
            value, position = _decode_value(data, position, 0)
            values.append(value)
    except (struct.error, IndexError, UnicodeDecodeError) as exc:
        raise MessageError(f"damaged {cls.__name__}") from exc
    if position != len(data):
        raise MessageError(f"{len(data) - position} bytes too many after {cls.__name__}")
    return cls(*values, fds=fds)


def _encode_value(value, out):
    if value is None or value is True or value is False:
        out.append({None: b"n", True: b"t", False: b"f"}[value])
    elif isinstance(value, int):
        out.append(b"i" + _INT.pack(value))
    elif isinstance(value, str):
        data = value.encode("utf-8", "surrogateescape")
        out.append(b"s" + _SIZE.pack(len(data)) + data)
    elif isinstance(value, bytes):
        out.append(b"b" + _SIZE.pack(len(value)) + value)
    elif isinstance(value, (list, tuple)):
        out.append(b"l" + _SIZE.pack(len(value)))
        for item in value:
            _encode_value(item, out)
    elif isinstance(value, dict):
        out.append(b"d" + _SIZE.pack(len(value)))
        for key, item in value.items():
            _encode_value(key, out)
            _encode_value(item, out)
    else:
        raise TypeError(f"a message cannot hold {type(value).__name__}")


_CONSTANTS = {ord("n"): None, ord("t"): True, ord("f"): False}


def _decode_value(data, position, depth):
    tag = data[position]
    position += 1
    if tag in _CONSTANTS:
        return _CONSTANTS[tag], position
    if tag == ord("i"):
        return _INT.unpack_from(data, position)[0], position + 8
    size = _SIZE.unpack_from(data, position)[0]
    position += 4
    if tag in b"sb":
        raw = bytes(data[position:position + size])
        if len(raw) != size:
            raise IndexError
        return (raw.decode("utf-8", "surrogateescape") if tag == ord("s") else raw), position + size
    if tag not in b"ld" or depth > 16:
        raise IndexError
    items = []
    for _ in range(size * (2 if tag == ord("d") else 1)):
        item, position = _decode_value(data, position, depth + 1)
        items.append(item)
    if tag == ord("l"):
        return items, position
    try:
        return dict(zip(items[::2], items[1::2], strict=True)), position
    except TypeError:
        raise IndexError from None
