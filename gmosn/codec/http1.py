# hot: http1_get
"""HTTP/1 without I/O (RFC 9112): bytes in by `feed`, heads and pieces of bodies out; encoders for the other direction.

One Http1Codec is the receiving side of one connection. Its states and their order are in http1_state.py. Only
RemoteProtocolError comes from received bytes; the codec is BROKEN after it. LocalProtocolError is the caller's bug.
"""
import cython

from gmosn.codec import http1_input, http1_state
from gmosn.codec.http1_encode import (  # noqa: F401  one place to import from
    encode_chunk, encode_fields, encode_last_chunk, encode_request, encode_response)
from gmosn.codec.http1_fields import PROTECTED, TOKEN, bad
from gmosn.errors import LocalProtocolError

if not cython.compiled:
    from gmosn.codec.http1_fields import Fields, find_end
    from gmosn.codec.http1_input import Http1Input
    from gmosn.codec.http1_lines import is_authority, parse_request_line, parse_status_line
    from gmosn.headers import RequestHead, ResponseHead

HEAD, LENGTH, CHUNK_SIZE, UNTIL_CLOSE, TUNNEL, CLOSED, BROKEN = (
    http1_state.HEAD, http1_state.LENGTH, http1_state.CHUNK_SIZE, http1_state.UNTIL_CLOSE, http1_state.TUNNEL,
    http1_state.CLOSED, http1_state.BROKEN)
HTTP = b"http"
MAX_BLANK = 65536                     # blank lines before a request
globals()["Http1Settings"] = http1_input.Http1Settings            # a cimported class is no attribute of this module


class Http1Codec(Http1Input):
    """The receiving side: requests when `is_server`, else responses.

    `head_bytes`: wire size of the last head; `trailers`: HeaderMap or None, valid when next_data() returned b"";
    `dropped_underscores` counts up.
    """

    def next_request(self):
        """The next RequestHead, or None: feed more, or nothing more will come (`eof`, CONNECT)."""
        head: RequestHead
        at: cython.Py_ssize_t
        size: cython.Py_ssize_t
        if self._find_head():
            head = RequestHead() if not cython.compiled else RequestHead.__new__(RequestHead)
            head.items = []
            head.length = -1
            head.minor = 1
            head.scheme = HTTP
            at = parse_request_line(head, self.buf, self.pos, self.settings.strict, self.settings.allow_any_method)
            self.fields.reset(head.items, False, len(head.path if head.path is not None else head.authority))
            at = self._read_fields(at)
            size = at - self.pos
            self.pos = self.scanned = at
            self._finish_request(head, size)
            return head
        return None

    def next_response(self, head_request=False, connect=False):
        """The next ResponseHead (1xx too), or None: feed more, or the connection ended between messages (`eof`).

        `head_request`, `connect`: the answered request's method was HEAD, CONNECT.
        """
        head: ResponseHead
        at: cython.Py_ssize_t
        if self._find_head():
            head = ResponseHead() if not cython.compiled else ResponseHead.__new__(ResponseHead)
            head.items = []
            head.length = -1
            head.minor = 1
            at = parse_status_line(head, self.buf, self.pos)
            self.fields.reset(head.items, False, 0)
            at = self._read_fields(at)
            self.head_bytes = at - self.pos
            self.pos = self.scanned = at
            self._finish_response(head, head_request, connect)
            return head
        return None

    def _find_head(self):
        """True: a head is complete at `pos`, and the state is BROKEN until its parser says otherwise."""
        buf: bytes = self.buf
        n: cython.Py_ssize_t = len(buf)
        at: cython.Py_ssize_t = self.pos
        if self.state != HEAD:
            if self.state == BROKEN:
                raise bad("the connection is broken")
            if self.state != TUNNEL and self.state != CLOSED:
                raise LocalProtocolError("the body was not read to its end")
            return False
        if self.is_server:                          # RFC 9112 2.2: empty lines before a request are ignored
            while at < n and (buf[at] == 10 or (buf[at] == 13 and at + 1 < n and buf[at + 1] == 10)):
                at += 1
            self.excess += at - self.pos
            self.pos = at
        if at == n:
            if self.eof:
                self.state = CLOSED
                return False
            if self.excess <= MAX_BLANK:
                return False
        self.state = BROKEN
        if self.excess > MAX_BLANK:
            raise bad("too many empty lines")
        if n - at > 4 and buf[n - 1] == 10 and buf[n - 2] == 13 and buf[n - 3] == 10 and buf[n - 4] == 13:
            return True
        if find_end(buf, at if self.scanned < at else self.scanned) >= 0:
            return True
        self.scanned = n - 3 if n - 3 > at else at
        self._check_size(n - at)
        if self.eof:
            raise bad("the connection ended inside a head")
        if buf[at] != 13 and buf[at] not in TOKEN:  # TLS, or other protocols that never send an empty line
            raise bad("invalid start line")
        self.state = HEAD
        return False

    def _finish_request(self, head, size):
        """What the fields mean for the request as a whole; sets the state."""
        f: Fields = self.fields
        settings: Http1Settings = self.settings
        connect: cython.bint = head.path is None
        self.head_bytes = size
        self.excess = 0
        if f.chunked and f.length >= 0:
            if not settings.allow_chunked_length:
                raise bad("both content-length and transfer-encoding", 400,
                          "http1.content_length_and_chunked_not_allowed")
            f.length = -1
        if connect and (f.chunked or f.length > 0):
            raise bad("CONNECT with a body", 501 if f.chunked else 400,
                      "http1.transfer_encoding_not_allowed" if f.chunked else "http1.content_length_not_allowed")
        if head.minor == 0:
            if not settings.accept_http_10:
                raise bad("HTTP/1.0 is not enabled", 426, "low_version")
            if f.chunked:                           # RFC 9112 6.1: the framing is faulty
                raise bad("transfer-encoding in HTTP/1.0", 400, "http1.transfer_encoding_not_allowed")
        if head.absolute and not connect and not settings.allow_absolute_url:
            raise bad("absolute-form is not enabled", 404, "absolute_path_rejected")
        if f.host is None:
            if head.minor == 0 and settings.default_host and not head.absolute:
                head.authority = settings.default_host
            elif not head.absolute or (settings.strict and head.minor == 1):
                raise bad("no Host", 400, "missing_host_header")
        elif not is_authority(f.host, settings.strict):
            raise bad("invalid Host", 400, "http.invalid.authority")
        elif not head.absolute:
            head.authority = f.host
        head.close = f.close or (head.minor == 0 and not f.keep_alive) or connect
        head.trailers_ok = f.te_trailers
        if f.upgrade_listed or f.nominated is not None or f.expect is not None:
            _hop_by_hop(f, head)
        head.chunked = head.streaming = f.chunked
        if f.chunked:
            head.has_body = True
            self.state = CHUNK_SIZE
        elif f.length > 0:
            head.has_body = True
            self.left = f.length
            self.state = LENGTH
        else:
            self.state = TUNNEL if connect else HEAD
        head.length = -1 if connect else f.length
        head.expect_continue = head.has_body and head.minor == 1 and f.expect == b"100-continue"
        return 0

    def _finish_response(self, head, head_request, connect):
        f: Fields = self.fields
        status: cython.int = head.status
        bare: cython.bint = status < 200 or status == 204
        self.excess = 0
        if f.chunked and f.length >= 0:
            if not self.settings.allow_chunked_length:
                raise bad("both content-length and transfer-encoding", 400,
                          "http1.content_length_and_chunked_not_allowed")
            f.length = -1
        if f.chunked and head.minor == 0 and self.settings.strict:
            raise bad("transfer-encoding in HTTP/1.0", 400, "http1.transfer_encoding_not_allowed")
        if connect and 200 <= status < 300:         # RFC 9112 6.3: both are ignored
            f.chunked = False
            f.length = -1
        elif bare:
            if f.chunked:
                raise bad("transfer-encoding without a body", 400, "http1.transfer_encoding_not_allowed")
            if f.length > 0:
                raise bad("content-length without a body", 400, "http1.content_length_not_allowed")
            f.length = -1
        head.chunked = f.chunked
        head.length = f.length
        head.close = f.close or (head.minor == 0 and not f.keep_alive)
        if f.nominated is not None:
            _drop_nominated(f.nominated, head.items)
        if status == 101:
            head.upgrade = f.upgrade
            self.state = TUNNEL
        elif connect and 200 <= status < 300:
            self.state = TUNNEL
        elif bare or head_request or status == 304 or f.length == 0:
            self.state = HEAD
        else:
            head.has_body = True
            if f.chunked:
                self.state = CHUNK_SIZE
            elif f.length > 0:
                self.left = f.length
                self.state = LENGTH
            else:
                head.close = True
                self.state = UNTIL_CLOSE
        return 0

def _hop_by_hop(f: Fields, head: RequestHead):
    """Upgrade and the names that Connection lists."""
    if f.nominated is not None:
        for name in f.nominated:
            if name in PROTECTED:                   # a client must not strip what the proxy relies on
                raise bad("forbidden connection option", 400, "http1.connection_header_rejected")
        _drop_nominated(f.nominated, head.items)
    if f.upgrade_listed and f.upgrade and head.minor == 1 and head.path is not None:
        if f.upgrade == b"h2c":                     # never passed on, as in Envoy
            _drop_nominated([b"http2-settings"], head.items)
        else:
            head.upgrade = f.upgrade


def _drop_nominated(names: list, items: list):
    items[:] = [t for t in items if t[0] not in names]
