# hot: tcp_bulk
"""Moving bytes between two sockets inside the kernel: splice(2) through a pipe, a quarter of the CPU of copying."""
import fcntl
import os

import cython

if not cython.compiled:
    from gmosn.io.connection import Connection  # noqa: F401

PIPE_BYTES = 1 << 20                 # the most that an unprivileged process may ask for (fs.pipe-max-size)
KEEP = 8


class Pipe:
    """A pipe between a source and a target. `held`: bytes in it. Neither call blocks."""

    def __init__(self):
        self.read_fd, self.write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.held = 0
        try:
            fcntl.fcntl(self.write_fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        except OSError:
            pass                                     # the user has too many large pipes: 64 KiB do it too

    def fill(self, source, most=PIPE_BYTES):
        """Bytes taken from `source` (the pipe must be empty), at most `most`; 0 = its end, -1 = it would block. OSError:
        it broke."""
        n: cython.Py_ssize_t
        if cython.compiled:
            n = c_splice(source.fd, cython.NULL, self.write_fd, cython.NULL, most,
                         SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
            if n < 0:
                if errno == EAGAIN or errno == EINTR:
                    return -1
                raise OSError(errno, os.strerror(errno))
        else:
            try:
                n = os.splice(source.fd, self.write_fd, most, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK)
            except BlockingIOError:
                return -1
        if source.stale:
            source.stale = False
            source.arm()
        if n == 0:
            source.eof = True
        self.held = n
        source.bytes_in += n
        return n

    def drain(self, target):
        """Gives what is held to `target`. True: all of it; False: it would block. OSError: it broke."""
        n: cython.Py_ssize_t
        while self.held:
            if cython.compiled:
                n = c_splice(self.read_fd, cython.NULL, target.fd, cython.NULL, self.held,
                             SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
                if n < 0:
                    if errno == EAGAIN or errno == EINTR:
                        return False
                    raise OSError(errno, os.strerror(errno))
            else:
                try:
                    n = os.splice(self.read_fd, target.fd, self.held, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK)
                except BlockingIOError:
                    return False
            self.held -= n
            target.bytes_out += n
        return True

    def close(self):
        os.close(self.read_fd)
        os.close(self.write_fd)


class Pipes:
    """Empty pipes for whoever moves much right now; `keep` of them stay open for the next one."""

    def __init__(self, keep=KEEP):
        self.free = []
        self.keep = keep

    def take(self):
        """An empty Pipe, or None when there are no descriptors left."""
        if self.free:
            return self.free.pop()
        try:
            return Pipe()
        except OSError:
            return None

    def give(self, pipe):
        """Takes a pipe back; one that still holds bytes is closed."""
        if pipe.held == 0 and len(self.free) < self.keep:
            self.free.append(pipe)
        else:
            pipe.close()

    def close(self):
        """Closes the pipes that are not in use."""
        while self.free:
            self.free.pop().close()
