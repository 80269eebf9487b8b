# hot: http1_get
"""HTTP/1 heads and chunks as bytes, each in one allocation. Names are sent in lower case, as Envoy does."""
import cython

from gmosn.codec.http1_lines import PHRASES
from gmosn.errors import LocalProtocolError

if not cython.compiled:
    from gmosn.ascii import ascii_int

START_LINES = [b"HTTP/1.1 %d %b\r\n" % (_n, PHRASES.get(_n, b"Unknown")) for _n in range(1000)]


def encode_request(head, framing, tail):
    """A request's head and `tail` (first body bytes) as one bytes object.

    `framing`: 0 nothing, 1 content-length (head.length), 2 chunked. LocalProtocolError: a line feed in a value.
    """
    extra: bytes = b""
    if head.upgrade is not None:
        extra = b"connection: upgrade\r\nupgrade: " + head.upgrade + b"\r\n"
    if head.trailers_ok:
        extra += b"te: trailers\r\n"
    return _assemble(head.method, head.path if head.path is not None else head.authority,
                     head.authority if head.authority is not None else b"", head.items,
                     head.length if framing == 1 else -1 if framing == 0 else -2, extra, tail)


def encode_response(head, framing, connection, tail):
    """A response's head and `tail`. `connection`: 0 nothing, 1 close, 2 upgrade, 3 keep-alive (to HTTP/1.0 clients)."""
    extra: bytes = b""
    if connection == 1:
        extra = b"connection: close\r\n"
    elif connection == 2:
        extra = b"connection: upgrade\r\n"
        if head.upgrade is not None:
            extra += b"upgrade: " + head.upgrade + b"\r\n"
    elif connection == 3:
        extra = b"connection: keep-alive\r\n"
    return _assemble(START_LINES[head.status], None, None, head.items,
                     head.length if framing == 1 else -1 if framing == 0 else -2, extra, tail)


def _assemble(start, target, authority, items, length, extra, tail):
    """start line + fields + framing field + `extra` lines + blank line + tail.

    `target`: of a request, else None; `length`: content-length, -1 none, -2 chunked.
    """
    t: tuple
    name: bytes
    value: bytes
    if not cython.compiled:
        parts = [start if target is None else b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (start, target, authority)]
        parts += [b"%b: %b\r\n" % t for t in items]
        if length >= 0:
            parts.append(b"content-length: %d\r\n" % length)
        elif length == -2:
            parts.append(b"transfer-encoding: chunked\r\n")
        parts += (extra, b"\r\n", tail)
        for t in items:
            if b"\n" in t[1]:
                raise LocalProtocolError(f"line feed in the value of {t[0]!r}")
        return b"".join(parts)
    n: cython.Py_ssize_t = len(start) + len(extra) + 2 + len(tail)
    digits: bytes = b""
    if target is not None:
        n += len(target) + len(authority) + 20
    for t in items:
        name = t[0]
        value = t[1]
        if memchr(cython.cast(cython.p_char, value), 10, len(value)) != cython.NULL:
            raise LocalProtocolError(f"line feed in the value of {name!r}")
        n += len(name) + len(value) + 4
    if length >= 0:
        digits = ascii_int(length)
        n += len(digits) + 18
    elif length == -2:
        n += 28
    out: bytes = PyBytes_FromStringAndSize(cython.NULL, n)
    o: cython.p_char = put(cython.cast(cython.p_char, out), start)
    if target is not None:
        o[0] = 32
        o = put(o + 1, target)
        memcpy(o, b" HTTP/1.1\r\nhost: ", 17)
        o = put(o + 17, authority)
        o[0] = 13
        o[1] = 10
        o += 2
    o = _put_fields(o, items)
    if length >= 0:
        memcpy(o, b"content-length: ", 16)
        o = put(o + 16, digits)
        o[0] = 13
        o[1] = 10
        o += 2
    elif length == -2:
        memcpy(o, b"transfer-encoding: chunked\r\n", 28)
        o += 28
    o = put(o, extra)
    o[0] = 13
    o[1] = 10
    put(o + 2, tail)
    return out


def _put_fields(o, items):
    t: tuple
    for t in items:
        o = put(o, cython.cast(bytes, t[0]))
        o[0] = 58
        o[1] = 32
        o = put(o + 2, cython.cast(bytes, t[1]))
        o[0] = 13
        o[1] = 10
        o += 2
    return o


def put(o, b):
    memcpy(o, cython.cast(cython.p_char, b), len(b))
    return o + len(b)


def encode_chunk(data):
    """One chunk around `data`, which must not be empty."""
    if not cython.compiled:
        return b"%x\r\n%b\r\n" % (len(data), data)
    n: cython.Py_ssize_t = len(data)
    digits: cython.int = 0
    left: cython.Py_ssize_t = n
    while left:
        left >>= 4
        digits += 1
    out: bytes = PyBytes_FromStringAndSize(cython.NULL, digits + n + 4)
    o: cython.p_char = out
    left = n
    i: cython.int = digits
    c: cython.int
    while i:
        i -= 1
        c = left & 15
        o[i] = c + 48 if c < 10 else c + 87
        left >>= 4
    o += digits
    o[0] = 13
    o[1] = 10
    o = put(o + 2, data)
    o[0] = 13
    o[1] = 10
    return out


def encode_last_chunk(trailers):
    """The last chunk and `trailers` (HeaderMap or None)."""
    if trailers is None:
        return b"0\r\n\r\n"
    return b"0\r\n" + encode_fields(trailers) + b"\r\n"


def encode_fields(fields):
    """Field lines without a blank line. Raises LocalProtocolError like encode_request."""
    name: bytes
    value: bytes
    parts = []
    for name, value in fields.items:
        if b"\n" in value:
            raise LocalProtocolError(f"line feed in the value of {name!r}")
        parts.append(b"%b: %b\r\n" % (name, value))
    return b"".join(parts)
