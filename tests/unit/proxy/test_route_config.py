"""What a route configuration is refused for, with Envoy's words and the place."""
import pytest

from gmosn.errors import ConfigError, ConfigErrors
from tests.helpers.routes import host, request, table, to

ROUTE = ("virtual_hosts", 0, "routes", 0)


@pytest.mark.parametrize("hosts, path, text", [
    ([host(to("nope"))], (*ROUTE, "route", "cluster"), "route: unknown cluster 'nope'"),
    ([host(to("c0")), host(to("c0"))], ("virtual_hosts", 1, "domains", 0),
     "Only a single wildcard domain is permitted in route local"),
    ([host(to("c0"), domains=["a.com"]), host(to("c0"), domains=["b.com", "A.com"])], ("virtual_hosts", 1, "domains", 1),
     "Only unique values for domains are permitted. Duplicate entry of domain a.com in route local"),
    ([host(to("c0", {"safe_regex": {"regex": "(["}}))], (*ROUTE, "match", "safe_regex", "regex"), "missing"),
    ([host({"match": {"prefix": "/"}})], (*ROUTE, "action"), "action"),
    ([host({"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [{"name": "c0", "weight": 0}]}}})],
     (*ROUTE, "route", "weighted_clusters", "clusters"), "must be greater than 0"),
    ([host({"match": {"prefix": "/"}, "route": {"weighted_clusters": {
        "clusters": [{"name": "c0", "weight": 1}], "total_weight": 5}}})],
     (*ROUTE, "route", "weighted_clusters", "total_weight"), "should add up to 5"),
    ([host({"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [{"name": "nope", "weight": 1}]}}})],
     (*ROUTE, "route", "weighted_clusters", "clusters", 0, "name"), "unknown cluster 'nope'"),
    ([host(to("c0", regex_rewrite={"pattern": {"regex": "a"}, "substitution": "\\1"}))],
     (*ROUTE, "route", "regex_rewrite", "substitution"), "group 1"),
    ([host(to("c0", prefix_rewrite="/x", regex_rewrite={"pattern": {"regex": "a"}, "substitution": "b"}))],
     (*ROUTE, "route", "regex_rewrite"), "Specify only one of prefix_rewrite, regex_rewrite"),
    ([host({"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "x" * 5000}}})],
     (*ROUTE, "direct_response", "body"), "response body size is 5000 bytes; maximum is 4096"),
    ([host({"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"filename": "/nope/nope"}}})],
     (*ROUTE, "direct_response", "body", "filename"), "/nope/nope"),
    ([host(to("c0", upgrade_configs=[{"upgrade_type": "websocket"}, {"upgrade_type": "WebSocket"}]))],
     (*ROUTE, "route", "upgrade_configs", 1), "Duplicate upgrade WebSocket"),
    ([host(to("c0", retry_policy={"retry_back_off": {"base_interval": "1s", "max_interval": "0.5s"}}))],
     (*ROUTE, "route", "retry_policy", "retry_back_off", "max_interval"), "max_interval"),
    ([host({**to("c0"), "typed_per_filter_config": {"f": {"@type": "type.googleapis.com/envoy.config.core.v3.Node"}}})],
     (*ROUTE, "typed_per_filter_config", "f"), "Didn't find a registered implementation for 'f'"),
])
def test_refused(hosts, path, text):
    with pytest.raises(ConfigError) as caught:
        table(*hosts)
    assert caught.value.path == path
    assert text in caught.value.message


def test_all_errors_at_once():
    with pytest.raises(ConfigErrors) as caught:
        table(host(to("nope"), to("nada"), name="a", domains=["a"]), host(to("niente"), name="b", domains=["b"]))
    assert [error.path for error in caught.value.errors] == [
        ("virtual_hosts", 0, "routes", 0, "route", "cluster"), ("virtual_hosts", 0, "routes", 1, "route", "cluster"),
        ("virtual_hosts", 1, "routes", 0, "route", "cluster")]


def test_unknown_clusters_are_fine_when_not_validated():
    route = table(host(to("later")), validate_clusters=False).match(request(), None)
    assert route.slot.name == "later" and route.slot.cluster is None


def test_body_limit_can_be_raised():
    routes = table(host({"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "x" * 5000}}}),
                   max_direct_response_body_size_bytes=5000)
    assert len(routes.match(request(), None).reply(request(), None).body) == 5000


@pytest.mark.parametrize("action, wanted", [
    ({}, (15_000_000, b"15000", False, 0, False, 0)),
    ({"timeout": "0s", "idle_timeout": "0s"}, (0, b"0", True, 0, False, 0)),
    ({"timeout": "0.25s", "idle_timeout": "3s", "max_stream_duration": {"max_stream_duration": "9s"}},
     (250_000, b"250", True, 3_000_000, True, 9_000_000))])
def test_times(action, wanted):
    route = table(host(to("c0", **action))).match(request(), None)
    assert (route.timeout_us, route.timeout_ms, route.has_idle_timeout, route.idle_timeout_us,
            route.has_max_stream_duration, route.max_stream_duration_us) == wanted


def test_retry_policy_of_the_virtual_host_is_the_default():
    policy = {"retry_on": "5xx,reset, nonsense", "num_retries": 3, "per_try_timeout": "0.5s",
              "retriable_status_codes": [429], "retry_back_off": {"base_interval": "0.1s"}}
    routes = table(host(to("c0", "/own", retry_policy={"retry_on": "connect-failure"}), to("c0"), retry_policy=policy))
    inherited, own = (routes.match(request(path), None).retry_policy for path in ("/", "/own"))
    assert inherited.retry_on == {"5xx", "reset"} and inherited.num_retries == 3
    assert (inherited.per_try_timeout_us, inherited.status_codes) == (500_000, {429})
    assert (inherited.base_interval_us, inherited.max_interval_us) == (100_000, 1_000_000)
    assert own.retry_on == {"connect-failure"} and own.num_retries == 1


def test_upgrades():
    upgrades = [{"upgrade_type": "WebSocket"}, {"upgrade_type": "foo", "enabled": False}, {"upgrade_type": "CONNECT"}]
    route = table(host(to("c0", upgrade_configs=upgrades))).match(request(), None)
    assert route.upgrades == {b"websocket": True, b"foo": False, b"connect": True}
    assert table(host(to("c0"))).match(request(), None).upgrades is None


PER_ROUTE = "type.googleapis.com/gmosn.filters.http.python.v1.PythonFilterPerRoute"
FILTER_CONFIG = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
EXTENSIONS = {("envoy.filters.http.per_route", "gmosn.filters.http.python.v1.PythonFilterPerRoute"):
              "gmosn.filter.http.python_filter:PythonFilterPerRoute"}


def test_per_filter_configuration_is_inherited_and_overridden():
    def config(level):
        return {"@type": PER_ROUTE, "config": {"level": level}}
    routes = table(
        host({**to("c0", "/a"), "typed_per_filter_config": {"f": config("route"), "off": {"@type": FILTER_CONFIG, "disabled": True},
                                                            "wrapped": {"@type": FILTER_CONFIG, "config": config("in")}}},
             to("c0"), typed_per_filter_config={"g": config("host")}),
        typed_per_filter_config={"f": config("table"), "g": config("table")}, extensions=EXTENSIONS)
    low, high = routes.match(request("/a"), None).per_filter, routes.match(request("/"), None).per_filter
    assert low["f"].config == {"level": "route"} and low["g"].config == {"level": "host"}
    assert low["off"].disabled and not low["f"].disabled and low["wrapped"].config == {"level": "in"}
    assert high["f"].config == {"level": "table"} and "off" not in high
