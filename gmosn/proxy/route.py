# hot: http1_routes
"""Finds the route of a request: virtual host by name, then the first route of it that matches. Immutable at run time.

Virtual hosts are found by dictionaries: one look-up for an exact name, one per distinct length of a wildcard.
Routes that match by prefix or whole path live in a radix tree, so that their number hardly matters; "the first that
matches wins" becomes "the lowest index among the matches of the tree and of the few routes that must be tried in turn".
"""
import os

import cython

if not cython.compiled:
    from gmosn.matching.matchers import match_all

PREFIX, PATH, REGEX, SEPARATED_PREFIX, CONNECT = range(5)
APPEND, ADD_IF_ABSENT, OVERWRITE_OR_ADD, OVERWRITE_IF_EXISTS = range(4)
TLS_NONE, TLS_EXTERNAL_ONLY, TLS_ALL = range(3)


class HeaderOp:
    """One header to add. `value` is constant, or None with a `formatter`; `action`: APPEND, ADD_IF_ABSENT, ..."""

    def __init__(self, name, value, formatter, action, keep_empty):
        self.name = name
        self.value = value
        self.formatter = formatter
        self.action = action
        self.keep_empty = keep_empty


class HeaderMutation:
    """Header changes of one level (route, virtual host, route configuration) and, in `then`, of the levels after it."""

    def __init__(self, remove, append, then=None):
        """`remove`: names; `append`: HeaderOps; `then`: HeaderMutation or None."""
        self.remove = remove
        self.append = [op for op in append if op.formatter is not None or op.value or op.keep_empty]
        self.then = then
        self.constant = all(op.formatter is None and op.action == APPEND for op in self.append)

    def apply(self, headers, info):
        """Changes `headers` in place. Values with operators see the headers as they are after this level's removals."""
        level: HeaderMutation = self
        while level is not None:
            level._apply_one(headers, info)
            level = level.then

    def _apply_one(self, headers, info):
        op: HeaderOp
        name: bytes
        value: bytes
        late: list
        for name in self.remove:
            headers.remove(name)
        if self.constant:
            for op in self.append:
                headers.add(op.name, op.value)
            return
        late, overwrites = [], []
        for op in self.append:
            value = op.value if op.formatter is None else op.formatter.format(info)
            if not value and not op.keep_empty:
                continue
            if op.action == APPEND:
                late.append((op.name, value))
            elif op.action == ADD_IF_ABSENT:
                if headers.get(op.name) is None:
                    late.append((op.name, value))
            elif op.action == OVERWRITE_OR_ADD or headers.get(op.name) is not None:
                overwrites.append((op.name, value))
        for name, value in overwrites:
            headers.set(name, value)
        for name, value in late:
            headers.add(name, value)


class QueryMatcher:
    """A condition on the first query parameter of that name, compared as it is on the wire (not decoded)."""

    def __init__(self, name, string=None, invert=False):
        """`string`: StringMatcher, None = the parameter is there (`invert`: is not there)."""
        self.name = name
        self.string = string
        self.invert = invert

    def match(self, path):
        found: bytes = _parameter(path, self.name)
        if self.string is None:
            return (found is not None) != self.invert
        return found is not None and self.string.match(found)


def _parameter(path, name):
    """The raw value of a query parameter, b"" when it has no "=", None when it is not there."""
    _, mark, query = path.partition(b"?")
    if mark:
        for pair in query.partition(b"#")[0].split(b"&"):
            key, _, value = pair.partition(b"=")
            if key == name:
                return value
    return None


class RouteMatch:
    """When a route applies. `kind`: PREFIX, PATH, REGEX, SEPARATED_PREFIX with `value` (bytes) or `regex`; CONNECT."""

    def __init__(self, kind, value=b"", regex=None, case_sensitive=True, headers=(), queries=(), grpc=False,
                 numerator=0, denominator=0):
        """`numerator` of `denominator` requests match (`denominator` 0: all)."""
        self.kind = kind
        self.value = value if case_sensitive else value.lower()
        self.regex = regex
        self.case_sensitive = case_sensitive
        self.headers = list(headers)
        self.queries = list(queries)
        self.grpc = grpc
        self.numerator = numerator
        self.denominator = denominator
        self.has_conditions = bool(self.headers or self.queries or grpc or denominator)

    def conditions(self, request, random):
        """True when everything but the path matches. `random`: a non-negative number, the same for all routes."""
        query: QueryMatcher
        content_type: bytes
        if self.denominator and random % self.denominator >= self.numerator:
            return False
        if self.grpc:
            content_type = request.get(b"content-type")
            if content_type is None or not (content_type == b"application/grpc"
                                            or content_type.startswith(b"application/grpc+")):
                return False
        if self.headers and not match_all(self.headers, request):
            return False
        for query in self.queries:
            if not query.match(request.path):
                return False
        return True


class Route:
    """One route, or one cluster of a weighted route. Built by route_config; see there for the meaning of each field.

    `forwards`: False when `reply` answers here; `action`: route_action.ForwardAction, RedirectAction, DirectResponse or
    None (non-forwarding). Times in us, 0 = no limit; `has_idle_timeout`: the route has its own; `timeout_ms`: `timeout_us` as the text
    of x-envoy-expected-rq-timeout-ms; `rewrites`: `rewrite` has something to do; `auto_host_rewrite`: the router sets
    :authority to the chosen host's name; `upgrades`: {lower-case type (bytes): allowed} or None.
    """

    def __init__(self, matcher, index=0):
        self.matcher = matcher
        self.index = index
        self.not_found_status = 503

    def choose_cluster(self, request, info):
        """The ClusterSlot to send to; None when a `cluster_header` names no known cluster."""
        if self.slot is not None:
            return self.slot
        return self.action.cluster_from_header(request)

    def reply(self, request, info):
        """The filter.api.Response of a redirect or direct response; None when the route has no action of its own."""
        return self.action.reply(request, info) if self.action is not None else None

    def rewrite(self, request, info, keep_original=True):
        """Changes path and authority as the route says. `keep_original`: add x-envoy-original-path."""
        self.action.rewrite(request, keep_original)

    def _pick(self, random):
        """Of a route with weighted clusters, the one for this request."""
        at: cython.longlong = random % self.total_weight
        variant: Route
        variants: list = self.variants
        for variant in variants:
            at -= variant.total_weight
            if at < 0:
                return variant
        return self

    def __repr__(self):
        return f"<Route {self.index} {self.name or ''} of {self.virtual_host.name if self.virtual_host else None}>"


class Node:
    """A radix tree's node: `label` are the bytes between its parent and it, `firsts` the first bytes of its children.

    `prefixes`, `exacts`, `separated`: routes whose value ends here, lowest index first, or None.
    """

    def __init__(self, label=b""):
        self.label = label
        self.firsts = b""
        self.children = []

    def insert(self, value, kind, route):
        """Adds a route below this node. Routes must come in the order of their index."""
        node = self
        while value:
            at = node.firsts.find(value[:1])
            if at < 0:
                child = Node(value)
                node.firsts += value[:1]
                node.children.append(child)
                node, value = child, b""
                break
            child = node.children[at]
            shared = len(os.path.commonprefix([child.label, value]))
            if shared < len(child.label):
                middle = Node(value[:shared])
                child.label = child.label[shared:]
                middle.firsts, middle.children = child.label[:1], [child]
                node.children[at] = child = middle
            node, value = child, value[shared:]
        attribute = {PREFIX: "prefixes", PATH: "exacts", SEPARATED_PREFIX: "separated"}[kind]
        if getattr(node, attribute) is None:
            setattr(node, attribute, [])
        getattr(node, attribute).append(route)


class VirtualHost:
    """A virtual host's routes, arranged for looking up. `require_tls`: TLS_NONE, TLS_EXTERNAL_ONLY, TLS_ALL."""

    def __init__(self, name, routes):
        self.name = name
        self.require_tls = TLS_NONE
        self.scanned, self.pathless = [], []
        for index, route in enumerate(routes):
            route.index = index
            route.virtual_host = self
            for variant in route.variants or ():
                variant.index, variant.virtual_host = index, self
            matcher = route.matcher
            if matcher.kind == CONNECT:
                self.pathless.append(route)
            if matcher.kind == CONNECT or matcher.kind == REGEX:
                self.scanned.append(route)
            elif matcher.case_sensitive:
                self.tree = self.tree or Node()
                self.tree.insert(matcher.value, matcher.kind, route)
            else:
                self.folded = self.folded or Node()
                self.folded.insert(matcher.value, matcher.kind, route)

    def match(self, request, random):
        """The first Route that matches, or None."""
        path: bytes = request.path
        route: Route
        best: Route = None
        end: cython.Py_ssize_t
        number: cython.longlong = random % 9007199254740881
        if self.require_tls and self._needs_tls(request):
            return self.tls_redirect
        if path is None:
            return self._match_pathless(request, number)
        end = _path_end(path)
        if self.ignore_path_parameters and b";" in path:
            path = _without_parameters(path[:end])
            end = len(path)
        if self.tree is not None:
            best = _walk(self.tree, path, end, None, request, number)
        if self.folded is not None:
            best = _walk(self.folded, path[:end].lower(), end, best, request, number)
        for route in self.scanned:
            if best is not None and route.index > best.index:
                break
            if route.matcher.kind == CONNECT:
                if request.method != b"CONNECT":
                    continue
            elif route.matcher.regex.fullmatch(path[:end]) is None:
                continue
            if not route.matcher.has_conditions or route.matcher.conditions(request, number):
                best = route
                break
        if best is not None and best.variants is not None:
            return best._pick(random)
        return best

    def _match_pathless(self, request, random):
        route: Route
        for route in self.pathless:
            if request.method == b"CONNECT" and (
                    not route.matcher.has_conditions or route.matcher.conditions(request, random)):
                return route._pick(random) if route.variants is not None else route
        return None

    def _needs_tls(self, request):
        if request.get(b"x-forwarded-proto") == b"https":
            return False
        return self.require_tls == TLS_ALL or request.get(b"x-envoy-internal") != b"true"


def _path_end(path):
    """Where the path ends and the query or fragment starts."""
    size: cython.Py_ssize_t = len(path)
    at: cython.Py_ssize_t
    if cython.compiled:
        start: cython.p_const_char = path
        found: cython.p_const_char = cython.cast(cython.p_const_char, memchr(start, 63, size))
        if found is not cython.NULL:
            size = found - start
        found = cython.cast(cython.p_const_char, memchr(start, 35, size))
        return found - start if found is not cython.NULL else size
    at = path.find(b"?")
    if at >= 0:
        size = at
    at = path.find(b"#", 0, size)
    return at if at >= 0 else size


def _without_parameters(path):
    """b"/a;x/b;y" -> b"/a/b"."""
    return b"/".join([segment.partition(b";")[0] for segment in path.split(b"/")])


def _first(routes, best, request, random):
    """The first of `routes` whose conditions hold, if it comes before `best`; else `best`."""
    route: Route
    for route in routes:
        if best is not None and route.index > best.index:
            return best
        if not route.matcher.has_conditions or route.matcher.conditions(request, random):
            return route
    return best


def _walk(node, path, end, best, request, random):
    """Follows `path` down the tree; the matching route with the lowest index among those on the way and `best`."""
    at: cython.Py_ssize_t = 0
    size: cython.Py_ssize_t
    child: cython.Py_ssize_t
    while True:
        if node.prefixes is not None:
            best = _first(node.prefixes, best, request, random)
        if at == end:
            if node.exacts is not None:
                best = _first(node.exacts, best, request, random)
            if node.separated is not None:
                best = _first(node.separated, best, request, random)
            return best
        if node.separated is not None and path[at] == 47:
            best = _first(node.separated, best, request, random)
        child = _child(node.firsts, path, at)
        if child < 0:
            return best
        node = node.children[child]
        size = len(node.label)
        if at + size > end:
            return best
        if cython.compiled:
            if memcmp(cython.cast(cython.p_const_char, path) + at, cython.cast(cython.p_const_char, node.label), size):
                return best
        elif path[at:at + size] != node.label:
            return best
        at += size


def _child(firsts, path, at):
    """Which child continues with the byte path[at]; -1 = none."""
    if cython.compiled:
        start: cython.p_const_char = firsts
        found: cython.p_const_char = cython.cast(cython.p_const_char, memchr(
            start, cython.cast(cython.p_const_char, path)[at], len(firsts)))
        return found - start if found is not cython.NULL else -1
    return firsts.find(path[at])


class RouteTable:
    """A route configuration, ready to match. Built by route_config.build_route_table."""

    def __init__(self, name):
        self.name = name
        self.exact = {}
        self.suffixes, self.prefixes, self.virtual_hosts = [], [], []
        self.seed = int.from_bytes(os.urandom(7), "big") | 1

    @classmethod
    def from_proto(cls, proto, context):
        """From an envoy.config.route.v3.RouteConfiguration. Raises ConfigError(s)."""
        from gmosn.proxy.route_config import build_route_table
        return build_route_table(proto, context)

    def add_virtual_host(self, host, domains):
        """`domains`: lower-case bytes: exact, *suffix, prefix*, *. While building only."""
        self.virtual_hosts.append(host)
        for domain in domains:
            if domain == b"*":
                self.fallback = host
            elif domain.startswith(b"*"):
                _put(self.suffixes, domain[1:], host)
            elif domain.endswith(b"*"):
                _put(self.prefixes, domain[:len(domain) - 1], host)
            else:
                self.exact[domain] = host

    def find_virtual_host(self, host):
        """The VirtualHost for an authority (bytes or None), or None."""
        found: VirtualHost
        if host is None:
            return self.fallback
        if self.ignore_port:
            host = without_port(host)
        found = self.exact.get(host)
        if found is not None:
            return found
        host = host.lower()
        found = self.exact.get(host)
        if found is not None:
            return found
        if self.suffixes or self.prefixes:
            found = self._by_wildcard(host)
            if found is not None:
                return found
        return self.fallback

    def _by_wildcard(self, host):
        size: cython.Py_ssize_t = len(host)
        length: cython.Py_ssize_t
        t: tuple
        hosts: dict
        for t in self.suffixes:
            length = t[0]
            if length < size:                 # the star stands for at least one byte
                hosts = t[1]
                found = hosts.get(host[size - length:])
                if found is not None:
                    return found
        for t in self.prefixes:
            length = t[0]
            if length < size:
                hosts = t[1]
                found = hosts.get(host[:length])
                if found is not None:
                    return found
        return None

    def match(self, request, info):
        """The Route for a request, or None. Sets `route`, `route_name` and `virtual_host` of `info` (may be None)."""
        host: VirtualHost = self.find_virtual_host(request.authority)
        route: Route
        random: cython.ulonglong
        if host is None:
            return None
        random = self.seed                    # xorshift: weights and fractions need no secrecy
        random ^= (random << 13) & 0x7FFFFFFFFFFFFFFF
        random ^= random >> 7
        random ^= (random << 17) & 0x7FFFFFFFFFFFFFFF
        self.seed = random
        route = host.match(request, random)
        if route is not None and info is not None:
            info.route = route
            info.route_name = route.name
            info.virtual_host = host
        return route


def _put(groups, key, host):
    """Adds to a list of (length, {key: host}), longest first."""
    for length, hosts in groups:
        if length == len(key):
            hosts[key] = host
            return
    groups.append((len(key), {key: host}))
    groups.sort(key=lambda group: -group[0])


def without_port(host):
    """b"a:80" -> b"a", b"[::1]:80" -> b"[::1]"."""
    at: cython.Py_ssize_t = host.rfind(b":")
    if at < 0 or host.find(b"]", at) >= 0:
        return host
    if host[at + 1:].isdigit():
        return host[:at]
    return host


if not cython.compiled:
    for _cls, _zeros, _nones in (
            (HeaderMutation, "", "then"),
            (Route, "forwards timeout_us idle_timeout_us max_stream_duration_us has_idle_timeout has_max_stream_duration "
             "rewrites auto_host_rewrite append_x_forwarded_host high_priority total_weight",
             "virtual_host name metadata per_filter decorator retry_policy upgrades hidden action timeout_ms request_mutation "
             "response_mutation slot variants"),
            (Node, "", "prefixes exacts separated"),
            (VirtualHost, "include_attempt_count include_attempt_count_in_response ignore_path_parameters",
             "tree folded tls_redirect retry_policy per_filter metadata"),
            (RouteTable, "ignore_port", "fallback metadata")):
        for _name in _zeros.split():
            setattr(_cls, _name, 0)
        for _name in _nones.split():
            setattr(_cls, _name, None)
