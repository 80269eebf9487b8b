cimport cython
from gmosn.codec.http1_fields cimport Fields, find_end, parse_fields
from gmosn.headers cimport HeaderMap

cdef int HEAD, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILERS, UNTIL_CLOSE, TUNNEL, CLOSED, BROKEN
cdef Py_ssize_t MAX_CHUNK_LINE
cdef long long MAX_CHUNK_EXCESS

cdef class Http1Settings:
    cdef public Py_ssize_t max_head_bytes
    cdef public int max_fields
    cdef public bint strict, accept_http_10, allow_absolute_url, enable_trailers, allow_chunked_length, allow_any_method
    cdef public bytes default_host
    cdef public int underscores

cdef class Http1Input:
    cdef public bint is_server, eof
    cdef public Http1Settings settings
    cdef public HeaderMap trailers
    cdef public int state
    cdef public int dropped_underscores
    cdef public Py_ssize_t head_bytes
    cdef Fields fields
    cdef bytes buf
    cdef Py_ssize_t pos, scanned
    cdef long long left, excess
    cpdef feed(self, bytes data)
    cpdef bint has_buffered(self)
    cpdef bint body_done(self)
    cpdef bytes next_data(self)
    cpdef long long unread_length(self)
    cpdef took(self, long long size)
    cpdef bytes trailing_data(self)
    cdef int _check_size(self, Py_ssize_t raw) except -1
    cdef Py_ssize_t _read_fields(self, Py_ssize_t at) except -2
    cdef bytes _chunked(self)
    cdef bint _chunk_size(self) except -1
    cdef bint _chunk_line(self, bytes line) except -1
    cdef bint _read_trailers(self) except -1
