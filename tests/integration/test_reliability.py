"""It must hold: slow clients, no descriptors, a full disk, clients that vanish.

Scaled down for every run; `make soak` (GMOSN_SOAK=1) runs the full sizes. Soak itself is in test_soak.py.
"""
import os
import time

import pytest

from bench.machine import spent_s, tree_cpu_s
from tests.helpers.census import PYTHON_FILTER, descriptors, worker
from tests.helpers.client import Client
from tests.helpers.configs import (access_log, bootstrap, cluster, direct, hcm, http_filter, http_to, listener, route,
                                   router, tcp_proxy)
from tests.helpers.proxy import proxy
from tests.helpers.swarm import SlowClient, Swarm
from tests.helpers.timing import SCALE, eventually
from tests.helpers.upstream import HttpUpstream, TcpUpstream

FULL = bool(os.environ.get("GMOSN_SOAK"))
SLOW_CLIENTS, SLOW_TIMEOUT_S, NORMAL_REQUESTS = (1000, 60, 5000) if FULL else (60, 2, 200)
LARGE = b"x" * (4 << 20)                                # more than both kernels' buffers hold

PARTIAL_HEAD = b"GET /slow HTTP/1.1\r\nHost: test\r\nX-Slow: "
PARTIAL_BODY = b"POST /slow HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n"
LARGE_GET = b"GET /large HTTP/1.1\r\nHost: test\r\n\r\n"


def answer_large(exchange):
    exchange.read_body()
    exchange.answer(body=LARGE if exchange.request.path == b"/large" else b"ok")


def slow_config(port):
    limit = f"{SLOW_TIMEOUT_S}s"
    return bootstrap([listener(hcm(route("backend", timeout="0s"), request_headers_timeout=limit, request_timeout=limit,
                                   stream_idle_timeout=limit))],
                     [cluster("backend", port, circuit_breakers={"thresholds": [
                         {"max_connections": 4096, "max_requests": 4096, "max_pending_requests": 4096}]})])


@pytest.mark.timeout(SLOW_TIMEOUT_S * 4 + 120)
def test_slow_clients_are_ended_and_hurt_nobody():
    """Heads and bodies that drip, and responses that nobody reads: each ends at its timeout, not earlier and not much
    later, while ordinary requests are served."""
    clients = []
    for number in range(SLOW_CLIENTS):
        clients.append((SlowClient(PARTIAL_HEAD, b"s"), SlowClient(PARTIAL_BODY, b"b"),
                        SlowClient(LARGE_GET, reads=False))[number % 3])
    with HttpUpstream(answer_large) as upstream, proxy(slow_config(upstream.port)) as running:
        swarm = Swarm(running.port(), clients, drip_every_s=SLOW_TIMEOUT_S / 20,
                      give_up_s=SLOW_TIMEOUT_S * 3 + 5 * SCALE).start()
        failures, served, until = [], 0, time.monotonic() + SLOW_TIMEOUT_S
        while served < NORMAL_REQUESTS or time.monotonic() < until:
            with running.client() as client:
                for _ in range(20):
                    response = client.get("/normal")
                    served += 1
                    if (response.status, response.body) != (200, b"ok"):
                        failures.append(response)
        swarm.join()
        assert failures == []
        assert [client for client in clients if client.ended_s is None] == []
        late = SLOW_TIMEOUT_S * 1.3 + 2 * SCALE         # an unread response ends one idle period after it began
        ends = sorted(client.ended_s for client in clients)
        assert SLOW_TIMEOUT_S * 0.9 <= ends[0] and ends[-1] <= late, (ends[0], ends[-1])
        assert all(b" 408 " in client.received for client in clients if client.reads)
        running.wait_counter("http.ingress.downstream_cx_active", 0, timeout_s=SLOW_TIMEOUT_S + 5)
        eventually(lambda: upstream.open_connections <= running.counter("cluster.backend.upstream_cx_active"))
        print(f"{len(clients)} slow clients ended after {ends[0]:.1f} to {ends[-1]:.1f} s (timeout {SLOW_TIMEOUT_S}); "
              f"{served} normal requests, {len(failures)} failed")


def test_out_of_descriptors(tmp_path):
    """Alive, calm, the admin answers, and within a second of relief requests are served again."""
    limit, clients = (1024, 1500) if FULL else (160, 240)
    import resource
    own = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(own[1], max(own[0], 4096)), own[1]))
    try:
        with HttpUpstream() as upstream, proxy(http_to(upstream.port)) as running:
            pid = worker(running)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
            port = running.port()
            flood = [Client(port) for _ in range(clients)]
            eventually(lambda: descriptors(pid) >= limit * 0.8)
            before, start, answers = tree_cpu_s(running.process.pid), time.monotonic(), 0

            def a_second_is_over():
                nonlocal answers
                assert running.admin("/ready").status == 200
                answers += 1
                return time.monotonic() - start > 1
            eventually(a_second_is_over, interval_s=0.1)
            busy = spent_s(before, tree_cpu_s(running.process.pid)) / (time.monotonic() - start)
            for client in flood:
                client.close()
            relieved = time.monotonic()
            with Client(port) as client:
                assert client.get("/").body == b"upstream"
            recovered_s = time.monotonic() - relieved
            print(f"{clients} connections at a limit of {limit}: CPU {busy:.1%}, {answers} admin answers, served "
                  f"{recovered_s:.2f} s after relief")
            assert worker(running) == pid and busy <= 0.10 * SCALE and recovered_s <= 1 * SCALE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, own)


def test_a_full_disk_costs_log_lines_only():
    count = 5000 if FULL else 300
    config = bootstrap([listener(hcm(direct(200, "fine"), access_log=access_log("/dev/full")))])
    with proxy(config, "--file-flush-interval-msec", "50") as running:
        with running.client() as client:
            assert {client.get("/").status for _ in range(count)} == {200}
        eventually(lambda: running.counter("filesystem.write_failed") > 0)
        print(f"{count} requests served, {running.counter('filesystem.write_failed')} failed writes counted")


# ---- clients that vanish

VANISHING = 100 if FULL else 12


def census_config(*clusters, **more):
    """Everything is routed to `backend`; /census counts greenlets, /filter blocks in a filter for a while."""
    filters = [http_filter("census", PYTHON_FILTER, module="tests.helpers.census", name="GreenletCount"),
               http_filter("waiting", PYTHON_FILTER, module="tests.helpers.census", name="SlowFilter"), router()]
    return bootstrap([listener(hcm(route("backend", timeout="0s"), filters=filters, **more))], clusters)


def vanish(running, first, when=None):
    """VANISHING clients send `first`; when `when(number of clients)` is true all of them reset their connections."""
    clients = [running.client() for _ in range(VANISHING)]
    for client in clients:
        client.send(first)
    eventually(when)
    for client in clients:
        client.abort()


def settled(running):
    """(descriptors, greenlets) of the worker, asked over the wire: the asking connection is part of it every time."""
    with running.client() as client:
        greenlets = int(client.get("/census").body)
        return descriptors(worker(running)), greenlets


def check_nothing_is_left(running, base):
    def back():
        now = settled(running)
        assert now[0] <= base[0] and now[1] <= base[1], f"(descriptors, greenlets) {now}, before {base}"
        return True
    eventually(back, 10)


def active(running, name, number):
    return lambda: running.counter(name) >= number


class Held:
    """A handler that never completes its answer: sends `begun`, then waits until the proxy ends the connection."""

    def __init__(self, begun=b""):
        self.begun = begun

    def __call__(self, exchange):
        exchange.read_body()
        exchange.send(self.begun)
        assert exchange.reader.read(1) == b""
        exchange.close()


def check_point(config, upstream, first, when):
    """Clients vanish at one await point, three times over; nothing may be left, and requests are served."""
    with proxy(config) as running:
        with running.client() as client:
            client.get("/census")
        base = settled(running)
        for _ in range(3):
            vanish(running, first, lambda: when(running))
            check_nothing_is_left(running, base)
            if upstream is not None:
                eventually(lambda: upstream.open_connections == 0)
        running.wait_counter("http.ingress.downstream_rq_active", 0)


def test_vanishing_in_the_head():
    check_point(census_config(cluster("backend", 1)), None, b"GET / HTTP/1.1\r\nHost:",
              active_connections(VANISHING))


def active_connections(number):
    return lambda running: running.counter("http.ingress.downstream_cx_active") >= number


def test_vanishing_in_the_body():
    held = Held()
    with HttpUpstream(held) as upstream:
        check_point(census_config(cluster("backend", upstream.port)), upstream, PARTIAL_BODY + b"some",
                  lambda running: upstream.open_connections >= VANISHING)


def test_vanishing_in_a_filter():
    check_point(census_config(cluster("backend", 1)), None, b"GET /filter HTTP/1.1\r\nHost: test\r\n\r\n",
              lambda running: running.counter("http.ingress.downstream_rq_active") >= VANISHING)


def test_vanishing_while_the_upstream_connects(unreachable_port):
    config = census_config(cluster("backend", unreachable_port) | {"connect_timeout": "2s"})
    check_point(config, None, b"GET / HTTP/1.1\r\nHost: test\r\n\r\n",
              lambda running: running.counter("http.ingress.downstream_rq_active") >= VANISHING)


def test_vanishing_before_the_response():
    held = Held()
    with HttpUpstream(held) as upstream:
        check_point(census_config(cluster("backend", upstream.port)), upstream, b"GET / HTTP/1.1\r\nHost: test\r\n\r\n",
                  lambda running: upstream.open_connections >= VANISHING)


def test_vanishing_in_the_response():
    held = Held(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nbegun")
    with HttpUpstream(held) as upstream:
        check_point(census_config(cluster("backend", upstream.port)), upstream, b"GET / HTTP/1.1\r\nHost: test\r\n\r\n",
                  lambda running: upstream.open_connections >= VANISHING)


def test_vanishing_while_not_reading():
    with HttpUpstream(answer_large) as upstream:
        check_point(census_config(cluster("backend", upstream.port)), upstream, LARGE_GET,
                  lambda running: upstream.open_connections >= VANISHING)


def test_vanishing_from_a_tcp_proxy():
    with TcpUpstream() as upstream:
        config = bootstrap([listener(tcp_proxy("tcp"))], [cluster("tcp", upstream.port)])
        with proxy(config) as running:
            pid = worker(running)
            base = descriptors(pid)
            vanish(running, b"x", lambda: upstream.open_connections >= VANISHING)
            eventually(lambda: upstream.open_connections == 0 and descriptors(pid) <= base)
            running.wait_counter("cluster.tcp.upstream_cx_active", 0)


def test_a_half_read_upstream_connection_is_never_used_again():
    """The client vanishes in the middle of a response; the next answer must not be the rest of that one."""
    def handler(exchange):
        exchange.read_body()
        if exchange.request.path == b"/half":
            exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n" + b"h" * 1_000_000)
            exchange.reader.read(1)                     # until the proxy ends the connection
            exchange.close()
        else:
            exchange.answer(body=b"whole")

    with HttpUpstream(handler) as upstream, proxy(http_to(upstream.port)) as running:
        for _ in range(VANISHING):
            with running.client() as client:
                client.send(b"GET /half HTTP/1.1\r\nHost: test\r\n\r\n")
                client.read_until(b"\r\n\r\nhhhh")
                client.abort()
            with running.client() as client:
                assert client.get("/").body == b"whole"
        halves = {request.connection for request in upstream.requests if request.path == b"/half"}
        after = [request for request in upstream.requests if request.path != b"/half"]
        assert all(request.connection not in halves or request is first_on(upstream, request) for request in after)


def first_on(upstream, request):
    """The first request of that request's connection: one that was reused *before* its half-read response is fine."""
    return next(other for other in upstream.requests if other.connection == request.connection)


@pytest.fixture
def unreachable_port():
    """A port whose connections hang: a listener whose accept queue is full."""
    import socket
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        yield port
        for filler in fillers:
            filler.close()
