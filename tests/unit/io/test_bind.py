"""Binding from plans: families, options, and Envoy's words when it fails."""
import os
import socket
import subprocess
import sys

import pytest

from gmosn.io.bind import BOUND, LISTENING, PREBIND, bind, bind_error_text, largest_backlog, plan_text

TCP = {"key": "k", "family": "ipv4", "ip": "127.0.0.1", "port": 0, "reuse_port": False}


def test_tcp():
    with bind(TCP) as sock:
        assert sock.getblocking() is False
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        with socket.create_connection(sock.getsockname()):
            accepted, _ = sock.accept()
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)     # inherited
            accepted.close()


@pytest.mark.parametrize("compatible", [False, True])
def test_ipv6_and_ipv4_compat(compatible):
    with bind(dict(TCP, family="ipv6", ip="::", ipv4_compat=compatible)) as sock:
        address = ("127.0.0.1", sock.getsockname()[1])
        if compatible:
            socket.create_connection(address).close()
        else:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)


def test_reuse_port_shares_and_its_absence_refuses():
    with bind(dict(TCP, reuse_port=True)) as first:
        plan = dict(TCP, port=first.getsockname()[1], reuse_port=True)
        bind(plan).close()
        with pytest.raises(OSError) as caught:
            bind(dict(plan, reuse_port=False))
        assert bind_error_text(plan, caught.value) == f"cannot bind '127.0.0.1:{plan['port']}': Address already in use"


def test_unix_path_replaces_a_dead_socket(tmp_path):
    plan = {"key": "k", "family": "unix", "path": str(tmp_path / "s"), "mode": 0o640}
    bind(plan).close()
    with bind(plan) as sock:
        assert os.stat(plan["path"]).st_mode & 0o777 == 0o640
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(plan["path"])
        assert sock.accept()[0].close() is None


def test_unix_path_never_removes_a_file(tmp_path):
    path = tmp_path / "data"
    path.write_text("precious")
    plan = {"key": "k", "family": "unix", "path": str(path)}
    with pytest.raises(OSError) as caught:
        bind(plan)
    assert path.read_text() == "precious"
    assert bind_error_text(plan, caught.value) == f"cannot bind '{path}': Address already in use"


def test_abstract():
    plan = {"key": "k", "family": "unix", "path": f"@gmosn-bind-{os.getpid()}"}
    with bind(plan) as sock, socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + plan["path"][1:])
        assert sock.accept()[0].close() is None
        with pytest.raises(OSError, match="in use"):
            bind(plan)


def test_options():
    keep = socket.SOL_SOCKET, socket.SO_KEEPALIVE
    options = [[PREBIND, *keep, 1], [BOUND, socket.SOL_SOCKET, socket.SO_PRIORITY, 3],
               [LISTENING, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77],
               [PREBIND, socket.SOL_SOCKET, socket.SO_LINGER, "0100000005000000"]]
    with bind(dict(TCP, options=options, freebind=True, fast_open=5, backlog=7)) as sock:
        assert sock.getsockopt(*keep) == 1
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY) == 3
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
        assert sock.getsockopt(socket.IPPROTO_IP, 15) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN) == 5
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == bytes.fromhex("0100000005000000")


def test_a_bad_option_leaves_nothing_open():
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError):
        bind(dict(TCP, options=[[PREBIND, 999, 999, 1]]))
    assert len(os.listdir("/proc/self/fd")) == before


def test_texts():
    assert plan_text(dict(TCP, family="ipv6", ip="::1", port=5)) == "[::1]:5"
    assert plan_text({"family": "unix", "path": "@x"}) == "@x"
    assert largest_backlog() >= 128


def test_needs_no_gevent():
    code = "import sys, gmosn.io.bind; assert not [n for n in sys.modules if n.startswith(('gevent', 'google'))]"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
