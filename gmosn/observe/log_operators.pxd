cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from gmosn.ascii cimport ascii_int
from gmosn.clock cimport now_us, wall_us
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.stream_info cimport ConnectionInfo, StreamInfo

cdef class Operator:
    cdef public bint is_number, blank_is_missing
    cpdef bytes value(self, StreamInfo info)
    cpdef bytes json(self, StreamInfo info)

cdef class HeaderOperator(Operator):
    cdef int side
    cdef bytes name, alternative
    cdef Py_ssize_t limit

cdef class NumberOperator(Operator):
    cdef int which
    cdef long long get(self, StreamInfo info) except? -1

cdef class TextOperator(Operator):
    cdef int which
    cdef object get(self, StreamInfo info)

cdef class AddressOperator(Operator):
    cdef int which, form
    cdef object get(self, StreamInfo info)

cdef class DurationOperator(Operator):
    cdef int begin, end
    cdef long long numerator, denominator

cdef class FlagsOperator(Operator):
    cdef bint long_names
    cdef dict known

cdef class TimeOperator(Operator):
    cdef bint emit
    cdef list parts
    cdef long long second
    cdef list rendered
    cdef bytes template, text
    cdef long long millisecond
    cdef bint plain
    cdef _patch(self, long long millisecond)
    cdef _render(self, long long second)

cdef class PythonOperator(Operator):
    cdef object function, json_function

cdef HeaderMap head_of(StreamInfo info, int side)
cdef long long time_point(StreamInfo info, int which)
cpdef long long head_size(HeaderMap head) except -1
cpdef bytes json_string(bytes text)
