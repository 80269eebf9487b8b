"""Virtual hosts and routes: which one a request gets."""
import pytest

from gmosn.proxy.route import without_port
from tests.helpers.routes import host, request, table, to


def chosen(routes, head):
    route = routes.match(head, None)
    return route.slot.name if route is not None else None


def named(*domains, **fields):
    return host({"match": {"prefix": "/"}, "name": domains[0], "non_forwarding_action": {}}, name=domains[0],
                domains=domains, **fields)


@pytest.mark.parametrize("authority, wanted", [
    ("a.com", "a.com"), ("A.Com", "a.com"), ("x.a.com", "*.a.com"), ("x.y.a.com", "*.y.a.com"), (".a.com", "*"),
    ("y.a.com", "*.a.com"), ("foo-bar.org", "*-bar.org"), ("a.co.uk", "a.*"), ("a.b.uk", "a.b.*"), ("a.", "*"),
    ("a.com:80", "a.*"), ("q.com", "*"), ("", "*"), ("a.bb", "a.*"),
])
def test_virtual_host_domains(authority, wanted):
    routes = table(*(named(domain) for domain in
                     ("a.com", "*", "*.a.com", "*.y.a.com", "*-bar.org", "a.*", "a.b.*")))
    found = routes.find_virtual_host(authority.encode())
    assert found.name == wanted


def test_no_virtual_host():
    routes = table(named("a.com"))
    assert routes.find_virtual_host(b"b.com") is None
    assert routes.find_virtual_host(None) is None
    assert routes.match(request("/", "b.com"), None) is None


def test_port_is_part_of_the_name_unless_ignored():
    assert table(named("a.com")).find_virtual_host(b"a.com:80") is None
    assert table(named("a.com"), ignore_port_in_host_matching=True).find_virtual_host(b"a.com:80").name == "a.com"
    assert table(named("[::1]"), ignore_port_in_host_matching=True).find_virtual_host(b"[::1]:80").name == "[::1]"


@pytest.mark.parametrize("given, wanted", [
    (b"a", b"a"), (b"a:80", b"a"), (b"[::1]", b"[::1]"), (b"[::1]:8", b"[::1]"), (b"a:b", b"a:b"), (b"a:", b"a:")])
def test_without_port(given, wanted):
    assert without_port(given) == wanted


@pytest.mark.parametrize("match, path, matches", [
    ({"prefix": "/a"}, "/a", True), ({"prefix": "/a"}, "/ab", True), ({"prefix": "/a"}, "/A", False),
    ({"prefix": "/a"}, "/a?b", True), ({"prefix": "/a?b"}, "/a?b", False), ({"prefix": ""}, "/a", True),
    ({"prefix": "/a", "case_sensitive": False}, "/Ab", True), ({"prefix": "/A", "case_sensitive": False}, "/a", True),
    ({"path": "/a"}, "/a", True), ({"path": "/a"}, "/a?q=1", True), ({"path": "/a"}, "/a#f", True),
    ({"path": "/a"}, "/ab", False), ({"path": "/a"}, "/", False), ({"path": "/a", "case_sensitive": False}, "/A?x", True),
    ({"safe_regex": {"regex": "/a/\\d+"}}, "/a/12?x", True), ({"safe_regex": {"regex": "/a/\\d+"}}, "/a/12/", False),
    ({"safe_regex": {"regex": "/a/[^/]+"}}, "/a/\xff\xfe", True), ({"safe_regex": {"regex": "/a/."}}, "/a/\xe9", True),
    ({"path_separated_prefix": "/a"}, "/a", True), ({"path_separated_prefix": "/a"}, "/a/", True),
    ({"path_separated_prefix": "/a"}, "/a/b?c", True), ({"path_separated_prefix": "/a"}, "/ab", False),
    ({"path_separated_prefix": "/a"}, "/a?b", True), ({"connect_matcher": {}}, "/a", False),
])
def test_path_matching(match, path, matches):
    routes = table(host(to("c0", match)))
    assert (chosen(routes, request(path)) == "c0") == matches


def test_connect_has_no_path():
    routes = table(host(to("c0", "/"), to("c1", {"connect_matcher": {}})))
    assert chosen(routes, request(None, method="CONNECT")) == "c1"
    assert chosen(table(host(to("c0", "/"))), request(None, method="CONNECT")) is None
    assert chosen(routes, request("/x", method="CONNECT")) == "c0"


def test_first_match_wins_over_a_longer_one():
    routes = table(host(to("c0", "/a"), to("c1", {"path": "/a/b"}), to("c2", "/a/b")))
    assert chosen(routes, request("/a/b")) == "c0"
    routes = table(host(to("c0", {"path": "/a/b"}), to("c1", {"safe_regex": {"regex": "/a/.*"}}), to("c2", "/")))
    assert [chosen(routes, request(path)) for path in ("/a/b", "/a/c", "/c")] == ["c0", "c1", "c2"]
    routes = table(host(to("c0", {"safe_regex": {"regex": "/a/.*"}}), to("c1", {"path": "/a/b"}), to("c2", "/")))
    assert [chosen(routes, request(path)) for path in ("/a/b", "/a", "/a/")] == ["c0", "c2", "c0"]


def test_conditions_fall_through_to_the_next_route():
    guarded = {"prefix": "/a", "headers": [{"name": "X-Env", "string_match": {"exact": "dev"}}]}
    routes = table(host(to("c0", guarded), to("c1", "/a"), to("c2", "/")))
    assert chosen(routes, request("/a", x_env="dev")) == "c0"
    assert chosen(routes, request("/a", x_env="prod")) == "c1"
    assert chosen(routes, request("/b", x_env="dev")) == "c2"


@pytest.mark.parametrize("matcher, path, matches", [
    ({"name": "a"}, "/?a=1", True), ({"name": "a"}, "/?a", True), ({"name": "a"}, "/?b=a", False), ({"name": "a"}, "/", False),
    ({"name": "a", "present_match": False}, "/", True), ({"name": "a", "present_match": False}, "/?a", False),
    ({"name": "a", "string_match": {"exact": "1"}}, "/?b=2&a=1&a=2", True),
    ({"name": "a", "string_match": {"exact": "2"}}, "/?a=1&a=2", False),
    ({"name": "a", "string_match": {"exact": "1"}}, "/?a=1#frag", True),
    ({"name": "a", "string_match": {"safe_regex": {"regex": "[0-9]+"}}}, "/?a=12", True),
])
def test_query_parameters(matcher, path, matches):
    routes = table(host(to("c0", {"prefix": "/", "query_parameters": [matcher]})))
    assert (chosen(routes, request(path)) == "c0") == matches


def test_grpc_looks_at_the_content_type():
    routes = table(host(to("c0", {"prefix": "/", "grpc": {}}), to("c1")))
    assert chosen(routes, request(content_type="application/grpc")) == "c0"
    assert chosen(routes, request(content_type="application/grpc+proto")) == "c0"
    assert chosen(routes, request(content_type="application/grpc-web")) == "c1"
    assert chosen(routes, request()) == "c1"


@pytest.mark.parametrize("numerator, low, high", [(0, 0, 0), (100, 2000, 2000), (25, 380, 620)])
def test_runtime_fraction(numerator, low, high):
    fraction = {"default_value": {"numerator": numerator, "denominator": "HUNDRED"}, "runtime_key": "k"}
    routes = table(host(to("c0", {"prefix": "/", "runtime_fraction": fraction}), to("c1")))
    hits = sum(chosen(routes, request()) == "c0" for _ in range(2000))
    assert low <= hits <= high


def test_weighted_clusters_share_the_traffic():
    weighted = {"clusters": [{"name": "c0", "weight": 1}, {"name": "c1", "weight": 3}, {"name": "c2", "weight": 0}]}
    routes = table(host({"match": {"prefix": "/"}, "name": "split", "route": {"weighted_clusters": weighted}}))
    seen = [routes.match(request(), None) for _ in range(2000)]
    counts = {name: sum(route.slot.name == name for route in seen) for name in ("c0", "c1", "c2")}
    assert 380 <= counts["c0"] <= 620 and counts["c2"] == 0
    assert {route.name for route in seen} == {"split"}
    assert seen[0].virtual_host.name == "vh"


@pytest.mark.parametrize("mode, headers, redirected", [
    ("ALL", {}, True), ("ALL", {"x_envoy_internal": "true"}, True), ("EXTERNAL_ONLY", {}, True),
    ("EXTERNAL_ONLY", {"x_envoy_internal": "true"}, False), ("NONE", {}, False)])
def test_require_tls(mode, headers, redirected):
    routes = table(host(to("c0"), require_tls=mode))
    head = request("/p?q", "a.com:80", **headers)         # the port stays, as in Envoy
    route = routes.match(head, None)
    assert route.forwards != redirected
    if redirected:
        assert route.reply(head, None).status == 301
        assert dict(route.reply(head, None).headers)[b"location"] == b"https://a.com:80/p?q"
    assert routes.match(request(scheme="https"), None).slot.name == "c0"


def test_ten_thousand_hosts_are_found_by_name():
    hosts = [named(f"h{i}.com", f"*.w{i}.com") for i in range(10_000)]
    routes = table(*hosts)
    assert routes.find_virtual_host(b"h9999.com").name == "h9999.com"
    assert routes.find_virtual_host(b"x.w1234.com").name == "h1234.com"
    assert len(routes.suffixes) <= 5             # one look-up per length of wildcard, not per wildcard
