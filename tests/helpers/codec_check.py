"""Drives a codec with one stream of bytes in every way that must not matter: whole, byte by byte, split at every point.

A transcript is a list of plain tuples: ("head", fields ...), ("body", bytes, trailers), ("error", status, details),
("need",) = waits for more, ("end",) = the connection ended where a message may end, ("tunnel", bytes).
"""
from gmosn.codec import http1_state
from gmosn.codec.http1 import Http1Codec, Http1Settings
from gmosn.errors import RemoteProtocolError

REQUEST_FIELDS = ("method path authority scheme upgrade length minor chunked close has_body expect_continue absolute "
                  "trailers_ok").split()
RESPONSE_FIELDS = "status reason upgrade length minor chunked close has_body".split()


def settings(**changes):
    made = Http1Settings()
    for name, value in changes.items():
        assert hasattr(made, name), name
        setattr(made, name, value)
    return made


def head_tuple(head):
    """Everything that a head says, comparable and printable."""
    fields = REQUEST_FIELDS if hasattr(head, "method") else RESPONSE_FIELDS
    return ("head", *((name, getattr(head, name)) for name in fields), ("items", tuple(head.items)))


class Driver:
    """Feeds pieces to a codec and writes down what comes out. `methods`: of the requests that responses answer."""

    def __init__(self, is_server, made_settings=None, methods=(), codec_class=Http1Codec):
        self.codec = codec_class(is_server, made_settings or settings())
        self.methods = list(methods)
        self.is_server = is_server
        self.out, self.body, self.in_body, self.over = [], [], False, False

    def feed(self, data):
        """b"" = EOF."""
        if self.over:
            return
        self.codec.feed(data)
        try:
            self._drain()
        except RemoteProtocolError as exc:
            self.out.append(("error", exc.status, exc.details))
            self.over = True

    def _next_head(self):
        if self.is_server:
            return self.codec.next_request()
        method = self.methods[0] if self.methods else b"GET"
        head = self.codec.next_response(method == b"HEAD", method == b"CONNECT")
        if head is not None and (head.status >= 200 or head.status == 101) and self.methods:
            self.methods.pop(0)
        return head

    def _drain(self):
        while True:
            if not self.in_body:
                head = self._next_head()
                if head is None:
                    if self.codec.state == http1_state.TUNNEL:
                        self.out.append(("tunnel", self.codec.trailing_data()))
                    elif self.codec.state == http1_state.CLOSED:
                        self.out.append(("end",))
                        self.over = True
                    return
                self.out.append(head_tuple(head))
                self.in_body = head.has_body
                continue
            data = self.codec.next_data()
            if data is None:
                return
            if data:
                self.body.append(data)
                continue
            assert self.codec.body_done()
            trailers = self.codec.trailers
            self.out.append(("body", b"".join(self.body), tuple(trailers.items) if trailers else None))
            self.body, self.in_body = [], False

    def finish(self):
        """The transcript; what is still open shows as ("need",); tunnel bytes are joined."""
        out, tunnel = [], None
        for entry in self.out:
            if entry[0] == "tunnel":
                tunnel = (tunnel or b"") + entry[1]
            else:
                out.append(entry)
        if tunnel is not None:
            out.append(("tunnel", tunnel))
        elif not self.over and (self.in_body or self.codec.has_buffered()):
            out.append(("need",))
        return out


def transcript(is_server, pieces, *, eof=False, made_settings=None, methods=(), codec_class=Http1Codec):
    driver = Driver(is_server, made_settings, methods, codec_class)
    for piece in pieces:
        if piece:
            driver.feed(piece)
    if eof:
        driver.feed(b"")
    return driver.finish()


def codec_check(is_server, wire, expected=None, *, trailing=b"", eof=False, made_settings=None, methods=()):
    """Asserts that every way of cutting `wire` gives the same transcript, and that it is `expected` if given.

    `trailing`: bytes of a next message that must be untouched by it. Returns the transcript of the whole.
    """
    options = dict(eof=eof, made_settings=made_settings, methods=methods)
    whole = transcript(is_server, [wire], **options)
    if expected is not None:
        assert whole == expected
    single = transcript(is_server, [wire[i:i + 1] for i in range(len(wire))], **options)
    assert single == whole, "byte by byte"
    step = max(1, len(wire) // 400)
    for cut in range(1, len(wire), step):
        assert transcript(is_server, [wire[:cut], wire[cut:]], **options) == whole, f"cut at {cut}"
    if trailing:
        assert transcript(is_server, [wire + trailing], **options)[:len(whole)] == whole, "with trailing bytes"
    return whole
