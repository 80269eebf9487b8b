"""Messages over a Unix socket pair, file descriptors included; and the same in memory, for tests.

One SOCK_SEQPACKET packet is one message, so a peer that dies never leaves half of one, and descriptors stay with the
message they belong to. A message above PACKET_BYTES (a big endpoint assignment) travels in a memory file whose
descriptor comes first. The socket is whatever the `socket` module makes: plain and blocking, or gevent's once it was
patched; this module imports neither gevent nor anything else that is heavy.
"""
import array
import os
import queue
import socket

from gmosn.server.messages import MessageError, decode, encode

PACKET_BYTES = 32 * 1024            # well below the smallest default of net.core.wmem_max, which bounds one packet
MAX_FDS = 250                       # Linux: SCM_MAX_FD is 253
_INLINE, _SPILLED = b"\x00", b"\x01"


class Channel:
    """One end. `send` may block while the peer's queue is full; `receive` blocks until a message or the end is there.

    Any number of greenlets may send; one receives.
    """

    def __init__(self, sock):
        self.sock = sock

    @classmethod
    def from_fd(cls, fd):
        """Takes over an inherited or received descriptor."""
        return cls(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fd))

    @staticmethod
    def pair():
        """Two connected sockets, close-on-exec."""
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def fileno(self):
        return self.sock.fileno()

    def send(self, message):
        """Sends it and its `fds` (which stay open here). OSError when the peer is gone."""
        data, fds, spill = _pack(message)
        try:
            self.sock.sendmsg([data], _ancillary(fds))
        finally:
            if spill is not None:
                os.close(spill)

    def receive(self):
        """The next Message, or None when the peer is gone. The receiver owns `message.fds`."""
        return self._receive(0)

    def _receive(self, flags):
        try:
            data, ancillary, _, _ = self.sock.recvmsg(
                PACKET_BYTES + 64, socket.CMSG_SPACE((MAX_FDS + 1) * 4), flags | socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:                 # it died with messages of ours unread
            return None
        return _unpack(data, _received_fds(ancillary)) if data else None

    def close(self):
        self.sock.close()

    def __repr__(self):
        return f"<Channel fd={self.fileno()}>"


class PolledChannel(Channel):
    """The supervisor's kind: never blocks. What cannot leave at once waits in `outbox`; the owner polls for writing
    then."""

    def __init__(self, sock):
        super().__init__(sock)
        sock.setblocking(False)
        self.outbox = []

    def send(self, message):
        """Sends or queues it; a peer that is gone is noticed when receiving, not here. `message.fds` are duplicated
        when they have to wait."""
        if self.outbox:
            message.fds = [os.dup(fd) for fd in message.fds]
            self.outbox.append(message)
            return
        try:
            super().send(message)
        except BlockingIOError:
            message.fds = [os.dup(fd) for fd in message.fds]
            self.outbox.append(message)
        except OSError:
            pass

    def flush(self):
        """Sends what waits, as far as it goes."""
        while self.outbox:
            message = self.outbox[0]
            try:
                super().send(message)
            except BlockingIOError:
                return
            except OSError:
                pass
            self.outbox.pop(0)
            close_fds(message.fds)

    def receive_now(self):
        """(True, message), (True, None) at the end, (False, None) when nothing is there yet."""
        try:
            return True, self._receive(socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False, None

    def close(self):
        for message in self.outbox:
            close_fds(message.fds)
        self.outbox.clear()
        super().close()


class MemoryChannel:
    """One end of an in-memory pair: same bytes, same ownership of descriptors, no socket."""

    def __init__(self, incoming, outgoing):
        self._incoming = incoming
        self._outgoing = outgoing
        self._closed = False

    @classmethod
    def pair(cls):
        """Two connected ends."""
        left, right = queue.SimpleQueue(), queue.SimpleQueue()
        return cls(left, right), cls(right, left)

    def send(self, message):
        if self._closed:
            raise OSError("channel is closed")
        self._outgoing.put((encode(message), [os.dup(fd) for fd in message.fds]))

    def receive(self):
        item = self._incoming.get()
        return None if item is None else decode(*item)

    def close(self):
        if not self._closed:
            self._closed = True
            self._outgoing.put(None)


def close_fds(fds):
    """Closes every descriptor of a list."""
    for fd in fds:
        os.close(fd)


def memory_file(name, data):
    """A descriptor of a memory file with `data`, to be passed on. The caller closes it."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view):]
    except OSError:
        os.close(fd)
        raise
    return fd


def read_memory_file(fd):
    """All bytes of a memory file, whatever its offset is."""
    return os.pread(fd, os.fstat(fd).st_size, 0)


def _pack(message):
    """(packet, descriptors, descriptor to close afterwards or None)."""
    data = encode(message)
    if len(data) <= PACKET_BYTES:
        return _INLINE + data, message.fds, None
    spill = memory_file("gmosn-message", data)
    return _SPILLED, [spill, *message.fds], spill


def _ancillary(fds):
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []


def _received_fds(ancillary):
    fds = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[:len(data) - len(data) % fds.itemsize])
    return list(fds)


def _unpack(packet, fds):
    kind, data = packet[:1], packet[1:]
    if kind == _SPILLED:
        if not fds:
            raise MessageError("a large message without its memory file")
        spill, *fds = fds
        try:
            data = read_memory_file(spill)
        finally:
            os.close(spill)
    try:
        return decode(data, fds)
    except MessageError:
        close_fds(fds)
        raise
