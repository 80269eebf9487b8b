cimport cython
from gmosn.clock cimport now_us
from gmosn.io.connection cimport Connection
from gmosn.io.wheel cimport Entry, Wheel

cdef class Pause(Entry):
    cdef object hub, greenlet
    cdef long long deadline
    cdef public bint expired, woken
    cpdef bint wait(self, Wheel wheel, long long deadline_us) except -1
    cpdef wake(self)
    cpdef _fire(self)

cdef class Connector:
    cdef public Wheel wheel
    cdef public long long timeout_us
    cdef public object transport_socket, source
    cdef public list socket_options
    cdef public str sni
    cpdef Connection connect(self, address, long long deadline_us)
    cdef Connection _secure(self, Connection conn, long long until_us)
