# hot: http1_get
"""Start lines (RFC 9112 sections 3 and 4) and the authority (RFC 3986 section 3.2).

As in http1_fields.py: a pointer loop for the canonical form, everything else is decided by the plain functions.
"""
import cython

from gmosn.codec.http1_fields import CONTROLS, TOKEN, bad

# What Envoy's parser takes without allow_custom_methods
METHODS = frozenset(b"""ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE
MSEARCH NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND
UNLINK UNLOCK UNSUBSCRIBE""".split())
FAST_METHODS = [b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH"]
TARGET_BYTES = bytes(_n for _n in range(0x21, 0x7F) if _n != 35)            # 35 = "#": a fragment is never sent
NAME_BYTES = b"-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
HOST_BYTES = NAME_BYTES + b"!$&'()*+;=%"                                   # reg-name but for the comma of a joined list
LAX_HOST_BYTES = HOST_BYTES + b",:@[]"
LITERAL_BYTES = b"0123456789abcdefABCDEF:."

# Reason phrases as Envoy sends them; any other status is "Unknown"
PHRASES = {
    100: b"Continue", 101: b"Switching Protocols", 200: b"OK", 201: b"Created", 202: b"Accepted",
    203: b"Non-Authoritative Information", 204: b"No Content", 205: b"Reset Content", 206: b"Partial Content",
    207: b"Multi-Status", 208: b"Already Reported", 226: b"IM Used", 300: b"Multiple Choices",
    301: b"Moved Permanently", 302: b"Found", 303: b"See Other", 304: b"Not Modified", 305: b"Use Proxy",
    307: b"Temporary Redirect", 308: b"Permanent Redirect", 400: b"Bad Request", 401: b"Unauthorized",
    402: b"Payment Required", 403: b"Forbidden", 404: b"Not Found", 405: b"Method Not Allowed", 406: b"Not Acceptable",
    407: b"Proxy Authentication Required", 408: b"Request Timeout", 409: b"Conflict", 410: b"Gone",
    411: b"Length Required", 412: b"Precondition Failed", 413: b"Payload Too Large", 414: b"URI Too Long",
    415: b"Unsupported Media Type", 416: b"Range Not Satisfiable", 417: b"Expectation Failed",
    421: b"Misdirected Request", 422: b"Unprocessable Entity", 423: b"Locked", 424: b"Failed Dependency",
    425: b"Too Early", 426: b"Upgrade Required", 428: b"Precondition Required", 429: b"Too Many Requests",
    431: b"Request Header Fields Too Large", 500: b"Internal Server Error", 501: b"Not Implemented",
    502: b"Bad Gateway", 503: b"Service Unavailable", 504: b"Gateway Timeout", 505: b"HTTP Version Not Supported",
    506: b"Variant Also Negotiates", 507: b"Insufficient Storage", 508: b"Loop Detected", 510: b"Not Extended",
    511: b"Network Authentication Required", 599: b"Last Unassigned Server Error Code",
}
REASONS = [PHRASES.get(_n, b"Unknown") for _n in range(1000)]


def _fill_tables():
    n: cython.int
    if cython.compiled:
        for n in range(256):
            TARGET[n] = NAME[n] = 0
        for n in TARGET_BYTES:
            TARGET[n] = 1
        for n in NAME_BYTES:
            NAME[n] = 1


_fill_tables()


def parse_request_line(head, buf, at, strict, any_method):
    """Fills method, path (or authority and scheme) and minor of `head` from the line at `at`, which must be complete.

    Returns the offset of the next line. Raises RemoteProtocolError.
    """
    if cython.compiled:
        base: cython.p_char = buf
        end: cython.p_char = base + len(buf)
        p: cython.p_char = base + at
        q: cython.p_char
        method: bytes
        for method in FAST_METHODS:
            q = p + len(method)
            if end - q < 13 or q[0] != 32 or memcmp(p, cython.cast(cython.p_char, method), len(method)) != 0:
                continue
            q += 1
            p = q
            if q[0] != 47:
                break
            while TARGET[cython.cast(cython.uchar, q[0])]:
                q += 1
            if end - q < 11 or memcmp(q, " HTTP/1.1\r\n", 11) != 0:
                break
            head.method = method
            head.path = PyBytes_FromStringAndSize(p, q - p)
            return q + 11 - base
    eol: cython.Py_ssize_t = buf.index(b"\n", at)
    line: bytes = buf[at:eol]
    _request_line(head, line[:len(line) - 1] if line.endswith(b"\r") else line, strict, any_method)
    return eol + 1


def _request_line(head, line, strict, any_method):
    parts = line.split(b" ") if strict else [part for part in line.replace(b"\t", b" ").split(b" ") if part]
    method = parts[0] if parts and line.startswith(parts[0]) else b""
    if method not in METHODS and not (any_method and method and not method.translate(None, TOKEN)):
        raise bad("invalid method")
    if len(parts) == 2 and parts[1]:
        raise bad("HTTP/0.9 is not supported", 426, "low_version")
    if len(parts) != 3:
        raise bad("invalid request line")
    target, version = parts[1], parts[2]
    if len(version) != 8 or version[:5] + version[6:7] != b"HTTP/." or not (version[5:6] + version[7:]).isdigit():
        raise bad("invalid version")
    if version == b"HTTP/1.0":
        head.minor = 0
    elif version != b"HTTP/1.1":
        raise bad("unsupported version", 426, "low_version")
    head.method = method
    if not target or target.translate(None, TARGET_BYTES):
        if b"#" in target and not target.translate(None, TARGET_BYTES + b"#"):
            raise bad("fragment in the request target", 400, "path_normalization_failed")
        raise bad("invalid request target", 400, "http1.invalid_url")
    if method == b"CONNECT":
        if not is_authority(target, True) or not target.rpartition(b":")[2].isdigit():
            raise bad("CONNECT needs host:port", 400, "http1.invalid_url")
        head.authority = target
        head.absolute = True
    elif target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        head.path = target
    else:
        _absolute_form(head, target, strict)


def _absolute_form(head, target, strict):
    scheme, found, rest = target.partition(b"://")
    scheme = scheme.lower()
    if not found or scheme not in (b"http", b"https"):
        raise bad("invalid request target", 400, "http1.invalid_url")
    cut = min(n for n in (rest.find(b"/"), rest.find(b"?"), len(rest)) if n >= 0)
    path = rest[cut:]
    if not cut or not is_authority(rest[:cut], strict):
        raise bad("invalid authority", 400, "http1.invalid_url")
    head.scheme = scheme
    head.authority = rest[:cut]
    head.path = path if path.startswith(b"/") else b"/" + path
    head.absolute = True


def parse_status_line(head, buf, at):
    """Fills status, reason and minor of `head`; otherwise like parse_request_line."""
    if cython.compiled:
        base: cython.p_char = buf
        p: cython.p_char = base + at
        left: cython.Py_ssize_t = len(buf) - at
        n: cython.Py_ssize_t
        reason: bytes
        if (left > 14 and memcmp(p, "HTTP/1.1 ", 9) == 0 and 49 <= p[9] <= 57 and 48 <= p[10] <= 57
                and 48 <= p[11] <= 57 and p[12] == 32):
            head.status = (p[9] - 48) * 100 + (p[10] - 48) * 10 + p[11] - 48
            reason = REASONS[head.status]
            n = len(reason)
            if left > n + 14 and memcmp(p + 13, cython.cast(cython.p_char, reason), n) == 0:
                p += 13 + n
                if p[0] == 13 and p[1] == 10:
                    head.reason = reason
                    return p + 2 - base
    eol: cython.Py_ssize_t = buf.index(b"\n", at)
    line: bytes = buf[at:eol]
    _status_line(head, line[:len(line) - 1] if line.endswith(b"\r") else line)
    return eol + 1


def _status_line(head, line):
    version, code, reason = line[:9], line[9:12], line[13:]
    if version == b"HTTP/1.0 ":
        head.minor = 0
    elif version != b"HTTP/1.1 ":
        raise bad("invalid status line")
    if len(code) != 3 or code.translate(None, b"0123456789") or code < b"100" or line[12:13] not in (b"", b" "):
        raise bad("invalid status code")
    if len(reason.translate(None, CONTROLS)) != len(reason):
        raise bad("invalid reason phrase")
    head.status = (code[0] - 48) * 100 + (code[1] - 48) * 10 + code[2] - 48
    head.reason = reason


def is_authority(value, strict):
    """host [":" port] of RFC 3986, not empty, without userinfo. Not `strict`: whatever Envoy lets pass."""
    if cython.compiled:
        p: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, value))
        n: cython.Py_ssize_t = len(value)
        i: cython.Py_ssize_t = 0
        while NAME[p[i]]:
            i += 1
        if i == n and n > 0:
            return True
        if 0 < i < n <= i + 6 and p[i] == 58:
            number: cython.int = 0
            i += 1
            while i < n and 48 <= p[i] <= 57:
                number = number * 10 + p[i] - 48
                i += 1
            if i == n:
                return number <= 65535 or not strict
    if not strict:
        return not value.translate(None, LAX_HOST_BYTES)
    if value.startswith(b"["):
        literal, closed, rest = value[1:].partition(b"]")
        if not closed or literal.translate(None, LITERAL_BYTES) or b":" not in literal or rest[:1] not in (b"", b":"):
            return False
        port = rest[1:]
    else:
        host, _, port = value.partition(b":")
        if not host or host.translate(None, HOST_BYTES):
            return False
    return not port.translate(None, b"0123456789") and len(port) <= 5 and (not port or int(port) <= 65535)
