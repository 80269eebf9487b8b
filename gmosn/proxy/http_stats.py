# hot: http1_get
"""Counters of an HTTP connection manager, under Envoy's names (docs: configuration/http/http_conn_man/stats)."""
_COUNTERS = {
    "cx_total": "downstream_cx_total", "cx_http1_total": "downstream_cx_http1_total",
    "cx_destroy": "downstream_cx_destroy", "cx_destroy_local": "downstream_cx_destroy_local",
    "cx_destroy_remote": "downstream_cx_destroy_remote", "cx_destroy_active_rq": "downstream_cx_destroy_active_rq",
    "cx_destroy_local_active_rq": "downstream_cx_destroy_local_active_rq",
    "cx_destroy_remote_active_rq": "downstream_cx_destroy_remote_active_rq",
    "cx_idle_timeout": "downstream_cx_idle_timeout", "cx_max_duration_reached": "downstream_cx_max_duration_reached",
    "cx_max_requests_reached": "downstream_cx_max_requests_reached", "cx_protocol_error": "downstream_cx_protocol_error",
    "cx_rx_bytes_total": "downstream_cx_rx_bytes_total", "cx_tx_bytes_total": "downstream_cx_tx_bytes_total",
    "cx_drain_close": "downstream_cx_drain_close", "cx_delayed_close_timeout": "downstream_cx_delayed_close_timeout",
    "cx_upgrades_total": "downstream_cx_upgrades_total",
    "rq_total": "downstream_rq_total", "rq_http1_total": "downstream_rq_http1_total",
    "rq_completed": "downstream_rq_completed", "rq_1xx": "downstream_rq_1xx", "rq_2xx": "downstream_rq_2xx",
    "rq_3xx": "downstream_rq_3xx", "rq_4xx": "downstream_rq_4xx", "rq_5xx": "downstream_rq_5xx",
    "rq_idle_timeout": "downstream_rq_idle_timeout", "rq_timeout": "downstream_rq_timeout",
    "rq_header_timeout": "downstream_rq_header_timeout",
    "rq_max_duration_reached": "downstream_rq_max_duration_reached", "rq_rx_reset": "downstream_rq_rx_reset",
    "rq_tx_reset": "downstream_rq_tx_reset", "rq_non_relative_path": "downstream_rq_non_relative_path",
    "rq_too_large": "downstream_rq_too_large",
    "rq_response_before_rq_complete": "downstream_rq_response_before_rq_complete",
    "rq_ws_on_non_ws_route": "downstream_rq_ws_on_non_ws_route",
    "rq_direct_response": "rq_direct_response", "rq_redirect": "rq_redirect",
    "rq_reset_after_downstream_response_started": "rq_reset_after_downstream_response_started",
    "rq_upstream_total": "rq_total", "no_route": "no_route", "no_cluster": "no_cluster",
}
_GAUGES = {"cx_active": "downstream_cx_active", "cx_http1_active": "downstream_cx_http1_active",
           "rq_active": "downstream_rq_active", "cx_upgrades_active": "downstream_cx_upgrades_active"}
_LISTENER = {f"listener_{kind}": f"downstream_rq_{kind}" for kind in ("completed", "1xx", "2xx", "3xx", "4xx", "5xx")}


class HttpStats:
    """`stats`: a scope such as "http.ingress."; `listener`: the scope "listener.<address>.http.<prefix>." or None."""

    def __init__(self, stats, listener):
        for attribute, name in _COUNTERS.items():
            setattr(self, attribute, stats.counter(name))
        for attribute, name in _GAUGES.items():
            setattr(self, attribute, stats.gauge(name))
        self.rq_time = stats.histogram("downstream_rq_time")
        self.cx_length_ms = stats.histogram("downstream_cx_length_ms")
        for attribute, name in _LISTENER.items():
            setattr(self, attribute, (stats if listener is None else listener).counter(
                f"listener.{name}" if listener is None else name))

    def on_status(self, status):
        """One response with that status is complete."""
        self.rq_completed.add(1)
        self.listener_completed.add(1)
        if 200 <= status < 300:
            self.rq_2xx.add(1)
            self.listener_2xx.add(1)
        elif status < 200:
            self.rq_1xx.add(1)
            self.listener_1xx.add(1)
        elif status < 400:
            self.rq_3xx.add(1)
            self.listener_3xx.add(1)
        elif status < 500:
            self.rq_4xx.add(1)
            self.listener_4xx.add(1)
        else:
            self.rq_5xx.add(1)
            self.listener_5xx.add(1)

