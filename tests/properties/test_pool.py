"""Pool invariants under random sequences of requests, connects, failures, deaths and kills."""
import gevent
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gmosn.errors import StreamError
from gmosn.upstream.limits import CONNECTIONS, PENDING
from tests.helpers.pools import PoolBench, hub_until, settle


class Pools(RuleBasedStateMachine):
    """`requests`: greenlets of requests that have no connection yet; `held`: connections in the hands of requests."""

    def __init__(self):
        super().__init__()
        self.bench = None
        self.requests, self.held = [], []

    @initialize(hosts=st.integers(1, 2), limit=st.integers(1, 3), pending=st.integers(2, 6))
    def start(self, hosts, limit, pending):
        self.bench = PoolBench(hosts, limits=dict(max_connections=limit, max_pending=pending))

    def request(self, pool, fresh):
        try:
            entry = self.bench.get(pool, fresh)
        except StreamError:
            return
        entry.requests += 1
        self.held.append(entry)

    @rule(host=st.integers(0, 1), fresh=st.sampled_from([False, False, False, True]), count=st.integers(1, 3))
    def begin(self, host, fresh, count):
        for _ in range(count):
            self.requests.append(gevent.spawn(self.request, host % len(self.bench.pools), fresh))
        settle()

    @precondition(lambda self: self.bench.connector.pending)
    @rule(index=st.integers(0, 9), ok=st.booleans())
    def connect(self, index, ok):
        index %= len(self.bench.connector.pending)
        self.bench.connector.finish(index) if ok else self.bench.connector.fail(index)
        settle()

    @precondition(lambda self: self.held)
    @rule(index=st.integers(0, 9), reusable=st.booleans(), turn=st.booleans())
    def end(self, index, reusable, turn):
        entry = self.held.pop(index % len(self.held))
        self.bench.group.put(entry) if reusable else self.bench.group.destroy(entry, False, True)
        if turn:
            settle()

    @precondition(lambda self: any(not request.dead for request in self.requests))
    @rule(index=st.integers(0, 9), now=st.booleans())
    def kill(self, index, now):
        alive = [request for request in self.requests if not request.dead]
        alive[index % len(alive)].kill(block=now)

    @precondition(lambda self: self.held and any(not request.dead for request in self.requests))
    @rule(index=st.integers(0, 9), which=st.integers(0, 9), reusable=st.booleans())
    def kill_who_is_given_something(self, index, which, reusable):
        """The kill is on its way already when a connection or a slot becomes free for the victim."""
        alive = [request for request in self.requests if not request.dead]
        alive[which % len(alive)].kill(block=False)
        self.end(index, reusable, True)

    @precondition(lambda self: any(pool.idle for pool in self.bench.pools))
    @rule(index=st.integers(0, 9))
    def peer_closes(self, index):
        idle = [entry for pool in self.bench.pools for entry in pool.idle]
        entry = idle[index % len(idle)]
        self.bench.peer(entry).close()
        hub_until(lambda: entry.closed)

    @rule()
    def turn(self):
        settle()

    @invariant()
    def holds(self):
        if self.bench is None:
            return
        pools, limits = self.bench.pools, self.bench.limits
        assert limits.total(CONNECTIONS) == sum(pool.total for pool in pools)
        assert sum(pool.total for pool in pools) <= limits.max_connections + len(pools) - 1
        for pool in pools:
            assert 0 <= pool.connecting <= pool.total
            assert not (pool.waiters and pool.total == 0), "a waiter that nobody will serve"
            assert not (pool.waiters and pool.idle), "a waiter and a connection that nobody uses"
            assert all(entry.idle and not entry.closed for entry in pool.idle)
        assert len({id(entry) for entry in self.held}) == len(self.held), "one connection in two hands"
        assert not any(entry.idle or entry.closed for entry in self.held), "a connection in a hand and in the pool"
        assert self.bench.group.waiting == [pool for pool in self.bench.group.waiting if pool.waiters]

    def teardown(self):
        if self.bench is None:
            return
        for _ in range(1000):            # whatever was begun comes to its end: no waiter is lost
            settle()
            while self.bench.connector.pending:
                self.bench.connector.finish()
                settle(1)
            if all(request.dead for request in self.requests) and not self.held:
                break
            while self.held:
                self.bench.group.put(self.held.pop())
        self.holds()
        assert all(request.dead for request in self.requests)
        for pool in self.bench.pools:
            self.bench.group.close_idle(pool)
        assert [pool.total for pool in self.bench.pools] == [0] * len(self.bench.pools)
        assert self.bench.limits.total(CONNECTIONS) == self.bench.limits.total(PENDING) == 0
        assert self.bench.counter("cx_active") == self.bench.counter("rq_pending_active") == 0
        assert self.bench.counter("cx_total") == self.bench.counter("cx_destroy")
        self.bench.connector.close_all()


Pools.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None,
                                   suppress_health_check=list(HealthCheck))
TestPools = Pools.TestCase
