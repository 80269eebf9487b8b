"""Cluster end to end over loopback TCP: streams lent and returned, limits, hosts that come and go, raw connections."""
import gevent
import pytest

from gmosn.clock import now_us
from gmosn.errors import NoHealthyUpstream, Timeout, UpstreamConnectFailure, UpstreamConnectTimeout, UpstreamOverflow
from gmosn.stream.api import Body
from gmosn.upstream.limits import CONNECTIONS, PENDING, REQUESTS
from tests.helpers.clusters import Sink, assignment, cluster_proto, context, stream_info
from tests.helpers.pools import hub_until, settle
from tests.helpers.timing import SCALE



def ended_body():
    """What a stream has once a response without a body was received."""
    body = Body()
    body.done = True
    return body


class Bench:
    """A cluster "c" over Sinks."""

    def __init__(self):
        self.context = context()
        self.sinks = []
        self.cluster = None

    def sink(self):
        self.sinks.append(Sink())
        return self.sinks[-1]

    def build(self, *endpoints, **fields):
        self.cluster = self.context.clusters.build(cluster_proto(*endpoints, **fields), self.context)
        return self.cluster

    def open(self, fresh=False, deadline_us=0):
        return self.cluster.open_stream(stream_info(), fresh, deadline_us)

    def finish(self, stream, reusable=True):
        """What the router does after a complete exchange."""
        stream.body, stream.sent_end, stream.reusable = ended_body(), True, reusable
        self.cluster.release(stream)

    def counter(self, name):
        return self.context.stats.counter("cluster.c." + name).value()

    def gauge(self, name):
        return self.context.stats.gauge("cluster.c." + name).value()

    def all_quiet(self):
        """Nothing is counted as being in use."""
        limits = self.cluster.limits
        return [limits.total(kind) for kind in (CONNECTIONS, PENDING, REQUESTS)] == [0, 0, 0] and \
            [self.gauge(name) for name in ("upstream_cx_active", "upstream_rq_active", "upstream_rq_pending_active")] \
            == [0, 0, 0] and all(host.active == 0 for host in self.cluster.hosts.hosts)


@pytest.fixture
def bench(hub_errors):
    made = Bench()
    yield made
    if made.cluster is not None:
        made.cluster.close()
    for sink in made.sinks:
        sink.stop()


def test_a_released_connection_is_used_again(bench):
    bench.build(bench.sink().port)
    first = bench.open()
    client = first.client
    assert bench.gauge("upstream_rq_active") == bench.gauge("upstream_cx_active") == 1
    assert first.client.host.active == 1
    bench.finish(first)
    second = bench.open()
    assert second.client is client and client.requests == 2
    bench.finish(second, reusable=False)
    assert client.conn.closed
    assert bench.all_quiet()
    assert bench.counter("upstream_rq_total") == 2
    assert bench.counter("upstream_cx_total") == bench.counter("upstream_cx_http1_total") == 1
    assert bench.counter("upstream_rq_pending_total") == 1 and bench.counter("upstream_cx_destroy") == 1


def test_info_learns_where_it_went(bench):
    sink = bench.sink()
    bench.build(sink.port)
    info = stream_info()
    stream = bench.cluster.open_stream(info, False, 0)
    assert info.cluster is bench.cluster and info.upstream_host.name == b"127.0.0.1:%d" % sink.port
    assert info.upstream_local.port == stream.conn.local.port
    bench.finish(stream)


def test_release_counts_once(bench):
    bench.build(bench.sink().port)
    stream = bench.open()
    bench.finish(stream)
    again = bench.open()
    bench.cluster.release(stream)                    # a second release must not touch the next request's connection
    assert not again.conn.closed and bench.gauge("upstream_rq_active") == 1
    bench.finish(again)


def test_fresh_never_gets_a_used_connection(bench):
    bench.build(bench.sink().port)
    bench.finish(bench.open())
    stream = bench.open(fresh=True)
    assert stream.client.requests == 1
    bench.finish(stream)


@pytest.mark.parametrize("spoil", ["half-sent", "half-read", "stale", "eof"])
def test_a_connection_that_is_not_clean_is_closed(bench, spoil):
    bench.build(bench.sink().port)
    stream = bench.open()
    client = stream.client
    stream.body, stream.sent_end, stream.reusable = ended_body(), True, True
    if spoil == "half-sent":
        stream.sent_end = False
    elif spoil == "half-read":
        stream.reusable = False
    else:
        setattr(stream.conn, spoil, True)
    bench.cluster.release(stream)
    assert client.conn.closed and bench.all_quiet()
    assert bench.counter("upstream_cx_destroy_with_active_rq") == (spoil == "half-sent")
    assert bench.counter("upstream_cx_destroy_remote") == (spoil in ("stale", "eof"))


def test_max_requests_per_connection(bench):
    bench.build(bench.sink().port, http={"commonHttpProtocolOptions": {"maxRequestsPerConnection": 2}})
    clients = []
    for _ in range(4):
        stream = bench.open()
        clients.append(stream.client)
        bench.finish(stream)
    assert clients[0] is clients[1] is not clients[2] is clients[3]
    assert bench.counter("upstream_cx_max_requests") == 2 and bench.all_quiet()


def test_idle_timeout_of_the_configuration(bench):
    bench.build(bench.sink().port, http={"commonHttpProtocolOptions": {"idleTimeout": "0.05s"}})
    stream = bench.open()
    client = stream.client
    bench.finish(stream)
    hub_until(lambda: client.conn.closed, 5 * SCALE)
    assert bench.counter("upstream_cx_idle_timeout") == 1 and bench.all_quiet()


def test_upstream_that_closes_an_idle_connection(bench):
    sink = bench.sink()
    bench.build(sink.port)
    stream = bench.open()
    client = stream.client
    bench.finish(stream)
    hub_until(lambda: sink.connections)
    sink.connections[0].close()
    hub_until(lambda: client.conn.closed)
    assert bench.counter("upstream_cx_destroy_remote") == 1 and bench.all_quiet()


def test_max_requests(bench):
    bench.build(bench.sink().port, circuitBreakers={"thresholds": [{"maxRequests": 1}]})
    stream = bench.open()
    assert bench.gauge("circuit_breakers.default.rq_open") == 1
    with pytest.raises(UpstreamOverflow):
        bench.open()
    assert bench.counter("upstream_rq_pending_overflow") == 1
    bench.finish(stream)
    assert bench.gauge("circuit_breakers.default.rq_open") == 0
    bench.finish(bench.open())


def test_high_priority_has_its_own_limits_and_connections(bench):
    bench.build(bench.sink().port, circuitBreakers={"thresholds": [
        {"maxRequests": 1}, {"priority": "HIGH", "maxRequests": 1}]})
    normal = bench.open()
    high = bench.cluster.open_high_stream(stream_info(), False, 0)
    with pytest.raises(UpstreamOverflow):
        bench.cluster.open_high_stream(stream_info(), False, 0)
    assert bench.gauge("circuit_breakers.high.rq_open") == 1
    bench.finish(normal)
    bench.finish(high)
    assert bench.cluster.open_high_stream(stream_info(), False, 0).client is high.client


def test_track_remaining(bench):
    bench.build(bench.sink().port, circuitBreakers={"thresholds": [{"maxRequests": 9, "trackRemaining": True}]})
    name = "circuit_breakers.default.remaining_rq"
    assert bench.gauge(name) == 9
    stream = bench.open()
    hub_until(lambda: bench.gauge(name) == 8, 5 * SCALE)
    bench.finish(stream)


def test_requests_wait_when_max_connections_is_reached(bench):
    bench.build(bench.sink().port, circuitBreakers={"thresholds": [{"maxConnections": 1}]})
    first = bench.open()
    waiting = gevent.spawn(bench.open)
    settle()
    assert not waiting.ready() and bench.gauge("upstream_rq_pending_active") == 1
    assert bench.gauge("circuit_breakers.default.cx_open") == 1 and bench.counter("upstream_cx_overflow") == 1
    bench.finish(first)
    settle()
    assert waiting.value.client is first.client
    bench.finish(waiting.value, reusable=False)
    assert bench.all_quiet()


def test_no_hosts(bench):
    bench.build()
    with pytest.raises(NoHealthyUpstream):
        bench.open()
    assert bench.counter("upstream_cx_none_healthy") == 1


def test_connection_refused(bench):
    sink = bench.sink()
    sink.stop()
    bench.build(sink.port)
    with pytest.raises(UpstreamConnectFailure) as caught:
        bench.open()
    assert caught.value.transport_failure == "delayed connect error: Connection refused"
    assert bench.counter("upstream_cx_connect_fail") == bench.counter("upstream_cx_destroy_remote") == 1
    assert bench.counter("upstream_rq_pending_failure_eject") == 1 and bench.counter("upstream_rq_total") == 0
    assert bench.all_quiet()


class FullBacklog:
    """A port on which connects neither succeed nor fail."""

    def __enter__(self):
        import socket
        self.server = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self.server.getsockname()[1]
        self.clients = []
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", self.port))
            self.clients.append(client)
        return self

    def __exit__(self, *exc):
        for sock in (self.server, *self.clients):
            sock.close()


def test_connect_timeout(bench):
    with FullBacklog() as full:
        bench.build(full.port, connectTimeout="0.05s")
        with pytest.raises(UpstreamConnectTimeout):
            bench.open()
    assert bench.counter("upstream_cx_connect_timeout") == bench.counter("upstream_cx_connect_fail") == 1
    assert bench.counter("upstream_cx_destroy_local") == 1 and bench.all_quiet()


def test_deadline_while_connecting(bench):
    with FullBacklog() as full:
        bench.build(full.port)
        with pytest.raises(Timeout):
            bench.open(deadline_us=now_us() + 50_000)
    assert bench.counter("upstream_cx_connect_timeout") == 0 and bench.counter("upstream_rq_cancelled") == 1
    assert bench.all_quiet()


def test_a_killed_connect_leaves_nothing(bench):
    with FullBacklog() as full:
        bench.build(full.port)
        request = gevent.spawn(bench.open)
        settle()
        assert bench.gauge("upstream_cx_active") == 1
        request.kill()
    assert bench.all_quiet()


def test_hosts_stay_by_address(bench):
    one, two, three = bench.sink(), bench.sink(), bench.sink()
    bench.build(one.port, two.port)
    before = {host.address.port: host for host in bench.cluster.hosts.hosts}
    bench.cluster.update_assignment(assignment(two.port, three.port))
    after = {host.address.port: host for host in bench.cluster.hosts.hosts}
    assert set(after) == {two.port, three.port} and after[two.port] is before[two.port]
    assert before[one.port].gone and not before[two.port].gone


def test_a_removed_hosts_requests_finish(bench):
    one, two = bench.sink(), bench.sink()
    bench.build(one.port)
    idle, busy = bench.open(), bench.open()
    bench.finish(idle)
    bench.cluster.update_assignment(assignment(two.port))
    assert idle.conn.closed and not busy.conn.closed
    bench.finish(busy)
    assert busy.conn.closed and bench.all_quiet()
    assert bench.open().client.host.address.port == two.port


def test_a_replaced_cluster_finishes_what_it_began(bench):
    sink = bench.sink()
    old = bench.build(sink.port)
    stream = bench.open()
    new = bench.build(sink.port)
    assert bench.context.clusters.get("c") is new is not old
    stream.body, stream.sent_end, stream.reusable = ended_body(), True, True
    old.release(stream)
    assert stream.conn.closed and bench.all_quiet()


def test_logical_dns_host_moves_and_keeps_its_connections(bench):
    one, two = bench.sink(), bench.sink()
    bench.build(("name.test", one.port), type="LOGICAL_DNS")
    assert bench.cluster.hosts.hosts == []
    bench.cluster.update_assignment(assignment(one.port))
    host = bench.cluster.hosts.hosts[0]
    bench.finish(bench.open())
    bench.cluster.update_assignment(assignment(two.port))
    assert bench.cluster.hosts.hosts == [host] and host.address.port == two.port
    stream = bench.open()
    assert stream.conn.remote.port == one.port
    fresh = bench.open()
    assert fresh.conn.remote.port == two.port
    assert host.cx_active.value() == 2
    bench.finish(stream)
    bench.finish(fresh)


def test_layer_4(bench):
    sink = bench.sink()
    bench.build(sink.port)
    info = stream_info()
    conn, host = bench.cluster.connect(info, 0)
    assert info.upstream_host is host and host.active == 1
    conn.write(b"12345")
    bench.cluster.disconnected(conn, host)
    bench.cluster.disconnected(conn, host)
    assert conn.closed and bench.all_quiet()
    assert bench.counter("upstream_cx_tx_bytes_total") == 5
    assert bench.counter("upstream_rq_total") == bench.counter("upstream_cx_destroy_local_with_active_rq") == 1
    assert bench.counter("upstream_cx_http1_total") == 0


def test_layer_4_bytes_are_counted_while_it_runs(bench):
    bench.build(bench.sink().port)
    conn, host = bench.cluster.connect(stream_info(), 0)
    conn.write(b"12345")
    hub_until(lambda: bench.counter("upstream_cx_tx_bytes_total") == 5, 5 * SCALE)
    bench.cluster.disconnected(conn, host)
    assert bench.counter("upstream_cx_tx_bytes_total") == 5


def test_layer_4_overflow(bench):
    bench.build(bench.sink().port, circuitBreakers={"thresholds": [{"maxConnections": 1}]})
    conn, host = bench.cluster.connect(stream_info(), 0)
    with pytest.raises(UpstreamOverflow):
        bench.cluster.connect(stream_info(), 0)
    assert bench.counter("upstream_cx_overflow") == 1
    bench.cluster.disconnected(conn, host)
    assert bench.all_quiet()


def test_unix_socket(bench, tmp_path):
    import socket
    path = str(tmp_path / "up.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        bench.build(path)
        stream = bench.open()
        assert stream.client.host.name == path.encode()
        bench.finish(stream, reusable=False)
    assert bench.all_quiet()


def test_missing_unix_socket(bench, tmp_path):
    path = str(tmp_path / "none.sock")
    bench.build(path)
    with pytest.raises(UpstreamConnectFailure) as caught:
        bench.open()
    assert caught.value.transport_failure == f"immediate connect error: No such file or directory|remote address:{path}"


def test_source_address_and_keepalive(bench):
    import socket

    from gmosn.io.descriptors import borrowed
    bench.build(bench.sink().port, upstreamBindConfig={"sourceAddress": {"address": "127.0.0.5", "portValue": 0}},
                upstreamConnectionOptions={"tcpKeepalive": {"keepaliveTime": 77, "keepaliveProbes": 3}})
    stream = bench.open()
    assert stream.conn.local.ip == "127.0.0.5"
    with borrowed(stream.conn.fd) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
    bench.finish(stream)


def test_host_stats(bench):
    sink = bench.sink()
    bench.build(sink.port)
    bench.finish(bench.open())
    scope = f"\x01host.c.127.0.0.1:{sink.port}."
    stats = bench.context.stats
    assert stats.counter(scope + "rq_total").value() == stats.counter(scope + "cx_total").value() == 1
    assert stats.gauge(scope + "cx_active").value() == 1 and stats.gauge(scope + "rq_active").value() == 0


def test_alt_stat_name(bench):
    bench.build(bench.sink().port, altStatName="other")
    bench.finish(bench.open())
    assert bench.context.stats.counter("cluster.other.upstream_rq_total").value() == 1


def test_slots(bench):
    clusters = bench.context.clusters
    slot = clusters.slot("c")
    assert slot.cluster is None and clusters.get("c") is None and "c" not in clusters and len(clusters) == 0
    bench.build(1)
    assert slot.cluster is bench.cluster and "c" in clusters and list(clusters) == [bench.cluster]
    assert not clusters.update_assignment(assignment_of("other"))
    assert clusters.remove("c") and not clusters.remove("c")
    assert slot.cluster is None and repr(clusters) == "<Clusters []>"


def assignment_of(name):
    made = assignment()
    made.cluster_name = name
    return made
