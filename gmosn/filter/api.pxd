cimport cython
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.stream.api cimport Body, ServerStream
from gmosn.stream_info cimport StreamInfo

cdef class HttpStream:
    cdef public ServerStream down
    cdef public RequestHead request
    cdef public ResponseHead response
    cdef public Body request_body
    cdef public StreamInfo info
    cdef public object route, manager, reply_mutation
    cdef public long long ends_us
    cdef public bint internal
    cdef dict _data
