"""Routes in Envoy and in gmosn: the same configuration, the same requests, the same outcome."""
import pytest

from tests.differential.side_by_side import both, seen
from tests.helpers.configs import cluster, hcm, http_filter, listener

ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def option(key, value, action=None, **fields):
    return {"header": {"key": key, "value": value}, **({"append_action": action} if action else {}), **fields}


def on(prefix, **route):
    return {"match": {"prefix": prefix}, **route}


def to(prefix, **action):
    return on(prefix, route={"cluster": "c0", **action})


def when(name, **match):
    """A route that answers 201 when a condition on the request's header x holds."""
    return {"match": {"prefix": f"/when/{name}/", "headers": [{"name": "x", **match}]}, "direct_response": {"status": 201}}


def asked(name, match):
    return {"match": {"prefix": f"/query/{name}/", "query_parameters": [match]}, "direct_response": {"status": 202}}


REDIRECTS = [
    on("/r/https", redirect={"https_redirect": True}), on("/r/host", redirect={"host_redirect": "other.com"}),
    on("/r/port", redirect={"port_redirect": 8443}), on("/r/both", redirect={"https_redirect": True, "port_redirect": 8443}),
    on("/r/path", redirect={"path_redirect": "/new"}), on("/r/query", redirect={"path_redirect": "/new?x=1"}),
    on("/r/cut", redirect={"path_redirect": "/new?x=1", "strip_query": True}),
    on("/r/prefix", redirect={"prefix_rewrite": "/new", "response_code": "SEE_OTHER"}),
    {"match": {"path": "/r/exact"}, "redirect": {"prefix_rewrite": "/new", "response_code": "FOUND"}},
    {"match": {"safe_regex": {"regex": "/r/re/.*"}}, "redirect": {"prefix_rewrite": "/new"}},
    on("/r/sub", redirect={"regex_rewrite": {"pattern": {"regex": "/r/sub/(\\w+)/(\\d+)"}, "substitution": "/\\2-\\1\\\\"}}),
    on("/r/strip", redirect={"strip_query": True, "response_code": "PERMANENT_REDIRECT"}),
    on("/r/scheme", redirect={"scheme_redirect": "ftp", "response_code": "TEMPORARY_REDIRECT"}),
    {"match": {"prefix": "/r/CASE", "case_sensitive": False}, "redirect": {"prefix_rewrite": "/new"}},
    {"match": {"path_separated_prefix": "/r/sep"}, "redirect": {"prefix_rewrite": "/new"}}]
ANSWERS = [
    on("/d/body", direct_response={"status": 200, "body": {"inline_string": "hi"}}, response_headers_to_add=[
        option("content-type", "x/y", "OVERWRITE_IF_EXISTS_OR_ADD"), option("x", "%REQ(:path)%|%RESPONSE_CODE%")]),
    on("/d/204", direct_response={"status": 204}), on("/d/201", direct_response={"status": 201}),
    on("/d/302", direct_response={"status": 302, "body": {"inline_string": "x"}}), on("/d/none", non_forwarding_action={})]
REWRITES = [
    to("/w/prefix", prefix_rewrite="/new"), to("/w/slash/", prefix_rewrite="/"),
    {"match": {"path": "/w/path"}, "route": {"cluster": "c0", "prefix_rewrite": "/new"}},
    {"match": {"safe_regex": {"regex": "/w/re/.*"}}, "route": {"cluster": "c0", "prefix_rewrite": "/new"}},
    to("/w/regex", regex_rewrite={"pattern": {"regex": "^/w/regex/([a-z]+)"}, "substitution": "/\\1/x"}),
    to("/w/empty", regex_rewrite={"pattern": {"regex": "e*"}, "substitution": "b"}),
    {"match": {"path_separated_prefix": "/w/sep"}, "route": {"cluster": "c0", "prefix_rewrite": "/new"}},
    {"match": {"prefix": "/w/CI", "case_sensitive": False}, "route": {"cluster": "c0", "prefix_rewrite": "/new"}},
    to("/h/literal", host_rewrite_literal="lit.test"),
    to("/h/append", host_rewrite_literal="lit.test", append_x_forwarded_host=True),
    to("/h/header", host_rewrite_header="X-Host", append_x_forwarded_host=True),
    to("/h/path", host_rewrite_path_regex={"pattern": {"regex": "^/h/path/([^/]+)/.*$"}, "substitution": "\\1.test"}),
    to("/h/same", host_rewrite_literal="h.test", append_x_forwarded_host=True),
    on("/h/auto", route={"cluster": "named", "auto_host_rewrite": True})]
CHANGES = [
    {**to("/m", prefix_rewrite="/z"), "request_headers_to_add": [
        option("x-a", "route"), option("x-absent", "route", "ADD_IF_ABSENT"), option("x-empty", ""),
        option("x-over", "route", "OVERWRITE_IF_EXISTS_OR_ADD"), option("x-exists", "route", "OVERWRITE_IF_EXISTS"),
        option("x-missing", "route", "OVERWRITE_IF_EXISTS"), option("x-kept", "", keep_empty_value=True),
        option("x-path", "%REQ(:path)%|%REQ(x-a)%|%REQ(x-gone)%"), option("X-Upper", "u"), option("x-percent", "100%%")],
        "request_headers_to_remove": ["x-gone", "X-GONE2"],
        "response_headers_to_add": [option("x-resp", "route"), option("x-status", "%RESPONSE_CODE%|%REQ(:path)%"),
                                    option("server", "me"), option("content-type", "x/y")]},
    on("/c/404", route={"cluster_header": "x-cluster", "cluster_not_found_response_code": "NOT_FOUND"}),
    on("/c/", route={"cluster_header": "x-cluster"}), on("/none", route={"cluster": "none"}),
    {**on("/weighted", route={"append_x_forwarded_host": True, "weighted_clusters": {"clusters": [{
        "name": "c0", "weight": 1, "host_rewrite_literal": "w.test", "request_headers_to_add": [option("x-w", "weighted")],
        "request_headers_to_remove": ["x-gone"], "response_headers_to_add": [option("x-resp", "weighted")]}]}}),
        "request_headers_to_add": [option("x-w", "route")], "response_headers_to_add": [option("x-resp", "route")]}]
CONDITIONS = [
    when("inverted", exact_match="1", invert_match=True), when("absent", present_match=True, invert_match=True),
    when("not-present", present_match=False), when("any", exact_match="", treat_missing_header_as_empty=True),
    when("empty", string_match={"exact": ""}), when("missing", present_match=True, treat_missing_header_as_empty=True),
    when("both", exact_match="1", invert_match=True, treat_missing_header_as_empty=True),
    when("range", range_match={"start": "-5", "end": "10"}), when("list", exact_match="1,2"),
    when("not-range", range_match={"start": "-5", "end": "10"}, invert_match=True), when("plain"),
    when("regex", safe_regex_match={"regex": "a.c"}), when("case", string_match={"exact": "AbC", "ignore_case": True}),
    when("prefix", prefix_match="2"), when("suffix", suffix_match="2"), when("contains", contains_match="1,2")]
QUERIES = [
    asked("plain", {"name": "a"}), asked("raw", {"name": "a", "string_match": {"exact": "1%202"}}),
    asked("decoded", {"name": "a", "string_match": {"exact": "1 2"}}), asked("absent", {"name": "a", "present_match": False}),
    asked("empty", {"name": "a", "string_match": {"exact": ""}})]
PATHS = [
    {"match": match, "direct_response": {"status": 203}} for match in (
        {"safe_regex": {"regex": "/rx/[a-z]+"}}, {"prefix": "/p?x"}, {"path": "/exact"}, {"path_separated_prefix": "/sep"},
        {"path": "/CiExact", "case_sensitive": False}, {"path_separated_prefix": "/CiSep", "case_sensitive": False})]
HOSTS = [
    {"name": "tls", "domains": ["tls.test"], "require_tls": "ALL", "routes": [on("/", direct_response={"status": 200})]},
    {"name": "ext", "domains": ["ext.test"], "require_tls": "EXTERNAL_ONLY", "routes": [on("/", direct_response={"status": 200})]},
    {"name": "counted", "domains": ["counted.test"], "include_request_attempt_count": True,
     "include_attempt_count_in_response": True, "routes": [to("/")]},
    {"name": "wild", "domains": ["*.sfx.test", "*-d.test", "pre.*", "pre.long.*"],
     "routes": [on("/", direct_response={"status": 206})]},
    {"name": "port", "domains": ["port.test:80"], "routes": [on("/", direct_response={"status": 207})]},
    {"name": "all", "domains": ["*"], "routes": REDIRECTS + ANSWERS + REWRITES + CHANGES + CONDITIONS + QUERIES + PATHS,
     "request_headers_to_add": [option("x-a", "host"), option("x-absent", "host", "ADD_IF_ABSENT"),
                                option("x-over", "host", "OVERWRITE_IF_EXISTS_OR_ADD")],
     "response_headers_to_add": [option("x-resp", "host")]}]
TABLE = {"name": "table", "virtual_hosts": HOSTS, "response_headers_to_add": [option("x-resp", "table")],
         "request_headers_to_add": [option("x-a", "table"), option("x-over", "table", "OVERWRITE_IF_EXISTS_OR_ADD")]}

X_VALUES = [[], [""], ["1"], ["1", "2"], ["2", "1"], ["1,2"], ["abc"], ["a\xffc"], [" 7 "], ["-5"], ["10"], ["+3"], ["1.0"],
            ["aBC"], ["9" * 20]]
CASES = {
    "redirect": [
        ("/r/https", {}), ("/r/https", {"host": "h.test:80"}), ("/r/https?q", {"host": "h.test:81"}),
        ("/r/https", {"host": "h.test:443"}), ("/r/https", {"host": "h.test:443", "headers": [("x-forwarded-proto", "https")]}),
        ("/r/scheme", {"host": "h.test:443", "headers": [("x-forwarded-proto", "https")]}), ("/r/scheme?x", {}),
        ("/r/host?q", {}), ("/r/port", {"host": "h.test:80"}), ("/r/both", {"host": "[::1]:80"}), ("/r/path?a=b", {}),
        ("/r/path/x", {}), ("/r/query?a", {}), ("/r/cut?a", {}), ("/r/prefix/y?a", {}), ("/r/prefix?a?b", {}), ("/r/exact?a", {}),
        ("/r/re/xx?a", {}), ("/r/sub/abc/12/z?q", {}), ("/r/sub/12", {}), ("/r/strip/a?b", {}), ("/r/cAsE/x", {}),
        ("/r/sep/x?y", {}), ("/r/sep?y", {})],
    "answer": [(path, {}) for path in ("/d/body", "/d/204", "/d/201?q", "/d/302", "/d/none", "/nothing", "/none")],
    "rewrite": [(path, {}) for path in (
        "/w/prefix/x?y", "/w/prefixx", "/w/prefix?y", "/w/slash/a", "/w/path?x", "/w/re/abc?x", "/w/regex/abc/d?e", "/w/empty",
        "/w/sep/x", "/w/sep", "/w/ci/x", "/h/literal", "/h/append", "/h/header", "/h/path/foo/x?q", "/h/path/foo", "/h/same",
        "/h/auto")] + [
        ("/h/literal", {"headers": [("x-forwarded-host", "old")]}), ("/h/append", {"headers": [("x-forwarded-host", "old")]}),
        ("/h/header", {"headers": [("x-host", "dyn.test")]}), ("/h/header", {"headers": [("x-host", "")]})],
    "change": [
        ("/m/all?q", {}), ("/c/", {}), ("/c/404", {"headers": [("x-cluster", "nope")]}), ("/c/", {"headers": [("x-cluster", "c0")]}),
        ("/m/all", {"headers": [("x-a", "c"), ("x-absent", "c"), ("x-over", "c"), ("x-over", "d"), ("x-exists", "c"),
                                ("x-gone", "g"), ("x-gone2", "g")]}),
        ("/weighted", {"headers": [("x-gone", "1")]})],
    "header": [(f"/when/{route['match']['prefix'].split('/')[2]}/", {"headers": [("x", value) for value in values]})
               for route in CONDITIONS for values in X_VALUES],
    "query": [(f"/query/{name}/{tail}", {}) for name in ("plain", "raw", "decoded", "absent", "empty")
              for tail in ("", "?a", "?a=", "?a=1%202", "?a=1+2", "?b", "?b&a", "?%61", "?;a", "?a=1%202&a=")],
    "path": [(path, {}) for path in (
        "/rx/abc", "/rx/abc?d", "/rx/abc/", "/rx/ABC", "/p?x", "/exact", "/exact?", "/exact/", "/sep", "/sep/", "/sep/a", "/sepa",
        "/sep?a", "/CIEXACT", "/cisep/x", "/CISEPX")],
    "host": [("/p?q", {"host": name}) for name in (
        "tls.test", "TLS.test", "tls.test:80", "ext.test", "counted.test", "a.sfx.test", ".sfx.test", "sfx.test", "A.SFX.TEST",
        "x-d.test", "-d.test", "pre.x", "pre.", "pre.long.x", "pre", "port.test", "port.test:80", "a.sfx.test:80")] + [
        ("/", {"host": "tls.test", "headers": [("x-forwarded-proto", "https")]}),
        ("/", {"host": "counted.test", "headers": [("x-envoy-attempt-count", "7")]})],
}
IGNORING = [("/", {"host": host}) for host in ("tls.test:80", "port.test", "port.test:80", "a.sfx.test:8")] + [
    (path, {}) for path in ("/exact;x=1", "/exact;x=1?q", "/sep;a/b", "/sep/b;x", "/w/prefix;x/y", "/w/path;x?y", "/rx/abc;d",
                            "/sep;a/../b", "/exact;a/b", "/w/re/a;x/y", "/w/sep;x/y;z?q")]


@pytest.fixture(scope="module")
def proxies():
    def manager(**changes):
        filters = [http_filter("router", ROUTER, **changes.pop("router", {}))]
        one = hcm(filters=filters)
        one["typed_config"]["route_config"] = {**TABLE, **changes}
        return one
    def named(port):
        made = cluster("named", port)
        made["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["hostname"] = "host.name"
        return made
    listeners = [listener(manager(), name="a"), listener(manager(most_specific_header_mutations_wins=True), name="specific"),
                 listener(manager(ignore_port_in_host_matching=True, ignore_path_parameters_in_path_matching=True),
                          name="ignoring"),
                 listener(manager(router={"suppress_envoy_headers": True}), name="quiet")]
    with both(listeners, lambda port: cluster("none"), named) as pair:
        yield pair


def check_same(proxies, listener_name, path, case):
    envoy, gmosn = (seen(running, listener_name, path, **case) for running in proxies)
    assert gmosn == envoy, (path, case)


@pytest.mark.parametrize("group", CASES)
def test_routes(proxies, group):
    for path, case in CASES[group]:
        check_same(proxies, "a", path, case)


def test_most_specific_header_changes_win(proxies):
    for path, case in CASES["change"]:
        check_same(proxies, "specific", path, case)


def test_ports_and_path_parameters_ignored(proxies):
    for path, case in IGNORING:
        check_same(proxies, "ignoring", path, case)


def test_no_envoy_headers(proxies):
    for path, case in CASES["rewrite"] + CASES["change"]:
        check_same(proxies, "quiet", path, case)
