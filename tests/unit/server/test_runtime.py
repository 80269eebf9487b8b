"""Generations in a worker, with real listeners on real sockets; clients are greenlets of this process."""
import json

import gevent
import pytest
from gevent import socket

from gmosn.cli import parse
from gmosn.config.bind_plan import bind_plans
from gmosn.config.loader import load_text
from gmosn.config.unpack import unpack
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.extensions import extension_table
from gmosn.filter.access_log.files import AccessLogFiles
from gmosn.io.bind import bind
from gmosn.io.wheel import Wheel
from gmosn.observe.stats import Segment, Stats
from gmosn.registry import ExtensionRegistry, FactoryContext
from gmosn.server.generation import bare_bootstrap, contents_of
from gmosn.server.runtime import Runtime
from gmosn.server.state import ServerState
from gmosn.upstream.clusters import Clusters
from gmosn.xds.registry import CLUSTER, KINDS, LISTENER, Registry, Resource
from tests.helpers.configs import bootstrap, cluster, direct, hcm, listener
from tests.helpers.timing import SCALE


class Worker:
    """A Runtime and what the process around it provides."""

    def __init__(self, drain_time_s=10):
        stats = Stats(Segment.local())
        self.context = FactoryContext(
            extensions=ExtensionRegistry(extension_table()), stats=stats, wheel=Wheel(gevent.get_hub().loop),
            options=parse(["-c", "x"]), server=ServerState(), access_logs=AccessLogFiles(stats), unpack=unpack)
        self.context.clusters = Clusters(self.context)
        self.sockets, self.greenlets = {}, []
        self.runtime = Runtime(self.context, self.sockets.__getitem__, drain_time_s, self._spawn)
        self.number = 0

    def _spawn(self, name, function, *args):
        self.greenlets.append(gevent.spawn(function, *args))

    def apply(self, *listeners, clusters=(), assignments=None):
        message = load_text(json.dumps(bootstrap(listeners, clusters))).message
        for proto in message.static_resources.listeners:
            for plan in bind_plans(proto):
                self.sockets.setdefault(plan["key"], None)
                if self.sockets[plan["key"]] is None:
                    self.sockets[plan["key"]] = bind(plan)
        registry = Registry(lambda snapshot, resources: None)
        static = message.static_resources
        registry.load([Resource(kind, one.name, one) for kind, found in
                       ((CLUSTER, static.clusters), (LISTENER, static.listeners)) for one in found])
        with gevent.Timeout(10 * SCALE):
            self.runtime.apply(contents_of(registry.snapshot, KINDS, bare_bootstrap(message), 0, assignments or {}))

    def port(self, name="listener_0"):
        return self.runtime.listeners[name].listener.addresses[0].port

    def close(self):
        for one in self.runtime.all_listeners():
            one.close()
        gevent.killall(self.greenlets)
        for sock in self.sockets.values():
            sock.close()


@pytest.fixture
def worker():
    made = Worker()
    yield made
    made.close()


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 5 * SCALE)

    def get(self):
        self.sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        return self.read()

    def read(self):
        with gevent.Timeout(5 * SCALE):
            return self.sock.recv(65536).decode()


def answering(body, **more):
    return listener(hcm(direct(body=body)), **more)


def test_a_generation_serves(worker):
    worker.apply(answering("one"))
    assert Client(worker.port()).get().endswith("one")


def test_a_changed_listener_takes_over_its_port_and_its_predecessor_says_goodbye(worker):
    worker.apply(answering("one"))
    port, old = worker.port(), Client(worker.port())
    assert old.get().endswith("one")
    worker.apply(answering("two"))
    assert worker.port() == port
    assert Client(port).get().endswith("two")
    with gevent.Timeout(5 * SCALE):
        last = old.get() if old.sock.fileno() >= 0 else ""
    assert last == "" or ("connection: close" in last and last.endswith("one"))


def test_what_did_not_change_is_the_same_object(worker):
    worker.apply(answering("one"), answering("x", name="other"), clusters=[cluster("c", 1)])
    kept, other = (worker.runtime.listeners[name].listener for name in ("listener_0", "other"))
    backend = worker.context.clusters.get("c")
    worker.apply(answering("one"), answering("y", name="other"), clusters=[cluster("c", 1)])
    assert worker.runtime.listeners["listener_0"].listener is kept
    assert worker.runtime.listeners["other"].listener is not other
    assert worker.context.clusters.get("c") is backend


def test_a_listener_that_is_gone_refuses_and_its_connections_end(worker):
    worker.apply(answering("one"), answering("x", name="other"))
    port = worker.port()
    key = bind_key(worker, "listener_0")
    worker.apply(answering("x", name="other"))
    worker.sockets.pop(key).close()                  # as the supervisor's Unlisten does
    with pytest.raises(ConnectionRefusedError):
        Client(port)
    assert list(worker.runtime.listeners) == ["other"]


def bind_key(worker, name):
    return worker.runtime.listeners[name].listener.plans[0]["key"]


def test_a_generation_that_cannot_be_built_changes_no_listener(worker):
    worker.apply(answering("one"))
    before = dict(worker.runtime.listeners)
    broken = answering("two")
    broken["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]["routes"] = [
        {"match": {"prefix": "/"}, "route": {"cluster": "nope"}}]
    with pytest.raises((ConfigError, ConfigErrors), match="nope"):
        worker.apply(answering("x", name="other"), broken)
    assert worker.runtime.listeners == before
    assert Client(worker.port()).get().endswith("one")


def test_clusters_come_and_go(worker):
    worker.apply(clusters=[cluster("a", 1), cluster("b", 2)])
    assert {one.name for one in worker.context.clusters} == {"a", "b"}
    worker.apply(clusters=[cluster("b", 2)])
    assert {one.name for one in worker.context.clusters} == {"b"}


def test_a_drain_serves_who_waits_and_refuses_who_comes(worker):
    worker.apply(answering("one"))
    port = worker.port()
    idle = Client(port)
    assert idle.get().endswith("one")
    waiting = [Client(port) for _ in range(5)]
    for client in waiting:
        client.sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    worker.context.server.start_drain(exiting=True)
    for sock in worker.sockets.values():
        sock.close()
    worker.sockets.clear()
    with gevent.Timeout(10 * SCALE):
        worker.runtime.drain(5 * SCALE)
    for client in waiting:
        answer = client.read()
        assert "connection: close" in answer and answer.endswith("one")
    assert idle.read() == ""
    with pytest.raises(ConnectionRefusedError):
        Client(port)


def test_a_drain_ends_when_its_time_is_over(worker):
    worker.apply(answering("one"))
    busy = Client(worker.port())
    busy.sock.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-le")
    gevent.sleep(0.05)                               # sleeps: the connection must be busy
    with gevent.Timeout(10 * SCALE):
        worker.runtime.drain(0.2)
    assert worker.runtime.all_listeners()[0].live
