"""The same requests through Envoy and gmosn: the same stats, name by name and count by count."""
import re
import socket
from contextlib import contextmanager

import pytest

from tests.helpers.client import Closed
from tests.helpers.configs import bootstrap, cluster, direct, hcm, listener, route
from tests.helpers.proxy import envoy, proxy
from tests.helpers.timing import eventually
from tests.helpers.upstream import HttpUpstream

QUERY = "?type={}&filter=%5E(cluster%5C.(backend%7Cdown)%7Chttp%5C.ingress%7Clistener%5C.127)"
# Sizes of heads differ (dates, ids), and so does who closes first: we half-close, Envoy waits for the client.
BYTES = re.compile(r"_bytes_(total|buffered)$")
CLOSING = re.compile(r"downstream_cx_(delayed_close_timeout|destroy_(local|remote)|destroy|active|http1_active)$|"
                     r"listener.*downstream_(cx|pre_cx)_")
# Envoy has these once something was written; we from the start. Ours alone are the last ones.
EXTRA = re.compile(r"upstream_rq_time$|^gmosn\.|accept_out_of_descriptors$|hot_restart_generation$|"
                   r"^http\.admin\.(no_|rq_)|\.worker_\d+\.watchdog|^server\.stats_recent_lookups$")


def answer(exchange):
    """What the upstream does, by path."""
    path = exchange.request.path
    if path == b"/reset":
        exchange.abort()
    elif path == b"/garbage":
        exchange.send(b"NOT HTTP\r\n\r\n")
        exchange.close()
    elif path == b"/partial":
        exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc")
        exchange.close()
    elif path != b"/silent":
        if path == b"/close":
            exchange.close()
        exchange.read_body()
        exchange.answer({b"/missing": 404, b"/unavailable": 503}.get(path, 200), b"hello")


def dead_port():
    """A port that refuses connections."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def config(port, dead):
    again = {"retry_on": "5xx", "num_retries": 1}
    routes = [direct(200, "hi", "/direct"), route("down", "/down"),
              {"match": {"prefix": "/redirect"}, "redirect": {"host_redirect": "x.example"}},
              route("backend", "/silent", timeout="0.3s"),
              route("backend", "/unavailable", retry_policy=again), route("backend", "/")]
    hosts = [{"name": "v", "domains": ["test"], "routes": routes}]
    return bootstrap([listener(hcm(virtual_hosts=hosts))], [cluster("backend", port), cluster("down", dead)])


def ask(path="/", **more):
    """One request on a connection of its own."""
    def run(proxy_):
        with proxy_.client() as client:
            client.request(path=path, **{"host": "test", **more})
            try:
                return client.response().status
            except Closed:
                return None
    return run


def keep_alive(proxy_):
    with proxy_.client() as client:
        return [client.get().status for _ in range(3)]


def send(data, leave=None):
    """Raw bytes; then reads to the end, or leaves with a reset once the upstream has `leave` requests more."""
    def run(proxy_):
        with proxy_.client() as client:
            client.send(data)
            if leave is None:
                return client.read_all()[:12]
            seen = len(proxy_.upstream.requests) + leave
            eventually(lambda: proxy_.counter("cluster.backend.upstream_rq_active") or
                       len(proxy_.upstream.requests) >= seen)
            client.abort()
            return None
    return run


STEPS = {
    "ok": ask(), "keep alive": keep_alive, "missing": ask("/missing"), "direct": ask("/direct"),
    "redirect": ask("/redirect"), "no route": ask(host="other"), "refused": ask("/down"),
    "upstream closes": ask("/close"), "reset on a new connection": ask("/reset"), "retried": ask("/unavailable"),
    "timeout": ask("/silent"),
    "post": ask(method="POST", body=b"x" * 10000), "not http": send(b"GARBAGE\r\n\r\n"),
    "client leaves": send(b"GET /silent HTTP/1.1\r\nhost: test\r\n\r\n", leave=1),
    "large head": send(b"GET / HTTP/1.1\r\nhost: test\r\nx: " + b"a" * 62000 + b"\r\n\r\n"),
    "no host": send(b"GET / HTTP/1.1\r\n\r\n"), "http/1.0": send(b"GET / HTTP/1.0\r\nhost: test\r\n\r\n"),
    "upstream speaks no http": ask("/garbage"), "answer cut off": ask("/partial"),
    "chunked": send(b"POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
                    b"3\r\nabc\r\n0\r\n\r\n"),
}


@contextmanager
def running(start):
    with HttpUpstream(answer) as upstream, start(config(upstream.port, dead_port())) as started:
        started.upstream = upstream
        yield started


def counters(proxy_, kind="Counters"):
    found = proxy_.stats(QUERY.format(kind))
    return {re.sub(r"127\.0\.0\.1_\d+", "ADDR", name): value for name, value in found.items()}


def settled(proxy_):
    """The counters once eight looks in a row agree: the end of a connection is counted after the gauges say so."""
    seen = []

    def same():
        seen.append(counters(proxy_))
        return seen[-1] if len(seen) >= 8 and all(one == seen[-1] for one in seen[-8:]) else None
    return eventually(same, 5)


def run_steps(start):
    """(what each step returned, what it added to every counter, the names of all stats, the Prometheus page)."""
    results, added = {}, {}
    with running(start) as proxy_:
        before = counters(proxy_)
        for name, step in STEPS.items():
            results[name] = step(proxy_)
            eventually(lambda: not any(value for gauge, value in counters(proxy_, "Gauges").items()
                                       if gauge.endswith(("rq_active", "ingress.downstream_cx_active"))), 5)
            now = settled(proxy_)
            added[name] = {key: value - before.get(key, 0) for key, value in now.items()
                           if value != before.get(key, 0) and not BYTES.search(key) and not CLOSING.search(key)}
            before = now
        names = {re.sub(r"127\.0\.0\.1_\d+", "ADDR", line.rpartition(": ")[0].partition(": ")[0])
                 for line in proxy_.admin_text("/stats").splitlines()}
        page = proxy_.admin_text("/stats/prometheus")
    return results, added, names, page


@pytest.fixture(scope="module")
def both():
    return run_steps(envoy), run_steps(proxy)


@pytest.mark.parametrize("step", STEPS)
def test_counts(both, step):
    (their_results, theirs, _, _), (our_results, ours, _, _) = both
    assert our_results[step] == their_results[step]
    assert ours[step] == theirs[step]


def test_every_name_of_envoys_is_there_and_few_more(both):
    (_, _, theirs, _), (_, _, ours, _) = both
    assert {name for name in theirs - ours if not EXTRA.search(name)} == set()
    assert {name for name in ours - theirs if not EXTRA.search(name)} == set()


def metrics(page):
    """{metric name: (type, set of label names)} of a Prometheus page; every line must parse."""
    found, kinds = {}, {}
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, f"{name} twice"
            kinds[name] = kind
            continue
        match = re.fullmatch(r'([a-zA-Z_:][\w:]*)\{((?:[a-zA-Z_]\w*="(?:[^"\\]|\\.)*",?)*)\} (-?[\d.e+]+|NaN)', line)
        assert match, line
        base = re.sub(r"_(bucket|sum|count)$", "", match.group(1))
        name = base if kinds.get(base) == "histogram" else match.group(1)
        found.setdefault(name, (kinds[name], set()))[1].update(re.findall(r'(\w+)="', match.group(2)))
    return found


def test_prometheus_has_the_same_metrics_and_labels(both):
    theirs, ours = metrics(both[0][3]), metrics(both[1][3])
    for name in theirs.keys() - ours.keys():
        assert EXTRA.search(name.removeprefix("envoy_").replace("_", ".", 1)), name
    assert {name: value for name, value in theirs.items() if name in ours} == {
        name: value for name, value in ours.items() if name in theirs}
