"""An HTTP connection manager with one cluster, all in this hub: clients and the upstream are raw TCP."""
import socket

import gevent
from gevent import socket as green
from gevent.server import StreamServer

from gmosn.config.unpack import unpack
from gmosn.io.connection import Connection
from gmosn.observe.access_log import AccessLog
from gmosn.proxy.http_connection_manager import HttpConnectionManager
from gmosn.stream_info import ConnectionInfo
from gmosn.upstream.cluster import Cluster
from tests.helpers import clusters, configs
from tests.helpers.routes import message
from tests.helpers.wire import NOWHERE, green_eventually, read_until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Lines(AccessLog):
    """Keeps what would be logged."""

    def __init__(self):
        self.seen = []

    def log(self, info):
        self.seen.append((info.status, ",".join(info.flag_names()), (info.details or b"").decode(), info.attempts))


class HttpInHub:
    """`upstream(sock, number)` serves the number-th upstream connection (a cooperative socket) and may return early;
    `fields`: of the HCM; `cluster`: of the cluster "web"."""

    def __init__(self, upstream=None, routes=(configs.route("web"),), cluster=None, filters=None, **fields):
        self.accepted = 0
        self.context = clusters.context(log_exception=self._unexpected)
        self.errors, self.lines, self.greenlets = [], Lines(), []
        self.server = StreamServer(("127.0.0.1", 0), self._serve_upstream)
        self.upstream = upstream or (lambda sock, number: answer_all(sock, OK))
        self.server.start()
        made = configs.cluster("web", self.server.server_port, **(cluster or {}))
        self.cluster = Cluster.from_proto(message("envoy.config.cluster.v3.Cluster", made), self.context)
        self.context.clusters.add(self.cluster)
        proto = message("google.protobuf.Any", configs.hcm(*routes, filters=filters, **fields)["typed_config"])
        self.manager = HttpConnectionManager.from_proto(unpack(proto), self.context)
        self.manager.handler.access_logs = [self.lines]

    def _unexpected(self, exc):
        self.errors.append(exc)

    def _serve_upstream(self, sock, _address):
        self.accepted += 1
        self.upstream(sock, self.accepted)

    def connect(self):
        """A client's socket; the connection is served by a greenlet of its own."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            theirs = socket.create_connection(server.getsockname())
            ours, _ = server.accept()
        conn = Connection(ours, self.context.wheel, NOWHERE, NOWHERE)
        self.greenlets.append(gevent.spawn(self.manager.serve, conn, ConnectionInfo(NOWHERE, NOWHERE)))
        return green.socket(fileno=theirs.detach())

    def get(self, path="/", headers="", until=b"ok"):
        """One GET on a fresh connection; the raw answer."""
        client = self.connect()
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n{headers}\r\n".encode())
        got = read_until(client, until)
        client.close()
        return got

    def close(self):
        """Ends everything and checks that nothing is left: no stream, no request, no connection in use."""
        green_eventually(lambda: self.stat("http.ingress.downstream_rq_active") == 0)
        green_eventually(lambda: self.stat("cluster.web.upstream_rq_active") == 0)
        self.cluster.close()
        self.server.stop()
        gevent.killall(self.greenlets)
        assert not self.errors, self.errors

    def stat(self, name):
        """A counter, or a gauge if its name ends in "_active", by its whole name."""
        stats = self.context.stats
        return (stats.gauge(name) if name.endswith("_active") else stats.counter(name)).value()


def read_head(sock):
    """Bytes of one request head from an upstream's side, and nothing of what follows; b"" at the end."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        piece = sock.recv(1)
        if not piece:
            return b""
        got += piece
    return got


def answer_all(sock, answer):
    """Answers every request head with the same bytes, until the client goes."""
    try:
        while read_head(sock):
            sock.sendall(answer)
    except OSError:
        pass

