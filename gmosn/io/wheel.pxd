from gmosn.clock cimport now_us

cdef class Entry:
    cdef public long long look_at
    cpdef long long on_tick(self, long long now) except -1

cdef class Wheel:
    cdef public object loop
    cdef list slots
    cdef object timer
    cdef long long tick, armed_for
    cpdef add(self, Entry entry, long long in_us)
