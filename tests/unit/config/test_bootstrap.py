"""Static resources into the registry, and what is checked across them."""
import pytest

from gmosn.cli import parse
from gmosn.config.bootstrap import validate_bootstrap
from gmosn.config.loader import load_text
from gmosn.errors import ConfigErrors
from gmosn.extensions import extension_table
from gmosn.observe.log import Logs
from gmosn.server.validate import validating_context
from gmosn.xds.registry import CLUSTER, LISTENER

LISTENER_AT = "{name: %s, address: {socket_address: {address: %s, port_value: %d}}, filter_chains: [{}] %s}"


def registry(text):
    loaded = load_text(text, "a.yaml")
    options = parse(["-c", "a.yaml", "-l", "off"])
    return validate_bootstrap(loaded, validating_context(loaded.message, options, extension_table(),
                                                         Logs.from_options(options)))


def problems(text):
    with pytest.raises(ConfigErrors) as caught:
        registry(text)
    return [str(error) for error in caught.value.errors]


def listeners(*entries):
    return "static_resources: {listeners: [%s]}" % ", ".join(LISTENER_AT % entry for entry in entries)


def test_resources_enter_the_registry():
    text = "static_resources: {clusters: [{name: b, connect_timeout: 1s}, {name: a, connect_timeout: 1s}]}"
    snapshot = registry(text).snapshot
    assert [resource.name for resource in snapshot.of(CLUSTER)] == ["b", "a"]
    assert snapshot.get(CLUSTER, "a").path == ("static_resources", "clusters", 1)


def test_a_listener_without_a_name_gets_one():
    one, other = registry("static_resources: {listeners: [%s]}" % ", ".join(
        "{address: {socket_address: {address: 127.0.0.1, port_value: 0}}, filter_chains: [{}]}" for _ in range(2))
    ).snapshot.of(LISTENER)
    assert len(one.name) == 36 and one.name != other.name


# Envoy 1.40 accepts these.
@pytest.mark.parametrize("text", [
    listeners(("a", "127.0.0.1", 0, ""), ("b", "127.0.0.1", 0, "")),
    listeners(("a", "0.0.0.0", 18080, ""), ("b", "127.0.0.1", 18080, "")),
    listeners(("a", "127.0.0.1", 18080, ""), ("a", "127.0.0.1", 18080, "")),     # the second one is an update
    "static_resources: {clusters: [{name: c, connect_timeout: 1s, load_assignment: {cluster_name: d}}]}",
    "layered_runtime: {layers: [{name: a, static_layer: {x: 1}}, {name: b, admin_layer: {}}]}", "admin: {}", "{}",
])
def test_accepted(text):
    assert registry(text).snapshot.number == 1


@pytest.mark.parametrize(("text", "words"), [
    (listeners(("a", "127.0.0.1", 18080, ""), ("b", "127.0.0.1", 18080, "")),
     "'b' has duplicate address '127.0.0.1:18080'"),
    (listeners(("a", '"::1"', 18080, ""), ("b", '"0:0:0:0:0:0:0:1"', 18080, "")), "duplicate address '[::1]:18080'"),
    (listeners(("a", "127.0.0.1", 1, ", additional_addresses: "
                "[{address: {socket_address: {address: 127.0.0.1, port_value: 2}}}]"), ("b", "127.0.0.1", 2, "")),
     "duplicate address '127.0.0.1:2'"),
    ("static_resources: {clusters: [{name: c, connect_timeout: 1s}, {name: c, connect_timeout: 1s}]}",
     "cluster manager: duplicate cluster 'c'"),
    ("admin: {address: {socket_address: {address: localhost, port_value: 1}}}", "malformed IP address: localhost"),
    ("layered_runtime: {layers: [{name: a, static_layer: {}}, {name: a, admin_layer: {}}]}", "Duplicate layer name: a"),
    ("layered_runtime: {layers: [{name: a, static_layer: {envoy: {resource_limits: {listener: {l: {connection_limit: 5}}}}}}]}",
     "runtime key 'envoy.resource_limits.listener.l.connection_limit' is not implemented"),
    ("layered_runtime: {layers: [{name: a, admin_layer: {}}, {name: b, admin_layer: {}}]}",
     "Too many admin layers specified in LayeredRuntime, at most one may be specified"),
])
def test_refused_in_envoys_words(text, words):
    (problem,) = problems(text)
    assert words in problem and problem.startswith("a.yaml:1:")


def test_problems_of_all_resources_in_one_run():
    found = problems("static_resources: {clusters: [{name: c, connect_timeout: 1s, type: EDS},\n"
                     " {name: c, connect_timeout: 1s}],\nlisteners: [{name: l, filter_chains: [{}]}]}")
    assert [text.split(": ")[1] for text in found] == [
        "cannot create an EDS cluster without an EDS config", "cluster manager", "error adding listener named 'l'"]


def test_a_runtime_key_that_a_resource_names_is_refused():
    route = ('{match: {prefix: "/", runtime_fraction: {default_value: {numerator: 1}, runtime_key: share.of.it}}, '
             'direct_response: {status: 200}}')
    hcm = ('{"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, '
           'stat_prefix: s, http_filters: [{name: envoy.filters.http.router, typed_config: {"@type": '
           'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}], '
           'route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [%s]}]}}' % route)
    listener = ('static_resources: {listeners: [{name: l, address: {socket_address: {address: 127.0.0.1, port_value: 0}}, '
                'filter_chains: [{filters: [{name: hcm, typed_config: %s}]}]}]}\n' % hcm)
    layer = "layered_runtime: {layers: [{name: a, static_layer: {share.of.it: 50, other: 1}}]}"
    (problem,) = problems(listener + layer)
    assert "runtime key 'share.of.it' is not implemented" in problem and problem.startswith("a.yaml:2:")
    assert registry(listener + "layered_runtime: {layers: [{name: a, static_layer: {other: 1}}]}").snapshot.number == 1
