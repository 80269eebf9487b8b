"""What a Cluster proto says, as plain values; nothing else of upstream/ but endpoints.py and dns*.py reads protos.

Fields that gmosn does not implement are refused before this code sees a message (config/supported_fields.txt); here are
the checks that Envoy makes when it builds a cluster, in Envoy's words.
"""
import socket

from gmosn.codec.http1 import Http1Settings
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.io.address import Address
from gmosn.stream.http1 import Http1ClientConnection
from gmosn.proto_values import duration_us
from gmosn.upstream.balancer_config import balancer_factory
from gmosn.upstream.connector import Connector
from gmosn.upstream.dns_options import DNS_CLUSTER, DnsOptions
from gmosn.upstream.limits import Limits

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
RAW_BUFFER = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
STATIC, STRICT_DNS, LOGICAL_DNS, EDS, ORIGINAL_DST = range(5)          # Cluster.DiscoveryType
HOUR_US = 3_600_000_000
DEFAULT_CONNECT_TIMEOUT_US = 5_000_000
DEFAULT_LIMITS = dict(max_connections=1024, max_pending=1024, max_requests=1024, max_retries=3)


class ClusterOptions:
    """Plain values of one cluster. `kind`: "static" | "strict_dns" | "logical_dns"; times in us, 0 = none."""

    @classmethod
    def from_proto(cls, proto, context):
        """Raises ConfigError, with the path from the Cluster's root."""
        self = cls()
        self.name = proto.name
        self.alt_stat_name = proto.alt_stat_name
        self.metadata = proto.metadata if proto.HasField("metadata") else None
        self.kind = discovery_kind(proto, context)
        self.hostname_ok = self.kind != "static"
        self.connect_timeout_us = duration_us(proto, "connect_timeout", DEFAULT_CONNECT_TIMEOUT_US)
        self.load_assignment = proto.load_assignment if proto.HasField("load_assignment") else None
        self.make_balancer = balancer_factory(proto, context)
        self.limits = _limits(proto)
        self.socket_options, self.source = _socket_options(proto, context)
        self.transport_socket = _transport_socket(proto, context)
        self.read_http(proto, context)
        if self.hostname_ok:
            DnsOptions.from_proto(proto, context)
        _check_assignment(proto, self.kind)
        return self

    def read_http(self, proto, context):
        """The HTTP options: the typed extension, or the cluster's own older fields."""
        common, http1, place = proto.common_http_protocol_options, proto.http_protocol_options, ()
        for name, packed in proto.typed_extension_protocol_options.items():
            where = ("typed_extension_protocol_options", name)
            message = context.unpack(packed)
            if message.DESCRIPTOR.full_name != HTTP_OPTIONS:
                raise ConfigError(f"gmosn does not implement the protocol options "
                                  f"'{message.DESCRIPTOR.full_name}'", where)
            http1 = _http1_options(message, where)
            if message.HasField("common_http_protocol_options"):
                common, place = message.common_http_protocol_options, where
        if common.HasField("max_stream_duration"):
            raise ConfigError("gmosn does not implement max_stream_duration of a cluster",
                              (*place, "common_http_protocol_options", "max_stream_duration"))
        self.idle_timeout_us = duration_us(common, "idle_timeout", HOUR_US)
        self.max_duration_us = duration_us(common, "max_connection_duration", 0)
        self.max_requests_per_connection = (common.max_requests_per_connection.value
                                            or proto.max_requests_per_connection.value)
        self.settings = _settings(common, http1, place)

    def runtime_parts(self, context):
        """The arguments of Cluster.__init__ that are objects."""
        clusters = context.clusters
        settings = self.settings

        def make_client(conn, host):
            return Http1ClientConnection(conn, settings)

        connector = Connector(context.wheel, self.connect_timeout_us, self.transport_socket, self.source,
                              self.socket_options)
        normal, high = (Limits(clusters.limit_table, self.name, priority, **values)
                        for priority, values in self.limits.items())
        return dict(stats=clusters.stats_for(context), limits=normal, high_limits=high, connector=connector,
                    make_client=make_client, local_zone=_local_zone(context), counted=not context.validating)


def discovery_kind(proto, context):
    """"static" | "strict_dns" | "logical_dns"; ConfigError for what gmosn does not implement."""
    which = proto.WhichOneof("cluster_discovery_type")
    if which == "cluster_type":
        message = context.unpack(proto.cluster_type.typed_config)
        if message.DESCRIPTOR.full_name == DNS_CLUSTER:
            return "logical_dns" if message.all_addresses_in_single_endpoint else "strict_dns"
        raise ConfigError(f"Didn't find a registered cluster factory implementation for name: "
                          f"'{proto.cluster_type.name}'", ("cluster_type",))
    if proto.type == EDS:
        if not proto.HasField("eds_cluster_config") or not proto.eds_cluster_config.HasField("eds_config"):
            raise ConfigError("cannot create an EDS cluster without an EDS config", ("type",))
        raise ConfigError("gmosn does not implement EDS clusters", ("type",))
    if proto.type == ORIGINAL_DST:
        raise ConfigError("gmosn does not implement ORIGINAL_DST clusters", ("type",))
    return {STATIC: "static", STRICT_DNS: "strict_dns", LOGICAL_DNS: "logical_dns"}[proto.type]


def _check_assignment(proto, kind):
    if kind != "logical_dns":
        return
    groups = proto.load_assignment.endpoints
    if len(groups) != 1 or len(groups[0].lb_endpoints) != 1:
        raise ConfigError("LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint",
                          ("load_assignment", "endpoints"))


def _limits(proto):
    """{"default": {...}, "high": {...}}: the first threshold of each priority counts."""
    found = {"default": dict(DEFAULT_LIMITS), "high": dict(DEFAULT_LIMITS)}
    seen = set()
    for threshold in proto.circuit_breakers.thresholds:
        priority = "high" if threshold.priority == 1 else "default"
        if priority in seen:
            continue
        seen.add(priority)
        values = found[priority]
        for field, name in (("max_connections", "max_connections"), ("max_pending_requests", "max_pending"),
                            ("max_requests", "max_requests"), ("max_retries", "max_retries")):
            if threshold.HasField(field):
                values[name] = getattr(threshold, field).value
        values["track_remaining"] = threshold.track_remaining
    return found


def _socket_options(proto, context):
    """([(level, name, value)], source Address or None)."""
    options, bind, where = [], None, ("upstream_bind_config",)
    if proto.HasField("upstream_bind_config"):
        bind = proto.upstream_bind_config
    elif context.bootstrap is not None and context.bootstrap.cluster_manager.HasField("upstream_bind_config"):
        bind, where = context.bootstrap.cluster_manager.upstream_bind_config, ()
    source = None
    if bind is not None:
        for option in bind.socket_options:
            value = option.int_value if option.WhichOneof("value") == "int_value" else option.buf_value
            options.append((option.level, option.name, value))
        if bind.freebind.value:
            options.append((socket.SOL_IP, socket.IP_FREEBIND, 1))
        if bind.HasField("source_address"):
            try:
                source = Address.parse(bind.source_address.address, bind.source_address.port_value)
            except ValueError as exc:
                raise ConfigError(str(exc), (*where, "source_address", "address")) from None
    if proto.upstream_connection_options.HasField("tcp_keepalive"):
        options += _keepalive(proto.upstream_connection_options.tcp_keepalive)
    return options, source


def _keepalive(proto):
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for field, name in (("keepalive_probes", socket.TCP_KEEPCNT), ("keepalive_time", socket.TCP_KEEPIDLE),
                        ("keepalive_interval", socket.TCP_KEEPINTVL)):
        if proto.HasField(field):
            options.append((socket.IPPROTO_TCP, name, getattr(proto, field).value))
    return options


def _transport_socket(proto, context):
    """None for plain bytes, else an object with wrap_client()."""
    if not proto.HasField("transport_socket"):
        return None
    config = proto.transport_socket
    message = context.unpack(config.typed_config) if config.HasField("typed_config") else None
    if message is not None and message.DESCRIPTOR.full_name == RAW_BUFFER:
        return None
    try:
        return context.extensions.build("envoy.transport_sockets.upstream", config.name, config.typed_config, context)
    except (ConfigError, ConfigErrors) as exc:
        raise exc.under("transport_socket") from None


def _http1_options(message, where):
    """The Http1ProtocolOptions of an HttpProtocolOptions message."""
    which = message.WhichOneof("upstream_protocol_options")
    if which == "explicit_http_config":
        kind = message.explicit_http_config.WhichOneof("protocol_config")
        if kind == "http_protocol_options":
            return message.explicit_http_config.http_protocol_options
        raise ConfigError(f"gmosn does not implement the field '{kind}' of {HTTP_OPTIONS}.ExplicitHttpConfig",
                          (*where, which, kind))
    if which == "use_downstream_protocol_config":
        return message.use_downstream_protocol_config.http_protocol_options
    raise ConfigError(f"gmosn does not implement the field '{which}' of {HTTP_OPTIONS}", (*where, which))


def _settings(common, http1, place):
    settings = Http1Settings()
    if common.HasField("max_headers_count"):
        settings.max_fields = common.max_headers_count.value
    if common.HasField("max_response_headers_kb"):
        settings.max_head_bytes = common.max_response_headers_kb.value * 1024
    settings.enable_trailers = http1.enable_trailers
    settings.allow_chunked_length = http1.allow_chunked_length
    return settings


def _local_zone(context):
    zone = getattr(context.options, "service_zone", "") or ""
    if not zone and context.bootstrap is not None:
        zone = context.bootstrap.node.locality.zone
    return zone
