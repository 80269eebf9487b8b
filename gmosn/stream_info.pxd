cimport cython
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.clock cimport now_us, wall_us

cdef class ConnectionInfo:
    cdef public long long id, start_us, wall_us
    cdef public object local, remote, direct_remote
    cdef public bytes sni, alpn, transport_protocol
    cdef public object tls
    cdef public object listener_name, filter_chain_name, listener_metadata, direction
    cdef public bytes termination_details, transport_failure

@cython.freelist(32)
cdef class StreamInfo:
    cdef public ConnectionInfo connection
    cdef public RequestHead request
    cdef public ResponseHead response
    cdef public HeaderMap request_trailers, response_trailers
    cdef public object remote
    cdef public long long start_us, wall_us, request_end_us, upstream_start_us, upstream_sent_us
    cdef public long long upstream_first_byte_us, upstream_end_us, response_start_us, end_us
    cdef public long long bytes_received, bytes_sent
    cdef public long long downstream_wire_received, downstream_wire_sent, downstream_head_received, downstream_head_sent
    cdef public long long upstream_wire_received, upstream_wire_sent, upstream_head_received, upstream_head_sent
    cdef public int status, attempts
    cdef public unsigned long long flags
    cdef public bytes details, termination_details, upstream_failure, protocol, original_path, request_id, log_type
    cdef public object route, route_name, virtual_host, virtual_cluster, cluster, upstream_host, upstream_local, upstream_protocol
    cdef public dict filter_state, metadata
    cpdef add_flag(self, object flag)
    cpdef bint has_flag(self, object flag)
