# hot: http1_get
"""A cluster's counters with Envoy's names, and the counters that are named after response codes."""
import cython

if not cython.compiled:
    from gmosn.observe.stats import Counter

COUNTERS = (
    "rq_total rq_completed rq_retry rq_retry_success rq_retry_backoff_exponential rq_retry_backoff_ratelimited "
    "rq_timeout rq_per_try_timeout rq_per_try_idle_timeout rq_pending_total rq_pending_overflow "
    "rq_pending_failure_eject rq_cancelled rq_rx_reset rq_tx_reset rq_maintenance_mode rq_max_duration_reached "
    "rq_retry_overflow rq_retry_limit_exceeded rq_active_overflow cx_total cx_http1_total cx_connect_fail "
    "cx_connect_timeout cx_destroy cx_destroy_local cx_destroy_remote cx_destroy_with_active_rq "
    "cx_destroy_local_with_active_rq cx_destroy_remote_with_active_rq cx_idle_timeout cx_max_requests "
    "cx_none_healthy cx_overflow cx_protocol_error cx_rx_bytes_total cx_tx_bytes_total cx_max_duration_reached "
    "cx_connect_attempts_exceeded").split()
GAUGES = "rq_active rq_pending_active cx_active".split()


class ClusterStats:
    """`stats`: the scope "cluster.<name>."; `local_zone`: this proxy's zone, "" when it has none.

    Attribute x is Envoy's "upstream_x"; which layer counts what is said where it is counted.
    """

    def __init__(self, stats, local_zone=""):
        self.stats = stats
        self.local_zone = local_zone
        self.statuses = {}
        for name in COUNTERS:
            setattr(self, name, stats.counter("upstream_" + name))
        for name in GAUGES:
            setattr(self, name, stats.gauge("upstream_" + name))
        for name in ("bind_errors", "lb_healthy_panic", "retry_or_shadow_abandoned"):
            setattr(self, name, stats.counter(name))
        self.rq_time = stats.histogram("upstream_rq_time")
        self.external_rq_time = stats.histogram("external.upstream_rq_time")
        self.internal_rq_time = None             # made when the first internal request was answered
        self.cx_connect_ms = stats.histogram("upstream_cx_connect_ms")
        self.cx_length_ms = stats.histogram("upstream_cx_length_ms")
        self.rq_per_cx = stats.histogram("upstream_rq_per_cx", "")

    def on_response(self, status):
        """Counts a response that went downstream, of an external request, neither canary nor zone."""
        counter: Counter
        counters: list = self.statuses.get(status)
        if counters is None:
            counters = self._counters(status, status, ["", "external."])
        for counter in counters:
            counter.add(1)

    def charge(self, status, internal, canary, zone):
        """Counts a final response: `internal`: the request came from inside the mesh; `canary`: the host's or the
        x-envoy-upstream-canary header's; `zone`: the host's, "" = none."""
        if not internal and not canary and not (zone and self.local_zone):
            self.on_response(status)
            return
        key = (status, internal, canary, zone)
        counter: Counter
        counters: list = self.statuses.get(key)
        if counters is None:
            counters = self._counters(key, status, ["", *self._prefixes(internal, canary, zone)])
        for counter in counters:
            counter.add(1)

    def charge_retry(self, status):
        """Counts a response that was thrown away because the request is tried again."""
        key = ("retry", status)
        counter: Counter
        counters: list = self.statuses.get(key)
        if counters is None:
            counters = self._counters(key, status, ["retry."])
        for counter in counters:
            counter.add(1)

    def charge_time(self, ms, internal, canary, zone):
        """Records the time from the end of the request to the end of the response, in ms."""
        self.rq_time.record(ms)
        if not internal:
            self.external_rq_time.record(ms)
        if not internal and not canary and not (zone and self.local_zone):
            return
        for prefix in self._prefixes(internal, canary, zone):
            if prefix != "external.":
                self.stats.histogram(prefix + "upstream_rq_time").record(ms)

    def _prefixes(self, internal, canary, zone):
        prefixes = ["internal." if internal else "external."]
        if canary:
            prefixes.append("canary.")
        if zone and self.local_zone:
            prefixes.append(f"zone.{self.local_zone}.{zone}.")
        return prefixes

    def _counters(self, key, status, prefixes):
        """Makes the counters that one kind of response increments."""
        names = ("upstream_rq_completed", "upstream_rq_%dxx" % (status // 100), "upstream_rq_%d" % status)
        made = self.statuses[key] = [self.stats.counter(prefix + name) for prefix in prefixes for name in names]
        return made
