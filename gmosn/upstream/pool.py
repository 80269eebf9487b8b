# hot: http1_get
"""Connections to hosts that are used again, and the queue of those who wait for one.

Everything decides first, without I/O and without a greenlet switch, and acts then. A slot is the right to have one
connection; it is counted in the cluster's limits from before the connect until after the close. Invariants, tested
in tests/properties/test_pool.py: a connection is idle or in one hand; a pool in which somebody waits has a slot; slots
never exceed the limit, but a pool without any always gets one (as in Envoy: else nobody would serve its queue).
"""
import cython

from gmosn.errors import Timeout, UpstreamConnectFailure, UpstreamConnectTimeout, UpstreamOverflow

if not cython.compiled:
    from gmosn.clock import now_us
    from gmosn.io.connection import Connection
    from gmosn.io.wheel import Entry
    from gmosn.stream.api import ClientConnection
    from gmosn.upstream.connector import Pause
    from gmosn.upstream.limits import CONNECTIONS, PENDING

RAW_COUNT_US = 1_000_000


class Waiter(Pause):
    """A request in the queue. It is given a connection (`given`), or the right to open one (`slot`), or an `error`."""

    def __init__(self, fresh, order):
        Pause.__init__(self)
        self.fresh = fresh
        self.order = order
        self.given = self.error = None
        self.slot = False


class PooledConnection:
    """An upstream connection and what its pool knows of it.

    `client`: None for layer 4; `stream`: the one that uses it; `retire_us`: when it is too old (0 = never);
    `idle_until_us`; `seen_in`, `seen_out`: wire bytes that the stats know already.
    """

    def __init__(self, pool, client, conn: Connection, max_duration_us: cython.longlong):
        self.pool = pool
        self.client = client
        self.conn = conn
        self.stream = None
        self.opened_us = now_us()
        self.retire_us = self.opened_us + max_duration_us if max_duration_us else 0
        self.idle_until_us = self.seen_in = self.seen_out = 0
        self.requests = 0
        self.closed = self.idle = False
        self.wake = self.woken                   # bound once, not at every release

    def woken(self):
        """Runs in a new greenlet when an idle connection becomes readable or its time is over."""
        group: PoolGroup = self.pool.group
        now: cython.longlong = now_us()
        if self.closed or not self.idle:
            return
        if now >= self.idle_until_us:
            if self.retire_us and now >= self.retire_us:
                group.stats.cx_max_duration_reached.add(1)
            else:
                group.stats.cx_idle_timeout.add(1)
            group.destroy(self, False, False)
            return
        try:
            data = self.conn.read_now()
        except OSError:
            data = b""
        if data is None:                         # readable, yet nothing there: go on waiting
            self.conn.parked = self.wake
            self.conn.arm()
        elif data:                               # an answer that nobody asked for
            group.stats.cx_protocol_error.add(1)
            group.destroy(self, False, False)
        else:
            group.destroy(self, True, False)

    def __repr__(self):
        state = "closed" if self.closed else "idle" if self.idle else "busy"
        return f"<PooledConnection {self.pool.host.name.decode('latin-1')}, {state}, {self.requests} requests>"


class HostPool:
    """One host's connections: `idle` ones, the last released last; `waiters` in order of arrival; `total` slots in use,
    of which `connecting`."""

    def __init__(self, host, group):
        self.host = host
        self.group = group
        self.idle = []
        self.waiters = []
        self.total = self.connecting = 0

    def take(self):
        """The idle connection that was used last, or None. Dead ones that it meets are closed. Does not block."""
        entry: PooledConnection
        conn: Connection
        group: PoolGroup = self.group
        while self.idle:
            entry = self.idle.pop()
            entry.idle = False
            conn = entry.conn
            if conn.parked is None or conn.stale or conn.eof or conn.closed:
                group.destroy(entry, True, False)
            elif entry.retire_us and entry.retire_us <= now_us():
                group.stats.cx_max_duration_reached.add(1)
                group.destroy(entry, False, False)
            else:
                conn.parked = None
                conn.read_deadline = 0
                return entry
        return None

    def __repr__(self):
        return (f"<HostPool {self.host.name.decode('latin-1')}: {self.total} connections, "
                f"{self.connecting} connecting, {len(self.idle)} idle, {len(self.waiters)} waiting>")


class PoolGroup(Entry):
    """All pools of one cluster: what they share, and the slots that they compete for.

    `make_client`: Connection, Host -> ClientConnection; `idle_timeout_us`, `max_duration_us`, `max_requests`
    (per connection): 0 = none; `waiting`: the pools with waiters; `raw`: {Connection: PooledConnection} of layer 4.
    """

    def __init__(self, stats, limits, connector, make_client, idle_timeout_us=3_600_000_000, max_duration_us=0,
                 max_requests=0):
        self.stats = stats
        self.limits = limits
        self.connector = connector
        self.make_client = make_client
        self.idle_timeout_us = idle_timeout_us
        self.max_duration_us = max_duration_us
        self.max_requests = max_requests
        self.closing = False
        self.waiting = []
        self.arrivals = 0
        self.raw = {}
        self.ticking = False

    def obtain(self, pool, fresh, deadline_us):
        """A connection of `pool` after take() had none: a new one, or the next that is released. Blocks.

        `fresh`: only a new one. Raises UpstreamOverflow, UpstreamConnectFailure, UpstreamConnectTimeout, Timeout.
        Whatever happens to the greenlet that waits here, what it was given goes back.
        """
        stats: ClusterStats = self.stats
        if not self.limits.allows(PENDING):
            stats.rq_pending_overflow.add(1)
            raise UpstreamOverflow()
        self.limits.add(PENDING, 1)
        stats.rq_pending_total.add(1)
        stats.rq_pending_active.add(1)
        try:
            if not pool.waiters and self.reserve(pool):
                return self._connect(pool, deadline_us)
            return self._wait(pool, fresh, deadline_us)
        finally:
            self.limits.add(PENDING, -1)
            stats.rq_pending_active.add(-1)

    # -- slots; no switch in any of these

    def reserve(self, pool):
        """Takes a slot for `pool` if it may have one."""
        if pool.total == 0 or self.limits.allows(CONNECTIONS):
            self.limits.add(CONNECTIONS, 1)
            pool.total += 1
            pool.connecting += 1
            return True
        self.stats.cx_overflow.add(1)
        return False

    def unreserve(self, pool):
        """Gives back a slot whose connection was not made."""
        self.limits.add(CONNECTIONS, -1)
        pool.total -= 1
        pool.connecting -= 1
        self.grant()

    def grant(self):
        """Gives free slots to those who wait: first where a pool has none at all, then in order of arrival."""
        pool: HostPool
        chosen: HostPool
        waiter: Waiter
        first: Waiter
        while self.waiting:
            chosen = None
            for pool in self.waiting:
                waiter = pool.waiters[0]
                if pool.total == 0:
                    chosen = pool
                    break
                if chosen is None:
                    chosen, first = pool, waiter
                elif waiter.order < first.order:
                    chosen, first = pool, waiter
            if chosen.total != 0 and not self.limits.allows(CONNECTIONS):
                return
            self.limits.add(CONNECTIONS, 1)
            chosen.total += 1
            chosen.connecting += 1
            waiter = self._next_waiter(chosen)
            waiter.slot = True
            waiter.wake()

    def _next_waiter(self, pool):
        waiter = pool.waiters.pop(0)
        if not pool.waiters:
            self.waiting.remove(pool)
        return waiter

    def put(self, entry):
        """Takes back a connection that can serve another request: hands it to who waits longest, or keeps it."""
        pool: HostPool = entry.pool
        waiter: Waiter
        entry.stream = None
        if pool.waiters:
            waiter = self._next_waiter(pool)
            if waiter.fresh:                     # wants a new one: the old one's slot is what it gets
                self._close(entry, False, False)
                pool.connecting += 1
                waiter.slot = True
            else:
                waiter.given = entry
            waiter.wake()
        elif self.closing or pool.host.gone:
            self.destroy(entry, False, False)
        else:
            self._park(entry)

    def _park(self, entry):
        """Idle from now on; at its peer's end, or when its time is over, `woken` runs."""
        conn: Connection = entry.conn
        until: cython.longlong = 0
        if self.idle_timeout_us:
            until = now_us() + self.idle_timeout_us
        if entry.retire_us and (until == 0 or entry.retire_us < until):
            until = entry.retire_us
        entry.idle = True
        entry.idle_until_us = until if until else 0x7FFFFFFFFFFFFFFF
        entry.pool.idle.append(entry)
        conn.parked = entry.wake
        conn.arm()
        conn.set_read_deadline(until)

    def destroy(self, entry, remote, active):
        """Closes a connection and gives its slot away. `remote`: the peer ended it; `active`: during a request."""
        pool: HostPool = entry.pool
        if entry.closed:
            return
        self._close(entry, remote, active)
        self.release_slot(pool)

    def release_slot(self, pool):
        """Gives away the slot of a connection that was closed."""
        self.limits.add(CONNECTIONS, -1)
        pool.total -= 1
        self.grant()

    def _close(self, entry, remote, active):
        """Closes, counts, keeps the slot."""
        stats: ClusterStats = self.stats
        entry.closed = True
        if entry.idle:
            entry.idle = False
            entry.pool.idle.remove(entry)
        self.count_bytes(entry)
        entry.client.close()
        entry.conn.close()
        entry.wake = None                        # breaks the cycle
        entry.stream = None
        stats.cx_active.add(-1)
        if entry.pool.host.cx_active is not None:
            entry.pool.host.cx_active.add(-1)
        stats.cx_length_ms.record((now_us() - entry.opened_us) // 1000)
        if entry.requests:
            stats.rq_per_cx.record(entry.requests)
        self.count_destroy(remote, active)

    def count_destroy(self, remote, active):
        stats: ClusterStats = self.stats
        stats.cx_destroy.add(1)
        if remote:
            stats.cx_destroy_remote.add(1)
        else:
            stats.cx_destroy_local.add(1)
        if active:
            stats.cx_destroy_with_active_rq.add(1)
            if remote:
                stats.cx_destroy_remote_with_active_rq.add(1)
            else:
                stats.cx_destroy_local_with_active_rq.add(1)

    def count_bytes(self, entry):
        """Adds what went over the wire since the last time."""
        conn: Connection = entry.conn
        self.stats.cx_rx_bytes_total.add(conn.bytes_in - entry.seen_in)
        self.stats.cx_tx_bytes_total.add(conn.bytes_out - entry.seen_out)
        entry.seen_in = conn.bytes_in
        entry.seen_out = conn.bytes_out

    def add_raw(self, entry):
        """A layer-4 connection is in use: its bytes are counted every second, since it may live for days."""
        self.raw[entry.conn] = entry
        if not self.ticking:
            self.ticking = True
            self.connector.wheel.add(self, RAW_COUNT_US)

    def on_tick(self, now):
        self.ticking = len(self.raw) > 0
        for entry in self.raw.values():
            self.count_bytes(entry)
        return RAW_COUNT_US if self.ticking else 0

    # -- what waits

    def _connect(self, pool, deadline_us):
        """Opens a connection in a slot that was reserved; on any failure the slot is free again."""
        conn: Connection
        client: ClientConnection
        entry: PooledConnection
        host: Host = pool.host
        stats: ClusterStats = self.stats
        start: cython.longlong = now_us()
        stats.cx_total.add(1)
        stats.cx_http1_total.add(1)
        stats.cx_active.add(1)
        if host.cx_total is not None:
            host.cx_total.add(1)
            host.cx_active.add(1)
        try:
            conn = self.connector.connect(host.address, deadline_us)
        except BaseException as exc:
            self.not_connected(pool, exc, start)
            raise
        # no switch below
        stats.cx_connect_ms.record((now_us() - start) // 1000)
        client = self.make_client(conn, host)
        entry = PooledConnection(pool, client, conn, self.max_duration_us)
        entry.opened_us = start
        client.host = host
        client.pool = entry
        pool.connecting -= 1
        return entry

    def not_connected(self, pool, exc, start_us):
        """Counts a failed connect; those who wait for a host of which nothing else is left fail with it."""
        host: Host = pool.host
        stats: ClusterStats = self.stats
        stats.cx_active.add(-1)
        stats.cx_length_ms.record((now_us() - start_us) // 1000)
        if host.cx_active is not None:
            host.cx_active.add(-1)
        if not isinstance(exc, UpstreamConnectFailure):      # killed, or its request's time is over
            self.count_destroy(False, False)
            stats.rq_cancelled.add(1)
            self.unreserve(pool)
            return
        timed_out = isinstance(exc, UpstreamConnectTimeout)
        self.count_destroy(not timed_out, False)
        if timed_out:
            stats.cx_connect_timeout.add(1)
        stats.cx_connect_fail.add(1)
        if host.cx_connect_fail is not None:
            host.cx_connect_fail.add(1)
        stats.rq_pending_failure_eject.add(1)
        if pool.total - pool.connecting == 0:
            self._eject(pool, exc)
        self.unreserve(pool)

    def _eject(self, pool, exc):
        while pool.waiters:
            waiter = self._next_waiter(pool)
            if isinstance(exc, UpstreamConnectTimeout):
                waiter.error = UpstreamConnectTimeout()
            else:
                waiter.error = UpstreamConnectFailure("remote connection failure", exc.transport_failure)
            self.stats.rq_pending_failure_eject.add(1)
            waiter.wake()

    def _wait(self, pool, fresh, deadline_us):
        """Waits in the queue."""
        waiter: Waiter = Waiter(fresh, self.arrivals)
        entry: PooledConnection
        if fresh and pool.idle:                  # an idle connection must not keep us from opening a new one
            self._close(pool.idle[0], False, False)
            pool.connecting += 1
            return self._connect(pool, deadline_us)
        self.arrivals += 1
        if not pool.waiters:
            self.waiting.append(pool)
        pool.waiters.append(waiter)
        self.grant()
        try:
            waiter.wait(self.connector.wheel, deadline_us)
        except BaseException:
            self._abandon(pool, waiter)
            raise
        # no switch up to _connect
        if waiter.error is not None:
            raise waiter.error
        entry = waiter.given
        if entry is not None:
            if not (entry.conn.stale or entry.conn.eof or entry.conn.closed):
                return entry
            self._close(entry, True, False)      # it died between the two hands: its slot serves for a new one
            pool.connecting += 1
        elif not waiter.slot:
            self._abandon(pool, waiter)
            raise Timeout("deadline passed while waiting for a connection")
        return self._connect(pool, deadline_us)

    def _abandon(self, pool, waiter):
        """A request stops waiting: what it was given goes to the next one."""
        self.stats.rq_cancelled.add(1)
        if waiter.given is not None:
            self.put(waiter.given)
        elif waiter.slot:
            self.unreserve(pool)
        elif waiter in pool.waiters:
            pool.waiters.remove(waiter)
            if not pool.waiters:
                self.waiting.remove(pool)

    def close_idle(self, pool):
        """Closes a pool's idle connections."""
        while pool.idle:
            self.destroy(pool.idle[0], False, False)

    def __repr__(self):
        return f"<PoolGroup {self.limits!r}, {len(self.waiting)} pools with waiters>"
