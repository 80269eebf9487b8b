"""The echo filter."""
import socket

import gevent

from gmosn.filter.network.echo import Echo
from gmosn.io.address import Address
from gmosn.io.connection import Connection
from gmosn.io.wheel import Wheel


def test_echo(hub_errors):
    ours, peer = socket.socketpair()
    address = Address.parse("127.0.0.1", 1)
    conn = Connection(ours, Wheel(gevent.get_hub().loop), address, address)
    with peer:
        peer.sendall(b"say it")
        peer.shutdown(socket.SHUT_WR)
        Echo.from_proto(None, None).serve(conn, None)
        assert peer.recv(100) == b"say it" and peer.recv(100) == b""
    assert conn.closed
