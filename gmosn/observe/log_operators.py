# hot: http1_get
"""The %OPERATORS% of Envoy's format strings, as objects that take their value out of a StreamInfo.

Names, meanings and what is printed for a missing value are Envoy's (docs: access log usage); observe/log_format.py
builds these from text.
"""
import json as json_module
import time

import cython

if not cython.compiled:
    from gmosn.ascii import ascii_int
    from gmosn.clock import now_us, wall_us

REQUEST, RESPONSE, REQUEST_TRAILERS, RESPONSE_TRAILERS = range(4)
NUMBERS = ("RESPONSE_CODE BYTES_RECEIVED BYTES_SENT UPSTREAM_REQUEST_ATTEMPT_COUNT CONNECTION_ID "
           "DOWNSTREAM_WIRE_BYTES_RECEIVED DOWNSTREAM_WIRE_BYTES_SENT DOWNSTREAM_HEADER_BYTES_RECEIVED "
           "DOWNSTREAM_HEADER_BYTES_SENT UPSTREAM_WIRE_BYTES_RECEIVED UPSTREAM_WIRE_BYTES_SENT "
           "UPSTREAM_HEADER_BYTES_RECEIVED UPSTREAM_HEADER_BYTES_SENT REQUEST_HEADERS_BYTES RESPONSE_HEADERS_BYTES "
           "RESPONSE_TRAILERS_BYTES").split()
TEXTS = ("PROTOCOL RESPONSE_CODE_DETAILS CONNECTION_TERMINATION_DETAILS UPSTREAM_TRANSPORT_FAILURE_REASON "
         "DOWNSTREAM_TRANSPORT_FAILURE_REASON REQUESTED_SERVER_NAME ROUTE_NAME FILTER_CHAIN_NAME "
         "VIRTUAL_CLUSTER_NAME UPSTREAM_CLUSTER UPSTREAM_CLUSTER_RAW UPSTREAM_PROTOCOL STREAM_ID UPSTREAM_HOST").split()
ADDRESSES = ("DOWNSTREAM_REMOTE DOWNSTREAM_DIRECT_REMOTE DOWNSTREAM_LOCAL DOWNSTREAM_DIRECT_LOCAL UPSTREAM_LOCAL "
             "UPSTREAM_REMOTE").split()
WHOLE, WITHOUT_PORT, PORT = range(3)
POINTS = ("DS_RX_BEG DS_RX_END US_TX_BEG US_TX_END US_RX_BEG US_RX_END DS_TX_BEG DS_TX_END").split()
NOW = len(POINTS)                     # DS_TX_END, or now while the stream is not at its end
BYTES, DIGITS = 0, 1                  # parts of a time format


class Operator:
    """`value`: the bytes to print, or None = missing. `is_number`: JSON shows it without quotes. `blank_is_missing`:
    text formats show an empty value as a missing one."""

    def value(self, info):
        raise NotImplementedError

    def json(self, info):
        """The value as JSON text, or None."""
        text: bytes = self.value(info)
        if text is None or self.is_number:
            return text
        return json_string(text)


class HeaderOperator(Operator):
    """REQ, RESP, TRAILER: one header or its alternative, cut to `limit` bytes (-1 = whole)."""

    def __init__(self, side, name, alternative, limit):
        self.side = side
        self.name = name
        self.alternative = alternative
        self.limit = limit
        self.blank_is_missing = True

    def value(self, info):
        head = head_of(info, self.side)
        found: bytes
        if head is None:
            return None
        found = head.get(self.name)
        if found is None and self.alternative is not None:
            found = head.get(self.alternative)
        if found is not None and self.limit >= 0 and len(found) > self.limit:
            return found[:self.limit]
        return found


def head_of(info, side):
    if side == REQUEST:
        return info.request
    if side == RESPONSE:
        return info.response
    return info.request_trailers if side == REQUEST_TRAILERS else info.response_trailers


class NumberOperator(Operator):
    """A whole number. `which`: index into NUMBERS."""

    def __init__(self, which):
        self.which = which
        self.is_number = True

    def value(self, info):
        return ascii_int(self.get(info))

    def get(self, info):
        which: cython.int = self.which
        if which == 0:
            return info.status
        if which == 1:
            return info.bytes_received
        if which == 2:
            return info.bytes_sent
        if which == 3:
            return info.attempts
        if which == 4:
            return info.connection.id
        if which == 5:
            return info.downstream_wire_received
        if which == 6:
            return info.downstream_wire_sent
        if which == 7:
            return info.downstream_head_received
        if which == 8:
            return info.downstream_head_sent
        if which == 9:
            return info.upstream_wire_received
        if which == 10:
            return info.upstream_wire_sent
        if which == 11:
            return info.upstream_head_received
        if which == 12:
            return info.upstream_head_sent
        if which == 13:
            return head_size(info.request)
        return head_size(info.response if which == 14 else info.response_trailers)


def head_size(head):
    """Bytes of names and values, pseudo headers included."""
    size: cython.longlong = 0
    t: tuple
    name: bytes
    found: bytes
    if head is None:
        return 0
    for t in head.items:
        size += len(cython.cast(bytes, t[0])) + len(cython.cast(bytes, t[1]))
    for name in (b":method", b":path", b":authority", b":scheme", b":status", b"content-length", b"upgrade",
                 b"transfer-encoding"):
        found = head.get(name)
        if found is not None:
            size += len(name) + len(found)
    return size


class TextOperator(Operator):
    """A text that a layer wrote into the StreamInfo. `which`: index into TEXTS."""

    def __init__(self, which):
        self.which = which

    def value(self, info):
        found = self.get(info)
        if found is None or isinstance(found, bytes):
            if self.which == 1 and found is not None and b" " in found:
                return found.replace(b" ", b"_")
            return found
        text: str = found
        return text.encode("utf-8", "surrogateescape") if text else None

    def get(self, info):
        which: cython.int = self.which
        connection = info.connection
        if which == 0:
            return info.protocol
        if which == 1:
            return info.details
        if which == 2:
            if info.termination_details is not None or connection is None:
                return info.termination_details
            return connection.termination_details
        if which == 3:
            return info.upstream_failure
        if which == 4:
            return connection.transport_failure
        if which == 5:
            return connection.sni
        if which == 6:
            return info.route_name
        if which == 7:
            return connection.filter_chain_name
        if which == 8:
            return info.virtual_cluster
        if which == 9:
            return info.cluster.observability_name if info.cluster is not None else None
        if which == 10:
            return info.cluster.name if info.cluster is not None else None
        if which == 11:
            return info.upstream_protocol
        if which == 12:
            return info.request_id
        return info.upstream_host.name if info.upstream_host is not None else None


class AddressOperator(Operator):
    """`which`: index into ADDRESSES; `form`: WHOLE, WITHOUT_PORT or PORT."""

    def __init__(self, which, form):
        self.which = which
        self.form = form
        self.is_number = form == PORT

    def value(self, info):
        address = self.get(info)
        if address is None:
            return None
        if self.form == WHOLE:
            return address.text
        if self.form == PORT:
            return ascii_int(address.port) if address.family != "unix" else None
        return address.ip_text

    def get(self, info):
        which: cython.int = self.which
        if which == 0:
            return info.remote
        if which == 1:
            return info.connection.direct_remote
        if which == 2 or which == 3:
            return info.connection.local
        if which == 4:
            return info.upstream_local
        if info.upstream_local is None or info.upstream_host is None:      # no connection was made
            return None
        return info.upstream_host.address


class DurationOperator(Operator):
    """Time between two points, truncated: us * numerator // denominator. Missing when either has not happened."""

    def __init__(self, begin, end, numerator=1, denominator=1000):
        self.begin = begin
        self.end = end
        self.numerator = numerator
        self.denominator = denominator
        self.is_number = True

    def value(self, info):
        begin: cython.longlong = time_point(info, self.begin)
        end: cython.longlong = time_point(info, self.end)
        if begin == 0 or end == 0:
            return None
        return ascii_int((end - begin) * self.numerator // self.denominator if end > begin else 0)


def time_point(info, which):
    """One of POINTS (or NOW) in us on the monotonic clock, 0 = has not happened."""
    if which == 0:
        return info.start_us
    if which == 1:
        return info.request_end_us
    if which == 2:
        return info.upstream_start_us
    if which == 3:
        return info.upstream_sent_us
    if which == 4:
        return info.upstream_first_byte_us
    if which == 5:
        return info.upstream_end_us
    if which == 6:
        return info.response_start_us
    if which == 7 or info.end_us:
        return info.end_us
    return now_us()


class FlagsOperator(Operator):
    """RESPONSE_FLAGS and RESPONSE_FLAGS_LONG."""

    def __init__(self, long_names):
        self.long_names = long_names
        self.known = {0: b"-"}

    def value(self, info):
        text: bytes
        if info.flags == 0:
            return b"-"
        text = self.known.get(info.flags)
        if text is None:                            # there are few combinations in practice
            text = ",".join(info.flag_names(self.long_names)).encode()
            self.known[info.flags] = text
        return text


class TimeOperator(Operator):
    """START_TIME and EMIT_TIME. `parts`: (BYTES, strftime format) or (DIGITS, how many of the second's fraction).

    What does not change within a second is rendered once a second.
    """

    def __init__(self, emit, parts: list):
        self.emit = emit
        self.parts = parts
        self.second = -1
        self.plain = len(parts) == 3 and parts[0][0] == BYTES and parts[1] == (DIGITS, 3) and parts[2][0] == BYTES

    def value(self, info):
        us: cython.longlong = wall_us() if self.emit else info.wall_us
        second: cython.longlong = us // 1000000
        fraction: cython.longlong = us % 1000000
        out: list
        part: tuple
        text: bytes
        if second != self.second:
            self._render(second)
        if self.plain:
            if fraction // 1000 != self.millisecond:
                self._patch(fraction // 1000)
            return self.text
        out = []
        for part, text in zip(self.parts, self.rendered):
            out.append(text if part[0] == BYTES else (b"%06d000" % fraction)[:part[1]])
        return b"".join(out)

    def _render(self, second):
        when = time.gmtime(second)
        rendered: list = []
        for kind, argument in self.parts:
            if kind == BYTES:
                text = argument.replace("%s", str(second)).replace("%z", "+0000").replace("%Z", "UTC")
                rendered.append(time.strftime(text, when).encode())
            else:
                rendered.append(b"")
        self.rendered = rendered
        self.second = second
        self.millisecond = -1
        if self.plain:
            self.template = rendered[0] + b"000" + rendered[2]

    def _patch(self, millisecond):
        """The common case: three digits of an otherwise known text."""
        first: bytes = self.rendered[0]
        at: cython.Py_ssize_t = len(first)
        self.millisecond = millisecond
        if not cython.compiled:
            self.text = self.template[:at] + b"%03d" % millisecond + self.template[at + 3:]
            return
        out: bytes = PyBytes_FromStringAndSize(cython.cast(cython.p_char, self.template), len(self.template))
        p: cython.p_char = out
        p[at] = 48 + millisecond // 100
        p[at + 1] = 48 + millisecond // 10 % 10
        p[at + 2] = 48 + millisecond % 10
        self.text = out


class PythonOperator(Operator):
    """What is too rare for a class: `function(info)` -> bytes or None; `json_function`: the same as JSON text."""

    def __init__(self, function, json_function=None, is_number=False, blank_is_missing=False):
        self.function = function
        self.json_function = json_function
        self.is_number = is_number
        self.blank_is_missing = blank_is_missing

    def value(self, info):
        return self.function(info)

    def json(self, info):
        if self.json_function is not None:
            return self.json_function(info)
        return Operator.json(self, info)


PLAIN_JSON = bytes(n for n in range(32, 256) if n not in b'"\\')


def json_string(text):
    """Bytes as a JSON string. What is not UTF-8 becomes one \\u00xx per byte, as Envoy prints it."""
    if not text.translate(None, PLAIN_JSON) and text.isascii():
        return b'"' + text + b'"'
    try:
        return json_module.dumps(text.decode(), ensure_ascii=False).encode()
    except UnicodeDecodeError:
        return b'"' + b"".join([b"%c" % n if n < 127 and n in PLAIN_JSON else b"\\u%04x" % n for n in text]) + b'"'


if not cython.compiled:
    Operator.is_number = Operator.blank_is_missing = False
