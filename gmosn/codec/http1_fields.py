# hot: http1_get
"""Field lines of heads and trailers (RFC 9112 section 5): parsed in one pass, framing fields taken out on the way.

`parse_fields` has a pointer loop for lines in canonical form; every other line (and every line when this runs as plain
Python) goes through `Fields.add_line`, which alone decides what is an error.
"""
import cython

from gmosn.errors import RemoteProtocolError

TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
CONTROLS = bytes(_n for _n in range(32) if _n != 9) + b"\x7f"
MAX_NOMINATED = 10                    # Envoy refuses a Connection header with this many elements
PROTECTED = frozenset((b"host", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"))

# What a field means here: 0 = nothing, it is passed on
ORDINARY, HOST, LENGTH, TRANSFER, CONNECTION, TE, UPGRADE, EXPECT, HOP = range(9)
SPECIAL = {b"host": HOST, b"content-length": LENGTH, b"transfer-encoding": TRANSFER, b"connection": CONNECTION,
           b"te": TE, b"upgrade": UPGRADE, b"expect": EXPECT, b"keep-alive": HOP, b"proxy-connection": HOP}
# Names that are common enough to be kept as one shared object each.
COMMON = b"""accept accept-encoding accept-language accept-ranges access-control-allow-origin age alt-svc authorization
cache-control content-disposition content-encoding content-language content-range content-security-policy content-type
cookie date dnt etag expires forwarded if-match if-modified-since if-none-match if-range last-modified link location
origin pragma priority proxy-authorization range referer referrer-policy retry-after sec-ch-ua sec-ch-ua-mobile
sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-websocket-accept
sec-websocket-extensions sec-websocket-key sec-websocket-protocol sec-websocket-version server server-timing set-cookie
strict-transport-security traceparent tracestate trailer upgrade-insecure-requests user-agent vary via www-authenticate
x-b3-parentspanid x-b3-sampled x-b3-spanid x-b3-traceid x-content-type-options x-correlation-id x-envoy-attempt-count
x-envoy-decorator-operation x-envoy-expected-rq-timeout-ms x-envoy-external-address x-envoy-internal
x-envoy-upstream-service-time x-forwarded-client-cert x-forwarded-for x-forwarded-host x-forwarded-port
x-forwarded-proto x-frame-options x-powered-by x-real-ip x-request-id x-requested-with x-xss-protection""".split()
KNOWN = [None] * 1024


def _slot(name):
    """Where `name` is in KNOWN: length, first, last and middle byte, with factors that were searched by trial."""
    return len(name) * 413 + name[0] * 197 + name[len(name) - 1] * 4 + name[len(name) >> 1] * 432 & 1023


def _fill_tables():
    n: cython.int
    if cython.compiled:
        for n in range(256):
            LOWER[n] = 0
        for n in TOKEN:
            LOWER[n] = n + 32 if 65 <= n <= 90 else n
        for n in range(1024):
            KIND[n] = 0
    for name in list(SPECIAL) + COMMON:
        slot: cython.int = _slot(name)
        if KNOWN[slot] is None:                     # a name that loses its slot is only slower
            KNOWN[slot] = name
            if cython.compiled:
                KIND[slot] = SPECIAL.get(name, 0)
        elif name in SPECIAL:
            raise AssertionError(name)              # a special name must be found here


_fill_tables()


def bad(message, status=400, details="http1.codec_error"):
    """The error for a peer that broke the protocol; `details` are Envoy's."""
    return RemoteProtocolError(message, status, details)


class Fields:
    """What one block of field lines says. Reused for every message of a connection.

    `items`: (lower-case name, value) of the fields to pass on; `length`: content-length or -1; `host`, `upgrade`,
    `expect` (lower case); `nominated`: names that Connection lists; `size`: bytes of names and values; `bare_lf`: one
    line ended in LF alone; `dropped`: fields left out because of an underscore; `trailer`: framing fields mean
    nothing and are dropped.
    """

    def __init__(self, strict: cython.bint, max_fields: cython.int, max_bytes: cython.Py_ssize_t,
                 underscores: cython.int):
        self.strict = strict
        self.max_fields = max_fields
        self.max_bytes = max_bytes
        self.underscores = underscores
        self.reset([], False, 0)

    def reset(self, items, trailer, size):
        self.items = items
        self.trailer = trailer
        self.size = size
        self.nominated = None
        self.host = self.upgrade = self.expect = None
        self.length = -1
        self.chunked = self.close = self.keep_alive = self.upgrade_listed = self.te_trailers = self.bare_lf = False
        self.count = self.tokens = self.dropped = 0

    def add(self, kind, name, value):
        """One valid field; `kind` from SPECIAL. Raises RemoteProtocolError."""
        self.count += 1
        if self.count > self.max_fields:
            if self.trailer:
                raise bad("trailers count exceeds limit", 431, "http1.too_many_trailers")
            raise bad("headers count exceeds limit", 431, "http1.too_many_headers")
        self.size += len(name) + len(value)
        if self.size > self.max_bytes:
            if self.trailer:
                raise bad("trailers size exceeds limit", 431, "http1.trailers_too_large")
            raise bad("headers size exceeds limit", 431, "http1.headers_too_large")
        if self.underscores and b"_" in name:
            if self.underscores == 1:
                raise bad("header name contains underscores", 400, "http1.unexpected_underscore")
            self.dropped += 1
        elif kind == 0:
            self.items.append((name, value))
        elif not self.trailer:
            _special(self, kind, value)
        return 0

    def add_line(self, line):
        """One line without its LF."""
        if line.endswith(b"\r"):
            line = line[:len(line) - 1]
        else:
            self.bare_lf = True
        name, colon, value = line.partition(b":")
        if not colon or not name or name.translate(None, TOKEN):
            raise bad("invalid header name")
        value = value.strip(b" \t")
        if len(value.translate(None, CONTROLS)) != len(value):
            if not self.strict:
                value = value.replace(b"\r", b"")   # Envoy leaves a bare CR out; RFC 9112 2.2 wants SP or 400
            if len(value.translate(None, CONTROLS)) != len(value):
                raise bad("header value contains invalid characters", 400, "http1.invalid_characters")
        name = name.lower()
        return self.add(SPECIAL.get(name, 0), name, value)


def _special(f, kind, value):
    """A field that says something about this connection or this message's framing; all but Host end here."""
    if kind == HOST:
        if f.host is None:
            f.host = value
        elif f.strict:                              # RFC 9112 3.2: MUST be refused
            raise bad("more than one Host")
        else:
            f.host = f.host + b"," + value
    elif kind == LENGTH:
        if f.length >= 0:
            raise bad("more than one content-length")
        f.length = parse_length(value)
        if f.length < 0:
            raise bad("invalid content-length")
    elif kind == TRANSFER:
        if f.chunked or value.lower() != b"chunked":
            raise bad("unsupported transfer encoding", 501, "http1.invalid_transfer_encoding")
        f.chunked = True
    elif kind == CONNECTION:
        _connection(f, value)
    elif kind == TE:
        for coding in value.lower().split(b","):
            if coding.partition(b";")[0].strip(b" \t") == b"trailers":
                f.te_trailers = True
    elif kind == UPGRADE:
        f.upgrade = value.lower() if f.upgrade is None else f.upgrade + b", " + value.lower()
    elif kind == EXPECT:
        f.expect = value.lower()
    return 0


def _connection(f, value):
    token: bytes
    if value == b"keep-alive":
        f.keep_alive = True
        return 0
    for token in value.lower().split(b","):
        token = token.strip(b" \t")
        f.tokens += 1
        if f.tokens >= MAX_NOMINATED:
            raise bad("too many connection options", 400, "http1.connection_header_rejected")
        if token == b"close":
            f.close = True
        elif token == b"keep-alive":
            f.keep_alive = True
        elif token == b"upgrade":
            f.upgrade_listed = True
        elif token:
            if f.nominated is None:
                f.nominated = []
            f.nominated.append(token)
    return 0


def parse_length(value):
    """b"42" -> 42; -1 when it is not a plain decimal number below 2**63. (Python's int() takes "+5" and "1_0".)"""
    n: cython.longlong = 0
    c: cython.uchar
    if len(value) == 0:
        return -1
    for c in value:
        if c < 48 or c > 57 or n > 922337203685477580 or (n == 922337203685477580 and c > 55):
            return -1
        n = n * 10 + (c - 48)
    return n


def parse_fields(f, buf, at):
    """Reads field lines of `buf` from `at` up to and including the blank line, which must be there.

    Returns the offset behind it, or -1 at a folded line (then see `unfold`). Raises RemoteProtocolError.
    """
    if not cython.compiled:
        return _parse_lines(f, buf, at)
    low: cython.uchar[64]
    base: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, buf))
    end: cython.p_uchar = base + len(buf)
    p: cython.p_uchar = base + at
    v: cython.p_uchar
    w: cython.p_uchar
    eol: cython.p_uchar
    c: cython.uchar
    k: cython.Py_ssize_t
    slot: cython.int
    plain: cython.bint
    name: bytes
    while True:
        k = 0
        c = LOWER[p[0]]
        while c != 0 and k < 64:
            low[k] = c
            k += 1
            c = LOWER[p[k]]
        if k == 0:
            if p[0] == 10:
                f.bare_lf = True
                return p + 1 - base
            if p[0] == 13 and p[1] == 10:
                return p + 2 - base
            if p[0] == 32 or p[0] == 9:
                return -1
        eol = cython.cast(cython.p_uchar, memchr(p + k, 10, end - p - k))
        if eol == cython.NULL:
            raise bad("incomplete header line")
        if eol[1] == 32 or eol[1] == 9:
            return -1
        v = p + k + 1
        w = eol - 1
        plain = k != 0 and k != 64 and p[k] == 58 and w >= v and w[0] == 13 and f.underscores == 0
        if plain:
            while v < w and (v[0] == 32 or v[0] == 9):
                v += 1
            while w > v and ((w - 1)[0] == 32 or (w - 1)[0] == 9):
                w -= 1
            plain = gmosn_bad_value(v, w - v) == 0
        if not plain:
            f.add_line(PyBytes_FromStringAndSize(cython.cast(cython.p_char, p), eol - p))
            p = eol + 1
            continue
        p = eol + 1
        slot = (k * 413 + low[0] * 197 + low[k - 1] * 4 + low[k >> 1] * 432) & 1023
        name = KNOWN[slot]
        if name is not None and len(name) == k and memcmp(cython.cast(cython.p_char, name), low, k) == 0:
            f.add(KIND[slot], name, PyBytes_FromStringAndSize(cython.cast(cython.p_char, v), w - v))
        else:
            name = PyBytes_FromStringAndSize(cython.cast(cython.p_char, low), k)
            f.add(0, name, PyBytes_FromStringAndSize(cython.cast(cython.p_char, v), w - v))


def _parse_lines(f, buf, at):
    """The same in plain Python."""
    while True:
        eol = buf.find(b"\n", at)
        if eol < 0:
            raise bad("incomplete header line")
        line = buf[at:eol]
        if line == b"" or line == b"\r":
            f.bare_lf = f.bare_lf or not line
            return eol + 1
        if line[0] == 32 or line[0] == 9:
            return -1
        if buf[eol + 1:eol + 2] == b" " or buf[eol + 1:eol + 2] == b"\t":
            return -1
        f.add_line(line)
        at = eol + 1


def unfold(block):
    """Field lines with each obs-fold replaced by one SP (RFC 9112 5.2); `block` ends with its blank line."""
    lines = []
    last: bytes = None
    for line in block.split(b"\n"):
        if line[:1] != b" " and line[:1] != b"\t":
            if last is not None:
                lines.append(last)
            last = line
            continue
        if last is None:
            raise bad("whitespace before the first header")
        if last.endswith(b"\r"):
            last = last[:len(last) - 1]
        last = last.rstrip(b" \t") + b" " + line.lstrip(b" \t")
    lines.append(last)
    return b"\n".join(lines)


def find_end(buf, at):
    """Offset behind the first blank line that follows a line end, or -1. Line ends are CRLF or LF."""
    if not cython.compiled:
        while True:
            at = buf.find(b"\n", at) + 1
            if at == 0:
                return -1
            if buf[at:at + 1] == b"\n":
                return at + 1
            if buf[at:at + 2] == b"\r\n":
                return at + 2
    base: cython.p_char = buf
    end: cython.p_char = base + len(buf)
    p: cython.p_char = base + at
    while True:
        p = cython.cast(cython.p_char, memchr(p, 10, end - p))
        if p == cython.NULL:
            return -1
        p += 1
        if p[0] == 10:
            return p + 1 - base
        if p[0] == 13 and p[1] == 10:
            return p + 2 - base
