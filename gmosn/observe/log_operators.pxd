cimport cython
from gmosn.ascii cimport ascii_int
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.stream_info cimport StreamInfo

cdef class Operator:
    cdef public bint numeric
    cpdef bytes value(self, StreamInfo info)

@cython.final
cdef class Literal(Operator):
    cdef bytes text

@cython.final
cdef class Call(Operator):
    cdef object function

@cython.final
cdef class Header(Operator):
    cdef int where
    cdef bytes name, other
    cdef Py_ssize_t limit

@cython.final
cdef class Number(Operator):
    cdef int what

@cython.final
cdef class Flags(Operator):
    cdef bint long_names
    cdef dict known

@cython.final
cdef class Time(Operator):
    cdef int which, fraction_digits
    cdef object pattern
    cdef long long second
    cdef bytes before, after
    cdef _turn(self, long long second)

@cython.final
cdef class UpstreamHost(Operator):
    pass
