"""A socket pair with a gmosn Connection on one side and a plain cooperative socket on the other."""
import socket

import gevent
from gevent import socket as green
from gevent.event import Event

from gmosn.io.address import Address
from gmosn.io.connection import Connection
from gmosn.io.wheel import Wheel
from tests.helpers.timing import SCALE

NOWHERE = Address.from_sockaddr("", socket.AF_UNIX)


def connection_pair():
    """(Connection, gevent socket). Both ends belong to the caller."""
    ours, theirs = socket.socketpair()
    connection = Connection(ours, Wheel(gevent.get_hub().loop), NOWHERE, NOWHERE)
    return connection, green.socket(fileno=theirs.detach())


def read_until(sock, ending, limit_s=5.0):
    """Bytes from `sock` up to and with `ending`; everything when the peer closes first."""
    got = b""
    sock.settimeout(limit_s)
    while not got.endswith(ending):
        piece = sock.recv(65536)
        if not piece:
            break
        got += piece
    return got


def green_eventually(check, timeout_s=5.0):
    """timing.eventually for tests that run in gevent's hub: lets other greenlets run until `check()` is true."""
    never = Event()
    with gevent.Timeout(timeout_s * SCALE):
        while not check():
            never.wait(0.01)
