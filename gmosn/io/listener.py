"""Accepting connections: fair, and calm when the process has no descriptors left."""
import os
import resource
from errno import ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO

from _socket import socket
from gmosn.clock import now_us

EXHAUSTED = frozenset((EMFILE, ENFILE, ENOBUFS, ENOMEM))
ONE_CLIENT = frozenset((ECONNABORTED, EINTR, EPROTO, EPERM))     # this client failed, the next may not
PAUSE_S = 0.1                        # how long nothing is accepted when the process is out of descriptors
REPORT_US = 1_000_000
PER_EVENT = 32                       # then the connections that are there already get their turn
RESERVE = 64                         # descriptors that accepting leaves to upstream connections and log files


class Acceptor:
    """Accepts from one listening socket (a socket object or descriptor; owned, closed with it).

    `on_accept(fd, sockaddr)` gets a non-blocking descriptor, which it owns; it runs in the hub and must not block.
    `on_exhausted(pauses)`: called at most once a second while the process is out of descriptors, with the number of
    pauses since the last call. `per_event`: connections accepted per readiness event.
    """

    def __init__(self, sock, on_accept, on_exhausted, per_event=PER_EVENT, on_batch=None):
        self.sock = socket(fileno=sock if isinstance(sock, int) else sock.detach())
        self.sock.setblocking(False)
        self.on_accept = on_accept
        self.on_exhausted = on_exhausted
        self.on_batch = on_batch
        self.per_event = per_event
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.highest = limit - min(RESERVE, limit // 16)
        self.pauses = 0
        self.reported_us = 0
        from gevent import get_hub                   # not at the top: validation needs no gevent
        self.loop = get_hub().loop
        self.watcher = self.loop.io(self.sock.fileno(), 1)
        self.timer = None

    def start(self):
        self.watcher.start(self._accept)

    def stop(self):
        """Accepts nothing more; the socket stays bound and open."""
        self.watcher.stop()
        if self.timer is not None:
            self.timer.close()
            self.timer = None

    def accept_waiting(self):
        """Accepts everybody who waits in the queue now: closing the socket would reset them."""
        while self._accept():
            pass

    def release(self):
        """Stops and gives the socket's descriptor away, with whoever waits in its queue."""
        self.stop()
        self.watcher.close()
        return self.sock.detach()

    def close(self):
        """Idempotent."""
        self.stop()
        self.watcher.close()
        self.sock.close()

    def _accept(self):
        """Returns how many."""
        accepted = 0
        while accepted < self.per_event:
            try:
                fd, sockaddr = self.sock._accept()
            except BlockingIOError:
                break
            except OSError as exc:
                if exc.errno in EXHAUSTED:
                    self._pause()
                    break
                if exc.errno in ONE_CLIENT:
                    continue
                raise
            os.set_blocking(fd, False)
            accepted += 1
            self.on_accept(fd, sockaddr)
            if fd >= self.highest:                   # the kernel gives the lowest free number: this many are in use
                self._pause()
                break
        if accepted and self.on_batch is not None:
            self.on_batch(accepted)
        return accepted

    def _pause(self):
        """Waiting clients stay in the kernel's queue; existing connections go on."""
        self.pauses += 1
        now = now_us()
        if now - self.reported_us >= REPORT_US:
            self.reported_us = now
            self.on_exhausted(self.pauses)
            self.pauses = 0
        self.watcher.stop()
        self.timer = self.loop.timer(PAUSE_S)
        self.timer.start(self._resume)

    def _resume(self):
        """Goes on when there is room again: a descriptor shows how many are in use."""
        self.timer.close()
        self.timer = None
        try:
            probe = os.dup(self.sock.fileno())
            os.close(probe)
        except OSError:
            probe = self.highest
        if probe >= self.highest:
            self._pause()
        else:
            self.start()
