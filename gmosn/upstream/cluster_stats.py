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


ALWAYS_ZERO_COUNTERS = (
    "assignment_stale assignment_timeout_received assignment_use_cached default.total_match_count "
    "http1.dropped_headers_with_underscores http1.metadata_not_supported_error "
    "http1.requests_rejected_with_underscores_in_headers http1.response_flood lb_local_cluster_not_ok "
    "lb_recalculate_zone_structures lb_subsets_created lb_subsets_fallback lb_subsets_fallback_panic "
    "lb_subsets_removed lb_subsets_selected lb_zone_cluster_too_small lb_zone_no_capacity_left "
    "lb_zone_routing_all_directly lb_zone_routing_cross_zone lb_zone_routing_sampled membership_change "
    "original_dst_host_invalid update_attempt update_empty update_failure update_no_rebuild update_success "
    "upstream_cx_close_notify upstream_cx_connect_with_0_rtt upstream_cx_http2_total upstream_cx_http3_total "
    "upstream_cx_pool_overflow upstream_cx_preconnect_skipped upstream_flow_control_backed_up_total "
    "upstream_flow_control_drained_total upstream_flow_control_paused_reading_total "
    "upstream_flow_control_resumed_reading_total upstream_http3_broken upstream_internal_redirect_failed_total "
    "upstream_internal_redirect_succeeded_total upstream_rq_0rtt upstream_rq_rx_reset_no_error").split()
ALWAYS_ZERO_GAUGES = (
    "lb_subsets_active max_host_weight membership_degraded membership_excluded membership_healthy membership_total "
    "upstream_cx_rx_bytes_buffered upstream_cx_tx_bytes_buffered upstream_queue_overloaded version "
    "warming_state").split()


def register_names(stats):
    """Makes the names of a cluster that workers do not count, so that /stats lists what Envoy's lists. `stats`: the
    scope "cluster.<name>." of the control process."""
    for name in ALWAYS_ZERO_COUNTERS:
        stats.counter(name)
    for name in ALWAYS_ZERO_GAUGES:
        stats.gauge(name)
    for priority in ("default", "high"):
        for kind in ("cx_open", "cx_pool_open", "rq_open", "rq_pending_open", "rq_retry_open"):
            stats.gauge(f"circuit_breakers.{priority}.{kind}")
