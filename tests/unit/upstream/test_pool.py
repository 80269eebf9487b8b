"""Pools one situation at a time: reuse, limits, the queue, deaths, timeouts, kills. Random ones: tests/properties."""
import gevent
import pytest

from gmosn.clock import now_us
from gmosn.errors import StreamError, Timeout, UpstreamConnectFailure, UpstreamConnectTimeout, UpstreamOverflow
from gmosn.upstream.limits import CONNECTIONS, PENDING
from tests.helpers.pools import PoolBench, hub_until, settle
from tests.helpers.timing import SCALE

MS = 1000


@pytest.fixture
def bench(hub_errors):
    made = []

    def make(**options):
        options.setdefault("instant", True)
        made.append(PoolBench(**options))
        return made[-1]
    yield make
    for one in made:
        one.connector.close_all()


def attempt(pools):
    """get() in a greenlet of its own: the connection, or what it raised."""
    try:
        return pools.get()
    except StreamError as exc:
        return exc


def test_last_released_is_used_first(bench):
    pools = bench()
    first, second = pools.get(), pools.get()
    assert first is not second
    pools.group.put(first)
    pools.group.put(second)
    assert pools.pools[0].take() is second
    assert pools.pools[0].take() is first
    assert pools.pools[0].take() is None
    assert pools.counter("cx_total") == 2 and pools.counter("rq_pending_total") == 2


def test_a_peer_that_closes_is_noticed_while_idle(bench):
    pools = bench()
    entry = pools.get()
    pools.group.put(entry)
    pools.peer(entry).close()
    hub_until(lambda: entry.closed)
    assert pools.pools[0].idle == [] and pools.pools[0].total == 0
    assert pools.counter("cx_destroy_remote") == 1 and pools.counter("cx_active") == 0
    assert pools.limits.total(CONNECTIONS) == 0


def test_bytes_that_nobody_asked_for_end_an_idle_connection(bench):
    pools = bench()
    entry = pools.get()
    pools.group.put(entry)
    pools.peer(entry).send(b"HTTP/1.1 200 OK\r\n\r\n")
    hub_until(lambda: entry.closed)
    assert pools.counter("cx_protocol_error") == 1 and pools.counter("cx_destroy_local") == 1


def test_a_connection_that_is_readable_is_not_taken(bench):
    pools = bench()
    entry = pools.get()
    pools.group.put(entry)
    entry.conn.stale = True
    assert pools.pools[0].take() is None
    assert entry.closed and pools.pools[0].total == 0


def test_idle_timeout(bench):
    pools = bench(idle_timeout_us=50 * MS)
    entry = pools.get()
    pools.group.put(entry)
    hub_until(lambda: entry.closed, 5 * SCALE)
    assert pools.counter("cx_idle_timeout") == 1 and pools.counter("cx_destroy_local") == 1


def test_no_idle_timeout_while_in_use(bench):
    pools = bench(idle_timeout_us=30 * MS)
    entry = pools.get()
    pools.group.put(entry)
    assert pools.get() is entry
    gevent.sleep(0.1)                    # sleeps: longer than the idle timeout
    assert not entry.closed


def test_max_duration_ends_an_idle_connection(bench):
    pools = bench(max_duration_us=50 * MS)
    entry = pools.get()
    pools.group.put(entry)
    hub_until(lambda: entry.closed, 5 * SCALE)
    assert pools.counter("cx_max_duration_reached") == 1 and pools.counter("cx_idle_timeout") == 0


def test_waiters_are_served_in_order(bench):
    pools = bench(limits=dict(max_connections=1))
    entry = pools.get()
    served = []

    def wait(name):
        got = pools.get()
        served.append(name)
        return got
    waiters = [gevent.spawn(wait, name) for name in "abc"]
    settle()
    assert served == [] and pools.limits.total(PENDING) == 3
    for expected in ("a", "ab", "abc"):
        pools.group.put(entry)
        settle()
        assert "".join(served) == expected
    assert all(waiter.value is entry for waiter in waiters)
    assert pools.counter("cx_total") == 1 and pools.limits.total(PENDING) == 0


def test_a_closed_connections_slot_goes_to_who_waits(bench):
    pools = bench(limits=dict(max_connections=1))
    entry = pools.get()
    waiter = gevent.spawn(pools.get)
    settle()
    pools.group.destroy(entry, True, True)
    settle()
    assert waiter.value is not entry and not waiter.value.closed
    assert pools.limits.total(CONNECTIONS) == 1


def test_a_fresh_waiter_gets_a_new_connection(bench):
    pools = bench(limits=dict(max_connections=1))
    entry = pools.get()
    waiter = gevent.spawn(pools.get, fresh=True)
    settle()
    pools.group.put(entry)
    settle()
    assert entry.closed and not waiter.value.closed
    assert pools.pools[0].total == pools.limits.total(CONNECTIONS) == 1


def test_fresh_takes_the_slot_of_an_idle_connection(bench):
    pools = bench(limits=dict(max_connections=1))
    entry = pools.get()
    pools.group.put(entry)
    other = pools.get(fresh=True)
    assert entry.closed and other is not entry
    assert pools.pools[0].total == pools.limits.total(CONNECTIONS) == 1


def test_a_host_without_connection_always_gets_one(bench):
    pools = bench(hosts=2, limits=dict(max_connections=1))
    pools.get(0)
    assert pools.get(1).pool is pools.pools[1]
    assert pools.limits.total(CONNECTIONS) == 2


def test_pending_overflow(bench):
    pools = bench(limits=dict(max_connections=1, max_pending=1))
    pools.get()
    waiter = gevent.spawn(pools.get)
    settle()
    with pytest.raises(UpstreamOverflow):
        pools.get()
    assert pools.counter("rq_pending_overflow") == 1
    waiter.kill()
    assert pools.limits.total(PENDING) == 0 and pools.counter("rq_pending_active") == 0


def test_deadline_in_the_queue(bench):
    pools = bench(limits=dict(max_connections=1))
    entry = pools.get()
    with pytest.raises(Timeout):
        pools.get(deadline_us=now_us() + 30 * MS)
    assert pools.pools[0].waiters == [] and pools.group.waiting == []
    pools.group.put(entry)
    assert pools.get() is entry


def test_deadline_that_passed_already(bench):
    pools = bench(limits=dict(max_connections=1))
    pools.get()
    with pytest.raises(Timeout):
        pools.get(deadline_us=now_us() - 1)
    assert pools.pools[0].waiters == []


def test_failed_connect_fails_those_who_wait_for_the_same_host(bench):
    pools = bench(instant=False, limits=dict(max_connections=1))
    requests = [gevent.spawn(attempt, pools) for _ in range(3)]
    settle()
    pools.connector.fail()
    settle()
    assert all(isinstance(request.value, UpstreamConnectFailure) for request in requests)
    assert len({id(request.value) for request in requests}) == 3
    assert requests[2].value.transport_failure == "refused by the test"
    assert pools.counter("rq_pending_failure_eject") == 3 and pools.counter("cx_connect_fail") == 1
    assert pools.limits.total(CONNECTIONS) == 0 and pools.counter("cx_active") == 0


def test_connect_timeout_is_counted(bench):
    pools = bench(instant=False)
    request = gevent.spawn(attempt, pools)
    settle()
    pools.connector.finish(error=UpstreamConnectTimeout())
    settle()
    assert isinstance(request.value, UpstreamConnectTimeout)
    assert pools.counter("cx_connect_timeout") == pools.counter("cx_connect_fail") == 1
    assert pools.counter("cx_destroy_local") == 1 and pools.counter("cx_destroy_remote") == 0


def test_failed_connect_spares_waiters_when_the_host_still_answers(bench):
    pools = bench(instant=False, limits=dict(max_connections=2))
    first = gevent.spawn(pools.get)
    settle()
    pools.connector.finish()
    settle()
    failing, waiting = gevent.spawn(attempt, pools), gevent.spawn(pools.get)
    settle()
    pools.connector.fail()
    settle()
    assert isinstance(failing.value, UpstreamConnectFailure) and not waiting.ready()
    pools.group.put(first.value)
    settle()
    pools.connector.finish()             # the failed connect's slot went to the waiter
    settle()
    assert waiting.successful()


@pytest.mark.parametrize("when", ["connecting", "waiting", "given", "granted"])
def test_a_killed_request_leaves_nothing(bench, when):
    pools = bench(instant=False, limits=dict(max_connections=1))
    if when == "connecting":
        victim = gevent.spawn(pools.get)
        settle()
        victim.kill()
    else:
        holder = gevent.spawn(pools.get)
        settle()
        pools.connector.finish()
        settle()
        victim, other = gevent.spawn(pools.get), gevent.spawn(pools.get)
        settle()
        victim.kill(block=False)                 # dies in the hub's next turn, after what follows
        if when == "given":
            pools.group.put(holder.value)
        elif when == "granted":
            pools.group.destroy(holder.value, False, False)
        settle()
        if when == "waiting":
            pools.group.put(holder.value)
            settle()
        if when == "granted":
            pools.connector.finish()
            settle()
        assert other.successful()
        pools.group.put(other.value)
        pools.group.destroy(other.value, False, False)
    assert pools.limits.total(CONNECTIONS) == pools.limits.total(PENDING) == 0
    assert pools.pools[0].total == pools.pools[0].connecting == 0 and pools.connector.pending == []
    assert pools.counter("cx_active") == pools.counter("rq_pending_active") == 0


def test_a_connection_that_dies_between_two_hands(bench):
    pools = bench(limits=dict(max_connections=1))
    entry = pools.get()
    waiter = gevent.spawn(pools.get)
    settle()
    pools.group.put(entry)
    entry.conn.stale = True              # as the watcher would say, before the waiter runs
    settle()
    assert waiter.value is not entry and entry.closed
    assert pools.pools[0].total == pools.limits.total(CONNECTIONS) == 1


def test_a_gone_hosts_connection_is_not_kept(bench):
    pools = bench()
    entry = pools.get()
    pools.hosts[0].gone = True
    pools.group.put(entry)
    assert entry.closed and pools.pools[0].idle == []


def test_wire_bytes_are_counted_once(bench):
    pools = bench()
    entry = pools.get()
    entry.conn.write(b"12345")
    pools.group.count_bytes(entry)
    pools.group.count_bytes(entry)
    assert pools.counter("cx_tx_bytes_total") == 5
    entry.conn.write(b"678")
    pools.group.destroy(entry, False, False)
    assert pools.counter("cx_tx_bytes_total") == 8


def test_repr_shows_the_state(bench):
    pools = bench()
    entry = pools.get()
    assert repr(entry) == "<PooledConnection 127.0.0.1:1000, busy, 0 requests>"
    pools.group.put(entry)
    assert repr(pools.pools[0]) == "<HostPool 127.0.0.1:1000: 1 connections, 0 connecting, 1 idle, 0 waiting>"
