from gmosn.ascii cimport ascii_int
from gmosn.clock cimport now_us
from gmosn.filter.api cimport HttpStream
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.io.connection cimport Connection
from gmosn.proxy.chain cimport FilterChain
from gmosn.proxy.http_stats cimport HttpStats
from gmosn.proxy.route cimport Route
from gmosn.proxy.stream_handler cimport HttpStreamHandler
from gmosn.stream.api cimport NO_BODY, Body, ClientConnection, ClientStream, ServerStream
from gmosn.stream_info cimport StreamInfo
from gmosn.upstream.cluster cimport Cluster, ClusterSlot, ClusterStats
from gmosn.upstream.host cimport Host

cdef frozenset IDEMPOTENT
cdef bytes CONNECT

cdef class Upload:
    cdef public HttpStream stream
    cdef public bytes first
    cdef public bint first_is_all, done, replayable
    cdef public object greenlet
    cdef public ClientStream up
    cdef public long long timeout_us
    cpdef run(self)
    cdef stop(self)

cdef class RouterCore:
    cdef public bint suppress_envoy_headers
    cdef public list upstream_logs
    cpdef run(self, HttpStream stream)
    cdef _prepare(self, HttpStream stream, Route route)
    cdef Cluster _cluster(self, HttpStream stream, Route route)
    cdef Upload _first_piece(self, HttpStream stream)
    cdef bint _attempt(self, HttpStream stream, Route route, Cluster cluster, Upload upload, object retry) except -1
    cdef ResponseHead _exchange(self, HttpStream stream, Route route, ClientStream up, Upload upload)
    cdef _send(self, HttpStream stream, ClientStream up, Upload upload)
    cdef ResponseHead _receive(self, HttpStream stream, Route route, ClientStream up)
    cdef object _timeout(self, HttpStream stream, Route route)
    cdef _respond(self, HttpStream stream, Route route, ClientStream up, ResponseHead head)
    cdef _relay(self, HttpStream stream, Body body)
    cdef _relay_transformed(self, HttpStream stream, Body body)
    cdef _account(self, HttpStream stream, Cluster cluster, ClientStream up, ResponseHead head)
