cimport cython
from libc.string cimport memchr, memcmp, memcpy
from cpython.bytes cimport PyBytes_FromStringAndSize
from gmosn.ascii cimport ascii_int
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <string.h>
    """
    void* memmem(const void*, size_t, const void*, size_t)

cdef class Http1Settings:
    cdef public Py_ssize_t max_head_bytes
    cdef public int max_fields
    cdef public bint strict, accept_http_10, allow_absolute_url, enable_trailers, allow_chunked_length, allow_any_method
    cdef public bytes default_host
    cdef public int underscores

cdef class Http1Codec:
    cdef public bint is_server, eof
    cdef public Http1Settings settings
    cdef public HeaderMap trailers
    cdef bytes buf
    cdef Py_ssize_t pos, scanned
    cdef int kind, field_count
    cdef long long left, line_bytes
    cdef public int dropped_underscores
    cpdef feed(self, bytes data)
    cpdef bint has_buffered(self)
    cpdef RequestHead next_request(self)
    cpdef ResponseHead next_response(self, bint head_request=*, bint connect=*)
    cpdef bytes next_data(self)
    cpdef bytes trailing_data(self)

cpdef bytes encode_request(RequestHead head, int framing, bytes tail)
cpdef bytes encode_response(ResponseHead head, int framing, int connection, bytes tail)
cpdef bytes encode_chunk(bytes data)
cpdef bytes encode_last_chunk(HeaderMap trailers)
cpdef bytes encode_fields(HeaderMap fields)
