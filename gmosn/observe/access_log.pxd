cimport cython
from libc.string cimport memcpy
from cpython.bytes cimport PyBytes_FromStringAndSize
from gmosn.observe.log_operators cimport Operator
from gmosn.observe.stats cimport Counter, Gauge
from gmosn.stream_info cimport StreamInfo

cdef class Formatter:
    cpdef bytes format(self, StreamInfo info)

cdef class TextFormatter(Formatter):
    cdef public list literals, operators
    cdef bytes missing
    cdef Py_ssize_t fixed

cdef class JsonFormatter(Formatter):
    cdef public object shape
    cdef public bint omit

cdef class LogSink:
    cdef public list lines
    cdef public Py_ssize_t size, limit
    cdef public Counter buffered
    cdef public Gauge total_buffered
    cpdef write(self, bytes line)
    cpdef full(self)

cdef class AccessLog:
    cpdef log(self, StreamInfo info)

cdef class WriterLog(AccessLog):
    cdef public Formatter formatter
    cdef public LogSink sink
    cdef public object condition

cdef bytes _weave(list literals, list values, Py_ssize_t size)
