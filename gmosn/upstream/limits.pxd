cimport cython
from gmosn.io.wheel cimport Entry, Wheel
from gmosn.observe.stats cimport Gauge, Stats

cpdef enum:
    CONNECTIONS = 0
    PENDING = 1
    REQUESTS = 2
    RETRIES = 3

cdef class LimitTable:
    cdef public object memory
    cdef public int fd, columns, column
    cdef public Py_ssize_t rows
    cdef long long[::1] words
    cdef Py_ssize_t counts, stride
    cdef dict known
    cpdef long long total(self, Py_ssize_t row, int kind)

cdef class Limits(Entry):
    cdef public str priority
    cdef public long long max_connections, max_pending, max_requests, max_retries
    cdef public bint track_remaining
    cdef LimitTable table
    cdef long long[::1] words
    cdef long long* p
    cdef Py_ssize_t row, own, first, stride
    cdef int columns
    cdef Wheel wheel
    cdef list open_gauges, remaining_gauges
    cdef public bint is_open, looking
    cpdef long long maximum(self, int kind)
    cpdef long long total(self, int kind)
    cpdef bint allows(self, int kind)
    cpdef add(self, int kind, long long n)
    cpdef bint retry_start(self)
    cpdef retry_end(self)
    cpdef show(self, Stats stats, Wheel wheel)
    cpdef hide(self)
    cpdef _opened(self, int kind)
    cpdef _look_again(self)
    cpdef _look(self)
