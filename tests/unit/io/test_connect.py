"""connect(): to live, dead and silent addresses."""
import os
import socket

import gevent
import pytest

from gmosn.clock import now_us
from gmosn.errors import Timeout
from gmosn.io.address import Address
from gmosn.io.connect import connect
from gmosn.io.wheel import Wheel
from tests.helpers.timing import SCALE


@pytest.fixture
def wheel(hub_errors):
    return Wheel(gevent.get_hub().loop)


def soon():
    return now_us() + int(5_000_000 * SCALE)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_tcp(wheel):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address.parse(*server.getsockname())
        conn = connect(address, wheel, soon())
        peer, name = server.accept()
        with peer:
            assert conn.local.sockaddr == name and conn.remote is address
            assert peer.recv(0) == b""
            peer.sendall(b"hi")
            assert conn.read() == b"hi"
            conn.close()


def test_source_address(wheel):
    with socket.create_server(("127.0.0.1", 0)) as server:
        conn = connect(Address.parse(*server.getsockname()), wheel, soon(), source=Address.parse("127.0.0.9"),
                       options=[(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)])
        peer, name = server.accept()
        assert name[0] == "127.0.0.9"
        peer.close()
        conn.close()


@pytest.mark.parametrize("path", ["@gmosn-test-%d", "{tmp}/socket"])
def test_unix(wheel, tmp_path, path):
    path = path.replace("%d", str(os.getpid())).format(tmp=tmp_path)
    address = Address("unix", path=path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address.sockaddr)
        server.listen(1)
        conn = connect(address, wheel, soon())
        conn.write(b"x")
        peer, _ = server.accept()
        with peer:
            assert peer.recv(1) == b"x"
        conn.close()


def test_refused_and_nothing_leaks(wheel):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address.parse(*server.getsockname())
    before = descriptors()
    with pytest.raises(ConnectionRefusedError):
        connect(address, wheel, soon())
    with pytest.raises(FileNotFoundError):
        connect(Address("unix", path="/nonexistent/socket"), wheel, soon())
    with pytest.raises(OSError):
        connect(address, wheel, soon(), source=Address.parse("192.0.2.1"))
    assert descriptors() == before


def test_timeout(wheel):
    with socket.socket() as server:                  # a full backlog: further SYNs are dropped
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = Address.parse(*server.getsockname())
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address.sockaddr)
        before, start = descriptors(), now_us()
        with pytest.raises(Timeout):
            connect(address, wheel, start + 60_000)
        assert now_us() - start <= 60_000 + 80_000 * SCALE
        assert descriptors() == before
        for filler in fillers:
            filler.close()
