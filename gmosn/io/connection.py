# hot: http1_get
"""One socket. Its read watcher is started once and stays; a call blocks only the greenlet that makes it.

One greenlet may read and one may write at a time. Deadlines are absolute (`clock.now_us`), 0 = none. An idle connection
costs this object and a watcher: `wait_request` tells its greenlet to go, `parked` brings one back.
"""
import os
from errno import EBADF

import cython

from gmosn.errors import PeerGone, Timeout
from gmosn.io.descriptors import reset_on_close

if cython.compiled:
    PyGreenlet_Import()
else:
    from greenlet import getcurrent as PyGreenlet_GetCurrent

    from gmosn.clock import now_us
    from gmosn.io.descriptors import close_descriptor, has_error, shut_down_writing
    from gmosn.io.wheel import Entry

CHUNK = 65536
VECTOR_SIZE = 64
LOOK_US = 1_000_000                 # a connection with a greenlet is looked at this often at least
IDLE_US = 1_000_000                 # idle for longer: give the greenlet back (a spawn costs 17 us)
NEVER = 1 << 62


class Connection(Entry):
    """A connected stream socket.

    `sock`: a socket, which is detached, or a bare descriptor: owned by this object from now on and non-blocking;
    `local`, `remote`: io.address.Address. `partner`: the connection whose greenlet must learn (PeerGone) that this one
    was reset while nobody reads it. `owner`: gets `connection_closed(conn)` once, and `spawn(conn, parked)` when that
    is to run. `parked`: called in a new greenlet at the next readable byte, the read deadline or an interrupt.
    `stale`: became readable while nobody waited, so a pool must not use it again. `eof`: the peer closed its side.
    `bytes_in`, `bytes_out`: on the wire; `blocked`: how often a write had to wait.
    """

    def __init__(self, sock, wheel, local, remote):
        from gevent import get_hub                   # not at the top: validation needs no gevent
        self.hub = get_hub()
        self.wheel = wheel
        self.local = local
        self.remote = remote
        self.opened_us = now_us()
        self.max_read = CHUNK
        if isinstance(sock, int):
            self.fd = sock
        else:
            sock.setblocking(False)
            self.fd = sock.detach()
        self.watcher = self.hub.loop.io(self.fd, 1)
        self.next_look = self.opened_us + LOOK_US
        wheel.add(self, LOOK_US)

    # -- called by the hub

    def __call__(self):                              # the object itself is the callback: no bound method kept
        self.readable()

    def readable(self):
        """The socket is readable (data, end or error)."""
        g = self.waiting
        if g is not None:
            self.waiting = None
            if cython.compiled:
                PyGreenlet_Switch(g, cython.NULL, cython.NULL)
            else:
                g.switch()
        elif self.parked is not None:
            self.ready = True
            self._unpark()
        else:
            self.stale = True
            self.watcher.stop()
            self.armed = False
            self._tell_partner()

    def _tell_partner(self):
        partner = self.partner
        if partner is not None and self.is_reset():
            partner.gone = self
            self.hub.loop.run_callback(partner._deliver)

    def on_tick(self, now):
        """Deadlines; resets after the watcher stopped; and an idle connection's greenlet is sent home."""
        g = self.waiting
        if self.closed:
            return 0
        if self.stale and g is None:
            self._tell_partner()
        if self.read_deadline != 0 and now >= self.read_deadline:
            if g is not None:
                g.throw(Timeout("read deadline"))
            elif self.parked is not None:
                self._unpark()
        elif self.idle and g is not None and now - self.idle_since >= IDLE_US:
            self.give_back = True
            self.waiting = None
            if cython.compiled:
                PyGreenlet_Switch(g, cython.NULL, cython.NULL)
            else:
                g.switch()
        g = self.writing
        if g is not None and self.write_deadline != 0 and now >= self.write_deadline:
            reset_on_close(self.fd)
            g.throw(Timeout("write deadline"))
        return self._plan()

    def _plan(self):
        """us until the next look that this connection needs, 0 = none."""
        now: cython.longlong = now_us()
        look: cython.longlong = NEVER
        if self.closed:
            return 0
        if self.parked is None:
            look = now + LOOK_US
            if now < self.write_deadline < look:
                look = self.write_deadline
        if self.read_deadline != 0 and self.read_deadline < look and (
                self.read_deadline > now or self.parked is not None):
            look = self.read_deadline
        self.next_look = look
        if look == NEVER:
            return 0
        return look - now if look > now else 1

    def _unpark(self):
        wake = self.parked
        self.parked = None
        self.next_look = now_us() + LOOK_US
        self.wheel.add(self, LOOK_US)
        if self.owner is not None:
            self.owner.spawn(self, wake)
        else:
            from gevent import spawn
            spawn(wake)

    def _deliver(self):
        """Throws what interrupt() or a partner's reset left into whoever waits; nobody: it stays for the next wait."""
        if self.gone is not None and self.gone.partner is not self:
            self.gone = None
        if self.pending is None and self.gone is None:
            return
        exc = self.pending if self.pending is not None else PeerGone()
        reader, writer = self.waiting, self.writing
        if reader is None and writer is None:
            if self.parked is not None:
                self._unpark()                       # its next wait raises
            return
        self.pending = self.gone = None
        if reader is not None:
            reader.throw(exc)
        if writer is not None and self.writing is writer:
            writer.throw(exc)

    # -- waiting

    def arm(self):
        """Starts the read watcher, so that an idle connection notices its peer's end."""
        if not self.armed and not self.closed:
            self.armed = True
            self.watcher.start(self)

    def _wait(self):
        """Blocks until the read watcher fires. Raises Timeout, PeerGone, what interrupt() gave, OSError when closed."""
        if self.ready or self.ahead is not None:
            self.ready = False
            return
        if self.closed:
            raise OSError(EBADF, "connection is closed")
        if self.pending is not None or self.gone is not None:
            self._raise_pending()
        if self.read_deadline != 0 and self.read_deadline <= now_us():
            raise Timeout("read deadline")
        g = PyGreenlet_GetCurrent()
        if g is self.hub or self.waiting is not None:
            raise AssertionError("a connection has one reader, and it is not the hub")
        if not self.armed:
            self.armed = True
            self.watcher.start(self)
        self.waiting = g
        try:
            if cython.compiled:
                PyGreenlet_Switch(self.hub, cython.NULL, cython.NULL)
            else:
                self.hub.switch()
        finally:
            self.waiting = None

    def _raise_pending(self):
        if self.gone is not None:
            reset = self.gone.partner is self
            self.gone = None
            if reset:
                raise PeerGone()
        if self.pending is not None:
            exc = self.pending
            self.pending = None
            raise exc

    def wait_readable(self):
        """Blocks until something can be read (or the end, or an error); raises as read() does."""
        self._wait()
        return True

    def wait_request(self):
        """Waits for the first byte of the next message. True: there is something to read. False: idle for a second or
        more, give your greenlet back: set `parked` and end; raises as read() does."""
        self.idle = True
        self.idle_since = now_us()
        self.give_back = False
        try:
            self._wait()
        finally:
            self.idle = False
        if self.give_back:
            self.give_back = False
            if self.write_watcher is not None:
                self.write_watcher.close()
                self.write_watcher = None
            return False
        return True

    def _writable(self):
        g = self.writing
        self.write_watcher.stop()
        if g is not None:
            self.writing = None
            if cython.compiled:
                PyGreenlet_Switch(g, cython.NULL, cython.NULL)
            else:
                g.switch()

    def wait_writable(self):
        """Blocks until the kernel takes more bytes; Timeout at the write deadline, else as read()."""
        if self.closed:
            raise OSError(EBADF, "connection is closed")
        if self.pending is not None or self.gone is not None:
            self._raise_pending()
        if self.write_deadline != 0 and self.write_deadline <= now_us():
            reset_on_close(self.fd)
            raise Timeout("write deadline")
        g = PyGreenlet_GetCurrent()
        if g is self.hub or self.writing is not None:
            raise AssertionError("a connection has one writer, and it is not the hub")
        self.blocked += 1
        if self.write_watcher is None:
            self.write_watcher = self.hub.loop.io(self.fd, 2)
        self.write_watcher.start(self._writable)
        self.writing = g
        try:
            if cython.compiled:
                PyGreenlet_Switch(self.hub, cython.NULL, cython.NULL)
            else:
                self.hub.switch()
        finally:
            self.writing = None
            if self.write_watcher is not None:
                self.write_watcher.stop()

    def set_read_deadline(self, at_us):
        """From now on reads raise Timeout at `at_us` (at most 20 ms later)."""
        self.read_deadline = at_us
        if at_us != 0 and at_us < self.next_look:
            self.wheel.add(self, self._plan())

    def set_write_deadline(self, at_us):
        """The same for writes."""
        self.write_deadline = at_us
        if at_us != 0 and at_us < self.next_look:
            self.wheel.add(self, self._plan())

    def interrupt(self, exc):
        """The greenlets that wait on this connection raise `exc`; when none waits, the next wait does."""
        self.pending = exc
        self.hub.loop.run_callback(self._deliver)

    # -- bytes

    def read(self):
        """Waits, then reads once: at most 64 KiB; b"" = end. Raises Timeout, OSError, PeerGone, an interrupt."""
        data: bytes
        while True:
            self._wait()
            data = self.read_now()
            if data is not None:
                return data

    def read_now(self):
        """read() that returns None instead of blocking."""
        data: bytes
        if self.ahead is not None:
            data = self.ahead
            self.ahead = None
            return data
        if cython.compiled:
            n: cython.Py_ssize_t = c_read(self.fd, SCRATCH, self.max_read)     # static: no big frame that waits
            if n < 0:
                if errno == EAGAIN or errno == EINTR:
                    return None
                self.eof = True                      # whoever counts sees that the peer ended it
                raise OSError(errno, os.strerror(errno))
            data = PyBytes_FromStringAndSize(SCRATCH, n)
        else:
            try:
                data = os.read(self.fd, self.max_read)
            except BlockingIOError:
                return None
            except OSError:
                self.eof = True
                raise
        if self.stale:
            self.stale = False
            self.arm()
        if not data:
            self.eof = True
        self.bytes_in += len(data)
        return data

    def limit_reads(self, size):
        """From now on read() returns at most `size` bytes (1 to 64 KiB)."""
        self.max_read = min(max(size, 1), CHUNK)

    def unread(self, data):
        """Puts bytes back in front of everything else."""
        if data:
            self.ahead = data if self.ahead is None else data + self.ahead

    def write(self, data):
        """Writes all. Blocks while the kernel's buffer is full: that is the backpressure. Timeout, OSError."""
        n: cython.Py_ssize_t = self._try_write(data, 0)
        if n < len(data):
            self._write_rest(data, n)

    def write_many(self, chunks):
        """Writes all chunks (bytes) in as few calls as possible."""
        size: cython.Py_ssize_t
        n: cython.Py_ssize_t
        while chunks:
            count: cython.Py_ssize_t = min(len(chunks), VECTOR_SIZE)
            n = self._try_write_many(chunks, count)
            for data in chunks[:count]:
                size = len(data)
                if n >= size:
                    n -= size
                else:
                    self._write_rest(data, n)
                    n = 0
            chunks = chunks[count:]

    def _write_rest(self, data, done):
        while done < len(data):
            self.wait_writable()
            done += self._try_write(data, done)

    def _try_write(self, data, done):
        """Bytes written now, 0 when it would block."""
        n: cython.Py_ssize_t
        if cython.compiled:
            n = c_write(self.fd, cython.cast(cython.p_char, data) + done, len(data) - done)
            if n < 0:
                if errno != EAGAIN and errno != EINTR:
                    self.eof = True
                    raise OSError(errno, os.strerror(errno))
                return 0
        else:
            try:
                n = os.write(self.fd, memoryview(data)[done:])
            except BlockingIOError:
                return 0
            except OSError:
                self.eof = True
                raise
        self.bytes_out += n
        return n

    def _try_write_many(self, chunks, count):
        n: cython.Py_ssize_t
        i: cython.Py_ssize_t
        data: bytes
        if cython.compiled:
            for i in range(count):
                data = chunks[i]
                VECTOR[i].iov_base = cython.cast(cython.p_void, cython.cast(cython.p_char, data))
                VECTOR[i].iov_len = len(data)
            n = c_writev(self.fd, VECTOR, count)
            if n < 0:
                if errno != EAGAIN and errno != EINTR:
                    self.eof = True
                    raise OSError(errno, os.strerror(errno))
                return 0
        else:
            try:
                n = os.writev(self.fd, chunks[:count])
            except BlockingIOError:
                return 0
            except OSError:
                self.eof = True
                raise
        self.bytes_out += n
        return n

    # -- the end

    def is_reset(self):
        """A reset has arrived; a peer that merely closed may have sent something before. Does not consume the error."""
        flags: cython.int
        if self.closed:
            return True
        if cython.compiled:
            entry: pollfd
            entry.fd = self.fd
            entry.events = 0
            entry.revents = 0
            c_poll(cython.address(entry), 1, 0)
            flags = entry.revents
            return (flags & POLLERR) != 0
        else:
            return has_error(self.fd)

    def half_close(self):
        """Ends our direction (FIN); reading goes on. Never raises."""
        if not self.closed and not self.half_closed:
            self.half_closed = True
            if cython.compiled:
                c_shutdown(self.fd, SHUT_WR)
            else:
                shut_down_writing(self.fd)

    def close(self, abort=False):
        """Idempotent, never raises. `abort`: the peer gets a reset. Whoever waits here raises OSError."""
        if self.closed:
            return
        self.closed = True
        self.watcher.stop()
        self.watcher.close()
        if self.write_watcher is not None:
            self.write_watcher.close()
            self.write_watcher = None
        if cython.compiled:
            if abort:
                option: linger
                option.l_onoff = 1
                option.l_linger = 0
                c_setsockopt(self.fd, SOL_SOCKET, SO_LINGER, cython.address(option), cython.sizeof(linger))
            c_close(self.fd)
        else:
            close_descriptor(self.fd, abort)
        self.fd = -1
        self.armed = False
        self.partner = self.gone = self.parked = self.ahead = None
        if self.waiting is not None or self.writing is not None:
            self.interrupt(OSError(EBADF, "connection was closed here"))
        owner = self.owner
        self.owner = None
        if owner is not None:
            owner.connection_closed(self)

    def __repr__(self):
        state = "closed" if self.closed else "parked" if self.parked is not None else "idle" if self.idle else "open"
        flags = "".join(f" {name}" for name in ("eof", "stale", "half_closed") if getattr(self, name))
        return (f"<{type(self).__name__} {self.remote} fd {self.fd} {state}{flags} "
                f"in {self.bytes_in} out {self.bytes_out}>")


if not cython.compiled:              # compiled attributes start as 0/None: give Python the same defaults
    for _name in "watcher write_watcher parked owner waiting writing partner gone pending ahead".split():
        setattr(Connection, _name, None)
    for _name in "read_deadline write_deadline idle_since bytes_in bytes_out blocked".split():
        setattr(Connection, _name, 0)
    for _name in "armed stale eof closed idle half_closed ready give_back".split():
        setattr(Connection, _name, False)
