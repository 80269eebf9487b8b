"""Which stats the configuration brings into being: walks the served clusters and listeners."""
from gmosn.observe.families import Families
from gmosn.server.admin.clusters_page import host_address
from gmosn.server.admin.protos import unpack_any

_HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_EDS, _DNS = 3, (1, 2)               # Cluster.DiscoveryType


def configured_families(backend):
    """Families of everything that is served now. Costs some microseconds per name; only the stats pages ask."""
    workers = backend.options.concurrency
    families = Families()
    families.add_server(workers)
    dynamic = backend.bootstrap.dynamic_resources
    if dynamic.HasField("cds_config"):
        families.add_subscription("cluster_manager.cds.", reloads=True)
    if dynamic.HasField("lds_config"):
        families.add_subscription("listener_manager.lds.")
    for entry in backend.entries("cluster"):
        if entry.message is not None:
            _add_cluster(families, entry.message)
    for entry in backend.entries("listener"):
        if entry.message is not None:
            _add_listener(families, entry.message, workers)
    return families


def _add_cluster(families, cluster):
    tracked = ["high" if threshold.priority else "default" for threshold in cluster.circuit_breakers.thresholds
               if threshold.track_remaining]
    if cluster.WhichOneof("cluster_discovery_type") == "cluster_type" or cluster.type in _DNS:
        families.add_resolver()
    families.add_cluster(
        cluster.alt_stat_name or cluster.name, health_checks=bool(cluster.health_checks),
        outlier_detection=cluster.HasField("outlier_detection"),
        eds=cluster.WhichOneof("cluster_discovery_type") == "type" and cluster.type == _EDS, track_remaining=tracked,
        request_response_sizes=cluster.track_cluster_stats.request_response_sizes,
        timeout_budgets=cluster.track_cluster_stats.timeout_budgets)


def listener_stat_name(listener):
    """`<x>` of "listener.<x>.": stat_prefix, or the configured address."""
    return listener.stat_prefix or host_address(listener.address)


def _add_listener(families, listener, workers):
    name = listener_stat_name(listener)
    families.add_listener(name, workers)
    chains = list(listener.filter_chains)
    if listener.HasField("default_filter_chain"):
        chains.append(listener.default_filter_chain)
    for chain in chains:
        for network_filter in chain.filters:
            _add_filter(families, network_filter.typed_config, name)


def _add_filter(families, typed_config, listener):
    full_name = typed_config.type_url.rpartition("/")[2]
    if full_name not in (_HCM, _TCP_PROXY):
        return
    config = unpack_any(typed_config)
    if full_name == _TCP_PROXY:
        families.add_tcp_proxy(config.stat_prefix)
        return
    rds = config.rds.route_config_name if config.WhichOneof("route_specifier") == "rds" else None
    families.add_connection_manager(config.stat_prefix, listener, rds=rds)
