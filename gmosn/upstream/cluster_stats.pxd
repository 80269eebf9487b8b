cimport cython
from gmosn.observe.stats cimport Counter, Gauge, Histogram, Stats

cdef class ClusterStats:
    cdef public Counter rq_total, rq_completed, rq_retry, rq_retry_success
    cdef public Counter rq_retry_backoff_exponential, rq_retry_backoff_ratelimited
    cdef public Counter rq_timeout, rq_per_try_timeout, rq_per_try_idle_timeout
    cdef public Counter rq_pending_total, rq_pending_overflow, rq_pending_failure_eject, rq_cancelled
    cdef public Counter rq_rx_reset, rq_tx_reset, rq_maintenance_mode, rq_max_duration_reached, rq_retry_overflow
    cdef public Counter rq_retry_limit_exceeded, rq_active_overflow
    cdef public Counter cx_total, cx_http1_total, cx_connect_fail, cx_connect_timeout, cx_destroy, cx_destroy_local
    cdef public Counter cx_destroy_remote, cx_destroy_with_active_rq, cx_destroy_local_with_active_rq
    cdef public Counter cx_destroy_remote_with_active_rq, cx_idle_timeout, cx_max_requests, cx_none_healthy, cx_overflow
    cdef public Counter cx_protocol_error, cx_rx_bytes_total, cx_tx_bytes_total, cx_max_duration_reached
    cdef public Counter cx_connect_attempts_exceeded, bind_errors, lb_healthy_panic, retry_or_shadow_abandoned
    cdef public Gauge rq_active, rq_pending_active, cx_active
    cdef public Histogram rq_time, external_rq_time, internal_rq_time, cx_connect_ms, cx_length_ms, rq_per_cx
    cdef public dict statuses
    cdef public Stats stats
    cdef public str local_zone
    cpdef on_response(self, int status)
    cpdef charge(self, int status, bint internal, bint canary, str zone)
    cpdef charge_retry(self, int status)
    cpdef charge_time(self, long long ms, bint internal, bint canary, str zone)
    cdef list _counters(self, key, int status, list prefixes)
