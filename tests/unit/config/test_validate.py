"""The rules of the protos, on messages that come as protobuf."""
import pytest
from google.protobuf import text_format

from gmosn.config import descriptors
from gmosn.config.validate import validate, validate_deep

TYPE = "type.googleapis.com/"
TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
CLUSTER, ADDRESS = "envoy.config.cluster.v3.Cluster", "envoy.config.core.v3.SocketAddress"
RINGS = "lb_policy: RING_HASH ring_hash_lb_config { minimum_ring_size { value: 9000000 } }"
CASES = [
    (CLUSTER, 'name: "c" connect_timeout { seconds: 1 }', []),
    (CLUSTER, "", ["name: value length must be at least 1 characters"]),
    (CLUSTER, 'name: "c" type: 99', ["type: value must be one of the defined enum values: 99"]),
    (CLUSTER, 'name: "c" connect_timeout { }', ["connect_timeout: value must be greater than 0s"]),
    (CLUSTER, f'name: "c" {RINGS}',
     ["ring_hash_lb_config.minimum_ring_size: value must be less than or equal to 8388608"]),
    (ADDRESS, 'address: "a" port_value: 65536', ["port_value: value must be less than or equal to 65535"]),
    (ADDRESS, 'address: "a"', [
        "port_specifier: one of port_value, named_port is required"]),
    ("envoy.config.core.v3.Address", "", ["address: one of socket_address, pipe, envoy_internal_address is required"]),
    ("envoy.config.core.v3.DataSource", 'filename: ""', ["filename: value length must be at least 1 characters"]),
    ("envoy.config.core.v3.HeaderValue", r'key: "a\nb"', [
        "key: value does not match regex pattern of an HTTP header name"]),
    ("envoy.config.core.v3.HeaderValue", 'key: "x y"', []),
    ("envoy.config.route.v3.VirtualHost", 'name: "v"', ["domains: value must contain at least 1 item(s)"]),
    ("envoy.config.route.v3.Route", 'match { prefix: "/" }', [
        "action: one of route, redirect, direct_response, filter_action, non_forwarding_action is required"]),
    ("envoy.config.route.v3.Route", 'route { cluster: "c" }', ["match: value is required"]),
    ("envoy.config.route.v3.RouteAction", 'cluster: ""', ["cluster: value length must be at least 1 characters"]),
    ("envoy.config.listener.v3.FilterChainMatch", "destination_port { value: 0 }", [
        "destination_port: value must be greater than or equal to 1"]),
    ("envoy.config.listener.v3.FilterChainMatch", 'source_ports: 70000', [
        "source_ports[0]: value must be less than or equal to 65535"]),
    ("envoy.type.v3.Percent", "value: nan", []), ("envoy.type.v3.Percent", "value: -1", [
        "value: value must be greater than or equal to 0"]),
    ("envoy.config.endpoint.v3.LocalityLbEndpoints",
     "load_balancing_weight { } lb_endpoints { load_balancing_weight { } }", [
        "lb_endpoints[0].load_balancing_weight: value must be greater than or equal to 1",
        "load_balancing_weight: value must be greater than or equal to 1"]),
]


@pytest.mark.parametrize(("name", "text", "problems"), CASES)
def test_rules(name, text, problems):
    message = text_format.Parse(text, descriptors.message_class(name)(), descriptor_pool=descriptors.pool())
    assert sorted(str(error).removeprefix(": ") for error in validate(message)) == problems


def test_rules_of_every_message_can_be_compiled():
    for name in sorted(descriptors.database().messages):
        assert isinstance(validate(descriptors.message_class(name)()), list)


def test_deep_looks_into_anys():
    listener = descriptors.message_class("envoy.config.listener.v3.Listener")()
    packed = listener.filter_chains.add().filters.add(name="t").typed_config
    packed.type_url = TYPE + TCP_PROXY
    packed.value = descriptors.message_class(TCP_PROXY)(cluster="c").SerializeToString()
    assert validate(listener) == []
    assert [str(error) for error in validate_deep(listener)] == [
        "filter_chains[0].filters[0].typed_config.stat_prefix: value length must be at least 1 characters"]
    packed.type_url = TYPE + "nope.Nope"
    assert "Didn't find a registered implementation for type URL: 'nope.Nope'" in str(validate_deep(listener)[0])
