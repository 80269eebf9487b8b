"""What happens to request heads before routing and to response heads before sending; expectations are Envoy 1.40's."""
import re
from types import SimpleNamespace

import pytest

from gmosn.errors import ConfigErrors
from gmosn.headers import ResponseHead
from gmosn.io.address import Address
from gmosn.proxy.request_rules import RequestRules, UuidSource
from gmosn.proxy.request_rules_config import own_address
from gmosn.registry import FactoryContext
from gmosn.stream_info import ConnectionInfo, StreamInfo
from tests.helpers.routes import message, request

HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
INSIDE = {"internal_address_config": {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8},
                                                      {"address_prefix": "127.0.0.0", "prefix_len": 8}]}}
EDGE = {"use_remote_address": True}


def rules(**fields):
    options = SimpleNamespace(service_cluster="front", service_node="node-1")
    return RequestRules.from_proto(message(HCM, {"stat_prefix": "s", **fields}), FactoryContext(options=options))


def run(head, peer="9.9.9.9", **fields):
    """(reply, StreamInfo) after the rules saw `head`."""
    connection = ConnectionInfo(Address.parse("192.0.2.1", 8080), Address.parse(peer, 5555))
    info = StreamInfo(connection)
    info.request = head
    return rules(**fields).apply(head, connection, info), info


def plain(path="/", **headers):
    """A request without the x-forwarded-proto that the routes' tests need."""
    head = request(path, **headers)
    if "x_forwarded_proto" not in headers:
        head.remove(b"x-forwarded-proto")
    return head


def test_defaults():
    head = plain(x_forwarded_client_cert="By=evil", x_envoy_retry_on="5xx", x_envoy_original_path="/p", x_other="1")
    reply, info = run(head)
    assert reply is None
    assert head.get(b"x-forwarded-proto") == b"http"
    assert UUID.fullmatch(head.get(b"x-request-id"))
    assert info.request_id == head.get(b"x-request-id")
    assert head.get(b"x-forwarded-client-cert") is None and head.get(b"x-envoy-retry-on") is None
    assert head.get(b"x-envoy-original-path") == b"/p" and head.get(b"x-other") == b"1"
    assert head.get(b"x-forwarded-for") is None
    assert info.remote.ip == "9.9.9.9"


@pytest.mark.parametrize("peer, xff, hops, sent, remote", [
    ("9.9.9.9", None, 0, b"9.9.9.9", "9.9.9.9"), ("9.9.9.9", "1.1.1.1", 0, b"1.1.1.1,9.9.9.9", "9.9.9.9"),
    ("9.9.9.9", ["1.1.1.1", "2.2.2.2"], 0, b"1.1.1.1,2.2.2.2,9.9.9.9", "9.9.9.9"),
    ("9.9.9.9", "1.1.1.1, 2.2.2.2", 1, b"1.1.1.1, 2.2.2.2,9.9.9.9", "2.2.2.2"),
    ("9.9.9.9", "1.1.1.1, 2.2.2.2", 2, b"1.1.1.1, 2.2.2.2,9.9.9.9", "1.1.1.1"),
    ("9.9.9.9", "1.1.1.1", 2, b"1.1.1.1,9.9.9.9", "9.9.9.9"), ("9.9.9.9", "bad", 1, b"bad,9.9.9.9", "9.9.9.9"),
    ("9.9.9.9", "", 0, b"9.9.9.9", "9.9.9.9"), ("127.0.0.1", None, 0, own_address(), "127.0.0.1"),
    ("2001:db8::1", None, 0, b"2001:db8::1", "2001:db8::1")])
def test_edge_appends_the_peer(peer, xff, hops, sent, remote):
    head = plain(**({} if xff is None else {"x_forwarded_for": xff}))
    _, info = run(head, peer, xff_num_trusted_hops=hops, **EDGE)
    assert head.get_all(b"x-forwarded-for") == [sent]
    assert info.remote.ip == remote
    assert head.get(b"x-envoy-external-address") == remote.encode()


@pytest.mark.parametrize("xff, hops, remote", [
    ("1.1.1.1", 0, "1.1.1.1"), ("1.1.1.1, 2.2.2.2", 0, "2.2.2.2"), ("1.1.1.1, 2.2.2.2", 1, "1.1.1.1"),
    ("1.1.1.1", 1, "9.9.9.9"), ("bad", 0, "9.9.9.9"), ("::1", 0, "::1"), ("1.1.1.1:80", 0, "9.9.9.9"), ("", 0, "9.9.9.9")])
def test_behind_a_proxy_the_client_is_in_xff(xff, hops, remote):
    head = plain(x_forwarded_for=xff)
    _, info = run(head, xff_num_trusted_hops=hops)
    assert info.remote.ip == remote
    assert head.get(b"x-forwarded-for") == xff.encode()
    assert head.get(b"x-envoy-external-address") is None


@pytest.mark.parametrize("fields, peer, xff, internal", [
    (EDGE, "10.1.1.1", None, True), (EDGE, "10.1.1.1", "10.2.2.2", False), (EDGE, "9.9.9.9", None, False),
    ({}, "10.1.1.1", None, False), ({}, "9.9.9.9", "10.2.2.2", True), ({}, "9.9.9.9", "10.2.2.2,10.3.3.3", False),
    ({"xff_num_trusted_hops": 1}, "9.9.9.9", "10.2.2.2,10.3.3.3", False), ({}, "9.9.9.9", "1.1.1.1", False)])
def test_internal(fields, peer, xff, internal):
    head = plain(x_envoy_internal="true", x_envoy_retry_on="5xx", **({} if xff is None else {"x_forwarded_for": xff}))
    run(head, peer, **INSIDE, **fields)
    assert head.get(b"x-envoy-internal") == (b"true" if internal else None)
    assert head.get(b"x-envoy-retry-on") is None


def test_nobody_is_internal_unless_configured():
    head = plain(x_envoy_internal="true")
    run(head, "10.1.1.1", **EDGE)
    assert head.get(b"x-envoy-internal") is None


def test_the_edge_removes_more():
    names = ("downstream_service_cluster", "downstream_service_node", "original_path", "original_host", "decorator_operation")
    forged = {f"x_envoy_{name}": "v" for name in names}
    head, behind = plain(x_envoy_foo="v", **forged), plain(**forged)
    run(head, **EDGE)
    run(behind)
    assert [name for name, _ in head if name.startswith(b"x-envoy-")] == [b"x-envoy-foo", b"x-envoy-external-address"]
    assert sum(name.startswith(b"x-envoy-") for name, _ in behind) == len(names)


@pytest.mark.parametrize("fields, xfp, sent, scheme", [
    ({}, None, b"http", b"http"), ({}, "https", b"https", b"https"), ({}, "HTTPS", b"HTTPS", b"https"),
    ({}, "ftp", b"ftp", b"http"), (EDGE, "https", b"http", b"http"), ({**EDGE, "xff_num_trusted_hops": 1}, "https", b"https", b"https"),
    ({"scheme_header_transformation": {"scheme_to_overwrite": "https"}}, "ftp", b"https", b"https")])
def test_scheme_and_forwarded_proto(fields, xfp, sent, scheme):
    head = plain(**({} if xfp is None else {"x_forwarded_proto": xfp}))
    head.scheme = b"http"
    run(head, **fields)
    assert (head.get(b"x-forwarded-proto"), head.scheme) == (sent, scheme)


def test_an_absolute_target_keeps_its_scheme():
    head = plain()
    head.absolute, head.scheme = True, b"https"
    run(head)
    assert (head.get(b"x-forwarded-proto"), head.scheme) == (b"http", b"https")


def test_several_lines_become_one():
    head = plain(x_forwarded_for=["1.1.1.1", "2.2.2.2"], x_forwarded_proto=["https", "http"])
    run(head)
    assert head.get_all(b"x-forwarded-for") == [b"1.1.1.1,2.2.2.2"]
    assert head.get_all(b"x-forwarded-proto") == [b"https,http"]


@pytest.mark.parametrize("fields, scheme, refused", [
    (EDGE, b"https", True), (EDGE, b"http", False), ({}, b"https", False), ({**EDGE, "xff_num_trusted_hops": 1}, b"https", False)])
def test_https_targets_on_plain_connections(fields, scheme, refused):
    head = plain()
    head.absolute, head.scheme = True, scheme
    reply, _ = run(head, **fields)
    assert (reply is not None) == refused
    if refused:
        assert (reply.status, reply.details, reply.flag) == (403, "http1.https_url_on_plaintext_connection", "DPE")


@pytest.mark.parametrize("fields", [{}, {**EDGE, "xff_num_trusted_hops": 1}])
def test_empty_forwarded_proto_has_no_route(fields):
    reply, _ = run(plain(x_forwarded_proto=""), **fields)
    assert (reply.status, reply.details, reply.flag) == (404, "route_not_found", "NR")


@pytest.mark.parametrize("fields, given, wanted", [
    ({}, None, b"8080"), ({}, "99", b"99"), (EDGE, "99", b"8080"), ({**EDGE, "xff_num_trusted_hops": 1}, "99", b"99")])
def test_forwarded_port(fields, given, wanted):
    head = plain(**({} if given is None else {"x_forwarded_port": given}))
    run(head, append_x_forwarded_port=True, **fields)
    assert head.get(b"x-forwarded-port") == wanted


@pytest.mark.parametrize("fields, kept", [
    ({}, True), (EDGE, False), ({**EDGE, "preserve_external_request_id": True}, True),
    ({"generate_request_id": False}, True)])
def test_request_id_of_the_client(fields, kept):
    head = plain(x_request_id="theirs")
    run(head, **fields)
    assert (head.get(b"x-request-id") == b"theirs") == kept


def test_no_request_id_when_not_wanted():
    head = plain()
    _, info = run(head, generate_request_id=False)
    assert head.get(b"x-request-id") is None and info.request_id is None


def test_request_ids_differ():
    source = UuidSource()
    seen = {source.next() for _ in range(600)}
    assert len(seen) == 600 and all(UUID.fullmatch(value) for value in seen)


def test_naming_ourselves():
    head, other = plain(via="1.0 a"), plain(user_agent="curl")
    for one in (head, other):
        run(one, add_user_agent=True, via="gw")
    assert (head.get(b"user-agent"), head.get(b"via")) == (b"front", b"1.0 a, gw")
    assert (other.get(b"user-agent"), other.get(b"via")) == (b"curl", b"gw")
    assert other.get(b"x-envoy-downstream-service-cluster") == b"front"
    assert other.get(b"x-envoy-downstream-service-node") == b"node-1"


@pytest.mark.parametrize("mode, kept", [
    ("SANITIZE", False), ("FORWARD_ONLY", False), ("APPEND_FORWARD", False), ("SANITIZE_SET", False),
    ("ALWAYS_FORWARD_ONLY", True)])
def test_client_cert_header_without_tls(mode, kept):
    head = plain(x_forwarded_client_cert="x")
    run(head, forward_client_cert_details=mode)
    assert (head.get(b"x-forwarded-client-cert") == b"x") == kept


@pytest.mark.parametrize("referer, kept", [
    ("http://a/b", True), ("http://a/b#f", False), ("http://u@a/", False), ("/x", True), ("x", True), ("a:b", False),
    ("#", False), ("", True), ("/a b", False), ("ftp://x", True), ("/a?b=c", True), ("//x", True), ("/a:b", True)])
def test_referer(referer, kept):
    head = plain(referer=referer)
    run(head)
    assert (head.get(b"referer") is not None) == kept


@pytest.mark.parametrize("fields, host, wanted", [
    ({"strip_any_host_port": True}, "a:80", b"a"), ({"strip_any_host_port": True}, "[::1]:80", b"[::1]"),
    ({"strip_any_host_port": True}, "a:b", b"a:b"), ({"strip_any_host_port": True}, "a:", b"a:"),
    ({"strip_matching_host_port": True}, "a:80", b"a:80"), ({"strip_matching_host_port": True}, "a:8080", b"a"),
    ({"strip_matching_host_port": True}, "a:08080", b"a"), ({"strip_trailing_host_dot": True}, "a.", b"a"),
    ({"strip_trailing_host_dot": True}, "a.:80", b"a:80"), ({"strip_trailing_host_dot": True}, "a..", b"a."),
    ({"strip_trailing_host_dot": True, "strip_any_host_port": True}, "a.:80", b"a")])
def test_authority(fields, host, wanted):
    head = plain(authority=host)
    run(head, **fields)
    assert head.authority == wanted


def test_connect_keeps_its_port():
    head = plain(None, authority="a:80", method="CONNECT")
    run(head, strip_any_host_port=True)
    assert head.authority == b"a:80"


NORMAL = {"normalize_path": True, "merge_slashes": True}


@pytest.mark.parametrize("path, wanted", [
    ("/a/b?c=//..#", None), ("/a/b?c=/../", "/a/b?c=/../"), ("/a/../b", "/b"), ("/a/./b/", "/a/b/"), ("/a//b", "/a/b"),
    ("/a/%2e%2e/b", "/b"), ("/a/..;x/b", "/b"), ("/a\\b", "/a/b"), ("/%61", "/a"), ("/a%00", None), ("/a%zz", "/a%zz"),
    ("/..", "/"), ("/a.html", "/a.html"), ("///", "//"), ("/a/%2e%2e;x/b", "/b"), ("/a|b", "/a%7Cb")])
def test_path(path, wanted):
    head = plain(path)
    reply, _ = run(head, **NORMAL)
    if wanted is None:
        assert (reply.status, reply.details) == (400, "path_normalization_failed")
    else:
        assert reply is None and head.path == wanted.encode()


def test_paths_stay_by_default_but_fragments_are_refused():
    head = plain("/a/../b//c%2f")
    assert run(head)[0] is None and head.path == b"/a/../b//c%2f"
    assert run(plain("/a#b"))[0].status == 400


@pytest.mark.parametrize("action, status, path", [
    ("KEEP_UNCHANGED", None, b"/a%2Fb?%2f"), ("REJECT_REQUEST", 400, None), ("UNESCAPE_AND_REDIRECT", 307, b"/a/b?%2f"),
    ("UNESCAPE_AND_FORWARD", None, b"/a/b?%2f")])
def test_escaped_slashes(action, status, path):
    head = plain("/a%2Fb?%2f")
    reply, _ = run(head, path_with_escaped_slashes_action=action)
    assert (reply.status if reply else None) == status
    if status == 307:
        assert dict(reply.headers)[b"location"] == path
    elif path:
        assert head.path == path


def respond(fields, request_head=None, **headers):
    head = ResponseHead()
    for name, value in headers.items():
        head.add(name.replace("_", "-").encode(), value.encode())
    info = StreamInfo(ConnectionInfo(Address.parse("1.1.1.1"), Address.parse("2.2.2.2")))
    info.request = request_head
    rules(**fields).finish_response(head, info)
    return head


@pytest.mark.parametrize("fields, given, wanted", [
    ({}, {}, b"envoy"), ({}, {"server": "x"}, b"envoy"), ({"server_name": "me"}, {"server": "x"}, b"me"),
    ({"server_header_transformation": "APPEND_IF_ABSENT"}, {"server": "x"}, b"x"),
    ({"server_header_transformation": "APPEND_IF_ABSENT"}, {}, b"envoy"),
    ({"server_header_transformation": "PASS_THROUGH"}, {}, None)])
def test_server(fields, given, wanted):
    assert respond(fields, **given).get(b"server") == wanted


def test_date_and_via():
    head = respond({"via": "gw"})
    assert re.fullmatch(rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", head.get(b"date"))
    assert head.get(b"via") == b"gw"
    assert respond({}, date="theirs").get_all(b"date") == [b"theirs"]


def test_request_id_in_the_response():
    assert respond({}, plain(x_request_id="r")).get(b"x-request-id") is None
    assert respond({"always_set_request_id_in_response": True}, plain(x_request_id="r")).get(b"x-request-id") == b"r"
    assert respond(INSIDE, plain(x_request_id="r", x_envoy_force_trace="1")).get(b"x-request-id") == b"r"


def test_contradictions_are_refused():
    with pytest.raises(ConfigErrors, match="Only one of"):
        rules(strip_matching_host_port=True, strip_any_host_port=True)
    with pytest.raises(ConfigErrors) as caught:
        rules(internal_address_config={"cidr_ranges": [{"address_prefix": "10.0.0"}]})
    assert caught.value.errors[0].path == ("internal_address_config", "cidr_ranges")


def test_ipv4_as_ipv6():
    head, local = plain(), plain()
    run(head, represent_ipv4_remote_address_as_ipv4_mapped_ipv6=True, **EDGE)
    run(local, "127.0.0.1", represent_ipv4_remote_address_as_ipv4_mapped_ipv6=True, **EDGE)
    assert head.get(b"x-forwarded-for") == b"::ffff:9.9.9.9"
    assert local.get(b"x-forwarded-for") == own_address()
