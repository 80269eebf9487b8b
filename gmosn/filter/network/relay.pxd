cimport cython
from gmosn.clock cimport now_us
from gmosn.io.connection cimport Connection
from gmosn.io.splice cimport Pipe, Pipes
from gmosn.io.wheel cimport Entry, Wheel
from gmosn.observe.stats cimport Counter

cdef class Relay(Entry):
    cdef public Connection down, up, reset
    cdef public str outcome
    cdef public long long idle_us, until_us, last_us, report_us, next_report
    cdef public object on_report
    cdef public Pipes pipes
    cdef Counter received, sent
    cdef long long moved
    cdef public int running
    cpdef run(self)
    cpdef finish(self, str outcome)
    cpdef abort(self, Connection dead)

cdef class Direction:
    cdef Relay relay
    cdef Connection source, target
    cdef Counter counter
    cdef bint writing, plain
    cdef long long credit
    cpdef run(self)
    cpdef _move(self)
    cpdef _discard(self)
    cpdef bint _copy(self) except -1
    cpdef bint _splice(self) except -1
    cpdef _failed(self, bint by_partner)
