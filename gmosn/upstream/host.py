# hot: http1_get
"""Endpoints at run time: Host, and HostSet, the snapshot of a cluster's hosts that a balancer chooses from."""
import cython


HEALTHY, DEGRADED, UNHEALTHY = 0, 1, 2
OVERPROVISIONING = 140                   # per cent, Envoy's default overprovisioning_factor


class Host:
    """One endpoint of one cluster.

    `address`: io.address.Address; `name`: its text (%UPSTREAM_HOST%); `weight` >= 1; `health`: HEALTHY, DEGRADED or
    UNHEALTHY; `active`: requests in flight from this process; `locality_key`: equal for hosts of one locality; `gone`:
    no longer in the cluster, finishes what it has; `pool`, `high_pool`: upstream.pool.HostPool per routing priority.
    Weight, health, locality and metadata follow the newest assignment.
    """

    def __init__(self, address, stats=None, cluster_name=""):
        """`stats`: observe.stats.Stats at the root (None: no per-host stats, for hosts that serve nothing)."""
        self.address = address
        self.name = address.text
        self.hostname = self.zone = self.locality_key = ""
        self.weight = 1
        self.priority = self.health = self.active = 0
        self.locality_weight = 0
        self.canary = self.gone = False
        self.locality = self.metadata = self.cluster = self.pool = self.high_pool = None
        if stats is not None:
            self._make_stats(stats.scope("\x01host.%s.%s." % (cluster_name, self.name.decode("latin-1"))))

    def _make_stats(self, scope):
        self.cx_total = scope.counter("cx_total")
        self.cx_connect_fail = scope.counter("cx_connect_fail")
        self.rq_total = scope.counter("rq_total")
        self.rq_success = scope.counter("rq_success")
        self.rq_error = scope.counter("rq_error")
        self.rq_timeout = scope.counter("rq_timeout")
        self.cx_active = scope.gauge("cx_active")
        self.rq_active = scope.gauge("rq_active")

    def move_to(self, address, stats, cluster_name):
        """The logical host has another address now: new connections go there, old ones stay until they are idle."""
        before = (self.cx_active, self.rq_active)
        self.address = address
        self.name = address.text
        if stats is not None:
            self._make_stats(stats.scope("\x01host.%s.%s." % (cluster_name, self.name.decode("latin-1"))))
            for old, new in zip(before, (self.cx_active, self.rq_active), strict=True):
                if old is not None and old is not new:
                    new.add(old.value())
                    old.add(-old.value())

    def __repr__(self):
        state = ("healthy", "degraded", "unhealthy")[self.health]
        gone = ", gone" if self.gone else ""
        return f"<Host {self.name.decode('latin-1')} weight {self.weight}, {state}, {self.active} active{gone}>"


class PriorityLevel:
    """The hosts of one priority: all, and those in good and in reduced health."""

    def __init__(self, hosts):
        self.hosts = hosts
        self.healthy = [host for host in hosts if host.health == HEALTHY]
        self.degraded = [host for host in hosts if host.health == DEGRADED]


class HostSet:
    """Never changed after it was made: a new assignment makes a new HostSet.

    `priorities`: PriorityLevels, the most preferred first; `overprovisioning`: per cent.
    """

    def __init__(self, hosts, overprovisioning=OVERPROVISIONING):
        self.hosts = list(hosts)
        self.healthy = [host for host in self.hosts if host.health == HEALTHY]
        self.overprovisioning = overprovisioning
        count = 1 + max((host.priority for host in self.hosts), default=0)
        self.priorities = [PriorityLevel([host for host in self.hosts if host.priority == level])
                           for level in range(count)]

    def __len__(self):
        return len(self.hosts)

    def __repr__(self):
        return f"<HostSet {len(self.healthy)} of {len(self.hosts)} healthy, {len(self.priorities)} priorities>"


if not cython.compiled:
    for _name in "cx_total cx_connect_fail rq_total rq_success rq_error rq_timeout cx_active rq_active".split():
        setattr(Host, _name, None)
