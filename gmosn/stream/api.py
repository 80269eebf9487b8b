# hot: http1_get
"""Layer 3, the shape that every protocol's streams have: a head, a body, trailers; who may block is said per method.

These are base classes, not a framework: HTTP/1 (stream/http1.py), later HTTP/2 and the RPC protocols subclass them, and
everything from the proxy layer up is written against them alone.
"""
import cython


class Body:
    """An incoming body with exactly one consumer. `trailers` is valid after read() returned b"".

    `wants_continue`: the peer waits for 100 Continue, which is sent by the first read that would block.

    `received`: body bytes so far; `deadline_us`: absolute limit of every wait (0 = none); `idle_us`: limit of one wait
    (0 = none). A class, not a generator: killing a greenlet that is blocked in a generator would lose the rest.
    """

    def read(self):
        """The next piece, at least one byte; b"" at the end. Blocks. Raises OSError, Timeout, RemoteProtocolError."""
        return b""

    def read_buffered(self):
        """Like read(), but None instead of blocking."""
        return b""

    def verbatim_source(self):
        """The Connection from which the rest of the body comes byte for byte, or None (framed, encrypted, unknown)."""
        return None

    def verbatim_left(self):
        """How many bytes will come from verbatim_source(), 0 = none or unknown."""
        return 0

    def took(self, size):
        """`size` of them were taken from the connection directly (splice)."""
        raise NotImplementedError

    def wait(self):
        """Blocks until verbatim_source() is readable; deadlines as in read()."""
        raise NotImplementedError

    def __iter__(self):
        data = self.read()
        while data:
            yield data
            data = self.read()


NO_BODY = Body()                     # shared by all messages without a body: nothing ever writes to it
NO_BODY.done = True


class StreamHandler:
    """Who is called for every new stream: the HTTP connection manager, the admin's handler, an RPC proxy."""

    def handle(self, stream):
        """Serves one stream from head to end, in the stream's own greenlet: sends a complete response or reset()s."""
        raise NotImplementedError

    def refuse(self, stream, error):
        """A request head could not be had: RemoteProtocolError (malformed) or Timeout (too slow). `stream.request` is
        empty; an answer may be sent; the connection is closed afterwards."""
        raise NotImplementedError

    def closed(self, connection):
        """The connection ended; exactly once."""


class ServerStream:
    """One request of a downstream connection and the way to answer it.

    `request`: RequestHead; `body`: Body (its `done` is True at once when there is none); `keep`: False closes the
    connection after this stream; `started`: a final head was given to send_headers; `finished`: the response is
    complete; `body_sent`, `head_sent`: bytes of the response.
    """

    def send_interim(self, head):
        """Sends a 1xx head."""
        raise NotImplementedError

    def send_headers(self, head, end):
        """Takes a ResponseHead; it may be held back until the first send_data or flush(). `end`: no body follows."""
        raise NotImplementedError

    def send_data(self, data, end):
        """Sends body bytes (b"" allowed with end). Blocks while the peer does not read: that is the backpressure."""
        raise NotImplementedError

    def send_trailers(self, trailers):
        """Ends the response with trailers (dropped when the protocol or the peer cannot have them)."""
        raise NotImplementedError

    def flush(self):
        """Puts a held-back head on the wire."""
        raise NotImplementedError

    def verbatim_sink(self):
        """The Connection to which body bytes may be written as they are, or None. The head must have left (flush)."""
        return None

    def sent(self, size):
        """`size` body bytes were written to verbatim_sink() directly (splice)."""
        raise NotImplementedError

    def reset(self, abort=False):
        """Cuts the stream so that the peer sees an incomplete message. `abort`: at once, without what the kernel still
        holds for a peer that may never read it."""
        raise NotImplementedError

    def open_tunnel(self):
        """After an upgrade or CONNECT was accepted: from now on send_data and the returned Body carry opaque bytes,
        beginning with what the codec had read ahead; send_data(b"", True) half-closes."""
        raise NotImplementedError


class ServerConnection:
    """A downstream connection that yields streams. `info`: ConnectionInfo; `busy`: a stream is being served;
    `reason`: why it ended ("remote", "local", "idle_timeout", "protocol_error", "timeout"); `wire_in_mark`,
    `wire_out_mark`: the connection's byte counts when the last stream ended (kept by the handler); `ends_us`: when the
    connection is too old to wait for another stream, 0 = never."""

    def serve(self):
        """Runs the connection to its end, or until it is parked (then a new greenlet continues later)."""
        raise NotImplementedError

    def drain(self):
        """From now on tells the peer to go: `connection: close` with the next response, GOAWAY; closes if idle."""
        raise NotImplementedError


class ClientConnection:
    """An upstream connection. `host` is an upstream.host.Host, `pool` its owner; both opaque here."""

    def free_slots(self):
        """How many more streams may be opened now."""
        raise NotImplementedError

    def open_stream(self):
        """A new ClientStream. Does not block."""
        raise NotImplementedError

    def close(self):
        """Idempotent, never raises."""
        raise NotImplementedError


class ClientStream:
    """One request to an upstream. `reusable`: the connection may serve another request once the body is done;
    `got_bytes`: any byte of an answer arrived (no silent retry then); `sent_end`: the request is complete."""

    def send_headers(self, head, data, end):
        """Sends the RequestHead and the first body bytes in one write. Blocks. Raises OSError, Timeout."""
        raise NotImplementedError

    def send_data(self, data, end):
        """More body bytes. Blocks while the upstream does not read."""
        raise NotImplementedError

    def send_trailers(self, trailers):
        """Ends the request with trailers."""
        raise NotImplementedError

    def receive_headers(self):
        """The next ResponseHead, 1xx included; `body` is set after a final one. Blocks until conn.read_deadline.

        Raises UpstreamReset (the connection ended), UpstreamProtocolError (invalid answer), OSError, Timeout.
        """
        raise NotImplementedError

    def settle(self):
        """The exchange is over: works out whether the connection is really `reusable`."""
        raise NotImplementedError

    def reset(self):
        """Gives up; the connection is not reusable."""
        raise NotImplementedError

    def open_tunnel(self):
        """After a 101 or a CONNECT's 2xx: see ServerStream.open_tunnel."""
        raise NotImplementedError


if not cython.compiled:              # compiled attributes start as 0/None: give Python the same defaults
    for _cls, _attributes in (
            (Body, dict(trailers=None, done=False, wants_continue=False, received=0, deadline_us=0, idle_us=0)),
            (ServerStream, dict(owner=None, conn=None, request=None, body=None, keep=False, started=False,
                                finished=False, tunnel=False, body_sent=0, head_sent=0)),
            (ServerConnection, dict(conn=None, handler=None, info=None, draining=False, busy=False, requests=0,
                                    reason="local", wire_in_mark=0, wire_out_mark=0, ends_us=0)),
            (ClientConnection, dict(conn=None, host=None, pool=None, requests=0, opened_us=0, idle_since=0)),
            (ClientStream, dict(client=None, conn=None, body=None, reusable=False, got_bytes=False, sent_end=False,
                                tunnel=False, head_sent=0, wire_in=0, wire_out=0))):
        for _name, _default in _attributes.items():
            setattr(_cls, _name, _default)
    NO_BODY.done = True
