# hot: http1_get
"""Heads of messages: an ordered list of (lower-case name, value) pairs of bytes, plus what every protocol keeps apart.

`host`/`:authority`, `content-length` and the pseudo headers are attributes, never list entries, so that no layer
searches the list for framing; `get`, `set` and `remove` accept their names all the same. Hop-by-hop fields
(connection, keep-alive, transfer-encoding ...) are consumed by the codec and never in the list.
"""
import cython

if not cython.compiled:
    from gmosn.ascii import ascii_int


class HeaderMap:
    """Ordered fields. Names are given in lower case; iteration yields (name, value) of the list's entries only."""

    def __init__(self):
        self.items = []

    def get(self, name):
        """The first value of that name, or None."""
        t: tuple
        key: bytes                                  # typed: an inline comparison instead of a call, 20 ns per field
        if len(name) == 0 or name[0] != 58:         # ":": a pseudo header is never in the list
            for t in self.items:
                key = t[0]
                if key == name:
                    return t[1]
        return self._special(name)

    def get_all(self, name):
        """Every value of that name, in order."""
        special = self._special(name)
        if special is not None:
            return [special]
        return [t[1] for t in self.items if t[0] == name]

    def add(self, name, value):
        """Appends a field; a name that is an attribute (host, content-length, :path ...) is set."""
        if not self._set_special(name, value):
            self.items.append((name, value))

    def set(self, name, value):
        """Replaces the first field of that name in place and drops the others; appends when there is none."""
        i: cython.Py_ssize_t
        n: cython.Py_ssize_t
        t: tuple
        items: list = self.items
        if self._set_special(name, value):
            return
        n = len(items)
        for i in range(n):
            t = items[i]
            if t[0] == name:
                items[i] = (name, value)
                if n - i > 1:
                    items[i + 1:] = [u for u in items[i + 1:] if u[0] != name]
                return
        items.append((name, value))

    def remove(self, name):
        """Removes every field of that name."""
        i: cython.Py_ssize_t = 0
        t: tuple
        items: list = self.items
        while i < len(items):
            t = items[i]
            if t[0] == name:
                del items[i]
            else:
                i += 1
        self._set_special(name, None)

    def _special(self, name):
        return None

    def _set_special(self, name, value):
        """True when `name` is kept as an attribute (which is then set; None removes)."""
        return False

    def __iter__(self):
        return iter(self.items)

    def __len__(self):
        return len(self.items)

    def __contains__(self, name):
        return self.get(name) is not None

    def __repr__(self):
        return f"<{type(self).__name__} {self.items!r}>"


class RequestHead(HeaderMap):
    """A request's head.

    method, path (the request target's origin form; None for CONNECT), authority (Host), scheme (b"http"), protocol
    (:protocol of an extended CONNECT or None), upgrade (lower-case value of a wanted Upgrade, else None), length
    (content-length, -1 = not given), minor (HTTP/1 minor version), chunked, close (the connection ends after this),
    has_body, expect_continue, absolute (came in absolute form), trailers_ok (TE: trailers), streaming (body
    length unknown).
    """

    def __init__(self):
        self.items = []
        self.length = -1
        self.minor = 1

    def _special(self, name):
        if len(name) != 0 and name[0] == 58:        # ":"
            if name == b":path":
                return self.path
            if name == b":method":
                return self.method
            if name == b":authority":
                return self.authority
            if name == b":scheme":
                return self.scheme
            return self.protocol if name == b":protocol" else None
        if name == b"content-length":
            return ascii_int(self.length) if self.length >= 0 else None
        if name == b"host":
            return self.authority
        if name == b"upgrade":
            return self.upgrade
        if name == b"transfer-encoding":
            return b"chunked" if self.chunked else None
        return None

    def _set_special(self, name, value):
        size: cython.Py_ssize_t = len(name)
        if size == 4 or size == 10 or size == 5 or size == 7 or size == 14:
            if name == b"host" or name == b":authority":
                self.authority = value
                return True
            if name == b":path":
                self.path = value
                return True
            if name == b":method":
                self.method = value
                return True
            if name == b":scheme":
                self.scheme = value
                return True
            if name == b"content-length":
                self.length = int(value) if value is not None else -1
                return True
        return False

    def __repr__(self):
        return f"<RequestHead {self.method!r} {self.authority!r} {self.path!r} {self.items!r}>"


class ResponseHead(HeaderMap):
    """A response's head: status (int), reason (bytes or None), length (content-length, -1 = not given), upgrade (of a
    101, lower case), minor, chunked, close, has_body."""

    def __init__(self):
        self.items = []
        self.length = -1
        self.minor = 1

    def _special(self, name):
        if name == b"content-length":
            return ascii_int(self.length) if self.length >= 0 else None
        if name == b":status":
            return ascii_int(self.status)
        if name == b"transfer-encoding":
            return b"chunked" if self.chunked else None
        if name == b"upgrade":
            return self.upgrade
        return None

    def _set_special(self, name, value):
        size: cython.Py_ssize_t = len(name)
        if size == 7 and name == b":status":
            self.status = int(value)
            return True
        if size == 14 and name == b"content-length":
            self.length = int(value) if value is not None else -1
            return True
        return False

    def __repr__(self):
        return f"<ResponseHead {self.status} {self.items!r}>"


if not cython.compiled:              # compiled attributes start as 0/None: give Python the same defaults
    RequestHead.method = RequestHead.path = RequestHead.authority = RequestHead.scheme = RequestHead.protocol = None
    RequestHead.upgrade = ResponseHead.upgrade = ResponseHead.reason = None
    for _name in ("chunked", "close", "has_body", "expect_continue", "absolute", "trailers_ok", "streaming"):
        setattr(RequestHead, _name, False)
    ResponseHead.chunked = ResponseHead.close = ResponseHead.has_body = False
    ResponseHead.status = 0
