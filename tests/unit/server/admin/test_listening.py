import json
import os
import socket

import gevent
import pytest
from gevent import socket as gevent_socket

from gmosn.config.unpack import unpack
from gmosn.extensions import TABLE
from gmosn.filter.access_log.files import AccessLogFiles
from gmosn.io.wheel import Wheel
from gmosn.registry import ExtensionRegistry, FactoryContext
from gmosn.server.admin.admin import Admin
from gmosn.server.admin.listening import AdminListener
from tests.helpers.admin_backend import FakeBackend
from tests.helpers.envoy_golden import GoldenResponse
from tests.helpers.timing import SCALE

ADDRESS = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}


def start(backend):
    """A served AdminListener."""
    context = FactoryContext(
        extensions=ExtensionRegistry(TABLE), stats=backend.stats, wheel=Wheel(gevent.get_hub().loop),
        options=backend.options, bootstrap=backend.bootstrap, server=backend.state, unpack=unpack,
        access_logs=AccessLogFiles.from_options(backend.options, backend.stats))
    listener = AdminListener(Admin(backend, os.getpid()), context)
    if listener.address.family == "unix":
        sock = socket.socket(socket.AF_UNIX)
    else:
        sock = socket.socket()
    sock.bind(listener.address.sockaddr)
    sock.listen()
    listener.serve(sock)
    return listener, context


def exchange(listener, request):
    """The whole answer to one request on a connection of its own."""
    family = socket.AF_UNIX if listener.address.family == "unix" else socket.AF_INET
    client = gevent_socket.socket(family)
    client.settimeout(5 * SCALE)
    client.connect(listener.address.sockaddr)
    client.sendall(request)
    answer = b""
    while data := client.recv(65536):
        answer += data
    client.close()
    return answer


def get(listener, target, method="GET", more=""):
    text = exchange(listener, f"{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n".encode())
    head, _, body = text.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = [line.split(": ", 1) for line in lines[1:]]
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        whole, body = whole + rest[:int(size, 16)], rest[int(size, 16) + 2:]
    return int(lines[0].split()[1]), headers, whole


def settle(check):
    """Waits, at most 5 s, until `check()` is true: the server's greenlets are in this very thread."""
    with gevent.Timeout(5 * SCALE):
        while not check():
            gevent.sleep(0.005)  # sleeps: lets the hub run


@pytest.fixture
def listener(hub_errors):
    layers = {"layers": [{"name": "admin", "admin_layer": {}}]}
    listener, _ = start(FakeBackend({"admin": {"address": ADDRESS}, "layered_runtime": layers}))
    yield listener
    listener.stop()


def test_headers_are_envoys_in_its_order(listener):
    status, headers, body = get(listener, "/help")
    golden = GoldenResponse("help.txt")
    assert (status, body) == (200, golden.body)
    names = [name for name, _ in headers]
    assert [name for name in names if name != "connection"] == list(golden.headers)
    volatile = ("date", "connection")
    assert {name: value for name, value in headers if name not in volatile} == {
        name: value for name, value in golden.headers.items() if name not in volatile}


def test_mutation_needs_post_and_a_body_is_read(listener):
    assert get(listener, "/reset_counters")[0] == 405
    assert get(listener, "/reset_counters", "POST")[2] == b"OK\n"
    form = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 3\r\n"
    head = f"POST /runtime_modify HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{form}\r\n"
    answer = exchange(listener, head.encode() + b"a=1")
    assert answer.startswith(b"HTTP/1.1 200")
    assert json.loads(get(listener, "/runtime")[2])["entries"]["a"]["final_value"] == "1"


def test_own_traffic_is_counted_as_envoys(listener):
    for _ in range(3):
        get(listener, "/ready")
    get(listener, "/nope")
    text = get(listener, "/stats?usedonly&filter=admin")[2].decode()
    for line in ("http.admin.downstream_rq_total: 5", "http.admin.downstream_rq_2xx: 3",
                 "http.admin.downstream_rq_4xx: 1",
                 "http.admin.downstream_cx_total: 5", "listener.admin.downstream_cx_total: 5",
                 "listener.admin.http.admin.downstream_rq_2xx: 3", "listener.admin.main_thread.downstream_cx_total: 5"):
        assert line in text.splitlines(), text


def test_head_has_no_body(listener):
    answer = exchange(listener, b"HEAD /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"\r\n\r\n")


def test_address_file_and_unix_socket(tmp_path, hub_errors):
    backend = FakeBackend({"admin": {"address": {"pipe": {"path": str(tmp_path / "admin.sock")}}}},
                          admin_address_path=str(tmp_path / "address"))
    listener, _ = start(backend)
    try:
        assert (tmp_path / "address").read_text() == str(tmp_path / "admin.sock")
        assert get(listener, "/ready")[2] == b"LIVE\n"
    finally:
        listener.stop()


def test_access_log(tmp_path, hub_errors):
    log = {"name": "envoy.access_loggers.file", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": str(tmp_path / "log"),
        "log_format": {"text_format_source": {"inline_string": "%REQ(:PATH)% %RESPONSE_CODE%\n"}}}}
    listener, context = start(FakeBackend({"admin": {"address": ADDRESS, "access_log": [log]}}))
    try:
        get(listener, "/ready?x=1")
        settle(lambda: context.access_logs.flush() or (tmp_path / "log").read_text())
        assert (tmp_path / "log").read_text() == "/ready?x=1 200\n"
    finally:
        listener.stop()


def test_a_drain_does_not_close_the_admin(hub_errors):
    backend = FakeBackend({"admin": {"address": ADDRESS}})
    listener, _ = start(backend)
    try:
        backend.state.start_drain(exiting=True)
        two = b"GET /ready HTTP/1.1\r\nhost: x\r\n\r\nGET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        assert exchange(listener, two).count(b"503 Service Unavailable") == 2
    finally:
        listener.stop()
