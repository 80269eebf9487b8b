# hot: http1_get
"""HTTP/1 streams: a codec and a connection become requests and responses with streaming bodies (RFC 9112).

One greenlet per busy connection; a connection that is idle for a while is parked on its watcher and has none.
"""
import cython

from gmosn.errors import LocalProtocolError, RemoteProtocolError, Timeout, UpstreamProtocolError, UpstreamReset
if not cython.compiled:
    from gmosn.clock import now_us
    from gmosn.codec.http1 import Http1Codec, encode_chunk, encode_last_chunk, encode_request, encode_response
    from gmosn.headers import RequestHead
    from gmosn.io.connection import Connection
    from gmosn.stream.api import (NO_BODY, Body, ClientConnection, ClientStream, ServerConnection, ServerStream,
                                  StreamHandler)  # noqa: F401

NONE, LENGTH, CHUNKED = 0, 1, 2                            # framing, as codec.http1 counts it
NOTHING, CLOSE, UPGRADE, KEEP_ALIVE = 0, 1, 2, 3           # the connection field of a response
READABLE, PARKED, ENDED = 0, 1, 2
JOIN_LIMIT = 16384           # up to here one joined write beats writev; from 64 KiB writev wins clearly
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HEAD, CONNECT = b"HEAD", b"CONNECT"
CRLF, LAST_CHUNK = b"\r\n", b"0\r\n\r\n"
# a body is so unusual with these that "no body" needs no content-length: 0 (RFC 9110 8.6)
NO_BODY_METHODS = frozenset((b"GET", b"HEAD", b"DELETE", b"TRACE", b"CONNECT", b"OPTIONS"))


class Http1Body(Body):
    """A message body that arrives on a connection."""

    def __init__(self, codec: Http1Codec, conn):
        self.codec = codec
        self.conn = conn

    def read(self):
        data: bytes
        if self.done:
            return b""
        while True:
            data = self.codec.next_data()
            if data is not None:
                break
            self._arm()
            self.codec.feed(self.conn.read())
        if data:
            self.received += len(data)
        else:
            self._end()
        return data

    def read_buffered(self):
        data: bytes
        if self.done:
            return b""
        data = self.codec.next_data()
        if data is not None:
            if data:
                self.received += len(data)
            else:
                self._end()
        return data

    def verbatim_source(self):
        return self.conn if type(self.conn) is Connection else None

    def verbatim_left(self):
        return 0 if self.done else self.codec.unread_length()

    def took(self, size):
        self.codec.took(size)
        self.received += size

    def wait(self):
        self._arm()
        self.conn.wait_readable()

    def _end(self):
        self.done = True
        self.trailers = self.codec.trailers

    def _arm(self):
        """Before a wait: the deadline, and the 100 Continue that the peer may be waiting for."""
        at: cython.longlong = self.deadline_us
        soon: cython.longlong
        if self.idle_us:
            soon = now_us() + self.idle_us
            if at == 0 or soon < at:
                at = soon
        self.conn.set_read_deadline(at)
        if self.wants_continue:
            self.wants_continue = False
            self.conn.write(CONTINUE)


class TunnelBody(Body):
    """Opaque bytes of an upgraded connection, until the peer half-closes."""

    def __init__(self, first: bytes, conn):
        self.first = first
        self.conn = conn

    def read(self):
        data: bytes = self.first
        if self.done:
            return b""
        if data:
            self.first = b""
        else:
            self.conn.set_read_deadline(now_us() + self.idle_us if self.idle_us else 0)
            data = self.conn.read()
        if data:
            self.received += len(data)
        else:
            self.done = True
        return data

    def read_buffered(self):
        return self.read() if self.first or self.done else None


class Http1ServerStream(ServerStream):
    """One request on a downstream HTTP/1 connection."""

    def __init__(self, owner, codec: Http1Codec, request, body):
        self.owner = owner
        self.conn = owner.conn
        self.codec = codec
        self.request = request
        self.body = body
        self.keep = not request.close

    def send_interim(self, head):
        if self.request.minor:
            self.conn.write(encode_response(head, NONE, NOTHING, b""))

    def send_headers(self, head, end):
        status: cython.int = head.status
        self.started = True
        self.pending = head
        self.bodyless = self.request.method == HEAD or status == 204 or status == 304
        if self.bodyless:
            self.framing = LENGTH if head.length >= 0 and status != 204 else NONE
        elif status == 101 or (self.request.method == CONNECT and 200 <= status < 300):
            self.framing = NONE
        elif end:
            head.length = 0
            self.framing = LENGTH
        elif head.length >= 0:
            self.framing = LENGTH
        elif self.request.minor:
            self.framing = CHUNKED
        else:                                              # HTTP/1.0: the end of the connection ends the body
            self.framing = NONE
            self.keep = False
        self.expected = head.length if self.framing == LENGTH and not self.bodyless else -1
        if end:
            self.finished = True
            self.conn.write(self._take_head(b""))

    def send_data(self, data, end):
        size: cython.Py_ssize_t = len(data)
        if self.tunnel:
            self.body_sent += size
            if size:
                self.conn.write(data)
            if end:
                self.conn.half_close()
            return
        if self.bodyless:
            data = b""
        else:
            self.body_sent += size
            if self.expected >= 0 and self.body_sent > self.expected:
                raise LocalProtocolError("more body than its content-length")
            if size > JOIN_LIMIT:
                self._send_large(data, end)
                return
            if self.framing == CHUNKED:
                if size:
                    data = encode_chunk(data)
                if end:
                    data = data + LAST_CHUNK if size else LAST_CHUNK
        if end:
            self._finish()
        if self.pending is not None:
            data = self._take_head(data)
        if data:
            self.conn.write(data)

    def _send_large(self, data, end):
        """Big pieces are not copied: head, chunk size, data and the ends leave in one writev."""
        chunks: list = []
        if self.pending is not None:
            chunks.append(self._take_head(b""))
        if self.framing == CHUNKED:
            chunks.append(b"%x\r\n" % len(data))
            chunks.append(data)
            chunks.append(CRLF + LAST_CHUNK if end else CRLF)
        else:
            chunks.append(data)
        if end:
            self._finish()
        self.conn.write_many(chunks)

    def _finish(self):
        """The response is complete; a body that is not as long as announced must not be followed by anything."""
        self.finished = True
        if self.expected >= 0 and self.body_sent != self.expected:
            self.keep = False

    def send_trailers(self, trailers):
        data: bytes = b""
        if self.framing == CHUNKED and not self.bodyless:
            data = encode_last_chunk(trailers)
        self.finished = True
        if self.pending is not None:
            data = self._take_head(data)
        if data:
            self.conn.write(data)

    def _take_head(self, tail):
        """The held-back head and `tail` in one piece."""
        out: bytes
        head = self.pending
        connection: cython.int = NOTHING
        self.pending = None
        if head.status == 101:
            connection = UPGRADE
        elif not self.keep:
            connection = CLOSE
        elif self.request.minor == 0:
            connection = KEEP_ALIVE
        out = encode_response(head, self.framing, connection, tail)
        self.head_sent = len(out) - len(tail)
        return out

    def verbatim_sink(self):
        if self.framing == LENGTH and not self.bodyless and self.pending is None and type(self.conn) is Connection:
            return self.conn
        return None

    def sent(self, size):
        self.body_sent += size
        if self.expected >= 0 and self.body_sent > self.expected:
            raise LocalProtocolError("more body than its content-length")

    def flush(self):
        if self.pending is not None:
            self.conn.write(self._take_head(b""))

    def reset(self, abort=False):
        self.keep = False
        self.pending = None
        self.conn.close(abort or (self.started and self.framing == NONE))

    def open_tunnel(self):
        self.flush()
        self.tunnel = True
        self.keep = False
        self.finished = True
        return TunnelBody(self.codec.trailing_data(), self.conn)


class Http1ServerConnection(ServerConnection):
    """A downstream HTTP/1 connection.

    `idle_timeout_us`: between requests; `headers_timeout_us`: from the first byte of a head to its end; `linger_us`:
    how long an unwanted rest of the client's bytes is read after the last answer (Envoy's delayed_close_timeout);
    0 = none, each. `reason`: why it ended: "remote", "local", "idle_timeout", "protocol_error", "timeout".
    """

    def __init__(self, conn, handler, settings, info):
        self.conn = conn
        self.handler = handler
        self.info = info
        self.codec = Http1Codec(True, settings)
        self.linger_us = 1_000_000
        self.reason = "local"

    def serve(self):
        head: object
        got: cython.int
        try:
            while True:
                head = self.codec.next_request()
                if head is None:
                    got = self._receive()
                    if got == PARKED:
                        return
                    if got == ENDED:
                        break
                elif not self._serve_one(head):
                    break
        except RemoteProtocolError as exc:
            self.reason = "protocol_error"
            self._refuse(exc)
        except Timeout as exc:
            if self.reason != "idle_timeout":
                self.reason = "timeout"
                self._refuse(exc)
        except OSError:
            self.reason = "remote"
        except BaseException:
            self.lingering = False
            self._end()
            raise
        self._end()

    def _serve_one(self, head):
        """True: the connection may serve another request."""
        stream: Http1ServerStream
        body: Body = NO_BODY
        if head.has_body:
            body = Http1Body(self.codec, self.conn)
            body.wants_continue = head.expect_continue
        stream = Http1ServerStream(self, self.codec, head, body)
        self.requests += 1
        self.busy = True
        self.handler.handle(stream)
        self.busy = False
        if not body.done:
            while body.read_buffered():                    # what is here already costs nothing
                pass
            if not body.done:
                self.lingering = not stream.tunnel
                return False
        if stream.tunnel or not stream.finished:
            return False
        if not stream.keep or self.draining:
            self.lingering = self.codec.has_buffered() or self.conn.stale
            return False
        return True

    def _refuse(self, error):
        """There is no request, but somebody may be waiting for an answer."""
        stream: Http1ServerStream = Http1ServerStream(self, self.codec, RequestHead(), NO_BODY)
        stream.keep = False
        self.lingering = True
        self.handler.refuse(stream, error)

    def _receive(self):
        """Feeds the codec once."""
        conn = self.conn
        deadline: cython.longlong
        data: bytes
        if self.codec.has_buffered():
            if self.reason != "timeout":                   # the first wait inside this head starts its clock
                self.reason = "timeout"
                conn.set_read_deadline(now_us() + self.headers_timeout_us if self.headers_timeout_us else 0)
            data = conn.read()
        else:
            if self.draining:
                return ENDED
            self.reason = "idle_timeout"
            deadline = now_us() + self.idle_timeout_us if self.idle_timeout_us else 0
            if self.ends_us and (deadline == 0 or self.ends_us < deadline):
                deadline = self.ends_us
            conn.set_read_deadline(deadline)
            if not conn.wait_request():
                conn.parked = self.serve
                return PARKED
            self.reason = "local"
            data = conn.read_now()
            if data is None:
                return READABLE
        if not data:
            self.reason = "remote"
            return ENDED
        self.codec.feed(data)
        return READABLE

    def _linger(self):
        """Reads on for a while, so that closing does not reset the answer away (RFC 9112 9.6)."""
        conn = self.conn
        if not conn.closed and self.linger_us:
            try:
                conn.half_close()
                conn.set_read_deadline(now_us() + self.linger_us)
                while conn.read():
                    pass
            except (OSError, Timeout):
                pass

    def _end(self):
        if self.lingering:
            self._linger()
        self.conn.close()
        self.handler.closed(self)

    def drain(self):
        self.draining = True
        if not self.busy and not self.codec.has_buffered():
            self.conn.close()
            self.conn.interrupt(OSError("draining"))


class Http1ClientConnection(ClientConnection):
    """An upstream HTTP/1 connection: one stream at a time."""

    def __init__(self, conn, settings):
        self.conn = conn
        self.codec = Http1Codec(False, settings)
        self.opened_us = now_us()

    def free_slots(self):
        return 1

    def open_stream(self):
        self.requests += 1
        return Http1ClientStream(self, self.codec)

    def close(self):
        self.conn.close()


class Http1ClientStream(ClientStream):
    """One request on an upstream HTTP/1 connection."""

    def __init__(self, client, codec: Http1Codec):
        self.client = client
        self.conn = client.conn
        self.codec = codec
        self.wire_in = self.conn.bytes_in
        self.wire_out = self.conn.bytes_out

    def send_headers(self, head, data, end):
        out: bytes
        tail: bytes = data
        self.head_request = head.method == HEAD
        self.connect = head.method == CONNECT
        self.wants_upgrade = head.upgrade is not None
        if head.length >= 0:
            self.framing = LENGTH
        elif head.has_body:
            self.framing = CHUNKED
            if data:
                tail = encode_chunk(data)
            if end:
                tail = tail + LAST_CHUNK
        elif head.upgrade is None and head.method not in NO_BODY_METHODS:
            head.length = 0
            self.framing = LENGTH
        else:
            self.framing = NONE
        self.sent_end = end
        if len(tail) > JOIN_LIMIT:
            out = encode_request(head, self.framing, b"")
            self.head_sent = len(out)
            self.conn.write_many([out, tail])
        else:
            out = encode_request(head, self.framing, tail)
            self.head_sent = len(out) - len(tail)
            self.conn.write(out)

    def send_data(self, data, end):
        size: cython.Py_ssize_t = len(data)
        if self.tunnel:
            if size:
                self.conn.write(data)
            if end:
                self.conn.half_close()
            return
        if self.framing == CHUNKED:
            if size > JOIN_LIMIT:
                self.sent_end = end
                self.conn.write_many([b"%x\r\n" % size, data, CRLF + LAST_CHUNK if end else CRLF])
                return
            if size:
                data = encode_chunk(data)
            if end:
                data = data + LAST_CHUNK
        self.sent_end = end
        if data:
            self.conn.write(data)

    def send_trailers(self, trailers):
        self.sent_end = True
        if self.framing == CHUNKED:
            self.conn.write(encode_last_chunk(trailers))

    def receive_headers(self):
        head: object
        data: bytes
        try:
            while True:
                head = self.codec.next_response(self.head_request, self.connect)
                if head is not None:
                    break
                data = self.conn.read()
                if not data:
                    if self.got_bytes:
                        raise UpstreamProtocolError()
                    raise UpstreamReset()
                self.got_bytes = True
                self.codec.feed(data)
        except RemoteProtocolError as exc:
            raise UpstreamProtocolError() from exc
        if head.status == 101 and not self.wants_upgrade:
            raise UpstreamProtocolError()
        if head.status == 101:
            self.body = NO_BODY                            # what follows is the tunnel's
        elif head.status >= 200:
            self.body = Http1Body(self.codec, self.conn) if head.has_body else NO_BODY
            self.reusable = not head.close and not (self.connect and head.status < 300)
        elif head.status == 101:                           # final, too: what follows is a tunnel, not a message
            self.body = NO_BODY
        return head

    def settle(self):
        """After the exchange: surplus bytes or an unfinished request make the connection useless."""
        if not self.sent_end or self.body is None or not self.body.done or self.tunnel or self.codec.has_buffered():
            self.reusable = False

    def reset(self):
        self.reusable = False
        self.conn.close()

    def open_tunnel(self):
        self.tunnel = True
        self.reusable = False
        return TunnelBody(self.codec.trailing_data(), self.conn)


if not cython.compiled:
    Http1ServerStream.pending, Http1ServerStream.framing, Http1ServerStream.bodyless = None, NONE, False
    Http1ServerStream.expected = -1
    Http1ServerConnection.idle_timeout_us = Http1ServerConnection.headers_timeout_us = 0
    Http1ServerConnection.lingering = False
    Http1ClientStream.framing, Http1ClientStream.head_request, Http1ClientStream.connect = NONE, False, False
    Http1ClientStream.wants_upgrade = False
