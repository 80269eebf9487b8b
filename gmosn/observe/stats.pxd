cimport cython

cdef class Segment:
    cdef public object memory, view

@cython.final
cdef class Counter:
    cdef public str name
    cdef long long[::1] slots
    cdef long long* p
    cdef Py_ssize_t slot
    cpdef add(self, long long n)
    cpdef long long value(self)

@cython.final
cdef class Gauge:
    cdef public str name
    cdef long long[::1] slots
    cdef long long* p
    cdef Py_ssize_t slot
    cpdef add(self, long long n)
    cpdef set(self, long long n)
    cpdef long long value(self)

@cython.final
cdef class Histogram:
    cdef public str name, unit
    cdef long long[::1] slots
    cdef long long* p
    cdef Py_ssize_t slot
    cpdef record(self, long long value)

cdef class Stats:
    cdef public str prefix
    cdef public Segment segment
    cdef dict made
    cpdef Counter counter(self, str name)
    cpdef Gauge gauge(self, str name)
    cpdef Histogram histogram(self, str name, str unit=*)
    cpdef Stats scope(self, str prefix)
