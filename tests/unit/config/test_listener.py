"""Listeners: built from protos, connections run through chains, counted, drained and closed."""
import os
import socket

import gevent
import pytest

from gmosn.config.descriptors import find_class, message_class
from gmosn.config.listener import Listener, ModifyOnly
from gmosn.errors import ConfigErrors, ConnectionRefused, Timeout
from gmosn.filter.api import ListenerFilter, NetworkFilter, TerminalFilter
from gmosn.io.bind import bind
from gmosn.io.wheel import Wheel
from gmosn.observe.stats import Segment, Stats
from gmosn.registry import ExtensionRegistry, FactoryContext
from gmosn.server.state import ServerState
from tests.helpers.timing import SCALE

ListenerProto = message_class("envoy.config.listener.v3.Listener")
STRUCT, STRING, BOOL = "google.protobuf.Struct", "google.protobuf.StringValue", "google.protobuf.BoolValue"
RAW = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"


class Terminal(TerminalFilter):
    """Runs what the test wants with each connection."""

    behaviour = None
    closed = drained = 0

    @classmethod
    def from_proto(cls, config, context):
        made = cls()
        made.context = context
        return made

    def serve(self, conn, info):
        self.behaviour(conn, info)

    def drain(self):
        self.drained += 1

    def close(self):
        self.closed += 1


class Refusing(NetworkFilter):
    @classmethod
    def from_proto(cls, config, context):
        return cls()

    def on_connection(self, conn, info):
        raise ConnectionRefused("no")


class Peeking(ListenerFilter):
    @classmethod
    def from_proto(cls, config, context):
        return cls()

    def inspect(self, conn, info):
        data = conn.read()
        conn.unread(data)
        info.sni = data

    def close(self):
        pass


TABLE = {("envoy.filters.network", STRUCT): f"{__name__}:Terminal",
         ("envoy.filters.network", BOOL): f"{__name__}:Refusing",
         ("envoy.filters.listener", STRING): f"{__name__}:Peeking"}


def unpack(packed):
    kind = packed.type_url.rpartition("/")[2]
    message = (find_class(kind) or message_class(kind))()
    message.ParseFromString(packed.value)
    return message


def listener_proto(*types, port=0, **fields):
    """One filter chain with filters of these configuration types."""
    proto = ListenerProto(name="l0", **fields)
    proto.address.socket_address.address = "127.0.0.1"
    proto.address.socket_address.port_value = port
    add_chain(proto.filter_chains.add(), *types)
    return proto


def add_chain(chain, *types):
    for kind in types:
        chain.filters.add(name=kind.rpartition(".")[2].lower()).typed_config.type_url = f"type.googleapis.com/{kind}"
    return chain


class Running:
    """A listener with its own stats, and clients to it."""

    def __init__(self, proto, behaviour=None, server=None):
        self.stats = Stats(Segment.local())
        self.problems = []
        self.context = FactoryContext(
            extensions=ExtensionRegistry(TABLE), stats=self.stats, wheel=Wheel(gevent.get_hub().loop), unpack=unpack,
            server=server, log_exception=self.problems.append)
        self.listener = Listener.from_proto(proto, self.context)
        for chain in self.listener.chains:
            if chain.terminal is not None:
                chain.terminal.behaviour = behaviour
        self.listener.serve([bind(plan) for plan in self.listener.plans])
        self.clients = []

    def connect(self):
        client = socket.create_connection(self.listener.addresses[0].sockaddr)
        client.settimeout(5 * SCALE)
        self.clients.append(client)
        return client

    def close(self):
        self.listener.close()
        for client in self.clients:
            client.close()

    def count(self, name):
        port = self.listener.stats.prefix
        return self.stats.counter(port + name).value()


@pytest.fixture
def running(hub_errors):
    made = []

    def make(*arguments, **more):
        made.append(Running(*arguments, **more))
        return made[-1]
    yield make
    for one in made:
        one.close()


def until(check, seconds=5):
    with gevent.Timeout(seconds * SCALE):
        while not check():
            gevent.sleep(0.005)  # sleeps: lets the hub run


def echo(conn, info):
    while data := conn.read():
        conn.write(data)


def end_of(client):
    """Waits for the connection's end; True for a clean one."""
    client.setblocking(False)
    with gevent.Timeout(5 * SCALE):
        while True:
            try:
                return client.recv(100) == b""
            except BlockingIOError:
                gevent.sleep(0.005)  # sleeps: lets the hub run


def test_connections_are_served_counted_and_described(running):
    seen = []

    def serve(conn, info):
        seen.append((info.id, info.local.text, info.remote.text, info.listener_name, info.direction,
                     gevent.getcurrent().name))
        echo(conn, info)
    proto = listener_proto(STRUCT, traffic_direction=1)
    r = running(proto, serve)
    local = str(r.listener.addresses[0]).encode()
    assert not local.endswith(b":0")
    client = r.connect()
    client.sendall(b"hello")
    until(lambda: seen)
    remote = "127.0.0.1:%d" % client.getsockname()[1]
    assert seen == [(1, local, remote.encode(), "l0", "INBOUND", f"downstream {remote}")]
    active = r.stats.gauge(r.listener.stats.prefix + "downstream_cx_active")
    assert active.value() == 1 and r.count("downstream_cx_total") == 1
    until(lambda: list(r.listener.live)[0].bytes_out == 5)
    assert client.recv(10) == b"hello"
    client.close()
    until(lambda: r.count("downstream_cx_destroy") == 1)
    assert active.value() == 0 and not r.listener.live and not r.listener.greenlets
    assert r.problems == []


def test_an_exception_in_a_filter_is_reported_and_the_connection_closed(running):
    def fail(conn, info):
        raise KeyError("a bug")
    r = running(listener_proto(STRUCT), fail)
    assert end_of(r.connect())
    assert [type(problem) for problem in r.problems] == [KeyError]


@pytest.mark.parametrize("error", [ConnectionResetError(), Timeout(), ConnectionRefused()])
def test_ordinary_ends_are_not_reported(running, error):
    def fail(conn, info):
        raise error
    r = running(listener_proto(STRUCT), fail)
    assert end_of(r.connect())
    assert r.problems == []


def test_a_network_filter_may_refuse(running):
    served = []
    r = running(listener_proto(BOOL, STRUCT), lambda conn, info: served.append(conn))
    assert end_of(r.connect())
    assert served == [] and r.problems == []


def test_no_matching_chain(running):
    proto = listener_proto(STRUCT)
    proto.filter_chains[0].filter_chain_match.destination_port.value = 1
    r = running(proto, echo)
    assert end_of(r.connect())
    assert r.count("no_filter_chain_match") == 1


def test_default_chain(running):
    proto = listener_proto(STRUCT)
    proto.filter_chains[0].filter_chain_match.destination_port.value = 1
    add_chain(proto.default_filter_chain, STRUCT).name = "fallback"
    names = []
    r = running(proto, lambda conn, info: names.append(info.filter_chain_name))
    assert end_of(r.connect())
    assert names == ["fallback"]


def test_an_empty_chain_closes(running):
    assert end_of(running(listener_proto()).connect())


def test_wildcard_listeners_know_the_local_address(running):
    proto = listener_proto(STRUCT)
    proto.address.socket_address.address = "::"
    proto.address.socket_address.ipv4_compat = True
    seen = []
    r = running(proto, lambda conn, info: seen.append((info.local.ip, info.remote.ip)))
    port = r.listener.addresses[0].port
    for ip in "127.0.0.3", "::1":
        socket.create_connection((ip, port)).close()
    until(lambda: len(seen) == 2)
    assert seen == [("127.0.0.3", "127.0.0.1"), ("::1", "::1")]


def test_unix_listener(running, tmp_path):
    proto = listener_proto(STRUCT)
    proto.address.pipe.path = str(tmp_path / "s")
    seen = []
    r = running(proto, lambda conn, info: seen.append((info.local.text, info.remote.text)))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))
        assert end_of(client)
    assert seen == [(os.fsencode(tmp_path / "s"), b"")]
    assert r.listener.stats.prefix == f"listener.{tmp_path}/s."


def test_parked_connections_come_back_in_a_greenlet_of_the_listener(running):
    names = []

    def serve(conn, info):
        def resume():
            names.append(gevent.getcurrent().name)
            if conn.wait_request():
                echo(conn, info)
        while conn.wait_request():
            conn.write(conn.read())
        conn.parked = resume
    r = running(listener_proto(STRUCT), serve)
    client = r.connect()
    until(lambda: r.listener.live and list(r.listener.live)[0].parked)
    until(lambda: not r.listener.greenlets)
    client.sendall(b"x")
    until(lambda: names)
    assert names[0].startswith("downstream 127.0.0.1:")
    client.close()
    until(lambda: r.count("downstream_cx_destroy") == 1)


def test_close_idle_takes_only_connections_between_requests(running):
    def serve(conn, info):
        conn.wait_request()
        echo(conn, info)
    r = running(listener_proto(STRUCT), serve)
    idle, busy = r.connect(), r.connect()
    busy.sendall(b"x")
    until(lambda: sum(conn.idle for conn in r.listener.live) == 1)
    assert r.listener.close_idle() == 1
    assert end_of(idle)
    assert len(r.listener.live) == 1


def test_a_successor_takes_the_sockets_over(running):
    old = running(listener_proto(STRUCT), echo)
    client = old.connect()
    until(lambda: old.listener.live)
    port = old.listener.addresses[0].port
    new = running(listener_proto(STRUCT), echo)
    new.listener.close_sockets()
    new.listener.serve(old.listener.release_sockets())
    assert new.listener.addresses[0].port == port
    second = new.connect()
    until(lambda: new.listener.live)
    for sock in client, second:
        sock.sendall(b"x")
    until(lambda: all(conn.bytes_out for one in (old, new) for conn in one.listener.live))
    old.listener.drain()
    assert old.listener.chains[0].terminal.drained == 1


def test_stop_accepting_then_close_sockets(running):
    r = running(listener_proto(STRUCT), echo)
    address = r.listener.addresses[0].sockaddr
    r.listener.stop_accepting()
    r.connect()
    gevent.sleep(0.02)  # sleeps: shows that nothing happens
    assert not r.listener.live
    r.listener.close_sockets()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_close_ends_everything(running):
    blocked = []

    def serve(conn, info):
        try:
            conn.read()
        finally:
            blocked.append("over")
    r = running(listener_proto(STRUCT), serve)
    client = r.connect()
    until(lambda: r.listener.greenlets)
    r.listener.close()
    r.listener.close()
    assert end_of(client)
    until(lambda: blocked == ["over"] and not r.listener.greenlets)
    assert r.listener.chains[0].terminal.closed == 1


def peeking(**fields):
    proto = listener_proto(STRUCT, **fields)
    proto.listener_filters.add(name="peek").typed_config.type_url = f"type.googleapis.com/{STRING}"
    return proto


def test_listener_filters_see_the_first_bytes(running):
    proto = peeking()
    proto.filter_chains[0].filter_chain_match.server_names.append("hello")
    r = running(proto, echo)
    client = r.connect()
    client.sendall(b"hello")
    until(lambda: r.listener.live and list(r.listener.live)[0].bytes_out == 5)
    assert client.recv(10) == b"hello"


@pytest.mark.parametrize("go_on", [False, True])
def test_listener_filters_timeout(running, go_on):
    proto = peeking(continue_on_listener_filters_timeout=go_on)
    proto.listener_filters_timeout.nanos = 30_000_000
    served = []
    r = running(proto, lambda conn, info: served.append(1))
    assert end_of(r.connect())
    assert r.count("downstream_pre_cx_timeout") == 1
    assert served == [1] * go_on


def test_stat_prefix(running):
    r = running(listener_proto(STRUCT, stat_prefix="web"), echo)
    assert r.listener.stats.prefix == "listener.web."
    r = running(listener_proto(STRUCT), echo)
    assert r.listener.stats.prefix == "listener.127.0.0.1_0."


def test_filters_get_the_listener_and_its_view_of_the_server(running):
    server = ServerState()
    server.health_failed = True
    r = running(listener_proto(STRUCT), echo, server=server)
    context = r.listener.chains[0].terminal.context
    assert context.listener is r.listener and context.server.should_close()
    r = running(listener_proto(STRUCT, drain_type=1), echo, server=server)
    context = r.listener.chains[0].terminal.context
    assert isinstance(context.server, ModifyOnly) and not context.server.should_close()
    server.start_drain(exiting=True)
    assert context.server.should_close() and context.server.name == "DRAINING"


def buffer_limit():
    proto = listener_proto(STRUCT)
    proto.per_connection_buffer_limit_bytes.value = 3
    return proto


def test_buffer_limit_bounds_reads(running):
    pieces = []

    def serve(conn, info):
        while data := conn.read():
            pieces.append(data)
    client = running(buffer_limit(), serve).connect()
    client.sendall(b"abcdefgh")
    until(lambda: len(b"".join(pieces)) == 8)
    assert max(map(len, pieces)) == 3


def with_transport_socket(kind):
    proto = listener_proto(STRUCT)
    proto.filter_chains[0].transport_socket.name = "x"
    proto.filter_chains[0].transport_socket.typed_config.type_url = f"type.googleapis.com/{kind}"
    return proto


def test_raw_buffer_transport_socket(running):
    client = running(with_transport_socket(RAW), echo).connect()
    client.sendall(b"x")
    client.setblocking(True)
    client.shutdown(socket.SHUT_WR)
    client.setblocking(False)
    until(lambda: client.recv(10, socket.MSG_PEEK) == b"x" if readable(client) else False)
    assert client.recv(10) == b"x"


def readable(sock):
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def two_chains():
    proto = listener_proto(STRUCT, port=18081)
    add_chain(proto.filter_chains.add(), STRUCT)
    return proto


TLS = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


@pytest.mark.parametrize("proto, expected", [
    (listener_proto(STRUCT, BOOL), [
        "filter_chains[0].filters[0]: Error: terminal filter named struct of type google.protobuf.Struct must be the "
        "last filter in a network filter chain.",
        "filter_chains[0].filters[1]: Error: non-terminal filter named boolvalue of type google.protobuf.BoolValue is "
        "the last filter in a network filter chain."]),
    (listener_proto("google.protobuf.Int32Value"), [
        "filter_chains[0].filters[0].typed_config: Didn't find a registered implementation for 'int32value' with type "
        "URL: 'google.protobuf.Int32Value'"]),
    (two_chains(), ["filter_chains[1]: error adding listener '127.0.0.1:18081': filter chain '' has the same matching "
                    "rules defined as ''. duplicate matcher is: {}"]),
    (with_transport_socket(TLS), [
        f"filter_chains[0].transport_socket.typed_config: the transport socket {TLS} is not implemented"]),
], ids=["order", "unknown", "duplicate", "tls"])
def test_refused(proto, expected):
    context = FactoryContext(extensions=ExtensionRegistry(TABLE), stats=Stats(Segment.local()), unpack=unpack)
    with pytest.raises(ConfigErrors) as caught:
        Listener.from_proto(proto, context)
    assert [str(error) for error in caught.value.errors] == expected


def test_no_filter_chains():
    proto = listener_proto(port=5)
    del proto.filter_chains[:]
    context = FactoryContext(extensions=ExtensionRegistry(TABLE), stats=Stats(Segment.local()), unpack=unpack)
    with pytest.raises(ConfigErrors) as caught:
        Listener.from_proto(proto, context)
    assert str(caught.value.errors[0]) == \
        "filter_chains: error adding listener '127.0.0.1:5': no filter chains specified"


def test_sockets_must_fit_the_addresses():
    context = FactoryContext(extensions=ExtensionRegistry(TABLE), stats=Stats(Segment.local()), unpack=unpack)
    listener = Listener.from_proto(listener_proto(STRUCT), context)
    with pytest.raises(ValueError, match="0 sockets for 1 addresses"):
        listener.serve([])
