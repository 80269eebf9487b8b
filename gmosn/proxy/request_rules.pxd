cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memchr
from gmosn.ascii cimport ascii_int
from gmosn.clock cimport wall_us
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.stream_info cimport ConnectionInfo, StreamInfo
from gmosn.proxy.route cimport without_port

cdef bytes XFF, XFP, XFCC, REQUEST_ID, SAFE, HEX

cdef class UuidSource:
    cdef bytes pool
    cdef Py_ssize_t at
    cpdef bytes next(self)

cdef class RequestRules:
    cdef public bint use_remote_address, skip_xff_append, append_port, generate_id, preserve_id, always_set_id
    cdef public bint add_user_agent, normalize_path, merge_slashes, strip_dot, keep_client_cert, internal_unix, map_ipv4, looks_at_path
    cdef public int trusted_hops, escaped_slashes, server_mode, strip_port
    cdef public bytes via, server_name, service_cluster, service_node, scheme, own_address
    cdef public object internal
    cdef public UuidSource ids
    cdef bytes date
    cdef long long date_second
    cpdef object apply(self, RequestHead request, ConnectionInfo connection, StreamInfo info)
    cpdef finish_response(self, ResponseHead head, StreamInfo info)
    cdef object _path(self, RequestHead request)
    cdef object _slow_path(self, RequestHead request)
    cdef _host(self, RequestHead request, ConnectionInfo connection)
    cdef _forwarded(self, RequestHead request, ConnectionInfo connection, StreamInfo info, bytes xff, bytes xfp, bint envoy)
    cdef _scheme(self, RequestHead request, ConnectionInfo connection, bytes xfp)
    cdef _identity(self, RequestHead request, StreamInfo info, bytes request_id, bint edge)
    cdef bint _is_internal(self, object address) except -1
    cdef _set_date(self, ResponseHead head)
    cdef bytes _append_xff(self, RequestHead request, ConnectionInfo connection, bytes xff)

cdef bint _clean(bytes path)
cdef _drop(RequestHead request, bint edge, bint internal)
