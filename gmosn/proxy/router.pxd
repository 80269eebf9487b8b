from gmosn.ascii cimport ascii_int
from gmosn.clock cimport now_us
from gmosn.filter.api cimport HttpStream
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.io.connection cimport Connection
from gmosn.io.splice cimport Pipe, Pipes
from gmosn.proxy.chain cimport FilterChain
from gmosn.proxy.http_stats cimport HttpStats
from gmosn.proxy.route cimport Route
from gmosn.proxy.stream_handler cimport HttpStreamHandler, sooner
from gmosn.proxy.upload cimport Upload
from gmosn.stream.api cimport Body, ClientConnection, ClientStream, ServerStream
from gmosn.stream_info cimport StreamInfo
from gmosn.upstream.cluster cimport Cluster, ClusterSlot, ClusterStats
from gmosn.upstream.host cimport Host

cdef frozenset IDEMPOTENT
cdef bytes CONNECT

cdef long long SPLICE_FROM, PIPE_BYTES

cdef class Router:
    cdef Pipes pipes
    cdef public object name
    cdef public bint disabled
    cdef public bint suppress_envoy_headers
    cpdef run(self, HttpStream stream)
    cdef Route _route_again(self, HttpStream stream)
    cdef _reply(self, HttpStream stream, Route route)
    cdef Cluster _cluster(self, HttpStream stream, Route route)
    cdef _prepare(self, HttpStream stream, Route route)
    cdef _limits(self, HttpStream stream, Route route, Upload upload)
    cdef Upload _first_piece(self, HttpStream stream)
    cdef bint _attempt(self, HttpStream stream, Route route, Cluster cluster, Upload upload, object retry) except -1
    cdef _release(self, HttpStream stream, Cluster cluster, ClientStream up)
    cdef bint _failed(self, HttpStream stream, Cluster cluster, object retry, Upload upload, ClientStream up, error) except -1
    cdef bint _is_race(self, HttpStream stream, ClientStream up, error) except -1
    cdef _host_rewrite(self, HttpStream stream, Route route, ClientStream up)
    cdef ResponseHead _exchange(self, HttpStream stream, Route route, ClientStream up, Upload upload)
    cdef object _timeout(self, HttpStream stream, Route route, ClientStream up, Upload upload)
    cdef _respond(self, HttpStream stream, Route route, ClientStream up, ResponseHead head)
    cdef _tunnel(self, HttpStream stream, ClientStream up, ResponseHead head)
    cdef _relay(self, HttpStream stream, Body body)
    cdef bint _splice(self, HttpStream stream, Body body) except -1
    cdef _pump(self, HttpStream stream, Body body, Pipe pipe, Connection target)
    cdef _relay_transformed(self, HttpStream stream, Body body, FilterChain chain)
    cdef _finish_body(self, HttpStream stream, Body body)
    cdef bytes _next(self, HttpStream stream, Body body)
    cdef _send(self, HttpStream stream, bytes data, bint end)
    cdef _count_failure(self, HttpStream stream, Cluster cluster, ClientStream up, error)
    cdef _account_time(self, HttpStream stream, ClientStream up)
    cdef _account(self, HttpStream stream, Cluster cluster, ClientStream up, ResponseHead head)
