cimport cython
from libc.errno cimport errno, EAGAIN, EINTR
from posix.unistd cimport read as c_read, write as c_write, close as c_close
from posix.uio cimport iovec, writev as c_writev
from cpython.bytes cimport PyBytes_FromStringAndSize
from gmosn.clock cimport now_us
from gmosn.io._greenlet cimport greenlet, PyGreenlet_GetCurrent, PyGreenlet_Switch, PyGreenlet_Import
from gmosn.io.wheel cimport Entry, Wheel

cdef extern from "poll.h":
    struct pollfd:
        int fd
        short events
        short revents
    int c_poll "poll"(pollfd* fds, unsigned long n, int timeout)
    short POLLERR

cdef extern from "sys/socket.h":
    int c_shutdown "shutdown"(int fd, int how)
    int c_setsockopt "setsockopt"(int fd, int level, int name, const void* value, unsigned int size)
    int SHUT_WR, SOL_SOCKET, SO_LINGER
    struct linger:
        int l_onoff
        int l_linger

cdef char[65536] SCRATCH
cdef iovec[64] VECTOR
cdef Py_ssize_t CHUNK
cdef long long LOOK_US, IDLE_US

cdef class Connection(Entry):
    cdef public object watcher, write_watcher, parked, owner
    cdef public object local, remote
    cdef greenlet hub, waiting, writing
    cdef public Wheel wheel
    cdef public Connection partner, gone
    cdef public object pending
    cdef bytes ahead
    cdef Py_ssize_t max_read
    cdef public int fd
    cdef public bint armed, stale, eof, closed, idle, half_closed, ready
    cdef bint give_back
    cdef public long long read_deadline, write_deadline, idle_since, opened_us, next_look, bytes_in, bytes_out, blocked
    cpdef readable(self)
    cpdef arm(self)
    cpdef _tell_partner(self)
    cpdef bint is_reset(self)
    cpdef _wait(self)
    cpdef _writable(self)
    cpdef _deliver(self)
    cpdef _raise_pending(self)
    cdef long long _plan(self)
    cpdef _unpark(self)
    cpdef bint wait_readable(self) except -1
    cpdef bint wait_request(self) except -1
    cpdef wait_writable(self)
    cpdef bytes read(self)
    cpdef bytes read_now(self)
    cpdef limit_reads(self, Py_ssize_t size)
    cpdef unread(self, bytes data)
    cpdef write(self, bytes data)
    cpdef write_many(self, list chunks)
    cpdef _write_rest(self, bytes data, Py_ssize_t done)
    cpdef Py_ssize_t _try_write(self, bytes data, Py_ssize_t done) except -1
    cpdef Py_ssize_t _try_write_many(self, list chunks, Py_ssize_t count) except -1
    cpdef set_read_deadline(self, long long at_us)
    cpdef set_write_deadline(self, long long at_us)
    cpdef interrupt(self, exc)
    cpdef half_close(self)
    cpdef close(self, bint abort=*)
