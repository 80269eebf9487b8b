cimport cython
from libc.errno cimport errno, EAGAIN, EINTR
from posix.unistd cimport read as c_read, write as c_write
from cpython.bytes cimport PyBytes_FromStringAndSize
from gmosn.clock cimport now_us
from gmosn.io._greenlet cimport greenlet, PyGreenlet_GetCurrent, PyGreenlet_Switch, PyGreenlet_Import
from gmosn.io.wheel cimport Entry, Wheel

cdef char[65536] SCRATCH
cdef Py_ssize_t CHUNK

cdef class Connection(Entry):
    cdef public object sock, watcher, write_watcher, parked
    cdef public object local, remote
    cdef greenlet hub, waiting, writing
    cdef public Wheel wheel
    cdef public Connection partner
    cdef public object pending_exc
    cdef public int fd
    cdef public bint armed, stale, eof, expired, closed, idle
    cdef public long long read_deadline, write_deadline, idle_since, bytes_in, bytes_out
    cpdef readable(self)
    cpdef bint wait_readable(self) except -1
    cpdef bint wait_request(self) except -1
    cpdef bytes read(self)
    cpdef bytes read_now(self)
    cpdef write(self, bytes data)
    cpdef write_many(self, list chunks)
    cpdef _write_slow(self, data)
    cpdef set_read_deadline(self, long long at_us)
    cpdef set_write_deadline(self, long long at_us)
    cpdef interrupt(self, exc)
    cpdef half_close(self)
    cpdef close(self, bint abort=*)
