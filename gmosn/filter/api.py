# hot: http1_get
"""What filters are written against. Everything here may be subclassed in plain Python; any hook may block.

A filter object belongs to one configuration generation, is shared by all streams of it and is immutable after
`from_proto`; state of one stream lives in `stream.data(self)`.
"""
import cython

from gmosn.errors import StreamError

if not cython.compiled:
    from gmosn.stream.api import Body


class Response:
    """An answer made here instead of upstream: returned by `on_request` it ends the request phase (local reply)."""

    def __init__(self, status=200, body=b"", headers=(), *, details="direct_response", flag=""):
        """`body`: bytes or str; `headers`: pairs of bytes (or str); `details`, `flag`: for the access log."""
        self.status = status
        self.body = body.encode() if isinstance(body, str) else body
        self.headers = [(_bytes(name).lower(), _bytes(value)) for name, value in headers]
        self.details = details
        self.flag = flag


def _bytes(value):
    return value.encode("latin-1") if isinstance(value, str) else value


class HttpStream:
    """One HTTP stream as filters see it.

    `request`: RequestHead; `request_body`: Body, exactly one consumer (a filter that reads it must put something with
    read() in its place, e.g. BufferedBody); `response`: ResponseHead or None before on_response; `info`: StreamInfo;
    `route`: the matched Route or None; `down`: the ServerStream; `reply_mutation`: header changes for a local reply;
    `ends_us`: when max_stream_duration ends it, 0 = never;
    `internal`: the request came from inside the mesh (x-envoy-internal), known once it went upstream.
    """

    def __init__(self, down, info):
        self.down = down
        self.request = down.request
        self.request_body = down.body
        self.info = info

    def data(self, owner):
        """The dict that belongs to `owner` (a filter) on this stream."""
        if self._data is None:
            self._data = {}
        return self._data.setdefault(id(owner), {})

    def clear_route(self):
        """Forgets the matched route; it is looked up again before the router runs (for filters that change the path)."""
        self.route = None

    def per_route(self, name):
        """What was made of the most specific typed_per_filter_config of the filter with that name, or None.

        Route (or its chosen weighted cluster) before virtual host before route configuration.
        """
        if self.route is None or not self.route.per_filter:
            return None
        entry = self.route.per_filter.get(name)
        return entry.config if entry is not None else None

    def read_request_body(self, limit=1 << 20):
        """The whole request body (at most `limit` bytes, else StreamError 413), which stays readable for the upstream."""
        pieces, size = [], 0
        while True:
            data = self.request_body.read()
            if not data:
                break
            size += len(data)
            if size > limit:
                raise StreamError("request_payload_too_large", status=413, text="Payload Too Large")
            pieces.append(data)
        whole = b"".join(pieces)
        self.request_body = BufferedBody(whole, self.request_body.trailers)
        return whole


class HttpFilter:
    """Base of HTTP filters. Override only what you need: a hook that nobody overrides is never called."""

    TYPE_URL = ""                    # full proto name of the configuration
    ROUTE_TYPE_URL = ""              # full proto name of the per-route configuration, "" = none
    EXTENSION_NAME = ""              # Envoy's name of the extension, for messages, "" = the configuration's type
    name = ""                        # the filter's name in the configuration, set when the chain is built
    disabled = False                 # off unless a route switches it on; set when the chain is built

    @classmethod
    def from_proto(cls, config, context):
        """Builds the filter. `config`: the message; `context`: FactoryContext. ConfigError refuses the configuration."""
        raise NotImplementedError

    def on_request(self, stream):
        """The request's head is there; the body may still be arriving. A Response ends the request phase."""

    def on_request_body(self, stream, chunks):
        """Transforms the request body: an iterator of bytes in, one out."""
        return chunks

    def on_response(self, stream):
        """`stream.response` is about to be sent. Called in reverse order, for local replies too."""

    def on_response_body(self, stream, chunks):
        """Transforms the response body."""
        return chunks

    def on_log(self, stream):
        """Exactly once per stream, after its end."""

    def close(self):
        """The configuration generation is gone."""


class TerminalHttpFilter(HttpFilter):
    """The last filter of a chain: makes the response. The router is one."""

    def run(self, stream):
        """Sends a whole response downstream by `stream.manager.respond(...)`, or raises StreamError."""
        raise NotImplementedError


class NetworkFilter:
    """A filter of a listener's filter chain."""

    @classmethod
    def from_proto(cls, config, context):
        raise NotImplementedError

    def on_connection(self, conn, info):
        """A new connection (Connection, ConnectionInfo). May refuse it: raise ConnectionRefused."""

    def wrap(self, conn):
        """A Connection that sees or alters the bytes; `conn` itself when there is nothing to do."""
        return conn

    def close(self):
        """The configuration generation is gone."""


class TerminalFilter(NetworkFilter):
    """The last network filter: owns the connection."""

    def serve(self, conn, info):
        """Runs the connection to its end and closes it. A parked connection calls `info.done()` later instead: see
        proxy/http_connection_manager.py."""
        raise NotImplementedError


class ListenerFilter:
    """Looks at the first bytes of a connection before a filter chain is chosen; peeks only."""

    @classmethod
    def from_proto(cls, config, context):
        raise NotImplementedError

    def inspect(self, conn, info):
        raise NotImplementedError


class BufferedBody(Body):
    """A body that is already here."""

    def __init__(self, data, trailers=None):
        self.data = data
        self.trailers = trailers
        self.received = len(data)
        self.done = not data

    def read(self):
        data, self.data = self.data, b""
        self.done = True
        return data

    read_buffered = read


if not cython.compiled:
    for _name in "down request response request_body info route manager reply_mutation _data".split():
        setattr(HttpStream, _name, None)
    HttpStream.ends_us, HttpStream.internal = 0, False
