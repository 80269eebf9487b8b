cimport cython
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.stream_info cimport StreamInfo
from gmosn.upstream.cluster cimport Cluster, ClusterSlot

cdef class HeaderMutation:
    cdef public list remove, append
    cpdef apply(self, HeaderMap headers, StreamInfo info)

cdef class Route:
    cdef public object virtual_host, name, metadata, per_filter, decorator, retry_policy, upgrades
    cdef public bint forwards
    cdef public long long timeout_us, idle_timeout_us, max_stream_duration_us
    cdef public bytes timeout_ms
    cdef public HeaderMutation request_mutation, response_mutation
    cdef public bint has_idle_timeout, rewrites
    cpdef ClusterSlot choose_cluster(self, RequestHead request, StreamInfo info)
    cpdef object reply(self, RequestHead request, StreamInfo info)
    cpdef rewrite(self, RequestHead request, StreamInfo info)

cdef class RouteTable:
    cdef public str name
    cpdef Route match(self, RequestHead request, StreamInfo info)
