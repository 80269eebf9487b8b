# hot: http1_get
"""A cluster at run time: from a request to a stream on a connection to one of its hosts, and back."""
import cython

from gmosn.errors import ConfigError, NoHealthyUpstream, UpstreamConnectFailure, UpstreamOverflow
from gmosn.upstream.endpoints import build_host_set
from gmosn.upstream.options import ClusterOptions

if not cython.compiled:
    from gmosn.clock import now_us
    from gmosn.upstream.cluster_stats import ClusterStats
    from gmosn.upstream.host import HostSet
    from gmosn.upstream.limits import CONNECTIONS, REQUESTS
    from gmosn.upstream.pool import HostPool, PooledConnection, PoolGroup

HTTP_11 = b"HTTP/1.1"                    # what pools speak


class Cluster:
    """Hosts, balancer, pools and limits of one cluster of one generation.

    `observability_name`: alt_stat_name or the name; `metadata`: the proto's, or None; `options`: ClusterOptions;
    `limits`, `high_limits`: upstream.limits.Limits per routing priority; `connect_timeout_us`, `idle_timeout_us`.
    """

    def __init__(self, name, options, balancer, *, stats, limits, high_limits, connector, make_client, local_zone="",
                 counted=True):
        """`stats`: observe.stats.Stats at the root; `counted`: False when this cluster is only validated, then its
        names need not exist; the rest are the parts that from_proto() builds."""
        self.name = name
        self.options = options
        self.observability_name = options.alt_stat_name or name
        self.metadata = options.metadata
        self.host_stats = stats if counted else None
        scope = stats.scope("cluster.%s." % (self.observability_name if counted else ""))
        self.stats = ClusterStats(scope, local_zone)
        self.limits = limits
        self.high_limits = high_limits
        self.connector = connector
        self.transport_socket = connector.transport_socket
        self.connect_timeout_us = connector.timeout_us
        self.idle_timeout_us = options.idle_timeout_us
        self.pools, self.high_pools = (
            PoolGroup(self.stats, one, connector, make_client, options.idle_timeout_us, options.max_duration_us,
                      options.max_requests_per_connection) for one in (limits, high_limits))
        for one in (limits, high_limits):
            one.show(self.stats.stats, connector.wheel)
        self.balancer = balancer
        balancer.panics = self.stats.lb_healthy_panic
        self.hosts = HostSet([])

    @classmethod
    def from_proto(cls, proto, context):
        """Builds a cluster from an envoy.config.cluster.v3.Cluster. Raises ConfigError."""
        options = ClusterOptions.from_proto(proto, context)
        cluster = cls(options.name, options, options.make_balancer(), **options.runtime_parts(context))
        if options.load_assignment is not None:
            try:
                cluster.update_assignment(options.load_assignment)
            except ConfigError as exc:
                raise exc.under("load_assignment") from None
        return cluster

    # -- streams

    def open_stream(self, info, fresh, deadline_us):
        """A ClientStream on a pooled connection, or (`fresh`: always) on a new one. Blocks to connect or in the queue.

        `info` learns cluster and host. Raises NoHealthyUpstream, UpstreamOverflow, UpstreamConnectFailure,
        UpstreamConnectTimeout, Timeout (`deadline_us`, 0 = none). release() must follow, once.
        """
        return self._open(info, fresh, deadline_us, self.pools)

    def open_high_stream(self, info, fresh, deadline_us):
        """open_stream() for a route whose priority is HIGH: connections and limits of its own."""
        return self._open(info, fresh, deadline_us, self.high_pools)

    def _open(self, info, fresh, deadline_us, group):
        stats: ClusterStats = self.stats
        limits: Limits = group.limits
        entry: PooledConnection = None
        host: Host = self._choose(info)
        pool: HostPool = host.pool
        stream: ClientStream
        if group is self.high_pools:
            pool = host.high_pool
        if not limits.allows(REQUESTS):
            self._overflow()
        if not fresh:
            entry = pool.take()
        if entry is None:
            entry = group.obtain(pool, fresh, deadline_us)
            if not limits.allows(REQUESTS):
                group.put(entry)
                self._overflow()
        # no switch below
        limits.add(REQUESTS, 1)
        stats.rq_total.add(1)
        stats.rq_active.add(1)
        host.active += 1
        if host.rq_total is not None:
            host.rq_total.add(1)
            host.rq_active.add(1)
        info.upstream_local = entry.conn.local
        info.upstream_protocol = HTTP_11
        entry.requests += 1
        stream = entry.client.open_stream()
        entry.stream = stream
        return stream

    def _choose(self, info):
        host: Host = self.balancer.choose(info)
        info.cluster = self
        if host is None:
            self.stats.cx_none_healthy.add(1)
            raise NoHealthyUpstream()
        info.upstream_host = host
        return host

    def _overflow(self):
        self.stats.rq_pending_overflow.add(1)
        raise UpstreamOverflow()

    def release(self, stream):
        """Ends what open_stream() began: the connection goes back to the pool if both messages are complete and it may
        be used again, else it is closed. Never blocks or raises; a second call does nothing."""
        client: ClientConnection = stream.client
        entry: PooledConnection = client.pool
        conn: Connection = entry.conn
        host: Host = entry.pool.host
        stats: ClusterStats = self.stats
        pools: PoolGroup = entry.pool.group
        if entry.stream is not stream:
            return
        entry.stream = None
        pools.limits.add(REQUESTS, -1)
        stats.rq_active.add(-1)
        host.active -= 1
        if host.rq_active is not None:
            host.rq_active.add(-1)
        done: cython.bint = stream.body is not None and stream.body.done and stream.sent_end
        if not (done and stream.reusable) or conn.stale or conn.eof or conn.closed:
            pools.destroy(entry, conn.eof or conn.stale or (not conn.closed and conn.is_reset()), not done)
        elif pools.max_requests and entry.requests >= pools.max_requests:
            stats.cx_max_requests.add(1)
            pools.destroy(entry, False, False)
        elif entry.retire_us and entry.retire_us <= now_us():
            stats.cx_max_duration_reached.add(1)
            pools.destroy(entry, False, False)
        else:
            pools.count_bytes(entry)
            pools.put(entry)

    # -- raw connections

    def connect(self, info, deadline_us):
        """(Connection, Host) for a layer-4 proxy; never pooled. Blocks. Raises as open_stream(); disconnected() must
        follow, once."""
        stats: ClusterStats = self.stats
        host: Host = self._choose(info)
        pool: HostPool = host.pool
        conn: Connection
        entry: PooledConnection
        start: cython.longlong = now_us()
        if not self.limits.allows(CONNECTIONS):
            stats.cx_overflow.add(1)
            raise UpstreamOverflow()
        self.pools.reserve(pool)
        stats.cx_total.add(1)
        stats.cx_active.add(1)
        stats.rq_pending_total.add(1)
        stats.rq_pending_active.add(1)
        if host.cx_total is not None:
            host.cx_total.add(1)
            host.cx_active.add(1)
        try:
            conn = self.connector.connect(host.address, deadline_us)
        except BaseException as exc:
            if isinstance(exc, UpstreamConnectFailure):
                info.upstream_failure = exc.transport_failure.replace(" ", "_").encode()
            self.pools.not_connected(pool, exc, start)
            raise
        finally:
            stats.rq_pending_active.add(-1)
        stats.cx_connect_ms.record((now_us() - start) // 1000)
        pool.connecting -= 1
        host.active += 1
        stats.rq_total.add(1)
        stats.rq_active.add(1)
        if host.rq_total is not None:
            host.rq_total.add(1)
            host.rq_active.add(1)
        self.limits.add(REQUESTS, 1)
        info.upstream_local = conn.local
        entry = PooledConnection(pool, None, conn, 0)
        entry.opened_us = start
        self.pools.add_raw(entry)
        return conn, host

    def disconnected(self, conn, host):
        """Ends what connect() began: closes the connection if it is open. Never raises; a second call does nothing."""
        stats: ClusterStats = self.stats
        entry: PooledConnection = self.pools.raw.pop(conn, None)
        pool: HostPool = host.pool
        if entry is None:
            return
        self.limits.add(REQUESTS, -1)
        stats.rq_active.add(-1)
        stats.cx_active.add(-1)
        host.active -= 1
        if host.rq_active is not None:
            host.rq_active.add(-1)
            host.cx_active.add(-1)
        self.pools.count_bytes(entry)
        stats.cx_length_ms.record((now_us() - entry.opened_us) // 1000)
        remote: cython.bint = conn.eof or conn.stale or (not conn.closed and conn.is_reset())
        conn.close()
        self.pools.count_destroy(remote, True)
        self.pools.release_slot(pool)

    # -- hosts

    def update_assignment(self, assignment):
        """Takes a ClusterLoadAssignment: hosts that stay (same address) keep their connections and counts."""
        self.use_hosts(build_host_set(assignment, self.hosts, self.name, self.host_stats,
                                      self.options.hostname_ok, self.options.kind == "logical_dns"))

    def use_hosts(self, hosts):
        """Swaps the host set in whole. No switch."""
        host: Host
        kept = set(map(id, hosts.hosts))
        before: HostSet = self.hosts
        self.hosts = hosts
        for host in hosts.hosts:
            if host.pool is None:
                host.cluster = self
                host.pool = HostPool(host, self.pools)
                host.high_pool = HostPool(host, self.high_pools)
        self.balancer.on_hosts_changed(hosts)
        for host in before.hosts:
            if id(host) not in kept:
                host.gone = True
                self._close_idle(host)

    def close(self):
        """The generation is gone: idle connections are closed, busy ones at the end of their request."""
        host: Host
        self.pools.closing = self.high_pools.closing = True
        self.limits.hide()
        self.high_limits.hide()
        for host in self.hosts.hosts:
            self._close_idle(host)

    def _close_idle(self, host):
        self.pools.close_idle(host.pool)
        self.high_pools.close_idle(host.high_pool)

    def __repr__(self):
        return f"<Cluster {self.name}: {self.hosts!r}, {type(self.balancer).__name__}, {self.limits!r}>"


class ClusterSlot:
    """The place of a cluster, by name: routes hold it, so that a cluster can come, change and go. `cluster`: None while
    there is none of that name."""

    def __init__(self, name):
        self.name = name
        self.cluster = None

    def __repr__(self):
        return f"<ClusterSlot {self.name}: {self.cluster!r}>"
