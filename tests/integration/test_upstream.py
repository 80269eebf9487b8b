"""Clusters in a running proxy: upstreams that die and come back, limits over workers, names that move."""
import os
import signal
import socket
import threading

from tests.helpers.client import Client
from tests.helpers.configs import bootstrap, cluster, hcm, http_to, listener, route, socket_address
from tests.helpers.dns_server import DnsServer
from tests.helpers.proxy import proxy
from tests.helpers.timing import eventually
from tests.helpers.upstream import HttpUpstream

BACKEND = "cluster.backend.upstream_"

CARES = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"


def everything_to(upstream_cluster):
    return bootstrap([listener(hcm(route("backend", timeout="5s")))], [upstream_cluster])


def quiet(p):
    """No connection, request or waiter is counted any more."""
    stats = p.stats("?filter=cluster.backend")
    return all(stats[BACKEND + name] == 0 for name in ("cx_active", "rq_active", "rq_pending_active"))


def test_an_upstream_that_dies_and_comes_back():
    upstream = HttpUpstream()
    with proxy(http_to(upstream.port)) as p, p.client() as client:
        assert client.get().status == 200
        upstream.close()
        eventually(lambda: p.counter(BACKEND + "cx_active") == 0)
        answer = client.get()
        assert (answer.status, answer.body.startswith(b"upstream connect error")) == (503, True)
        assert p.counter(BACKEND + "cx_connect_fail") == 1
        with HttpUpstream(address=("127.0.0.1", upstream.port)):
            assert client.get().status == 200


def test_a_closed_idle_connection_costs_no_request():
    def answer_and_close(exchange):
        exchange.answer(body=b"x")
        exchange.close()
    with HttpUpstream(answer_and_close) as upstream, proxy(http_to(upstream.port)) as p, p.client() as client:
        for _ in range(5):
            assert client.get().status == 200
            eventually(lambda: p.counter(BACKEND + "cx_active") == 0)
        stats = p.stats("?filter=cluster.backend")
        assert stats[BACKEND + "cx_destroy_remote"] == stats[BACKEND + "cx_total"] == 5
        assert stats[BACKEND + "rq_retry"] == 0


def test_a_reused_connection_that_dies_before_the_answer():
    """GET is sent again on a fresh connection; POST is not, it may have had its effect."""
    def die_on_reuse(exchange):
        exchange.read_body()
        if exchange.server.used.setdefault(exchange.request.connection, 0):
            exchange.close()
            return
        exchange.server.used[exchange.request.connection] = 1
        exchange.answer(body=b"x")
    with HttpUpstream(die_on_reuse) as upstream, proxy(http_to(upstream.port)) as p, p.client() as client:
        upstream.used = {}
        assert client.get().status == 200
        assert client.get().status == 200
        assert [request.connection for request in upstream.requests] == [0, 0, 1]
        client.request("POST", "/", body=b"data")
        assert client.response().status == 503
        eventually(lambda: quiet(p))


def test_a_client_that_vanishes_leaves_nothing():
    release = threading.Event()

    def wait(exchange):
        release.wait(10)
        exchange.answer()
    with HttpUpstream(wait) as upstream:
        limited = cluster("backend", upstream.port, circuit_breakers={"thresholds": [{"max_connections": 1}]})
        with proxy(everything_to(limited)) as p:
            clients = [p.client() for _ in range(3)]
            for client in clients:
                client.request()
            eventually(lambda: p.counter(BACKEND + "rq_pending_active") == 2 and upstream.requests)
            for client in clients:
                client.abort()
            eventually(lambda: quiet(p))
            release.set()
            with p.client() as client:
                assert client.get().status == 200


def test_limits_hold_over_workers():
    release = threading.Event()

    def wait(exchange):
        release.wait(10)
        exchange.answer()
    with HttpUpstream(wait) as upstream:
        limited = cluster("backend", upstream.port, circuit_breakers={"thresholds": [{"max_requests": 2}]})
        with proxy(everything_to(limited), concurrency=2) as p:
            clients = [p.client() for _ in range(12)]
            for client in clients[:2]:
                client.request()
            eventually(lambda: p.counter(BACKEND + "rq_active") == 2)
            assert p.counter("cluster.backend.circuit_breakers.default.rq_open") == 1
            for client in clients[2:]:
                answer = client.get()
                assert (answer.status, answer.header(b"x-envoy-overloaded")) == (503, b"true")
            release.set()
            assert [client.response().status for client in clients[:2]] == [200, 200]
            eventually(lambda: p.counter("cluster.backend.circuit_breakers.default.rq_open") == 0)
            for client in clients:
                client.close()


def test_a_killed_workers_counts_are_taken_back():
    release = threading.Event()

    def wait(exchange):
        if exchange.request.path == b"/slow":
            release.wait(10)
        exchange.answer()
    with HttpUpstream(wait) as upstream:
        limited = cluster("backend", upstream.port, circuit_breakers={"thresholds": [{"max_requests": 1}]})
        with proxy(everything_to(limited)) as p:
            with p.client() as client:
                client.request(path="/slow")
                eventually(lambda: p.counter(BACKEND + "rq_active") == 1)
                os.kill(p.role_pids("worker")[0], signal.SIGKILL)
            release.set()

            def served():
                with Client(p.port()) as client:
                    return client.get().status == 200
            eventually(served)


def test_names_are_resolved_and_followed():
    def name(exchange):
        exchange.answer(body=exchange.server.label)
    with HttpUpstream(name) as one, HttpUpstream(name, address=("127.0.0.2", one.port)) as two, DnsServer() as dns:
        one.label, two.label = b"one", b"two"
        dns.records["up.test."] = {"A": (1, ["127.0.0.1"])}
        resolver = {"@type": CARES, "resolvers": [socket_address(dns.port)], "query_timeout_seconds": 1,
                    "query_tries": 1}
        named = cluster("backend", socket_address(one.port, "up.test"), type="STRICT_DNS", dns_lookup_family="V4_ONLY",
                        dns_refresh_rate="0.1s", typed_dns_resolver_config={"name": "cares", "typed_config": resolver})
        with proxy(everything_to(named)) as p, p.client() as client:
            assert client.get().body == b"one"
            dns.mode = "servfail"
            eventually(lambda: p.counter("cluster.backend.update_failure") > 2)
            assert client.get().body == b"one"
            dns.records["up.test."] = {"A": (1, ["127.0.0.2"])}
            dns.mode = "ok"
            eventually(lambda: client.get().body == b"two")
            stats = p.stats("?filter=cluster.backend")
            assert stats["cluster.backend.membership_total"] == 1 and stats["cluster.backend.membership_change"] == 2


def test_least_request_and_weights_over_real_hosts():
    def name(exchange):
        exchange.answer(body=exchange.server.label)
    with HttpUpstream(name) as one, HttpUpstream(name) as two:
        one.label, two.label = b"one", b"two"
        weighted = cluster("backend", one.port, two.port, lb_policy="LEAST_REQUEST")
        weighted["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["load_balancing_weight"] = 3
        with proxy(everything_to(weighted)) as p, p.client() as client:
            found = [client.get().body for _ in range(40)]
            assert found.count(b"one") == 30


def test_unix_socket_upstream(tmp_path):
    path = str(tmp_path / "upstream.sock")
    with HttpUpstream(family=socket.AF_UNIX, address=path) as upstream:
        with proxy(everything_to(cluster("backend", {"pipe": {"path": path}}))) as p, p.client() as client:
            assert client.get().status == 200
            assert len(upstream.requests) == 1
