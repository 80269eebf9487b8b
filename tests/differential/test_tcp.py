"""TCP proxy next to the real Envoy: what both ends see, and the access log's line, for each way it can end."""
import select
import socket
import struct
import time
from pathlib import Path

import pytest

from tests.helpers.configs import access_log, bootstrap, cluster, listener, tcp_proxy
from tests.helpers.proxy import envoy, proxy
from tests.helpers.timing import SCALE, eventually

LOG = ("%RESPONSE_FLAGS%|rx %BYTES_RECEIVED%|tx %BYTES_SENT%|%UPSTREAM_CLUSTER%|%UPSTREAM_HOST%|"
       "%UPSTREAM_TRANSPORT_FAILURE_REASON%|%CONNECTION_TERMINATION_DETAILS%|%RESPONSE_CODE_DETAILS%|%RESPONSE_CODE%|"
       "%PROTOCOL%|%UPSTREAM_REQUEST_ATTEMPT_COUNT%|%DOWNSTREAM_WIRE_BYTES_RECEIVED%|%DOWNSTREAM_WIRE_BYTES_SENT%|"
       "%UPSTREAM_WIRE_BYTES_RECEIVED%|%UPSTREAM_WIRE_BYTES_SENT%|%REQUESTED_SERVER_NAME%|%UPSTREAM_PROTOCOL%|"
       "%FILTER_CHAIN_NAME%|%ROUTE_NAME%|%ACCESS_LOG_TYPE%\n")
WAIT = 3 * SCALE


class Scene:
    """A proxy between sockets that a scenario plays with; `seen` collects what is compared."""

    def __init__(self, running, server):
        self.running = running
        self.server = server
        self.seen = []
        self.open = []
        self.compare_log = True

    def connect(self):
        return self._keep(socket.create_connection(("127.0.0.1", self.running.port()), WAIT))

    def accept(self):
        return self._keep(self.server.accept()[0])

    def pair(self):
        client = self.connect()
        return client, self.accept()

    def _keep(self, sock):
        sock.settimeout(WAIT)
        self.open.append(sock)
        return sock

    def note(self, what, sock):
        """The next thing that a socket sees: bytes, end, reset, or nothing for a while."""
        try:
            data = sock.recv(65536)
            self.seen.append((what, data or "end"))
        except ConnectionResetError:
            self.seen.append((what, "reset"))
        except TimeoutError:
            self.seen.append((what, "nothing"))

    def finish(self):
        for sock in self.open:
            sock.close()

        def over():
            stats = self.running.stats()
            assert stats["listener.tcp.downstream_cx_total"] > 0 and stats["listener.tcp.downstream_cx_active"] == 0
            return True
        eventually(over)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def client_ends_first(scene):
    client, server = scene.pair()
    client.sendall(b"hello")
    scene.note("server", server)
    client.shutdown(socket.SHUT_WR)
    scene.note("server", server)
    server.sendall(b"world!")
    server.close()
    scene.note("client", client)
    scene.note("client", client)


def server_ends_first(scene):
    client, server = scene.pair()
    server.sendall(b"banner")
    server.shutdown(socket.SHUT_WR)
    scene.note("client", client)
    scene.note("client", client)
    client.sendall(b"after")
    scene.note("server", server)
    client.close()
    scene.note("server", server)


def client_resets(scene):
    client, server = scene.pair()
    client.sendall(b"x")
    scene.note("server", server)
    reset(client)
    scene.note("server", server)


def server_resets(scene):
    client, server = scene.pair()
    client.sendall(b"x")
    scene.note("server", server)
    reset(server)
    scene.note("client", client)


def client_resets_after_half_close(scene):
    client, server = scene.pair()
    client.shutdown(socket.SHUT_WR)
    scene.note("server", server)
    reset(client)
    time.sleep(0.2)  # sleeps: the reset must arrive before the answer
    try:
        server.sendall(b"too late")                  # Envoy counts these as sent, though nobody got them
    except BrokenPipeError:
        pass                                         # gmosn has passed the reset on already
    scene.note("server", server)
    scene.compare_log = False


def client_closes_with_unread_data(scene):
    client, server = scene.pair()
    server.sendall(b"unread")
    select.select([client], [], [], WAIT)
    client.close()                                   # unread data makes this a reset
    scene.note("server", server)


def nobody_listens(scene):
    scene.server.close()
    scene.note("client", scene.connect())


def client_waits(scene):
    client = scene.connect()
    scene.note("client", client)


def pair_waits(scene):
    client, server = scene.pair()
    client.sendall(b"x")
    scene.note("server", server)
    scene.note("client", client)
    scene.note("server", server)


def half_closed_pair_waits(scene):
    client, server = scene.pair()
    client.shutdown(socket.SHUT_WR)
    scene.note("server", server)
    scene.note("client", client)


def second_client_waits(scene):
    scene.pair()
    scene.note("second client", scene.connect())


def dead_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


ONE_CONNECTION = {"thresholds": [{"max_connections": 1}]}
SCENARIOS = {
    "client_ends_first": (client_ends_first, {}),
    "server_ends_first": (server_ends_first, {}),
    "client_resets": (client_resets, {}),
    "server_resets": (server_resets, {}),
    "client_resets_after_half_close": (client_resets_after_half_close, {}),
    "client_closes_with_unread_data": (client_closes_with_unread_data, {}),
    "nobody_listens": (nobody_listens, {}),
    "three_attempts": (nobody_listens, {"max_connect_attempts": 3}),
    "no_endpoints": (client_waits, {"clusters": [cluster("backend")]}),
    "no_cluster": (client_waits, {"clusters": []}),
    "too_many_connections": (second_client_waits, {"breakers": ONE_CONNECTION}),
    "idle": (pair_waits, {"idle_timeout": "0.3s"}),
    "idle_after_half_close": (half_closed_pair_waits, {"idle_timeout": "0.3s"}),
    "duration": (pair_waits, {"max_downstream_connection_duration": "0.3s"}),
    "weighted": (client_ends_first, {"cluster": None, "weighted_clusters": {
        "clusters": [{"name": "backend", "weight": 1}]}}),
    "log_options": (client_ends_first, {"access_log_options": {"flush_access_log_on_connected": True}}),
    "log_interval": (pair_waits, {"idle_timeout": "0.5s", "access_log_options": {"access_log_flush_interval": "0.2s"}}),
}


def play(start, name, folder):
    """Runs a scenario through a proxy; what was seen, ports replaced."""
    scenario, fields = SCENARIOS[name]
    fields = dict(fields)
    clusters, breakers = fields.pop("clusters", None), fields.pop("breakers", {})
    log_path = Path(folder) / f"{start.__name__}.log"
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(WAIT)
    port = server.getsockname()[1]
    if clusters is None:
        clusters = [cluster("backend", port, circuit_breakers=breakers)]
    filters = tcp_proxy(fields.pop("cluster", "backend"), access_log=access_log(log_path, LOG), **fields)
    if filters["typed_config"]["cluster"] is None:
        del filters["typed_config"]["cluster"]
    with server, start(bootstrap([listener(filters, stat_prefix="tcp")], clusters)) as running:
        scene = Scene(running, server)
        scenario(scene)
        scene.finish()
    lines = log_path.read_text().splitlines() if scene.compare_log else ()       # all flushed at the end
    seen = [*scene.seen, *("log " + line for line in lines)]
    return [str(line).replace(str(port), "PORT") for line in seen]


@pytest.mark.parametrize("name", SCENARIOS)
def test_like_envoy(name, tmp_path):
    assert play(proxy, name, tmp_path) == play(envoy, name, tmp_path)
