# hot: http1_get
"""Access log lines: formatters built from Envoy's format strings, and the buffers that lines go to.

Formatters serve header values too (`compile_value`). What is configured is in filter/access_log.
"""
import cython

from gmosn.observe.log_format import parse_format
from gmosn.observe.log_operators import json_string

if not cython.compiled:
    from gmosn.observe.log_operators import Operator  # noqa: F401

DEFAULT_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" '
    '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n')


class Formatter:
    """What is known of a stream, as bytes."""

    def format(self, info):
        raise NotImplementedError


class TextFormatter(Formatter):
    """Literal text with operators in it. `parts`: bytes and Operators; `omit`: missing values are empty, not "-"."""

    def __init__(self, parts: list, omit: cython.bint):
        self.literals = [b""]
        self.operators = []
        self.missing = b"" if omit else b"-"
        for part in parts:
            if isinstance(part, bytes):
                self.literals.append(self.literals.pop() + part)
            else:
                self.operators.append(part)
                self.literals.append(b"")
        self.fixed = sum(map(len, self.literals))

    def format(self, info):
        operator: Operator
        value: bytes
        values: list = []
        size: cython.Py_ssize_t = self.fixed
        for operator in self.operators:
            value = operator.value(info)
            if value is None or (operator.blank_is_missing and len(value) == 0):
                value = self.missing
            values.append(value)
            size += len(value)
        return _weave(self.literals, values, size)


def _weave(literals, values, size):
    """literals[0] + values[0] + literals[1] + ..., in one allocation; `size`: of all together."""
    i: cython.Py_ssize_t
    piece: bytes
    if not cython.compiled:
        pieces = [literals[0]]
        for i, piece in enumerate(values):
            pieces += (piece, literals[i + 1])
        return b"".join(pieces)
    out: bytes = PyBytes_FromStringAndSize(cython.NULL, size)
    o: cython.p_char = out
    piece = literals[0]
    memcpy(o, cython.cast(cython.p_char, piece), len(piece))
    o += len(piece)
    for i in range(len(values)):
        piece = values[i]
        memcpy(o, cython.cast(cython.p_char, piece), len(piece))
        o += len(piece)
        piece = literals[i + 1]
        memcpy(o, cython.cast(cython.p_char, piece), len(piece))
        o += len(piece)
    return out


class JsonFormatter(Formatter):
    """One line of JSON. `shape`: JsonObject, list (of shapes), bytes (JSON text), Operator (typed), TextFormatter (string).
    `omit`: missing values are left out, not null."""

    def __init__(self, shape, omit):
        self.shape = shape
        self.omit = omit

    def format(self, info):
        return (_render(self.shape, info, self.omit) or b"{}") + b"\n"


class JsonObject:
    """`fields`: (key as JSON text with its colon, shape), in the order in which they are printed."""

    __slots__ = ("fields",)

    def __init__(self, fields):
        self.fields = fields


def _render(shape, info, omit):
    """JSON text of a shape, or None: leave it out."""
    if isinstance(shape, bytes):
        return None if omit and shape == b"null" else shape
    if isinstance(shape, JsonObject):
        fields = []
        for key, inner in shape.fields:
            text = _render(inner, info, omit)
            if text is not None:
                fields.append(key + text)
        return b"{" + b",".join(fields) + b"}" if fields or not omit else None
    if isinstance(shape, list):
        texts = [_render(inner, info, omit) for inner in shape]
        return b"[" + b",".join([text for text in texts if text is not None]) + b"]"
    if isinstance(shape, TextFormatter):
        return json_string(shape.format(info))
    text = shape.json(info)
    return text if text is not None or omit else b"null"


class LogSink:
    """Lines on their way to a file. `limit`: bytes from which on full() is called; `buffered`, `total_buffered`: stats."""

    def __init__(self, limit, buffered, total_buffered):
        self.lines = []
        self.size = 0
        self.limit = limit
        self.buffered = buffered
        self.total_buffered = total_buffered

    def write(self, line):
        self.lines.append(line)
        self.size += len(line)
        self.buffered.add(1)
        self.total_buffered.add(len(line))
        if self.size >= self.limit:
            self.full()

    def full(self):
        """Takes the lines away. Must not block."""
        raise NotImplementedError


class AccessLog:
    """Gets every stream (or TCP connection) at its end."""

    def log(self, info):
        raise NotImplementedError


class WriterLog(AccessLog):
    """Formats what meets `condition` (an object with matches(info), or None: everything) into `sink`."""

    def __init__(self, formatter, sink, condition=None):
        self.formatter = formatter
        self.sink = sink
        self.condition = condition

    def log(self, info):
        if self.condition is None or self.condition.matches(info):
            self.sink.write(self.formatter.format(info))


def compile_value(text):
    """A header value that may have operators: bytes when it is constant, else a Formatter. Raises ConfigError.

    A missing value is empty text, as in Envoy's header formatting.
    """
    parts = parse_format(text)
    if all(isinstance(part, bytes) for part in parts):
        return b"".join(parts)
    return TextFormatter(parts, True)
