cimport cython
from gmosn.clock cimport now_us

cdef long long TICK_US
cdef int SLOTS

cdef class Entry:
    cdef public long long look_at
    cpdef long long on_tick(self, long long now) except -1

cdef class Wheel:
    cdef public object loop
    cdef list slots
    cdef object timer
    cdef long long tick, armed_for
    cdef Py_ssize_t entries
    cdef bint turning
    cpdef add(self, Entry entry, long long in_us)
    cpdef turn(self)
    cdef _arm(self, long long tick, long long now)
    cdef _look(self, list due, long long now)
    cdef _arm_next(self)
