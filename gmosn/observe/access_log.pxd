cimport cython
from gmosn.observe.log_operators cimport Operator
from gmosn.stream_info cimport StreamInfo

cdef class Formatter:
    cpdef bytes format(self, StreamInfo info)

@cython.final
cdef class TextFormatter(Formatter):
    cdef list operators
    cdef bytes missing

@cython.final
cdef class JsonFormatter(Formatter):
    cdef list parts

cdef class AccessLog:
    cpdef log(self, StreamInfo info)
