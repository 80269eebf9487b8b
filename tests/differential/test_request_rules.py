"""What Envoy and gmosn make of the same request head: seen by the upstream, and by the client in the response."""
import random

import pytest

from tests.differential.side_by_side import both, seen
from tests.helpers.client import Client
from tests.helpers.configs import hcm, listener, route

INSIDE = {"internal_address_config": {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8},
                                                      {"address_prefix": "10.0.0.0", "prefix_len": 8}]}}
EDGE = {"use_remote_address": True}
MANAGERS = {
    "default": {}, "edge": EDGE, "edge-inside": {**EDGE, **INSIDE}, "inside": INSIDE,
    "hop": {**EDGE, "xff_num_trusted_hops": 1, "append_x_forwarded_port": True}, "hop-inside": {"xff_num_trusted_hops": 1, **INSIDE},
    "skip": {**EDGE, "skip_xff_append": True}, "port": {"append_x_forwarded_port": True},
    "names": {**EDGE, "add_user_agent": True, "via": "gw", "always_set_request_id_in_response": True, "server_name": "foo",
              "preserve_external_request_id": True},
    "absent": {"server_header_transformation": "APPEND_IF_ABSENT"}, "pass": {"server_header_transformation": "PASS_THROUGH"},
    "no-id": {"generate_request_id": False}, "scheme": {"scheme_header_transformation": {"scheme_to_overwrite": "https"}},
    "mapped": {**EDGE, "represent_ipv4_remote_address_as_ipv4_mapped_ipv6": True},
    "strip": {"strip_any_host_port": True, "strip_trailing_host_dot": True}, "strip-own": {"strip_matching_host_port": True},
    "cert-always": {"forward_client_cert_details": "ALWAYS_FORWARD_ONLY"}, "cert": {"forward_client_cert_details": "FORWARD_ONLY"},
    "uuid": {"request_id_extension": {"typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig", "pack_trace_reason": False}}},
}
NORMALIZING = {
    "normal": {"normalize_path": True}, "merge": {"merge_slashes": True}, "both": {"normalize_path": True, "merge_slashes": True},
    "reject": {"path_with_escaped_slashes_action": "REJECT_REQUEST"},
    "unescape": {"path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"},
    "redirect": {"path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT", "normalize_path": True, "merge_slashes": True}}
ENVOY_NAMES = (
    "internal external-address downstream-service-cluster downstream-service-node retriable-status-codes retriable-header-names "
    "retry-on retry-grpc-on max-retries upstream-alt-stat-name upstream-rq-timeout-ms upstream-rq-per-try-timeout-ms "
    "upstream-rq-timeout-alt-response expected-rq-timeout-ms force-trace ip-tags original-path original-url original-host "
    "hedge-on-per-try-timeout decorator-operation attempt-count is-timeout-retry foo original-method original-dst-host "
    "upstream-stream-duration-ms").split()
FORGED = [(f"x-envoy-{name}", "v") for name in ENVOY_NAMES] + [
    ("x-request-id", "abc"), ("x-forwarded-client-cert", "x"), ("x-forwarded-host", "h"), ("x-forwarded-port", "99")]
XFF = (None, "6.6.6.6", "1.1.1.1, 10.0.0.1", "1.1.1.1,10.0.0.5 ,2.2.2.2", "bad", "10.0.0.9", "1.1.1.1,bad", "::1", "1.2.3.4:80", "")
REFERERS = ("http://a/b", "http://a/b#f", "http://u@a/", "/x", "x", "a:b", "#", "", "/a b", "ftp://x", "/a?b=c", "//x", "?q", "/a:b",
            "http://", "http:///x", "https://a:99/", "about:blank", "a/b:c", "/%zz", "/\"", "http://a b/")


@pytest.fixture(scope="module")
def proxies():
    managers = {**MANAGERS, **NORMALIZING}
    with both([listener(hcm(route("c0"), **fields), name=name) for name, fields in managers.items()]) as pair:
        yield pair


def check_same(proxies, name, **case):
    envoy, gmosn = (seen(running, name, **case) for running in proxies)
    assert gmosn == envoy, (name, case)


@pytest.mark.parametrize("name", ["default", "edge", "edge-inside", "inside"])
def test_forged_headers(proxies, name):
    check_same(proxies, name, headers=FORGED)


@pytest.mark.parametrize("name", ["default", "edge", "edge-inside", "inside", "hop", "hop-inside", "skip", "port", "mapped"])
def test_forwarded_for(proxies, name):
    for xff in XFF:
        check_same(proxies, name, headers=[("x-envoy-retry-on", "5xx")] + ([("x-forwarded-for", xff)] if xff is not None else []))
    check_same(proxies, name, headers=[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "10.2.2.2")])


@pytest.mark.parametrize("name", ["default", "edge", "hop", "port", "scheme"])
def test_forwarded_proto(proxies, name):
    for value in ("https", "ftp", "HTTPS", ""):
        check_same(proxies, name, headers=[("x-forwarded-proto", value), ("x-forwarded-port", "77")])


@pytest.mark.parametrize("name", ["names", "absent", "pass", "no-id", "scheme", "cert-always", "cert", "uuid"])
def test_identity(proxies, name):
    check_same(proxies, name, headers=[("x-forwarded-client-cert", "x")])
    check_same(proxies, name, headers=[("user-agent", "curl"), ("via", "1.1 a"), ("x-request-id", "abc")])
    check_same(proxies, name, headers=[("user-agent", ""), ("x-request-id", "11111111-2222-4333-8444-555555555555")])


@pytest.mark.parametrize("name", ["strip", "strip-own"])
def test_authority(proxies, name):
    for host in ("h.test:80", "h.test:{port}", "h.test.", "h.test.:80", "h.test.:{port}", "[::1]:80", "[::1]:{port}", "h.."):
        check_same(proxies, name, host=host)


def test_referer(proxies):
    for referer in REFERERS:
        check_same(proxies, "default", headers=[("referer", referer)])


def test_absolute_targets(proxies):
    for target in ("http://other.test/x?y", "https://other.test/x?y", "HTTPS://other.test", "ftp://other.test/"):
        for name in ("default", "edge", "edge-inside", "hop"):
            check_same(proxies, name, path=target)


def outcome(client, target):
    """(status, forwarded path or location); a new connection is the caller's business."""
    client.send(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n")
    response = client.response()
    told = response.body.split(b" ")[1] if response.status == 200 else response.header(b"location")
    return response.status, told, response.header(b"connection") == b"close"


TOKENS = (b"/", b"/", b"//", b".", b"..", b"%2e", b"%2E", b"%2f", b"%5C", b"\\", b"a", b"b", b"%61", b"%zz", b"%2", b"%", b"?",
          b"%00", b"\"", b"<", b"|", b"{", b"^", b"`", b"~", b"%7e", b"*", b"%20", b"%c3%a9", b"[", b"'", b"!", b"$", b"&", b"=",
          b":", b"@", b"%25", b"%3b", b"%3F")


@pytest.mark.parametrize("name", NORMALIZING)
def test_paths(proxies, name):
    """Generated paths; those with parameters behind encoded dots differ on purpose (docs/decisions) and are not here."""
    source = random.Random(20)
    targets = [b"/" + b"".join(source.choice(TOKENS[:part]) for _ in range(source.randint(0, 9)))
               for part in (14, len(TOKENS)) for _ in range(120)]
    targets += [b"/a/..;x/b", b"/a/.;x", b"/a/...;x/b", b"/a;x/../b", b"/..;/..;/c", b"/a/..%3bx/b"]
    clients = [Client(running.port(name)) for running in proxies]
    for target in targets:
        outcomes = [outcome(client, target) for client in clients]
        assert outcomes[1] == outcomes[0], target
        if outcomes[0][2]:
            for client in clients:
                client.close()
            clients = [Client(running.port(name)) for running in proxies]
    for client in clients:
        client.close()
