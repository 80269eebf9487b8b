cimport cython
from gmosn.clock cimport now_us
from gmosn.io.connection cimport Connection
from gmosn.io.wheel cimport Wheel
from gmosn.observe.stats cimport Counter, Gauge, Histogram, Stats
from gmosn.stream.api cimport ClientConnection, ClientStream
from gmosn.stream_info cimport StreamInfo
from gmosn.upstream.host cimport Host, HostSet
from gmosn.upstream.load_balancer cimport LoadBalancer

cdef class ClusterStats:
    cdef public Counter rq_total, rq_completed, rq_2xx, rq_3xx, rq_4xx, rq_5xx, rq_1xx, rq_retry, rq_retry_success
    cdef public Counter rq_timeout, rq_per_try_timeout, rq_pending_total, rq_pending_overflow, rq_pending_failure_eject, rq_cancelled
    cdef public Counter rq_rx_reset, rq_tx_reset, rq_maintenance_mode, rq_max_duration_reached, rq_retry_overflow, rq_retry_limit_exceeded
    cdef public Counter cx_total, cx_http1_total, cx_connect_fail, cx_connect_timeout, cx_destroy, cx_destroy_local
    cdef public Counter cx_destroy_remote, cx_destroy_with_active_rq, cx_destroy_local_with_active_rq
    cdef public Counter cx_destroy_remote_with_active_rq, cx_idle_timeout, cx_max_requests, cx_none_healthy, cx_overflow
    cdef public Counter cx_protocol_error, cx_rx_bytes_total, cx_tx_bytes_total, cx_max_duration_reached, cx_connect_attempts_exceeded
    cdef public Counter lb_healthy_panic
    cdef public Gauge rq_active, rq_pending_active, cx_active
    cdef public Histogram rq_time, external_rq_time, cx_connect_ms, cx_length_ms
    cdef public dict statuses
    cdef public Stats stats
    cpdef on_response(self, int status)

cdef class Cluster:
    cdef public str name, observability_name
    cdef public ClusterStats stats
    cdef public LoadBalancer balancer
    cdef public HostSet hosts
    cdef public object limits, transport_socket, metadata, options
    cdef public long long connect_timeout_us, idle_timeout_us
    cpdef ClientStream open_stream(self, StreamInfo info, bint fresh, long long deadline_us)
    cpdef release(self, ClientStream stream)

cdef class ClusterSlot:
    cdef public str name
    cdef public Cluster cluster
