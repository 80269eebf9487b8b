import json

import pytest

from gmosn.server.admin.admin import Admin
from gmosn.server.admin.http_types import AdminRequest
from tests.helpers.admin_backend import FakeBackend, message
from tests.helpers.envoy_golden import FOLDER, GoldenResponse

# the reference's counts per host: worker 0 has a part of each
COUNTS = {"127.0.0.1:18000": dict(cx_active=2, cx_total=2, rq_error=1, rq_success=11, rq_total=12),
          "127.0.0.1:18001": dict(cx_active=2, cx_total=3, rq_error=1, rq_success=12, rq_total=13)}


@pytest.fixture
def backend():
    backend = FakeBackend.from_yaml(FOLDER / "simple-http.yaml")
    for address, counts in COUNTS.items():
        for name, value in counts.items():
            for worker, part in ((0, 1), (1, value - 1)):
                stats = backend.worker_stats(worker).scope(f"\x01host.svc.{address}.")
                (stats.gauge if name == "cx_active" else stats.counter)(name).add(part)
    resolved = message("envoy.config.endpoint.v3.ClusterLoadAssignment", {
        "cluster_name": "svc_empty", "endpoints": [{"lb_endpoints": [{"endpoint": {
            "hostname": "localhost", "address": {"socket_address": {"address": "::1", "port_value": 18009}}}}]}]})
    backend.found["endpoint"][1].message = resolved
    backend.health["svc_empty", "[::1]:18009"] = {"failed_active_hc"}
    stats = backend.worker_stats(0).scope("\x01host.svc_empty.[::1]:18009.")
    for name in ("cx_connect_fail", "cx_total", "rq_error"):
        stats.counter(name).add(2)
    return backend


def clusters(backend, query=""):
    return Admin(backend, "self").handle(AdminRequest("GET", "/clusters" + query))


def by_cluster(text):
    """Lines per cluster: Envoy's order of clusters is not stable."""
    found = {}
    for line in text.splitlines():
        found.setdefault(line.partition("::")[0], []).append(line)
    return found


def test_text_is_envoys(backend):
    assert by_cluster(clusters(backend).body.decode()) == by_cluster(GoldenResponse("clusters.txt").text)


def test_json_is_envoys(backend):
    ours = json.loads(clusters(backend, "?format=json").body)["cluster_statuses"]
    golden = GoldenResponse("clusters.json").json["cluster_statuses"]
    assert sorted(ours, key=lambda c: c["name"]) == sorted(golden, key=lambda c: c["name"])


def test_filter(backend):
    assert set(by_cluster(clusters(backend, "?filter=empty").body.decode())) == {"svc_empty"}
    answer = clusters(backend, "?filter=(")
    assert (answer.status, answer.body) == (400, b"Invalid re2 regex")


def test_limits_health_and_added_via_api():
    backend = FakeBackend()
    backend.add("cluster", "c", message("envoy.config.cluster.v3.Cluster", {
        "name": "c", "alt_stat_name": "alt",
        "circuit_breakers": {"thresholds": [{"max_connections": 3}, {"priority": "HIGH", "max_retries": 9}]}}),
        dynamic=True)
    backend.add("endpoint", "c", message("envoy.config.endpoint.v3.ClusterLoadAssignment", {
        "cluster_name": "c", "endpoints": [{"priority": 1, "lb_endpoints": [
            {"health_status": "UNHEALTHY", "load_balancing_weight": 7,
             "metadata": {"filter_metadata": {"envoy.lb": {"canary": True}}},
             "endpoint": {"address": {"pipe": {"path": "/tmp/s"}}}}]}]}))
    lines = clusters(backend).body.decode().splitlines()
    for line in ("c::observability_name::alt", "c::default_priority::max_connections::3",
                 "c::high_priority::max_retries::9", "c::high_priority::max_connections::1024",
                 "c::added_via_api::true", "c::/tmp/s::health_flags::/failed_eds_health",
                 "c::/tmp/s::weight::7", "c::/tmp/s::priority::1",
                 "c::/tmp/s::canary::true"):
        assert line in lines
    (status,) = json.loads(clusters(backend, "?format=json").body)["cluster_statuses"]
    assert status["added_via_api"] is True and status["host_statuses"][0]["health_status"] == {
        "eds_health_status": "UNHEALTHY"}
