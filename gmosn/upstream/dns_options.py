"""How a cluster's names are resolved: the DNS fields of Cluster, DnsCluster and the resolver's own configuration."""
from gmosn.errors import ConfigError
from gmosn.io.address import Address
from gmosn.proto_values import duration_us

DNS_CLUSTER = "envoy.extensions.clusters.dns.v3.DnsCluster"
CARES = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
AUTO, V4_ONLY, V6_ONLY, V4_PREFERRED, ALL = range(5)           # Cluster.DnsLookupFamily; DnsCluster's is one higher
REFRESH_S = 5.0


class ResolverOptions:
    """`servers`: [(ip, port)] asked instead of resolv.conf's, () = those; `tcp`; `search`: use its search domains;
    `timeout_s` per try; `tries`; `rotate`: not always the first server first."""

    def __init__(self, servers=(), tcp=False, search=True, timeout_s=5.0, tries=4, rotate=False):
        self.servers = tuple(servers)
        self.tcp = tcp
        self.search = search
        self.timeout_s = timeout_s
        self.tries = tries
        self.rotate = rotate

    @property
    def key(self):
        """Equal for options that may share a resolver."""
        return (self.servers, self.tcp, self.search, self.timeout_s, self.tries, self.rotate)


class DnsOptions:
    """`refresh_s`, `jitter_s`, `failure_base_s`, `failure_max_s`: times between look-ups; `family`; `respect_ttl`;
    `wait`: the first generation waits for the first result; `resolver`: ResolverOptions."""

    @classmethod
    def from_proto(cls, proto, context):
        """From an envoy.config.cluster.v3.Cluster of a DNS type. Raises ConfigError."""
        self = cls()
        source, shift = proto, 0
        if proto.WhichOneof("cluster_discovery_type") == "cluster_type":
            source, shift = context.unpack(proto.cluster_type.typed_config), 1
        self.refresh_s = _seconds(source, "dns_refresh_rate", REFRESH_S)
        self.jitter_s = _seconds(source, "dns_jitter", 0.0)
        self.failure_base_s, self.failure_max_s = _failure_rates(source, self.refresh_s)
        self.family = max(0, source.dns_lookup_family - shift)
        self.respect_ttl = source.respect_dns_ttl
        self.wait = proto.wait_for_warm_on_init.value if proto.HasField("wait_for_warm_on_init") else True
        self.resolver = _resolver(proto, source, context)
        return self


def _seconds(message, field, default):
    return duration_us(message, field) / 1e6 if message.HasField(field) else default


def _failure_rates(source, refresh_s):
    """(base, max) of the back-off after failures; without configuration the normal rate."""
    if not source.HasField("dns_failure_refresh_rate"):
        return refresh_s, refresh_s
    rates = source.dns_failure_refresh_rate
    base = _seconds(rates, "base_interval", refresh_s)
    most = _seconds(rates, "max_interval", base * 10)
    if most < base:
        raise ConfigError("dns_failure_refresh_rate must have max_interval greater than or equal to the base_interval",
                          ("dns_failure_refresh_rate",))
    return base, most


def _resolver(proto, source, context):
    """The first that is set: the DnsCluster's, the cluster's, its deprecated fields, the bootstrap's."""
    if source is not proto and source.HasField("typed_dns_resolver_config"):
        return _typed(source.typed_dns_resolver_config, context, ("cluster_type", "typed_config"))
    if proto.HasField("typed_dns_resolver_config"):
        return _typed(proto.typed_dns_resolver_config, context, ())
    if proto.HasField("dns_resolution_config"):
        config = proto.dns_resolution_config
        return ResolverOptions(_servers(config.resolvers, ("dns_resolution_config",)),
                               config.dns_resolver_options.use_tcp_for_dns_lookups,
                               not config.dns_resolver_options.no_default_search_domain)
    if proto.dns_resolvers or proto.use_tcp_for_dns_lookups:
        return ResolverOptions(_servers(proto.dns_resolvers, (), "dns_resolvers"), proto.use_tcp_for_dns_lookups)
    if context.bootstrap is not None and context.bootstrap.HasField("typed_dns_resolver_config"):
        return _typed(context.bootstrap.typed_dns_resolver_config, context, ())
    return ResolverOptions()


def _typed(extension, context, place):
    place = (*place, "typed_dns_resolver_config")
    message = context.unpack(extension.typed_config)
    full_name = message.DESCRIPTOR.full_name
    if full_name != CARES:
        raise ConfigError(f"gmosn does not implement the extension type '{full_name}'", (*place, "typed_config"))
    options = message.dns_resolver_options
    return ResolverOptions(
        _servers(message.resolvers, (*place, "typed_config")), options.use_tcp_for_dns_lookups,
        not options.no_default_search_domain,
        message.query_timeout_seconds.value if message.HasField("query_timeout_seconds") else 5.0,
        message.query_tries.value if message.HasField("query_tries") else 4, message.rotate_nameservers)


def _servers(addresses, place, field="resolvers"):
    servers = []
    for index, proto in enumerate(addresses):
        try:
            address = Address.from_proto(proto)
        except ConfigError as exc:
            raise exc.under(*place, field, index) from None
        if address.family == "unix":
            raise ConfigError("a DNS server needs an IP address", (*place, field, index))
        servers.append((address.ip, address.port or 53))
    return servers
