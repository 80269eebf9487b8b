import json

import pytest

from gmosn.config.descriptors import message_class
from gmosn.server.admin.admin import Admin
from gmosn.server.admin.http_types import AdminRequest
from tests.helpers.admin_backend import FakeBackend, message
from tests.helpers.envoy_golden import FOLDER, GoldenResponse

CLUSTER = "envoy.config.cluster.v3.Cluster"
LISTENER = "envoy.config.listener.v3.Listener"
ROUTES = "envoy.config.route.v3.RouteConfiguration"


@pytest.fixture
def backend():
    backend = FakeBackend.from_yaml(FOLDER / "simple-http.yaml")
    manager = backend.bootstrap.static_resources.listeners[0].filter_chains[0].filters[0].typed_config
    hcm = message_class("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager")()
    hcm.ParseFromString(manager.value)
    backend.add("route", hcm.route_config.name, hcm.route_config)
    return backend


def dump(backend, query=""):
    answer = Admin(backend, "self").handle(AdminRequest("GET", "/config_dump" + query))
    is_json = answer.content_type == "application/json"
    return answer.status, json.loads(answer.body) if is_json else answer.body.decode()


def without(value, *keys):
    if isinstance(value, dict):
        return {key: without(item, *keys) for key, item in value.items() if key not in keys}
    return [without(item, *keys) for item in value] if isinstance(value, list) else value


def test_whole_dump_is_envoys(backend):
    """Every message, field and value except times and what we are."""
    ours = dump(backend, "?include_eds")[1]["configs"]
    golden = GoldenResponse("config_dump_eds.json").json["configs"]
    assert [config["@type"] for config in ours] == [config["@type"] for config in golden]
    volatile = ("last_updated", "user_agent_name", "user_agent_build_version", "extensions", "layered_runtime")
    for our, their in zip(ours, golden, strict=True):
        if "EndpointsConfigDump" in our["@type"]:
            continue
        assert without(our, *volatile) == without(their, *volatile)
    for our, their in zip(endpoints(ours), endpoints(golden), strict=True):
        assert our == their
    assert ours[0]["last_updated"] == "2026-09-21T14:13:20.500Z"


def endpoints(configs):
    """(cluster, address, health, weight, hostname) of the hosts that both know without a resolver."""
    for config in configs[2]["static_endpoint_configs"]:
        assignment = config["endpoint_config"]
        assert assignment["policy"] == {"overprovisioning_factor": 140}
        if assignment["cluster_name"] == "svc":
            for locality in assignment["endpoints"]:
                for host in locality["lb_endpoints"]:
                    yield (locality["locality"], host["endpoint"], host["health_status"], host["load_balancing_weight"])


def test_names_must_match_as_a_whole(backend):
    status, found = dump(backend, "?resource=static_clusters&name_regex=svc")
    assert status == 200 and [config["cluster"]["name"] for config in found["configs"]] == ["svc"]
    status, found = dump(backend, "?resource=static_clusters&name_regex=svc.*")
    assert len(found["configs"]) == 2
    assert dump(backend, "?resource=dynamic_listeners") == (200, {})


@pytest.mark.parametrize("query, status, text", [
    ("?name_regex=(", 400, "INVALID_ARGUMENT: Error while parsing name_regex from (: "),
    ("?resource=bootstrap", 400, "bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field"),
    ("?mask=nope", 400, "FieldMask nope could not be successfully applied to any configs."),
    ("?resource=static_clusters&mask=cluster.nope", 400, "FieldMask "),
    ("?resource=static_clusters&mask=nope", 400, "FieldMask "),
    ("?resource=nope", 404, "nope not found in config dump")])
def test_refusals(backend, query, status, text):
    found = dump(backend, query)
    assert found[0] == status and found[1].startswith(text)


def test_dynamic_resources(backend):
    backend.versions = {"cluster": "c7", "listener": "l8"}
    backend.add("cluster", "dyn", message(CLUSTER, {"name": "dyn"}), dynamic=True, version="c7")
    backend.add("cluster", "warm", message(CLUSTER, {"name": "warm"}), dynamic=True, version="c8", state="warming")
    listener = message(LISTENER, {"name": "in"})
    backend.add("listener", "in", listener, dynamic=True, version="l7", error=("no port", "l9", 1790000002.0))
    backend.add("listener", "in", listener, dynamic=True, version="l6", state="draining")
    backend.add("listener", "bad", None, dynamic=True, error=("what", "l9", 1790000002.0))
    backend.add("route", "r", message(ROUTES, {"name": "r"}), dynamic=True, version="r1")
    clusters, listeners, _, routes = dump(backend)[1]["configs"][1:5]
    assert clusters["version_info"] == "c7" and listeners["version_info"] == "l8"
    assert [item["cluster"]["name"] for item in clusters["dynamic_active_clusters"]] == ["dyn"]
    assert clusters["dynamic_warming_clusters"][0]["version_info"] == "c8"
    first, second = listeners["dynamic_listeners"]
    assert first["active_state"]["version_info"] == "l7" and first["draining_state"]["version_info"] == "l6"
    assert first["error_state"] == {"details": "no port", "version_info": "l9",
                                    "last_update_attempt": "2026-09-21T14:13:22Z"}
    assert set(second) == {"name", "error_state"}
    assert routes["dynamic_route_configs"][0]["version_info"] == "r1"


def test_secrets_are_blanked(backend):
    secret = message("envoy.extensions.transport_sockets.tls.v3.Secret", {
        "name": "cert", "tls_certificate": {"private_key": {"inline_string": "PRIVATE"},
                                            "certificate_chain": {"inline_string": "PUBLIC"},
                                            "password": {"inline_bytes": "UEFTUw=="}}})
    backend.add("secret", "cert", secret, dynamic=True, version="1")
    backend.bootstrap.static_resources.secrets.add().CopyFrom(secret)
    context = message("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", {
        "common_tls_context": {"tls_certificates": [{"private_key": {"inline_string": "PRIVATE"}}]}})
    cluster = backend.found["cluster"][0].message
    cluster.transport_socket.name = "tls"
    cluster.transport_socket.typed_config.Pack(context)
    text = json.dumps(dump(backend)[1])
    assert "PRIVATE" not in text and "UEFTUw" not in text and "PUBLIC" in text
    assert text.count("[redacted]") >= 4
    assert secret.tls_certificate.private_key.inline_string == "PRIVATE"       # only the copy was blanked
