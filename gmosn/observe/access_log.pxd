cimport cython
from gmosn.ascii cimport ascii_int
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.stream_info cimport ConnectionInfo, StreamInfo

cdef class Formatter:
    cpdef bytes format(self, StreamInfo info)

cdef class AccessLog:
    cpdef log(self, StreamInfo info)
