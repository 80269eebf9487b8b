"""Pools without a network: connections are socket pairs, and a connect ends when the test says so."""
import socket

import gevent
from gevent.event import AsyncResult

from gmosn.errors import UpstreamConnectFailure
from gmosn.io.address import Address
from gmosn.io.connection import Connection
from gmosn.io.wheel import Wheel
from gmosn.observe.stats import Segment, Stats
from gmosn.stream.api import Body, ClientConnection, ClientStream
from gmosn.upstream.cluster_stats import ClusterStats
from gmosn.upstream.connector import Connector
from gmosn.upstream.host import Host, HostSet
from gmosn.upstream.limits import Limits, LimitTable
from gmosn.upstream.pool import HostPool, PoolGroup


def settle(turns=4):
    """Lets the hub run what is ready."""
    for _ in range(turns):
        gevent.sleep(0)                  # sleeps: gives the hub its turn, takes no time


def hub_until(check, timeout_s=5.0):
    """eventually() for tests whose other side runs in this hub."""
    with gevent.Timeout(timeout_s, AssertionError(f"not within {timeout_s} s")):
        while not check():
            gevent.sleep(0.002)          # sleeps: polls
    return True


class FakeStream(ClientStream):
    """A stream that is complete and reusable unless told otherwise."""

    def __init__(self, client):
        self.client = client
        self.conn = client.conn
        self.body = Body()
        self.body.done = True
        self.reusable = self.sent_end = True

    def settle(self):
        pass


class FakeClient(ClientConnection):
    """The smallest ClientConnection."""

    def __init__(self, conn):
        self.conn = conn

    def free_slots(self):
        return 1

    def open_stream(self):
        self.requests += 1
        return FakeStream(self)

    def close(self):
        self.conn.close()


class FakeConnector(Connector):
    """connect() blocks until finish() (`instant`: not at all); then a Connection over a socket pair, or an error."""

    def __init__(self, wheel, instant=False):
        Connector.__init__(self, wheel)
        self.instant = instant
        self.pending, self.peers = [], {}

    def connect(self, address, deadline_us):
        result = AsyncResult()
        self.pending.append(result)
        try:
            if not self.instant:
                outcome = result.get()
                if outcome is not None:
                    raise outcome
        finally:
            self.pending.remove(result)
        ours, peer = socket.socketpair()
        conn = Connection(ours, self.wheel, address, address)
        self.peers[conn] = peer
        return conn

    def finish(self, index=0, error=None):
        """Ends one pending connect: well, or with an error."""
        self.pending[index].set(error)

    def fail(self, index=0):
        self.finish(index, UpstreamConnectFailure("remote connection failure", "refused by the test"))

    def close_all(self):
        for conn, peer in self.peers.items():
            conn.close()
            peer.close()


class PoolBench:
    """One cluster's pools over fakes: `pools[i]` of host i, `group`, `stats`, `connector`, `limits`."""

    def __init__(self, hosts=1, instant=False, limits=None, **options):
        self.wheel = Wheel(gevent.get_hub().loop)
        self.root = Stats(Segment.local())
        self.stats = ClusterStats(self.root.scope("cluster.c."))
        self.limits = Limits(LimitTable.local(), "c", **(limits or {}))
        self.connector = FakeConnector(self.wheel, instant)
        self.group = PoolGroup(self.stats, self.limits, self.connector, lambda conn, host: FakeClient(conn), **options)
        self.hosts = [Host(Address.parse("127.0.0.1", 1000 + i), self.root, "c") for i in range(hosts)]
        self.pools = [HostPool(host, self.group) for host in self.hosts]
        for host, pool in zip(self.hosts, self.pools, strict=True):
            host.pool = pool
        self.host_set = HostSet(self.hosts)

    def get(self, pool=0, fresh=False, deadline_us=0):
        """What a request does: an idle connection, or obtain(). Blocks."""
        entry = None if fresh else self.pools[pool].take()
        return entry or self.group.obtain(self.pools[pool], fresh, deadline_us)

    def peer(self, entry):
        """The plain socket at the other end."""
        return self.connector.peers[entry.conn]

    def counter(self, name):
        return getattr(self.stats, name).value()
