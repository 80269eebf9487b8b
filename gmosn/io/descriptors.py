"""Socket calls on bare descriptors: what gmosn.io.connection does by C calls when it is compiled."""
import os
import select
import struct
from contextlib import contextmanager
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET

from _socket import socket


@contextmanager
def borrowed(fd):
    """A socket object for `fd` that does not close it."""
    sock = socket(fileno=fd)
    try:
        yield sock
    finally:
        sock.detach()


def shut_down_writing(fd):
    """Sends FIN. Never raises: a peer that is gone already got the message."""
    try:
        with borrowed(fd) as sock:
            sock.shutdown(SHUT_WR)
    except OSError:
        pass


def has_error(fd):
    """An error (a reset) is pending; it stays pending."""
    from gevent.monkey import get_original           # not at the top: validation needs no gevent
    poller = get_original("select", "poll")()
    poller.register(fd, 0)
    return any(events & select.POLLERR for _, events in poller.poll(0))


def reset_on_close(fd):
    """Closing will send a reset. For a peer that has stopped reading: what is queued for it, megabytes perhaps, would else
    stay in the kernel for as long as it keeps its window shut. Never raises."""
    try:
        with borrowed(fd) as sock:
            sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass


def close_descriptor(fd, abort):
    """Closes a socket; `abort`: with a reset. Never raises."""
    try:
        if abort:
            reset_on_close(fd)
        os.close(fd)
    except OSError:
        pass
