cimport cython
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.codec.http1_encode cimport encode_chunk, encode_fields, encode_last_chunk, encode_request, encode_response
from gmosn.codec.http1_fields cimport Fields, find_end
from gmosn.codec.http1_input cimport Http1Input, Http1Settings
from gmosn.codec.http1_lines cimport is_authority, parse_request_line, parse_status_line

cdef int HEAD, LENGTH, CHUNK_SIZE, UNTIL_CLOSE, TUNNEL, CLOSED, BROKEN
cdef bytes HTTP, TOKEN
cdef long long MAX_BLANK

cdef class Http1Codec(Http1Input):
    cpdef RequestHead next_request(self)
    cpdef ResponseHead next_response(self, bint head_request=*, bint connect=*)
    cdef bint _find_head(self) except -1
    cdef int _finish_request(self, RequestHead head, Py_ssize_t size) except -1
    cdef int _finish_response(self, ResponseHead head, bint head_request, bint connect) except -1
