"""RouteConfiguration -> RouteTable, with the checks that Envoy makes at load. Fields that are not implemented were refused
before (config/supported_fields.txt)."""
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.matching.regex import Substitution
from gmosn.proto_values import micros
from gmosn.proxy.header_mutation import combine, level_mutation
from gmosn.proxy.retry_policy import RetryPolicy
from gmosn.proxy.route import CONNECT, PREFIX, Route, RouteMatch, RouteTable, VirtualHost
from gmosn.proxy.route_action import (
    DIRECT_BODY_LIMIT,
    NOT_FOUND_CODES,
    DirectResponse,
    ForwardAction,
    PathRewrite,
    RedirectAction,
    TlsRedirect,
)
from gmosn.proxy.route_match import build_match

DEFAULT_TIMEOUT_US = 15_000_000


def build_route_table(proto, context):
    """The RouteTable of an envoy.config.route.v3.RouteConfiguration; all its ConfigErrors together."""
    return _Builder(proto, context).build()


class _Builder:
    def __init__(self, proto, context):
        self.proto = proto
        self.context = context
        self.errors = []
        self.domains = set()
        # Envoy's default: true for a static configuration. RDS sets it to false by default; the caller does that.
        self.validate_clusters = proto.validate_clusters.value if proto.HasField("validate_clusters") else True
        self.body_limit = (proto.max_direct_response_body_size_bytes.value
                           if proto.HasField("max_direct_response_body_size_bytes") else DIRECT_BODY_LIMIT)

    def build(self):
        proto = self.proto
        table = RouteTable(proto.name)
        self.levels = {side: level_mutation(proto, side) for side in ("request", "response")}
        self.table_filters = self.per_filter(proto, {})
        table.ignore_port = proto.ignore_port_in_host_matching
        table.metadata = proto.metadata if proto.HasField("metadata") else None
        for index, host in enumerate(proto.virtual_hosts):
            try:
                self.add_host(table, host)
            except ConfigError as exc:
                self.errors.append(exc.under("virtual_hosts", index))
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise ConfigErrors(self.errors)
        return table

    def add_host(self, table, proto):
        domains = self.check_domains(proto)
        mutations = {side: level_mutation(proto, side) for side in ("request", "response")}
        filters = self.per_filter(proto, self.table_filters)
        policy = self.retry_policy(proto)
        routes, failed = [], []
        for index, route in enumerate(proto.routes):
            try:
                routes.append(self.route(route, mutations, filters, policy))
            except ConfigError as exc:
                failed.append(exc.under("routes", index))
        if failed:
            raise failed[0] if len(failed) == 1 else ConfigErrors(failed)
        host = VirtualHost(proto.name, routes)
        host.ignore_path_parameters = self.proto.ignore_path_parameters_in_path_matching
        host.require_tls = proto.require_tls
        host.include_attempt_count = proto.include_request_attempt_count
        host.include_attempt_count_in_response = proto.include_attempt_count_in_response
        host.metadata = proto.metadata if proto.HasField("metadata") else None
        host.retry_policy = policy
        host.tls_redirect = self.tls_redirect(host)
        table.add_virtual_host(host, domains)

    def check_domains(self, proto):
        domains = []
        for index, text in enumerate(proto.domains):
            domain = text.lower()
            if domain in self.domains:
                if domain == "*":
                    raise ConfigError(f"Only a single wildcard domain is permitted in route {self.proto.name}",
                                      ("domains", index))
                raise ConfigError("Only unique values for domains are permitted. Duplicate entry of domain "
                                  f"{domain} in route {self.proto.name}", ("domains", index))
            self.domains.add(domain)
            domains.append(domain.encode())
        return domains

    def tls_redirect(self, host):
        """The route that sends a plain request to https, for require_tls."""
        route = Route(RouteMatch(PREFIX, b""))
        route.action, route.virtual_host = TlsRedirect(), host
        return route

    def route(self, proto, host_mutations, host_filters, host_policy):
        """One Route. Paths of errors are below the route."""
        try:
            route = Route(build_match(proto.match))
        except ConfigError as exc:
            raise exc.under("match")
        which = proto.WhichOneof("action")
        if which is None:
            raise ConfigError("route must have an action", ("action",))
        route.name = proto.name or None
        route.metadata = proto.metadata if proto.HasField("metadata") else None
        route.decorator = proto.decorator if proto.HasField("decorator") else None
        route.per_filter = self.per_filter(proto, host_filters)
        own = {side: level_mutation(proto, side) for side in ("request", "response")}
        self.set_mutations(route, None, own, host_mutations)
        try:
            if which == "route":
                self.forward(route, proto.route, own, host_mutations, host_policy)
            elif which == "redirect":
                route.action = self.redirect(proto.redirect, route.matcher)
            elif which == "direct_response":
                route.action = DirectResponse.from_proto(proto.direct_response, self.body_limit)
            else:
                route.action = ForwardAction()           # non_forwarding_action: Envoy answers as for an unknown cluster
                route.forwards = True
        except ConfigError as exc:
            raise exc.under(which)
        return route

    def set_mutations(self, route, weight, own, host_mutations):
        """`weight`: the cluster's own {side: HeaderMutation} or None."""
        wins = self.proto.most_specific_header_mutations_wins
        for side in ("request", "response"):
            chain = combine([own[side], host_mutations[side], self.levels[side]], wins,
                            weight[side] if weight is not None else None)
            setattr(route, f"{side}_mutation", chain)

    def redirect(self, proto, matcher):
        if proto.prefix_rewrite or proto.HasField("regex_rewrite"):
            if proto.path_redirect:
                raise ConfigError("path_redirect excludes the rewrites", ("path_redirect",))
        return RedirectAction(proto, matcher)

    def forward(self, route, proto, own, host_mutations, host_policy):
        """Fills the Route of a RouteAction."""
        route.forwards = True
        self.timeouts(route, proto)
        route.retry_policy = self.retry_policy(proto) or host_policy
        route.high_priority = proto.priority == 1
        route.not_found_status = NOT_FOUND_CODES[proto.cluster_not_found_response_code]
        route.upgrades = self.upgrades(proto)
        route.action = self.forward_action(route, proto)
        route.append_x_forwarded_host = proto.append_x_forwarded_host
        route.auto_host_rewrite = proto.WhichOneof("host_rewrite_specifier") == "auto_host_rewrite" and \
            proto.auto_host_rewrite.value
        route.rewrites = any(value is not None for value in (
            route.action.path, route.action.host, route.action.host_header, route.action.host_path))
        which = proto.WhichOneof("cluster_specifier")
        if which == "cluster":
            route.slot = self.slot(proto.cluster, ("cluster",))
        elif which == "weighted_clusters":
            try:
                self.weighted(route, proto.weighted_clusters, own, host_mutations)
            except ConfigError as exc:
                raise exc.under("weighted_clusters")

    def forward_action(self, route, proto):
        action = ForwardAction(self.context.clusters, append_host=proto.append_x_forwarded_host)
        if proto.prefix_rewrite and proto.HasField("regex_rewrite"):
            raise ConfigError("Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy", ("regex_rewrite",))
        if route.matcher.kind == CONNECT and (proto.prefix_rewrite or proto.HasField("regex_rewrite")):
            raise ConfigError("a connect_matcher route has no path to rewrite", ("prefix_rewrite",))
        action.path = PathRewrite.from_proto(proto, route.matcher)
        which = proto.WhichOneof("host_rewrite_specifier")
        if which == "host_rewrite_literal" and proto.host_rewrite_literal:
            action.host = proto.host_rewrite_literal.encode()
        elif which == "host_rewrite_header" and proto.host_rewrite_header:
            action.host_header = proto.host_rewrite_header.lower().encode()
        elif which == "host_rewrite_path_regex":
            try:
                action.host_path = Substitution.from_proto(proto.host_rewrite_path_regex)
            except ConfigError as exc:
                raise exc.under("host_rewrite_path_regex")
        if proto.WhichOneof("cluster_specifier") == "cluster_header":
            action.cluster_header = proto.cluster_header.lower().encode()
        return action

    def timeouts(self, route, proto):
        route.timeout_us = micros(proto.timeout) if proto.HasField("timeout") else DEFAULT_TIMEOUT_US
        route.timeout_ms = b"%d" % (route.timeout_us // 1000)
        route.has_idle_timeout = proto.HasField("idle_timeout")
        route.idle_timeout_us = micros(proto.idle_timeout)
        if proto.HasField("max_stream_duration"):
            route.has_max_stream_duration = proto.max_stream_duration.HasField("max_stream_duration")
            route.max_stream_duration_us = micros(proto.max_stream_duration.max_stream_duration)

    def weighted(self, route, proto, own, host_mutations):
        """One variant of the route per cluster; RouteTable.match picks."""
        variants = []
        for index, entry in enumerate(proto.clusters):
            try:
                variants.append(self.variant(route, entry, own, host_mutations))
            except ConfigError as exc:
                raise exc.under("clusters", index)
        total = sum(variant.total_weight for variant in variants)
        if total == 0:
            raise ConfigError("Sum of weights in the weighted_cluster must be greater than 0.", ("clusters",))
        if total > 0xFFFFFFFF:
            raise ConfigError("The sum of weights of all weighted clusters of route "
                              f"{route.name or ''} exceeds 4294967295", ("clusters",))
        if proto.HasField("total_weight") and proto.total_weight.value not in (0, total):
            raise ConfigError(f"Sum of weights in the weighted_cluster should add up to {proto.total_weight.value}",
                              ("total_weight",))
        route.variants, route.total_weight = variants, total

    def variant(self, route, entry, own, host_mutations):
        if bool(entry.name) == bool(entry.cluster_header):
            raise ConfigError("Only one of name or cluster_header can be specified" if entry.name else
                              "At least one of name or cluster_header need to be specified", ("name",))
        variant = Route(route.matcher, route.index)
        for field in ("name", "metadata", "decorator", "retry_policy", "upgrades", "forwards", "timeout_us", "timeout_ms",
                      "idle_timeout_us", "has_idle_timeout", "max_stream_duration_us", "has_max_stream_duration", "rewrites",
                      "auto_host_rewrite", "append_x_forwarded_host", "high_priority", "not_found_status"):
            setattr(variant, field, getattr(route, field))
        action = route.action
        host = entry.host_rewrite_literal.encode()
        variant.action = ForwardAction(action.clusters, entry.cluster_header.lower().encode() or None, action.path,
                                       action.host, action.host_header, action.host_path, action.append_host)
        if host:
            variant.action.host, variant.action.notes_host = host, False
            variant.auto_host_rewrite = False
        variant.rewrites = route.rewrites or bool(host)
        variant.total_weight = entry.weight.value
        variant.per_filter = self.per_filter(entry, route.per_filter or {})
        weight = {side: level_mutation(entry, side) for side in ("request", "response")}
        self.set_mutations(variant, weight, own, host_mutations)
        if entry.name:
            variant.slot = self.slot(entry.name, ("name",))
        return variant

    def slot(self, name, path):
        """The ClusterSlot of a name, which must exist unless validate_clusters is off."""
        if self.validate_clusters and self.context.clusters.get(name) is None:
            raise ConfigError(f"route: unknown cluster '{name}'", path)
        return self.context.clusters.slot(name)

    def retry_policy(self, proto):
        if not proto.HasField("retry_policy"):
            return None
        try:
            return RetryPolicy.from_proto(proto.retry_policy)
        except ConfigError as exc:
            raise exc.under("retry_policy")

    def upgrades(self, proto):
        """{upgrade type in lower case (bytes): enabled}, None when the route has none."""
        upgrades = {}
        for index, entry in enumerate(proto.upgrade_configs):
            key = entry.upgrade_type.lower().encode()
            if key in upgrades:
                raise ConfigError(f"Duplicate upgrade {entry.upgrade_type}", ("upgrade_configs", index))
            upgrades[key] = entry.enabled.value if entry.HasField("enabled") else True
        return upgrades or None

    def per_filter(self, proto, inherited):
        """{filter name: per-route configuration}, the inherited entries included; None when empty."""
        merged = dict(inherited or {})
        for name in proto.typed_per_filter_config:
            from gmosn.proxy.http_filters import build_route_config
            try:
                merged[name] = build_route_config(name, proto.typed_per_filter_config[name], self.context)
            except ConfigError as exc:
                raise exc.under("typed_per_filter_config", name)
        return merged or None
