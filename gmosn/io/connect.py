"""Opening a connection to a literal address."""
import os
import socket as constants
from errno import EINPROGRESS

from _socket import socket

from gmosn.io.address import Address
from gmosn.io.connection import Connection
from gmosn.io.descriptors import borrowed


def connect(address, wheel, deadline_us, *, source=None, options=()):
    """A Connection to `address` (Address). Blocks; raises Timeout at `deadline_us`, OSError when it fails.

    `source`: Address to bind to first; `options`: (level, name, value) socket options set before connecting.
    """
    sock = socket(address.af, constants.SOCK_STREAM | constants.SOCK_NONBLOCK | constants.SOCK_CLOEXEC, 0)
    try:
        if address.family != "unix":
            sock.setsockopt(constants.IPPROTO_TCP, constants.TCP_NODELAY, 1)
        for level, name, value in options:
            sock.setsockopt(level, name, value)
        if source is not None:
            sock.bind(source.sockaddr)
        error = sock.connect_ex(address.sockaddr)
    except BaseException:
        sock.close()
        raise
    conn = Connection(sock, wheel, None, address)
    try:
        if error == EINPROGRESS:
            error = _await(conn, deadline_us)
        if error:
            raise OSError(error, os.strerror(error))
        with borrowed(conn.fd) as sock:
            conn.local = Address.from_sockaddr(sock.getsockname(), address.af)
    except BaseException:
        conn.close()
        raise
    return conn


def _await(conn, deadline_us):
    """Blocks until the connection is there or failed: the error number, 0 = there."""
    conn.set_write_deadline(deadline_us)
    conn.wait_writable()
    conn.set_write_deadline(0)
    with borrowed(conn.fd) as sock:
        return sock.getsockopt(constants.SOL_SOCKET, constants.SO_ERROR)
