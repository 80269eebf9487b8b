from gmosn.clock cimport now_us
from gmosn.codec.http1 cimport encode_response
from gmosn.filter.api cimport HttpStream
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.io.connection cimport Connection
from gmosn.observe.access_log cimport AccessLog
from gmosn.proxy.chain cimport FilterChain
from gmosn.proxy.http_stats cimport HttpStats
from gmosn.proxy.request_rules cimport RequestRules
from gmosn.proxy.route cimport Route, RouteTable
from gmosn.stream.api cimport Body, ServerConnection, ServerStream, StreamHandler
from gmosn.stream_info cimport ConnectionInfo, StreamInfo

cdef bytes HTTP_11, HTTP_10, CONNECT

cdef long long sooner(long long first, long long second) except -1

cdef class HttpStreamHandler(StreamHandler):
    cdef public RequestRules rules
    cdef public object server, upgrades, log, connections
    cdef public RouteTable routes
    cdef public FilterChain chain
    cdef public HttpStats stats
    cdef public list access_logs
    cdef public long long stream_idle_us, request_timeout_us, max_stream_duration_us, max_requests, max_connection_us
    cdef public bint proxy_100_continue, draining
    cdef _start(self, ServerStream down, HttpStream stream)
    cdef _run(self, HttpStream stream)
    cdef _limit_duration(self, HttpStream stream, Route route)
    cdef _check_upgrade(self, HttpStream stream)
    cdef _finish(self, HttpStream stream)
    cdef _failed(self, HttpStream stream, error)
    cpdef respond(self, HttpStream stream, ResponseHead head, bint end)
    cpdef local_reply(self, HttpStream stream, int status, bytes body, headers, str details, str flag)
    cpdef object client_timeout(self, HttpStream stream)
    cdef bint _must_close(self, HttpStream stream) except -1
