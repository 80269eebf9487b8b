cimport cython

cdef extern from *:
    void publish_barrier "__sync_synchronize" ()

cdef class Segment:
    cdef public object memory, view
    cdef public int fd
    cdef long long[::1] slots
    cdef long long* base
    cdef Py_ssize_t slot_end
    cdef dict counters, gauges, histograms, found
    cpdef Counter counter(self, str name)
    cpdef Gauge gauge(self, str name)
    cpdef Histogram histogram(self, str name, str unit=*)
    cpdef Py_ssize_t take_slots(self, Py_ssize_t count)

@cython.final
cdef class Counter:
    cdef public str name
    cdef Segment segment
    cdef object slots
    cdef long long* p
    cdef Py_ssize_t slot
    cpdef add(self, long long n)
    cpdef long long value(self)

@cython.final
cdef class Gauge:
    cdef public str name
    cdef Segment segment
    cdef object slots
    cdef long long* p
    cdef Py_ssize_t slot
    cpdef add(self, long long n)
    cpdef set(self, long long n)
    cpdef long long value(self)

@cython.final
cdef class Histogram:
    cdef public str name, unit
    cdef Segment segment
    cdef object slots
    cdef long long* p
    cdef Py_ssize_t slot, first_bin
    cpdef record(self, long long value)
    cpdef _take_bins(self)
    cpdef list bins(self)

cdef class Stats:
    cdef public str prefix
    cdef public Segment segment
    cpdef Counter counter(self, str name)
    cpdef Gauge gauge(self, str name)
    cpdef Histogram histogram(self, str name, str unit=*)
    cpdef Stats scope(self, str prefix)
