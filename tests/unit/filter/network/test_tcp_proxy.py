"""The TCP proxy filter with a scripted cluster: choosing, connecting, counting, logging, refusing."""
import collections
import socket

import gevent
import pytest

from gmosn.config.descriptors import message_class
from gmosn.errors import (
    ConfigError,
    NoHealthyUpstream,
    UpstreamConnectFailure,
    UpstreamConnectTimeout,
    UpstreamOverflow,
)
from gmosn.filter.network.tcp_proxy import Backoff, TcpProxy
from gmosn.io.address import Address
from gmosn.io.connection import Connection
from gmosn.io.wheel import Wheel
from gmosn.observe.access_log import AccessLog
from gmosn.observe.stats import Segment, Stats
from gmosn.registry import FactoryContext
from gmosn.stream_info import ConnectionInfo
from tests.helpers.timing import SCALE

Config = message_class("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy")
ADDRESS = Address.parse("127.0.0.1", 1)


class FakeCluster:
    """connect() does what `script` says next: raises it, or gives the next of `connections`."""

    def __init__(self, stats):
        self.script, self.connections, self.ended = [], [], []
        self.stats = self
        self.cx_connect_attempts_exceeded = stats.counter("exceeded")

    def connect(self, info, deadline_us):
        info.upstream_host = "host"
        step = self.script.pop(0) if self.script else None
        if step is not None:
            raise step
        return self.connections.pop(0), "host"

    def disconnected(self, conn, host):
        conn.close()
        self.ended.append((conn, host))


class FakeSlot:
    def __init__(self, cluster):
        self.cluster = cluster


class FakeClusters:
    def __init__(self, **clusters):
        self.clusters = clusters

    def slot(self, name):
        return FakeSlot(self.clusters.get(name))


class Lines(AccessLog):
    """An access log that keeps what the tests compare."""

    def __init__(self):
        self.lines = []

    def log(self, info):
        self.lines.append((info.log_type.decode(), ",".join(info.flag_names()), info.bytes_received, info.bytes_sent,
                           info.attempts))


class Stage:
    def __init__(self, config, script=()):
        self.wheel = Wheel(gevent.get_hub().loop)
        self.stats = Stats(Segment.local())
        self.cluster = FakeCluster(self.stats)
        self.cluster.script = list(script)
        up, self.server = self.pair()
        self.cluster.connections.append(up)
        self.filter = TcpProxy.from_proto(config, FactoryContext(
            stats=self.stats, clusters=FakeClusters(backend=self.cluster), wheel=self.wheel))
        self.log = Lines()
        self.filter.access_logs = [self.log]
        self.conn, self.client = self.pair()
        self.greenlet = gevent.spawn(self.filter.serve, self.conn, ConnectionInfo(ADDRESS, ADDRESS))

    def pair(self):
        ours, peer = socket.socketpair()
        peer.setblocking(False)
        return Connection(ours, self.wheel, ADDRESS, ADDRESS), peer

    def over(self):
        self.greenlet.join(timeout=10 * SCALE)
        assert self.greenlet.ready() and self.conn.closed
        return self.log.lines

    def count(self, name):
        return self.stats.counter("tcp.t." + name).value()


@pytest.fixture
def stage(hub_errors):
    made = []

    def make(*arguments, **more):
        made.append(Stage(*arguments, **more))
        return made[-1]
    yield make
    for one in made:
        one.greenlet.kill()
        one.filter.close()
        for sock in one.client, one.server:
            sock.close()


def config(**fields):
    return Config(stat_prefix="t", **({"cluster": "backend"} | fields))


def recv(sock):
    with gevent.Timeout(10 * SCALE):
        while True:
            try:
                return sock.recv(1000)
            except BlockingIOError:
                gevent.sleep(0.001)  # sleeps: lets the hub run


def test_relays_counts_and_logs(stage):
    s = stage(config())
    s.client.sendall(b"hello")
    assert recv(s.server) == b"hello"
    s.server.sendall(b"you")
    assert recv(s.client) == b"you"
    s.client.close()
    assert recv(s.server) == b""
    s.server.close()
    assert s.over() == [("TcpConnectionEnd", "", 5, 3, 1)]
    assert s.cluster.ended == [(s.cluster.ended[0][0], "host")]
    assert [s.count(name) for name in ("downstream_cx_total", "downstream_cx_rx_bytes_total",
                                       "downstream_cx_tx_bytes_total", "idle_timeout")] == [1, 5, 3, 0]


@pytest.mark.parametrize("script, flags, attempts", [
    ([NoHealthyUpstream()], "UH", 0),
    ([UpstreamOverflow()], "UO", 0),
    ([UpstreamConnectFailure()], "UF,URX", 1),
    ([UpstreamConnectTimeout()], "UF,URX", 1),
])
def test_no_upstream(stage, script, flags, attempts):
    s = stage(config(), script)
    assert recv(s.client) == b""
    assert s.over() == [("TcpConnectionEnd", flags, 0, 0, attempts)]
    assert s.cluster.ended == []
    assert s.stats.counter("exceeded").value() == ("URX" in flags)


def test_more_attempts(stage):
    fields = config()
    fields.max_connect_attempts.value = 3
    s = stage(fields, [UpstreamConnectFailure(), UpstreamConnectFailure()])
    s.server.close()
    s.client.close()
    assert s.over() == [("TcpConnectionEnd", "UF", 0, 0, 3)]


def test_unknown_cluster(stage):
    s = stage(config(cluster="other"))
    assert s.over() == [("TcpConnectionEnd", "NC", 0, 0, 0)]
    assert s.count("downstream_cx_no_route") == 1


def test_idle_timeout_and_duration(stage):
    fields = config()
    fields.idle_timeout.nanos = 40_000_000
    s = stage(fields)
    assert s.over()[0][1] == "" and s.count("idle_timeout") == 1
    fields = config()
    fields.max_downstream_connection_duration.nanos = 40_000_000
    fields.max_downstream_connection_duration_jitter_percentage.value = 50
    s = stage(fields)
    assert s.over()[0][1] == "DT" and s.count("max_downstream_connection_duration") == 1


def test_access_log_options(stage):
    fields = config()
    fields.idle_timeout.nanos = 120_000_000
    fields.access_log_options.flush_access_log_on_connected = True
    fields.access_log_options.access_log_flush_interval.nanos = 30_000_000
    s = stage(fields)
    kinds = [line[0] for line in s.over()]
    assert kinds[0] == "TcpUpstreamConnected" and kinds[-1] == "TcpConnectionEnd" and kinds[1] == "TcpPeriodic"


def test_weighted_clusters():
    fields = Config(stat_prefix="t")
    for name, weight in ("a", 3), ("b", 1), ("c", 0):
        fields.weighted_clusters.clusters.add(name=name, weight=weight)
    clusters = FakeClusters(a="a", b="b", c="c")
    made = TcpProxy.from_proto(fields, FactoryContext(stats=Stats(Segment.local()), clusters=clusters))
    seen = collections.Counter(made.choose().cluster for _ in range(4000))
    assert 2700 < seen["a"] < 3300 and seen["c"] == 0


def test_killed(stage):
    s = stage(config())
    s.client.sendall(b"x")
    assert recv(s.server) == b"x"
    s.greenlet.kill()
    assert s.conn.closed and len(s.cluster.ended) == 1


def both_log_options():
    fields = config(flush_access_log_on_connected=True)
    fields.access_log_options.SetInParent()
    return fields


def bad_backoff():
    fields = config()
    fields.backoff_options.base_interval.seconds = 2
    fields.backoff_options.max_interval.seconds = 1
    return fields


def weightless():
    fields = Config(stat_prefix="t")
    fields.weighted_clusters.clusters.add(name="a")
    return fields


@pytest.mark.parametrize("fields, message", [
    (Config(stat_prefix="t"), "ClusterSpecifier: is required"),
    (both_log_options(), "Only one of access_log_options or"),
    (bad_backoff(), "max_interval must be greater than or equal to the base_interval"),
    (weightless(), "sum of the weights"),
])
def test_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        TcpProxy.from_proto(fields, FactoryContext(stats=Stats(Segment.local()), clusters=FakeClusters()))


def test_backoff():
    backoff = Backoff(0.1, 0.5)
    assert all(0 <= backoff.pause_s(1) <= 0.1 for _ in range(50))
    assert all(0 <= backoff.pause_s(100) <= 0.5 for _ in range(50))
