"""Which stats Envoy lists for a cluster, a listener, a connection manager ... although nothing wrote them yet: /stats
shows them as 0. Built from names only; server/admin/configured_stats.py walks the configuration."""
from gmosn.observe import stat_names as names


class Families:
    """Sets of full names: `counters`, `gauges`, and `histograms` (name -> unit)."""

    def __init__(self):
        self.counters = set()
        self.gauges = set()
        self.histograms = {}

    def add(self, prefix, counters=(), gauges=(), histograms=()):
        """`counters`, `gauges`: names below `prefix`; `histograms`: {name: unit} below it."""
        self.counters.update([prefix + name for name in counters])
        self.gauges.update([prefix + name for name in gauges])
        for name in histograms:
            self.histograms[prefix + name] = histograms[name]

    def add_server(self, workers, admin=True):
        """What exists once per server; `workers`: their number."""
        self.add("", names.SERVER_COUNTERS, names.SERVER_GAUGES, names.SERVER_HISTOGRAMS)
        self.add("http.async-client.", names.ROUTER_COUNTERS)
        for number in range(workers):
            self.add(f"server.worker_{number}.", ("watchdog_mega_miss", "watchdog_miss"))
            self.add(f"thread_local_cluster_manager.worker_{number}.", (), ("clusters_inflated",))
        if admin:
            self.add("http.admin.", names.HCM_COUNTERS, names.HCM_GAUGES, names.HCM_HISTOGRAMS)
            self._add_listener("listener.admin.", ("main_thread",))
            self.add("listener.admin.http.admin.", names.LISTENER_HTTP_COUNTERS)

    def add_resolver(self):
        """What exists once there is a cluster that is found by DNS."""
        self.add("dns.cares.", names.DNS_COUNTERS, names.DNS_GAUGES)

    def add_cluster(self, name, *, health_checks=False, outlier_detection=False, eds=False, track_remaining=(),
                    request_response_sizes=False, timeout_budgets=False):
        """`name`: alt_stat_name or name; `track_remaining`: the priorities ("default", "high") that track what is
        left."""
        prefix = f"cluster.{names.sanitize(name)}."
        self.add(prefix, names.CLUSTER_COUNTERS, names.CLUSTER_GAUGES, names.CLUSTER_HISTOGRAMS)
        for priority in ("default", "high"):
            self.add(f"{prefix}circuit_breakers.{priority}.", (), names.CIRCUIT_BREAKER_GAUGES)
            if priority in track_remaining:
                self.add(f"{prefix}circuit_breakers.{priority}.", (), names.REMAINING_GAUGES)
        if health_checks:
            self.add(prefix, names.HEALTH_CHECK_COUNTERS, names.HEALTH_CHECK_GAUGES)
        if outlier_detection:
            self.add(prefix, names.OUTLIER_COUNTERS, names.OUTLIER_GAUGES)
        if eds:
            self.add(prefix, names.EDS_COUNTERS, names.EDS_GAUGES, names.EDS_HISTOGRAMS)
        if request_response_sizes:
            self.add(prefix, (), (), names.REQUEST_SIZE_HISTOGRAMS)
        if timeout_budgets:
            self.add(prefix, (), (), names.TIMEOUT_BUDGET_HISTOGRAMS)

    def add_listener(self, name, workers):
        """`name`: stat_prefix or address; `workers`: number of workers."""
        prefix = f"listener.{names.sanitize(name)}."
        self._add_listener(prefix, [f"worker_{number}" for number in range(workers)])
        self.add(prefix, names.LISTENER_CONFIG_COUNTERS)

    def _add_listener(self, prefix, handlers):
        self.add(prefix, names.LISTENER_COUNTERS, names.LISTENER_GAUGES, names.LISTENER_HISTOGRAMS)
        for handler in handlers:
            self.add(f"{prefix}{handler}.", ("downstream_cx_total",), ("downstream_cx_active",))

    def add_connection_manager(self, stat_prefix, listener, *, tracing=True, router=True, rds=None):
        """An HCM in the listener of stat name `listener`; `rds`: name of the route configuration that comes over
        RDS."""
        prefix = f"http.{names.sanitize(stat_prefix)}."
        self.add(prefix, names.HCM_COUNTERS, names.HCM_GAUGES, names.HCM_HISTOGRAMS)
        self.add(f"listener.{names.sanitize(listener)}.{prefix}", names.LISTENER_HTTP_COUNTERS)
        if tracing:
            self.add(prefix, names.TRACING_COUNTERS)
        if router:
            self.add(prefix, names.ROUTER_COUNTERS)
        if rds is not None:
            self.add_subscription(f"{prefix}rds.{names.sanitize(rds)}.", reloads=True, empty=True)

    def add_tcp_proxy(self, stat_prefix):
        self.add(f"tcp.{names.sanitize(stat_prefix)}.", names.TCP_PROXY_COUNTERS, names.TCP_PROXY_GAUGES)

    def add_subscription(self, prefix, reloads=False, empty=False):
        """An xDS subscription, e.g. "cluster_manager.cds.". `reloads`: it counts config_reload; `empty`:
        update_empty."""
        self.add(prefix, names.XDS_COUNTERS, names.XDS_GAUGES, names.XDS_HISTOGRAMS)
        if reloads:
            self.add(prefix, names.CONFIG_RELOAD_COUNTERS, names.CONFIG_RELOAD_GAUGES)
        if empty:
            self.add(prefix, ("update_empty",))
