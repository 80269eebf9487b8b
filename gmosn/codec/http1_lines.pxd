cimport cython
from libc.string cimport memchr, memcmp
from cpython.bytes cimport PyBytes_FromStringAndSize
from gmosn.headers cimport RequestHead, ResponseHead
from gmosn.codec.http1_fields cimport gmosn_bad_value

cdef unsigned char[256] TARGET
cdef unsigned char[256] NAME
cdef list FAST_METHODS
cdef list REASONS

cdef Py_ssize_t parse_request_line(RequestHead head, bytes buf, Py_ssize_t at, bint strict, bint any_method) except -2
cdef Py_ssize_t parse_status_line(ResponseHead head, bytes buf, Py_ssize_t at) except -2
cpdef bint is_authority(bytes value, bint strict)
