"""Redirects, direct responses and rewrites; the outcomes are Envoy 1.40's."""
import pytest

from tests.helpers.routes import host, request, table


def route_for(match, action, head, **fields):
    found = table(host({"match": match, **action}), **fields).match(head, None)
    assert found is not None
    return found


def location(redirect, head, match=None):
    reply = route_for(match or {"prefix": "/r"}, {"redirect": redirect}, head).reply(head, None)
    return reply.status, dict(reply.headers)[b"location"].decode()


@pytest.mark.parametrize("redirect, authority, scheme, status, wanted", [
    ({"https_redirect": True}, "h", "http", 301, "https://h/r?q"),
    ({"https_redirect": True}, "h:80", "http", 301, "https://h/r?q"),
    ({"https_redirect": True}, "h:81", "http", 301, "https://h:81/r?q"),
    ({"https_redirect": True}, "h:443", "http", 301, "https://h:443/r?q"),
    ({"https_redirect": True}, "h:443", "https", 301, "https://h:443/r?q"),
    ({"scheme_redirect": "ftp"}, "h:443", "https", 301, "ftp://h/r?q"),
    ({"host_redirect": "o.test"}, "h:80", "http", 301, "http://o.test/r?q"),
    ({"port_redirect": 8443}, "h:80", "http", 301, "http://h:8443/r?q"),
    ({"https_redirect": True, "port_redirect": 8443}, "[::1]:80", "http", 301, "https://[::1]:8443/r?q"),
    ({"host_redirect": "o.test", "response_code": "FOUND"}, "h", "http", 302, "http://o.test/r?q"),
    ({"host_redirect": "o.test", "response_code": "SEE_OTHER"}, "h", "http", 303, "http://o.test/r?q"),
    ({"host_redirect": "o.test", "response_code": "TEMPORARY_REDIRECT"}, "h", "http", 307, "http://o.test/r?q"),
    ({"host_redirect": "o.test", "response_code": "PERMANENT_REDIRECT"}, "h", "http", 308, "http://o.test/r?q"),
])
def test_redirected_authority(redirect, authority, scheme, status, wanted):
    assert location(redirect, request("/r?q", authority, scheme=scheme)) == (status, wanted)


@pytest.mark.parametrize("redirect, path, wanted", [
    ({"path_redirect": "/new"}, "/r/x?a=b", "/new?a=b"), ({"path_redirect": "/new"}, "/r/x", "/new"),
    ({"path_redirect": "/new?x=1"}, "/r?a", "/new?x=1"), ({"path_redirect": "/new", "strip_query": True}, "/r?a", "/new"),
    ({"path_redirect": "/new?x=1", "strip_query": True}, "/r?a", "/new?x=1"),
    ({"prefix_rewrite": "/new"}, "/r/y?a", "/new/y?a"), ({"prefix_rewrite": "/new", "strip_query": True}, "/r/y?a", "/new/y"),
    ({"strip_query": True}, "/r/a?b", "/r/a"),
    ({"regex_rewrite": {"pattern": {"regex": "/r/(\\w+)/(\\d+)"}, "substitution": "/\\2-\\1\\\\"}}, "/r/abc/12/z?q",
     "/12-abc\\/z?q"),
])
def test_redirected_path(redirect, path, wanted):
    assert location(redirect, request(path, "h"))[1] == "http://h" + wanted


@pytest.mark.parametrize("match, path, wanted", [
    ({"path": "/r"}, "/r?a", "/new?a"), ({"safe_regex": {"regex": "/r/.*"}}, "/r/xx?a", "/new?a"),
    ({"prefix": "/R", "case_sensitive": False}, "/r/x", "/new/x"), ({"path_separated_prefix": "/r"}, "/r/x?y", "/new/x?y"),
    ({"path_separated_prefix": "/r"}, "/r?y", "/new?y")])
def test_what_a_prefix_rewrite_replaces(match, path, wanted):
    assert location({"prefix_rewrite": "/new"}, request(path, "h"), match)[1] == "http://h" + wanted


@pytest.mark.parametrize("status, points_at", [(200, None), (204, None), (201, b"http://h/p?q"), (302, b"http://h/p?q")])
def test_direct_response(status, points_at):
    head = request("/p?q", "h")
    reply = route_for({"prefix": "/"}, {"direct_response": {"status": status, "body": {"inline_string": "x"}}}, head).reply(
        head, None)
    assert (reply.status, reply.body, reply.details) == (status, b"x", "direct_response")
    assert dict(reply.headers).get(b"location") == points_at


def test_direct_response_from_a_file(tmp_path):
    (tmp_path / "body").write_bytes(b"from a file")
    head = request()
    action = {"direct_response": {"status": 200, "body": {"filename": str(tmp_path / "body")}}}
    assert route_for({"prefix": "/"}, action, head).reply(head, None).body == b"from a file"


def rewritten(action, path="/p/x?q", match=None, keep_original=True, **headers):
    head = request(path, "h.test", **headers)
    route = route_for(match or {"prefix": "/p"}, {"route": {"cluster": "c0", **action}}, head)
    if route.rewrites:
        route.rewrite(head, None, keep_original)
    return head


@pytest.mark.parametrize("action, path, match, wanted", [
    ({"prefix_rewrite": "/new"}, "/p/x?q", None, b"/new/x?q"), ({"prefix_rewrite": "/new"}, "/px", None, b"/newx"),
    ({"prefix_rewrite": "/new"}, "/p?q", None, b"/new?q"), ({"prefix_rewrite": "/"}, "/p/a", {"prefix": "/p/"}, b"/a"),
    ({"prefix_rewrite": "/new"}, "/p?q", {"path": "/p"}, b"/new?q"),
    ({"prefix_rewrite": "/new"}, "/p/abc?q", {"safe_regex": {"regex": "/p/.*"}}, b"/new?q"),
    ({"regex_rewrite": {"pattern": {"regex": "^/p/([a-z]+)"}, "substitution": "/\\1/y"}}, "/p/abc/d?e", None, b"/abc/y/d?e"),
    ({"regex_rewrite": {"pattern": {"regex": "a*"}, "substitution": "b"}}, "/w/glob", {"prefix": "/w"}, b"b/bwb/bgblbobbb"),
    ({}, "/p/x?q", None, b"/p/x?q")])
def test_path_rewrites(action, path, match, wanted):
    head = rewritten(action, path, match)
    assert head.path == wanted
    assert head.get(b"x-envoy-original-path") == (path.encode() if action else None)


@pytest.mark.parametrize("action, headers, host, original, forwarded", [
    ({"host_rewrite_literal": "lit"}, {}, b"lit", b"h.test", None),
    ({"host_rewrite_literal": "lit"}, {"x_forwarded_host": "old"}, b"lit", b"h.test", b"old"),
    ({"host_rewrite_literal": "lit", "append_x_forwarded_host": True}, {}, b"lit", b"h.test", b"h.test"),
    ({"host_rewrite_literal": "lit", "append_x_forwarded_host": True}, {"x_forwarded_host": "old"}, b"lit", b"h.test",
     b"old,h.test"),
    ({"host_rewrite_literal": "h.test", "append_x_forwarded_host": True}, {}, b"h.test", b"h.test", b"h.test"),
    ({"host_rewrite_header": "X-Host"}, {}, b"h.test", None, None),
    ({"host_rewrite_header": "X-Host"}, {"x_host": ""}, b"h.test", None, None),
    ({"host_rewrite_header": "X-Host"}, {"x_host": "dyn"}, b"dyn", b"h.test", None),
    ({"host_rewrite_path_regex": {"pattern": {"regex": "^/p/([^/]+).*$"}, "substitution": "\\1.test"}}, {}, b"x.test",
     b"h.test", None),
    ({"host_rewrite_path_regex": {"pattern": {"regex": "^/q/(.*)$"}, "substitution": "\\1"}}, {}, b"/p/x", b"h.test", None),
])
def test_host_rewrites(action, headers, host, original, forwarded):
    head = rewritten(action, **headers)
    assert head.authority == host
    assert head.get(b"x-envoy-original-host") == original
    assert head.get(b"x-forwarded-host") == forwarded


def test_no_envoy_headers_when_suppressed():
    head = rewritten({"host_rewrite_literal": "lit", "prefix_rewrite": "/z"}, keep_original=False)
    assert (head.path, head.authority) == (b"/z/x?q", b"lit")
    assert head.get(b"x-envoy-original-path") is None and head.get(b"x-envoy-original-host") is None


def test_cluster_header():
    action = {"route": {"cluster_header": "X-Cluster", "cluster_not_found_response_code": "NOT_FOUND"}}
    known, unknown, missing = (request(**headers) for headers in ({"x_cluster": "c1"}, {"x_cluster": "evil"}, {}))
    route = route_for({"prefix": "/"}, action, known)
    assert route.choose_cluster(known, None).name == "c1"
    assert route.choose_cluster(unknown, None) is None and route.choose_cluster(missing, None) is None
    assert route.not_found_status == 404
    assert "evil" not in route.action.clusters.slots     # clients cannot make slots


def test_auto_host_rewrite_is_left_to_the_router():
    assert route_for({"prefix": "/"}, {"route": {"cluster": "c0", "auto_host_rewrite": True}}, request()).auto_host_rewrite


def test_weighted_cluster_rewrites_the_host_quietly():
    weighted = {"clusters": [{"name": "c1", "weight": 1, "host_rewrite_literal": "wc"}]}
    head = request("/p/x")
    route = route_for({"prefix": "/p"}, {"route": {"weighted_clusters": weighted, "append_x_forwarded_host": True,
                                                   "prefix_rewrite": "/z"}}, head)
    route.rewrite(head, None)
    assert (head.authority, head.path) == (b"wc", b"/z/x")
    assert head.get(b"x-envoy-original-host") is None and head.get(b"x-forwarded-host") is None


def test_non_forwarding_action_has_no_cluster():
    head = request()
    route = route_for({"prefix": "/"}, {"non_forwarding_action": {}}, head)
    assert route.forwards and route.choose_cluster(head, None) is None and route.not_found_status == 503
