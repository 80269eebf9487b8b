"""The three error families: ConfigError (refuse, NACK), ProtocolError (codecs), StreamError (one stream failed).

Every StreamError says who is to blame and what the client should see, so that nobody has to guess later. The map from
failure to local reply is this file. Flags are Envoy's %RESPONSE_FLAGS%, details its %RESPONSE_CODE_DETAILS%.
"""


class ConfigError(Exception):
    """A configuration that cannot be used.

    `path`: tuple of field names and list indices from the resource's root, e.g. ("filter_chains", 0, "filters");
    `message`: what is wrong, no place in it. The loader maps the path to file:line:col.
    """

    def __init__(self, message, path=()):
        super().__init__(message)
        self.message = message
        self.path = tuple(path)

    def under(self, *prefix):
        """The same error seen from further up: `raise exc.under("filters", 3)`."""
        self.path = tuple(prefix) + self.path
        return self

    def __str__(self):
        return f"{format_path(self.path)}: {self.message}" if self.path else self.message


class ConfigErrors(ConfigError):
    """Several ConfigErrors of one resource or file, in `errors`; a ConfigErrors among them adds its own."""

    def __init__(self, errors):
        self.errors = [one for error in errors for one in (error.errors if isinstance(error, ConfigErrors) else [error])]
        super().__init__("; ".join(str(e) for e in self.errors))

    def under(self, *prefix):
        for error in self.errors:
            error.under(*prefix)
        return self


def format_path(path):
    """("a", 0, "b.c") -> 'a[0]["b.c"]'."""
    out = []
    for key in path:
        if isinstance(key, int):
            out.append(f"[{key}]")
        elif set(key) & set("./ "):
            out.append(f'["{key}"]')
        else:
            out.append(f".{key}" if out else key)
    return "".join(out)


class ProtocolError(Exception):
    """Base of both codec errors."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol; the only exception that bytes from the wire may raise.

    `status`: what a server answers (400, 426, 431, 501 ...); `details`: Envoy's response code details.
    """

    def __init__(self, message, status=400, details="http1.codec_error"):
        super().__init__(message)
        self.status = status
        self.details = details


class LocalProtocolError(ProtocolError):
    """Our own side asked a codec for something that the protocol forbids: a bug in the caller."""


class Timeout(Exception):
    """A wait on a connection reached its deadline."""


class PeerGone(Exception):
    """Thrown into a greenlet that waits on one connection because the partner connection was reset."""


class ConnectionRefused(Exception):
    """A network filter does not want a connection. `reason`: short, for the access log's termination details."""

    def __init__(self, reason=""):
        super().__init__(reason)
        self.reason = reason


class StreamError(Exception):
    """One stream failed. Class attributes are defaults; `details` and `text` may be given per error.

    `source`: "downstream" | "upstream" | "local"; `flag`: Envoy's short response flag; `status`: the local reply if
    nothing was sent yet; `retry_on`: the retry_on policies that it satisfies; `text`: the local reply's body.
    """

    source = "local"
    flag = ""
    status = 500
    retry_on = frozenset()
    details = "internal_error"
    text = ""

    def __init__(self, details=None, *, text=None, status=None, flag=None):
        super().__init__(details or self.details)
        if details is not None:
            self.details = details
        if text is not None:
            self.text = text
        if status is not None:
            self.status = status
        if flag is not None:
            self.flag = flag


class RouteNotFound(StreamError):
    flag, status, details = "NR", 404, "route_not_found"


class ClusterNotFound(StreamError):
    flag, status, details = "NC", 503, "cluster_not_found"


class NoHealthyUpstream(StreamError):
    source, flag, status, details, text = "upstream", "UH", 503, "no_healthy_upstream", "no healthy upstream"


_RESET = "upstream connect error or disconnect/reset before headers. reset reason: "


class UpstreamOverflow(StreamError):
    """A circuit breaker is open. Envoy also answers `x-envoy-overloaded: true`."""

    source, flag, status, details = "upstream", "UO", 503, "upstream_reset_before_response_started{overflow}"
    text = _RESET + "overflow"


class UpstreamConnectFailure(StreamError):
    """`transport_failure`: what the socket said; for details and logs only, clients do not see it (as in Envoy 1.40)."""

    source, flag, status = "upstream", "UF", 503
    retry_on = frozenset(("5xx", "gateway-error", "connect-failure", "reset", "reset-before-request"))

    def __init__(self, reason="remote connection failure", transport_failure=""):
        detail = f"{reason}|{transport_failure}" if transport_failure else reason
        super().__init__("upstream_reset_before_response_started{%s}" % detail.replace(" ", "_"), text=_RESET + reason)
        self.transport_failure = transport_failure


class UpstreamConnectTimeout(UpstreamConnectFailure):
    def __init__(self):
        super().__init__("connection timeout")


class UpstreamReset(StreamError):
    """The upstream connection ended before its response head was complete."""

    source, flag, status = "upstream", "UC", 503
    retry_on = frozenset(("5xx", "gateway-error", "reset"))
    details = "upstream_reset_before_response_started{connection_termination}"
    text = _RESET + "connection termination"


class UpstreamProtocolError(StreamError):
    """The upstream's answer is not valid."""

    source, flag, status = "upstream", "UPE", 502
    retry_on = frozenset(("5xx", "gateway-error", "reset"))
    details = "upstream_reset_before_response_started{protocol_error}"
    text = _RESET + "protocol error"


class UpstreamTimeout(StreamError):
    """The route's timeout passed before the response was complete."""

    source, flag, status, details, text = "upstream", "UT", 504, "response_timeout", "upstream request timeout"


class UpstreamPerTryTimeout(UpstreamTimeout):
    """One attempt took too long; the route's timeout has not passed."""

    details = "upstream_per_try_timeout"
    retry_on = frozenset(("5xx", "gateway-error", "reset"))


class UpstreamPerTryIdleTimeout(UpstreamPerTryTimeout):
    """Nothing moved during one attempt for too long."""

    details = "upstream_per_try_idle_timeout"


class StreamIdleTimeout(StreamError):
    source, flag, status, details, text = "downstream", "SI", 408, "stream_idle_timeout", "stream timeout"


class RequestTimeout(StreamError):
    """HCM's request_timeout: the whole request did not arrive in time."""

    source, flag, status, details, text = "downstream", "DT", 408, "request_overall_timeout", "request timeout"


class RequestHeaderTimeout(StreamError):
    source, flag, status, details, text = "downstream", "DT", 408, "request_header_timeout", "request header timeout"


class StreamDurationTimeout(StreamError):
    """max_stream_duration passed."""

    source, flag, status, details = "local", "DT", 408, "max_duration_timeout"
    text = "downstream duration timeout"


class DownstreamReset(StreamError):
    """The client went away; there is nobody to answer."""

    source, flag, status, details = "downstream", "DC", 0, "downstream_remote_disconnect"


class DownstreamProtocolError(StreamError):
    source, flag, status, details = "downstream", "DPE", 400, "http1.codec_error"
