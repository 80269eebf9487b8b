cimport cython
from gmosn.ascii cimport ascii_int

cdef class HeaderMap:
    cdef public list items
    cpdef bytes get(self, bytes name)
    cpdef list get_all(self, bytes name)
    cpdef add(self, bytes name, bytes value)
    cpdef set(self, bytes name, bytes value)
    cpdef remove(self, bytes name)
    cpdef bytes _special(self, bytes name)
    cpdef bint _set_special(self, bytes name, bytes value)

@cython.final
cdef class RequestHead(HeaderMap):
    cdef public bytes method, path, authority, scheme, protocol
    cdef public bytes upgrade
    cdef public long long length
    cdef public int minor
    cdef public bint chunked, close, has_body, expect_continue, absolute, trailers_ok, streaming

@cython.final
cdef class ResponseHead(HeaderMap):
    cdef public int status
    cdef public bytes reason
    cdef public bytes upgrade
    cdef public long long length
    cdef public int minor
    cdef public bint chunked, close, has_body
