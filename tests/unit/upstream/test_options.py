"""Clusters from protos: what is read, and what is refused with Envoy's words and the right place."""
import pytest

from gmosn.errors import ConfigError
from gmosn.upstream.cluster import Cluster
from gmosn.upstream.load_balancer import LeastRequest, Random, RoundRobin
from gmosn.upstream.options import ClusterOptions
from tests.helpers.clusters import HTTP_OPTIONS, cluster_proto, context

POLICIES = "type.googleapis.com/envoy.extensions.load_balancing_policies"
CARES = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"


def options(*endpoints, **fields):
    return ClusterOptions.from_proto(cluster_proto(*endpoints, **fields), context())


def refused(*endpoints, **fields):
    """(message, path) of the ConfigError."""
    with pytest.raises(ConfigError) as caught:
        Cluster.from_proto(cluster_proto(*endpoints, **fields), context())
    return caught.value.message, caught.value.path


def test_defaults():
    read = options(1)
    assert (read.kind, read.connect_timeout_us, read.idle_timeout_us) == ("static", 5_000_000, 3_600_000_000)
    assert (read.max_duration_us, read.max_requests_per_connection, read.source) == (0, 0, None)
    assert read.limits["default"] == read.limits["high"] == dict(
        max_connections=1024, max_pending=1024, max_requests=1024, max_retries=3)
    assert type(read.make_balancer()) is RoundRobin


def test_http_options():
    read = options(1, http={"commonHttpProtocolOptions": {
        "idleTimeout": "7s", "maxConnectionDuration": "9s", "maxRequestsPerConnection": 5, "maxHeadersCount": 50,
        "maxResponseHeadersKb": 8}, "explicitHttpConfig": {"httpProtocolOptions": {"enableTrailers": True}}})
    assert (read.idle_timeout_us, read.max_duration_us, read.max_requests_per_connection) == (7_000_000, 9_000_000, 5)
    assert (read.settings.max_fields, read.settings.max_head_bytes, read.settings.enable_trailers) == (50, 8192, True)


def test_older_http_fields():
    read = options(1, commonHttpProtocolOptions={"idleTimeout": "0s"}, maxRequestsPerConnection=3,
                   httpProtocolOptions={"allowChunkedLength": True})
    assert (read.idle_timeout_us, read.max_requests_per_connection) == (0, 3)
    assert read.settings.allow_chunked_length


def test_http2_is_refused():
    message, path = refused(1, http={"explicitHttpConfig": {"http2ProtocolOptions": {}}})
    assert "http2_protocol_options" in message
    assert path == ("typed_extension_protocol_options", HTTP_OPTIONS, "explicit_http_config", "http2_protocol_options")


def test_auto_config_is_refused():
    proto = {"@type": f"type.googleapis.com/{HTTP_OPTIONS}", "autoConfig": {}}
    assert "auto_config" in refused(1, typedExtensionProtocolOptions={HTTP_OPTIONS: proto})[0]


def test_thresholds_first_of_a_priority_counts():
    read = options(1, circuitBreakers={"thresholds": [
        {"maxConnections": 1}, {"maxConnections": 2}, {"priority": "HIGH", "maxRetries": 9, "trackRemaining": True}]})
    assert read.limits["default"]["max_connections"] == 1
    assert read.limits["high"]["max_retries"] == 9 and read.limits["high"]["track_remaining"]


@pytest.mark.parametrize(("name", "kind"), [
    ("ROUND_ROBIN", RoundRobin), ("RANDOM", Random), ("LEAST_REQUEST", LeastRequest)])
def test_policies(name, kind):
    assert type(options(1, lbPolicy=name).make_balancer()) is kind


def test_least_request_options():
    made = options(1, lbPolicy="LEAST_REQUEST", leastRequestLbConfig={
        "choiceCount": 5, "activeRequestBias": {"defaultValue": 0.5, "runtimeKey": "x"}}).make_balancer()
    assert (made.choice_count, made.active_bias, made.full_scan) == (5, 0.5, False)


def test_typed_policies():
    first_unknown = {"typedExtensionConfig": {"name": "x", "typedConfig": {"@type": f"{POLICIES}.maglev.v3.Maglev"}}}
    least = {"typedExtensionConfig": {"name": "least", "typedConfig": {
        "@type": f"{POLICIES}.least_request.v3.LeastRequest", "choiceCount": 3, "selectionMethod": "FULL_SCAN"}}}
    made = options(1, loadBalancingPolicy={"policies": [first_unknown, least]}).make_balancer()
    assert (type(made), made.choice_count, made.full_scan) == (LeastRequest, 3, True)
    message, path = refused(1, loadBalancingPolicy={"policies": [first_unknown]})
    assert message == ("cluster: didn't find a registered load balancer factory for cluster: 'c' with names from [x]")
    assert path == ("load_balancing_policy",)


def test_unknown_policy():
    message, path = refused(1, lbPolicy="MAGLEV")
    assert (message, path) == ("gmosn does not implement the load balancing policy MAGLEV", ("lb_policy",))


def test_panic_threshold():
    assert options(1, commonLbConfig={"healthyPanicThreshold": {"value": 12.5}}).make_balancer().panic_threshold == 12
    assert options(1, commonLbConfig={"healthyPanicThreshold": {}}).make_balancer().panic_threshold == 0


def test_name_in_a_static_cluster():
    assert refused(("foo.example", 80)) == (
        "malformed IP address: foo.example. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or "
        "'LOGICAL_DNS'", ("load_assignment", "endpoints", 0, "lb_endpoints", 0, "endpoint", "address",
                          "socket_address", "address"))


def test_logical_dns_has_one_endpoint():
    assert refused(("a.test", 80), ("b.test", 80), type="LOGICAL_DNS")[0] == (
        "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint")


def test_eds_without_config():
    assert refused(type="EDS") == ("cannot create an EDS cluster without an EDS config", ("type",))


def test_original_dst():
    assert "ORIGINAL_DST" in refused(type="ORIGINAL_DST", lbPolicy="CLUSTER_PROVIDED")[0]


def test_dns_cluster_extension():
    packed = {"@type": "type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster", "dnsLookupFamily": "V4_ONLY"}
    extension = {"name": "envoy.cluster.dns", "typedConfig": packed}
    assert options(("a.test", 80), clusterType=extension).kind == "strict_dns"
    packed["allAddressesInSingleEndpoint"] = True
    assert options(("a.test", 80), clusterType=extension).kind == "logical_dns"


def test_unknown_cluster_extension():
    packed = {"@type": "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig", "clusters": ["a"]}
    message, _ = refused(clusterType={"name": "envoy.clusters.aggregate", "typedConfig": packed})
    assert message == "Didn't find a registered cluster factory implementation for name: 'envoy.clusters.aggregate'"


def test_dns_failure_rates():
    assert "max_interval greater than or equal" in refused(("a.test", 80), type="STRICT_DNS", dnsFailureRefreshRate={
        "baseInterval": "5s", "maxInterval": "1s"})[0]


def test_resolver_is_checked():
    bad = {"name": "x", "typedConfig": {"@type": CARES, "resolvers": [
        {"socketAddress": {"address": "dns.test", "portValue": 53}}]}}
    message, path = refused(("a.test", 80), type="STRICT_DNS", typedDnsResolverConfig=bad)
    assert message == "malformed IP address: dns.test"
    assert path[:4] == ("typed_dns_resolver_config", "typed_config", "resolvers", 0)


def test_transport_sockets():
    raw = {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"}
    assert options(1, transportSocket={"name": "raw", "typedConfig": raw}).transport_socket is None
    tls = {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"}
    message, path = refused(1, transportSocket={"name": "tls", "typedConfig": tls})
    assert "UpstreamTlsContext" in message and path == ("transport_socket", "typed_config")


def test_validating_makes_no_stats():
    validating = context(validating=True)
    cluster = Cluster.from_proto(cluster_proto(80), validating)
    assert "cluster.c.upstream_rq_total" not in repr(validating.stats.segment)
    assert cluster.hosts.hosts[0].cx_total is None
