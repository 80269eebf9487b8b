cimport cython
from gmosn.clock cimport now_us
from gmosn.codec.http1 cimport (Http1Codec, Http1Settings, encode_chunk, encode_last_chunk, encode_request,
                                encode_response)
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.io.connection cimport Connection
from gmosn.stream.api cimport (NO_BODY, Body, ClientConnection, ClientStream, ServerConnection, ServerStream,
                               StreamHandler)

cdef int NONE, LENGTH, CHUNKED
cdef int NOTHING, CLOSE, UPGRADE, KEEP_ALIVE
cdef int READABLE, PARKED, ENDED
cdef Py_ssize_t JOIN_LIMIT
cdef bytes CONTINUE, HEAD, CONNECT, CRLF, LAST_CHUNK
cdef frozenset NO_BODY_METHODS

@cython.final
cdef class Http1Body(Body):
    cdef Http1Codec codec
    cdef Connection conn
    cdef _end(self)
    cdef _arm(self)

@cython.final
cdef class TunnelBody(Body):
    cdef bytes first
    cdef Connection conn

@cython.final
cdef class Http1ServerStream(ServerStream):
    cdef Http1Codec codec
    cdef ResponseHead pending
    cdef int framing
    cdef bint bodyless
    cdef long long expected
    cdef _finish(self)
    cdef bytes _take_head(self, bytes tail)
    cdef _send_large(self, bytes data, bint end)

cdef class Http1ServerConnection(ServerConnection):
    cdef public Http1Codec codec
    cdef public long long idle_timeout_us, headers_timeout_us, linger_us
    cdef bint lingering
    cdef bint _serve_one(self, RequestHead head) except -1
    cdef int _receive(self) except -1
    cdef _end(self)
    cdef _linger(self)
    cdef _refuse(self, error)

cdef class Http1ClientConnection(ClientConnection):
    cdef public Http1Codec codec

@cython.final
cdef class Http1ClientStream(ClientStream):
    cdef Http1Codec codec
    cdef int framing
    cdef bint head_request, connect, wants_upgrade
