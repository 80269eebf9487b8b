cimport cython
from libc.string cimport memchr, memcpy
from cpython.bytes cimport PyBytes_FromStringAndSize
from gmosn.ascii cimport ascii_int
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead

cdef list START_LINES

cpdef bytes encode_request(RequestHead head, int framing, bytes tail)
cpdef bytes encode_response(ResponseHead head, int framing, int connection, bytes tail)
cpdef bytes encode_chunk(bytes data)
cpdef bytes encode_last_chunk(HeaderMap trailers)
cpdef bytes encode_fields(HeaderMap fields)

cdef bytes _assemble(bytes start, bytes target, bytes authority, list items, long long length, bytes extra, bytes tail)
cdef char* put(char* o, bytes b)
cdef char* _put_fields(char* o, list items)
