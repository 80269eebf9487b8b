cimport cython
from libc.errno cimport errno, EAGAIN, EINTR
from gmosn.io.connection cimport Connection

cdef extern from "<fcntl.h>" nogil:
    ssize_t c_splice "splice"(int fd_in, void* off_in, int fd_out, void* off_out, size_t size, unsigned int flags)
    unsigned int SPLICE_F_MOVE, SPLICE_F_NONBLOCK

cdef Py_ssize_t PIPE_BYTES

@cython.final
cdef class Pipe:
    cdef public Py_ssize_t held
    cdef int read_fd, write_fd
    cpdef Py_ssize_t fill(self, Connection source, Py_ssize_t most=*) except -2
    cpdef bint drain(self, Connection target) except -1
    cpdef close(self)

cdef class Pipes:
    cdef list free
    cdef Py_ssize_t keep
    cpdef Pipe take(self)
    cpdef give(self, Pipe pipe)
