"""What a route does with a request: forward it, redirect it or answer it. Built per configuration, used per request."""
from gmosn.errors import ConfigError
from gmosn.filter.api import Response
from gmosn.proto_values import read_data_source
from gmosn.proxy.route import without_port
from gmosn.matching.regex import Substitution

REDIRECT_CODES = (301, 302, 303, 307, 308)   # RedirectAction.RedirectResponseCode
NOT_FOUND_CODES = (503, 404, 500)            # RouteAction.ClusterNotFoundResponseCode
DIRECT_BODY_LIMIT = 4096


def split_query(path):
    """b"/a?b#c" -> (b"/a", b"?b#c")."""
    for mark in (b"?", b"#"):
        at = path.find(mark)
        if at >= 0:
            return path[:at], path[at:]
    return path, b""


class PathRewrite:
    """prefix_rewrite or regex_rewrite; the query is kept. `matcher`: the route's RouteMatch, whose value is replaced."""

    def __init__(self, matcher, prefix=None, substitution=None):
        self.matcher = matcher
        self.prefix = prefix
        self.substitution = substitution

    def apply(self, path):
        """The new path (bytes) for a path with its query."""
        if self.substitution is not None:
            bare, query = split_query(path)
            return self.substitution.apply(bare) + query
        matcher = self.matcher
        matched = len(split_query(path)[0]) if matcher.regex is not None else len(matcher.value)
        return self.prefix + path[matched:]

    @classmethod
    def from_proto(cls, proto, matcher):
        """From a RouteAction or RedirectAction; None when neither rewrite is set."""
        if proto.HasField("regex_rewrite"):
            try:
                return cls(matcher, substitution=Substitution.from_proto(proto.regex_rewrite))
            except ConfigError as exc:
                raise exc.under("regex_rewrite")
        return cls(matcher, prefix=proto.prefix_rewrite.encode()) if proto.prefix_rewrite else None


class ForwardAction:
    """The per-request part of a RouteAction: cluster_header and the rewrites of path and authority."""

    def __init__(self, clusters=None, cluster_header=None, path=None, host=None, host_header=None, host_path=None,
                 append_host=False):
        """`path`: PathRewrite; `host`: bytes; `host_header`: header name; `host_path`: Substitution on the path.

        `notes_host`: a rewrite of the host leaves the old one in x-envoy-original-host (not so, in Envoy, that of a
        weighted cluster).
        """
        self.notes_host = True
        self.clusters = clusters
        self.cluster_header = cluster_header
        self.path = path
        self.host = host
        self.host_header = host_header
        self.host_path = host_path
        self.append_host = append_host

    def cluster_from_header(self, request):
        """The ClusterSlot that the request's header names, or None."""
        name = request.get(self.cluster_header) if self.cluster_header is not None else None
        if not name:
            return None
        name = name.decode("utf-8", "replace")
        return self.clusters.slot(name) if self.clusters.get(name) is not None else None

    def rewrite(self, request, keep_original):
        """Rewrites authority, then path, in place."""
        host = self._new_host(request)
        if host is not None:
            if self.notes_host:
                note_host(request, keep_original, self.append_host)
            request.authority = host
        if self.path is not None and request.path is not None:
            if keep_original:
                request.set(b"x-envoy-original-path", request.path)
            request.path = self.path.apply(request.path)

    def _new_host(self, request):
        if self.host is not None:
            return self.host
        if self.host_header is not None:
            return request.get(self.host_header) or None
        if self.host_path is not None and request.path is not None:
            return self.host_path.apply(split_query(request.path)[0])
        return None


def note_host(request, keep_original, append_forwarded):
    """Before the authority changes: x-envoy-original-host, x-forwarded-host."""
    host = request.authority
    if host is None:
        return
    if keep_original:
        request.set(b"x-envoy-original-host", host)
    if append_forwarded:
        old = request.get(b"x-forwarded-host")
        request.set(b"x-forwarded-host", old + b"," + host if old else host)


def request_uri(request):
    """scheme://authority/path of a request, as it is."""
    return b"".join((request.scheme or b"http", b"://", request.authority or b"", request.path or b""))


class TlsRedirect:
    """What a virtual host that requires TLS answers to a plain request."""

    def reply(self, request, info):
        location = b"https://" + (request.authority or b"") + (request.path or b"")
        return Response(301, b"", [(b"location", location)], details="direct_response")


class RedirectAction:
    """An envoy.config.route.v3.RedirectAction."""

    def __init__(self, proto, matcher):
        self.status = REDIRECT_CODES[proto.response_code]
        self.scheme = b"https" if proto.https_redirect else proto.scheme_redirect.encode()
        self.host = proto.host_redirect.encode()
        self.port = b":%d" % proto.port_redirect if proto.port_redirect else b""
        self.path = proto.path_redirect.encode()
        self.rewritten = PathRewrite.from_proto(proto, matcher)
        self.strip_query = proto.strip_query

    def reply(self, request, info):
        """The redirect as a Response."""
        return Response(self.status, b"", [(b"location", self.location(request))], details="direct_response")

    def location(self, request):
        """The new URI (bytes)."""
        scheme = self.scheme or request.scheme or b"http"
        host = self.host or self._request_host(request, scheme)
        return b"".join((scheme, b"://", host, self.port, self._path(request.path or b"")))

    def _request_host(self, request, scheme):
        """Envoy: the port goes when another is given, or when it was the default of a scheme that changes."""
        host = request.authority or b""
        bare = without_port(host)
        old = request.get(b"x-forwarded-proto") or b""
        default = {b"http": b":80", b"https": b":443"}.get(old)
        if self.port or (scheme != old and host[len(bare):] == default):
            return bare
        return host

    def _path(self, path):
        if self.path:
            if b"?" in self.path or self.strip_query:
                return self.path
            return self.path + path[path.find(b"?"):] if b"?" in path else self.path
        if self.strip_query:
            path = path.partition(b"?")[0]
        return self.rewritten.apply(path) if self.rewritten is not None else path


class DirectResponse:
    """An envoy.config.route.v3.DirectResponseAction. The body is read when the configuration is."""

    def __init__(self, status, body):
        self.status = status
        self.body = body

    def reply(self, request, info):
        """The answer as a Response; as in Envoy, 201 and 3xx point at the request's own URI."""
        headers = ()
        if self.status == 201 or 300 <= self.status < 400:
            headers = [(b"location", request_uri(request))]
        return Response(self.status, self.body, headers, details="direct_response")

    @classmethod
    def from_proto(cls, proto, limit):
        """`limit`: max_direct_response_body_size_bytes. Raises ConfigError."""
        try:
            body = read_data_source(proto.body, "file {path} does not exist") if proto.HasField("body") else b""
        except ConfigError as exc:
            raise exc.under("body")
        if len(body) > limit:
            if proto.body.WhichOneof("specifier") == "filename":
                raise ConfigError(f"file {proto.body.filename} size is {len(body)} bytes; maximum is {limit}", ("body",))
            raise ConfigError(f"response body size is {len(body)} bytes; maximum is {limit}", ("body",))
        return cls(proto.status, body)
