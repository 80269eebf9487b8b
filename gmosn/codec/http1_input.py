# hot: http1_get
"""The receiving side of an HTTP/1 connection below its heads: buffer, state, bodies, trailers (RFC 9112, 6 and 7)."""
import cython

from gmosn.codec import http1_state
from gmosn.codec.http1_fields import bad, unfold

if not cython.compiled:
    from gmosn.codec.http1_fields import Fields, find_end, parse_fields
    from gmosn.headers import HeaderMap

HEAD, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILERS, UNTIL_CLOSE, TUNNEL, CLOSED, BROKEN = (
    http1_state.HEAD, http1_state.LENGTH, http1_state.CHUNK_SIZE, http1_state.CHUNK_DATA, http1_state.CHUNK_END,
    http1_state.TRAILERS, http1_state.UNTIL_CLOSE, http1_state.TUNNEL, http1_state.CLOSED, http1_state.BROKEN)
MAX_CHUNK_LINE = 4096                 # size and extensions of one chunk
MAX_CHUNK_EXCESS = 16384              # extensions of a whole body that carry no data (Go's limit for the same attack)
# RFC 9110 6.5.1: fields that mean something before the content are no trailers
NO_TRAILERS = frozenset(b"""age authorization cache-control content-encoding content-range content-type cookie date
expires if-match if-modified-since if-none-match if-range if-unmodified-since location max-forwards pragma
proxy-authenticate proxy-authorization range retry-after set-cookie trailer vary warning www-authenticate""".split())


class Http1Settings:
    """Limits and choices of a codec.

    `max_head_bytes`: start line's target, names and values; `max_fields`: lines; `strict`: the RFC's MUSTs where Envoy
    is laxer; `accept_http_10`: else 426; `default_host`: for HTTP/1.0 without Host; `enable_trailers`: else read and
    dropped; `allow_chunked_length`: content-length beside chunked is dropped instead of refused; `allow_any_method`:
    else Envoy's list; `underscores`: in names: 0 allowed, 1 request refused, 2 field dropped.
    """

    def __init__(self):
        self.max_head_bytes = 60 * 1024
        self.max_fields = 100
        self.strict = True
        self.allow_absolute_url = True
        self.accept_http_10 = self.enable_trailers = self.allow_chunked_length = self.allow_any_method = False
        self.default_host = None
        self.underscores = 0


class Http1Input:
    """What both directions share. See Http1Codec."""

    def __init__(self, is_server: cython.bint, settings: Http1Settings):
        self.is_server = is_server
        self.settings = settings
        self.buf = b""
        self.pos = self.scanned = self.head_bytes = 0
        self.eof = False
        self.state = HEAD
        self.left = self.excess = self.dropped_underscores = 0
        self.trailers = None
        self.fields = Fields(settings.strict, settings.max_fields, settings.max_head_bytes, settings.underscores)

    def __repr__(self):
        return (f"<Http1Codec {'server' if self.is_server else 'client'} {http1_state.NAMES[self.state]} "
                f"{len(self.buf) - self.pos} bytes buffered{', eof' if self.eof else ''}>")

    def feed(self, data):
        """Received bytes; b"" = the peer closed its side."""
        if not data:
            self.eof = True
        elif self.pos == len(self.buf):
            self.buf = data
            self.pos = self.scanned = 0
        else:
            self.buf = self.buf[self.pos:] + data
            self.scanned = self.scanned - self.pos if self.scanned > self.pos else 0
            self.pos = 0

    def has_buffered(self):
        """Bytes are here that no message has used yet."""
        return self.pos < len(self.buf)

    def body_done(self):
        """The current message is complete: next_data() would return b""."""
        return self.state == HEAD or self.state == TUNNEL or self.state == CLOSED

    def _check_size(self, raw: cython.Py_ssize_t):
        """Bounds the bytes of a head as they are on the wire, with its separators and white space."""
        if raw > self.settings.max_head_bytes + 8 * self.settings.max_fields + 64:
            raise bad("headers size exceeds limit", 431, "http1.headers_too_large")

    def _read_fields(self, at):
        """Field lines from `at` into self.fields (which was reset); returns the offset behind the blank line."""
        f: Fields = self.fields
        size: cython.Py_ssize_t = f.size
        end: cython.Py_ssize_t = parse_fields(f, self.buf, at)
        block: bytes
        if end < 0:
            end = find_end(self.buf, at)
            block = unfold(self.buf[at:end])
            f.items.clear()
            f.reset(f.items, f.trailer, size)
            parse_fields(f, block, 0)
        self._check_size(end - self.pos)
        self.dropped_underscores += f.dropped
        return end

    def next_data(self):
        """A piece of the current body, b"" at its end, None: feed more."""
        have: cython.Py_ssize_t = len(self.buf) - self.pos
        out: bytes
        if self.state == LENGTH or self.state == UNTIL_CLOSE:
            if have == 0:
                if not self.eof:
                    return None
                if self.state == LENGTH:
                    self.state = BROKEN
                    raise bad("the connection ended inside a body")
                self.state = CLOSED
                return b""
            if self.state == LENGTH:
                if have > self.left:
                    have = self.left
                self.left -= have
                if self.left == 0:
                    self.state = HEAD
            out = self.buf if have == len(self.buf) else self.buf[self.pos:self.pos + have]
            self.pos += have
            return out
        if self.state == HEAD or self.state == TUNNEL or self.state == CLOSED:
            return b""
        return self._chunked()

    def unread_length(self):
        """Bytes of a content-length body that are still on the wire, when nothing is buffered; else 0."""
        return self.left if self.state == LENGTH and self.pos == len(self.buf) else 0

    def took(self, size):
        """`size` of the unread_length() bytes went another way (splice)."""
        self.left -= size
        if self.left == 0:
            self.state = HEAD

    def _chunked(self):
        """Joins what is here of the chunked body: many tiny chunks must not become many tiny writes."""
        have: cython.Py_ssize_t
        buf: bytes = self.buf
        out: bytes = None
        piece: bytes
        more: list = None
        while True:
            have = len(buf) - self.pos
            if self.state == CHUNK_DATA:
                if have == 0:
                    break
                if have > self.left:
                    have = self.left
                piece = buf if have == len(buf) else buf[self.pos:self.pos + have]
                self.pos += have
                self.left -= have
                if self.left == 0:
                    self.state = CHUNK_END
                if out is None:
                    out = piece
                elif more is None:
                    more = [out, piece]
                else:
                    more.append(piece)
            elif self.state == CHUNK_END:
                if have == 0 or (have == 1 and buf[self.pos] == 13):
                    break
                if buf[self.pos] == 13 and buf[self.pos + 1] == 10:
                    self.pos += 2
                elif buf[self.pos] == 10 and not self.settings.strict:
                    self.pos += 1
                else:
                    self.state = BROKEN
                    raise bad("chunk data not followed by CRLF")
                self.state = CHUNK_SIZE
            elif self.state == CHUNK_SIZE:
                if not self._chunk_size():
                    break
            elif self.state != TRAILERS or not self._read_trailers():
                break
        if more is not None:
            return b"".join(more)
        if out is not None:
            return out
        if self.state == HEAD:
            return b""
        if self.state == BROKEN:
            raise bad("the connection is broken")
        if self.eof:
            self.state = BROKEN
            raise bad("the connection ended inside a body")
        return None

    def _chunk_size(self):
        """Reads one chunk-size line; False when it is not complete."""
        buf: bytes = self.buf
        n: cython.Py_ssize_t = len(buf)
        i: cython.Py_ssize_t = self.pos
        c: cython.int
        size: cython.longlong = 0
        while i < n:
            c = buf[i]
            if 48 <= c <= 57:
                c -= 48
            elif 97 <= c <= 102:
                c -= 87
            elif 65 <= c <= 70:
                c -= 55
            else:
                break
            if size > 0x7FFFFFFFFFFFFFF:            # the next digit would pass 2**63
                self.state = BROKEN
                raise bad("chunk size too large")
            size = size * 16 + c
            i += 1
        if i < n and i == self.pos:
            self.state = BROKEN
            raise bad("invalid chunk size")
        if i + 1 < n and buf[i] == 13 and buf[i + 1] == 10:
            i += 2
        else:
            eol: cython.Py_ssize_t = buf.find(b"\n", i)
            if eol < 0 and n - self.pos <= MAX_CHUNK_LINE:
                return False
            if eol < 0 or eol - self.pos > MAX_CHUNK_LINE or not self._chunk_line(buf[i:eol]):
                self.state = BROKEN
                raise bad("invalid chunk-size line")
            self.excess += eol - i
            i = eol + 1
        self.excess = self.excess - 16 - size if self.excess > 16 + size else 0
        if self.excess > MAX_CHUNK_EXCESS:
            self.state = BROKEN
            raise bad("too many chunk extensions")
        self.pos = i
        self.left = size
        self.state = CHUNK_DATA if size else TRAILERS
        return True

    def _chunk_line(self, line):
        """Whether what follows a chunk size is well formed: BWS [";" ...] CR. Extensions are ignored."""
        if not line.endswith(b"\r"):
            return False
        rest: bytes = line[:len(line) - 1].lstrip(b" \t")
        if not self.settings.strict:
            return b"\r" not in rest
        if rest and not rest.startswith(b";"):
            return False
        return all([c >= 32 and c != 127 or c == 9 for c in rest])

    def _read_trailers(self):
        """Reads the trailer section; False when it is not complete."""
        buf: bytes = self.buf
        at: cython.Py_ssize_t = self.pos
        n: cython.Py_ssize_t = len(buf)
        f: Fields = self.fields
        items: list = []
        self.trailers = None
        if at == n or (n - at == 1 and buf[at] == 13):
            return False
        if buf[at] == 13 and buf[at + 1] == 10:
            self.pos = at + 2
            self.state = HEAD
            return True
        if buf[at] != 10 and find_end(buf, at if self.scanned < at else self.scanned) < 0:
            if n - at > self.settings.max_head_bytes + 8 * self.settings.max_fields + 64:
                self.state = BROKEN
                raise bad("trailers size exceeds limit", 431, "http1.trailers_too_large")
            self.scanned = n - 3 if n - 3 > at else at
            return False
        self.state = BROKEN
        f.reset(items, True, 0)
        at = self._read_fields(at)
        if f.bare_lf and self.settings.strict:
            raise bad("bare LF in trailers")
        self.pos = self.scanned = at
        if self.settings.enable_trailers:
            items = [t for t in items if t[0] not in NO_TRAILERS]
            if items:
                self.trailers = HeaderMap()
                self.trailers.items = items
        self.state = HEAD
        return True

    def trailing_data(self):
        """Takes what was read beyond the last head: the connection is a tunnel from now on."""
        rest: bytes = self.buf[self.pos:]
        self.buf = b""
        self.pos = self.scanned = 0
        if self.state == HEAD:
            self.state = TUNNEL
        return rest
