from gmosn.observe.stats cimport Counter, Gauge, Histogram, Stats

cdef class HttpStats:
    cdef public Counter cx_total, cx_http1_total, cx_destroy, cx_destroy_local, cx_destroy_remote
    cdef public Counter cx_destroy_active_rq, cx_destroy_local_active_rq, cx_destroy_remote_active_rq
    cdef public Counter cx_idle_timeout, cx_max_duration_reached, cx_max_requests_reached, cx_protocol_error
    cdef public Counter cx_rx_bytes_total, cx_tx_bytes_total, cx_drain_close, cx_delayed_close_timeout
    cdef public Counter cx_upgrades_total
    cdef public Counter rq_total, rq_http1_total, rq_completed, rq_1xx, rq_2xx, rq_3xx, rq_4xx, rq_5xx
    cdef public Counter rq_idle_timeout, rq_timeout, rq_header_timeout, rq_max_duration_reached, rq_rx_reset, rq_tx_reset
    cdef public Counter rq_non_relative_path, rq_too_large, rq_response_before_rq_complete, rq_ws_on_non_ws_route
    cdef public Counter rq_direct_response, rq_redirect, rq_reset_after_downstream_response_started, rq_upstream_total
    cdef public Counter no_route, no_cluster
    cdef public Gauge cx_active, cx_http1_active, rq_active, cx_upgrades_active
    cdef public Histogram rq_time, cx_length_ms
    cdef public Counter listener_completed, listener_1xx, listener_2xx, listener_3xx, listener_4xx, listener_5xx
    cpdef on_status(self, int status)
