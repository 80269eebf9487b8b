"""TCP through real processes: bulk, slow readers, Unix sockets, and running out of descriptors."""
import hashlib
import os
import resource
import socket
import threading

import pytest

from tests.helpers.configs import bootstrap, cluster, http_filter, listener, socket_address, tcp_proxy
from tests.helpers.proxy import proxy
from tests.helpers.timing import SCALE, eventually

ECHO = http_filter("envoy.filters.network.echo", "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo")
WAIT = 20 * SCALE
BULK = 256 << 20


def connect(address):
    sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    sock.settimeout(WAIT)
    sock.connect(address)
    return sock


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(WAIT)
        yield listening


def accept(server):
    sock, _ = server.accept()
    sock.settimeout(WAIT)
    return sock


def through(server, **more):
    """A proxy with one TCP listener to `server`."""
    return proxy(bootstrap([listener(tcp_proxy("backend", **more))], [cluster("backend", server.getsockname()[1])]))


def test_bulk_arrives_unchanged(server):
    piece = os.urandom(1 << 20)
    with through(server) as p, connect(("127.0.0.1", p.port())) as client, accept(server) as upstream:
        def send():
            for _ in range(BULK // len(piece)):
                upstream.sendall(piece)
            upstream.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        seen, size = hashlib.sha256(), 0
        while data := client.recv(1 << 18):
            seen.update(data)
            size += len(data)
        sender.join(WAIT)
        client.close()
        assert size == BULK
        assert seen.digest() == hashlib.sha256(piece * (BULK // len(piece))).digest()
        p.wait_counter("tcp.tcp.downstream_cx_tx_bytes_total", BULK)


def test_a_slow_reader_stops_the_sender_and_loses_nothing(server):
    with through(server) as p, connect(("127.0.0.1", p.port())) as client, accept(server) as upstream:
        client.setblocking(False)
        sent, quiet = 0, 0
        while quiet < 50:
            try:
                sent += client.send(b"x" * 65536)
                quiet = 0
            except BlockingIOError:
                quiet += 1
                threading.Event().wait(0.01)
        assert sent < 64 << 20                       # the kernel's buffers, nothing of the proxy's
        client.shutdown(socket.SHUT_WR)
        got = 0
        while data := upstream.recv(1 << 18):
            got += len(data)
        assert got == sent


@pytest.mark.parametrize("abstract", [False, True])
def test_unix_listener_and_upstream(tmp_path, abstract):
    name = f"@gmosn-{os.getpid()}-%s" if abstract else f"{tmp_path}/%s"

    def address(end):
        path = name % end
        return "\0" + path[1:] if abstract else path
    config = bootstrap([listener(tcp_proxy("backend"), address={"pipe": {"path": name % "in"}})],
                       [cluster("backend", {"pipe": {"path": name % "out"}})])
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address("out"))
        server.listen()
        server.settimeout(WAIT)
        with proxy(config), connect(address("in")) as client, accept(server) as upstream:
            client.sendall(b"ping")
            assert upstream.recv(10) == b"ping"
            upstream.sendall(b"pong")
            upstream.shutdown(socket.SHUT_WR)
            assert client.recv(10) == b"pong" and client.recv(10) == b""


def test_several_addresses_on_every_worker():
    config = bootstrap([listener(ECHO, additional_addresses=[{"address": socket_address(0, "127.0.0.2")}])])
    with proxy(config, concurrency=2) as p:
        (status,) = p.admin_json("/listeners?format=json")["listener_statuses"]
        addresses = [status["local_address"], *status["additional_local_addresses"]]
        for one in addresses:
            one = one["socket_address"]
            with connect((one["address"], one["port_value"])) as client:
                client.sendall(b"echo")
                assert client.recv(10) == b"echo"


def test_out_of_descriptors():
    """More clients than descriptors: alive, calm, and back within a second when there is room again."""
    with proxy(bootstrap([listener(ECHO, stat_prefix="echo")])) as p:
        (worker,) = p.role_pids("worker")
        used = len(os.listdir(f"/proc/{worker}/fd"))
        first = connect(("127.0.0.1", p.port()))
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 20, used + 20))
        clients = [connect(("127.0.0.1", p.port())) for _ in range(40)]
        eventually(lambda: p.counter("listener.echo.accept_out_of_descriptors"))
        before = cpu_s(worker)
        threading.Event().wait(1)
        assert cpu_s(worker) - before <= 0.15
        first.sendall(b"still served")
        assert first.recv(100) == b"still served"
        for client in clients[:30]:
            client.close()
        clients[-1].sendall(b"at last")
        clients[-1].settimeout(2 * SCALE)
        assert clients[-1].recv(100) == b"at last"
        for client in clients:
            client.close()
        first.close()


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
