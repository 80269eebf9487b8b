"""Python filters in a running proxy: local replies, bodies, routes' configurations, and what happens when they fail or block."""
import textwrap
import threading
import time

import pytest
import yaml

from tests.helpers.client import Client, Closed
from tests.helpers.configs import access_log, bootstrap, cluster, direct, hcm, http_filter, listener, route, router
from tests.helpers.proxy import proxy
from tests.helpers.source_tree import ROOT
from tests.helpers.timing import SCALE, eventually
from tests.helpers.upstream import HttpUpstream

PYTHON = "type.googleapis.com/gmosn.filters.http.python.v1.PythonFilter"
PER_ROUTE = "type.googleapis.com/gmosn.filters.http.python.v1.PythonFilterPerRoute"
FILTER_CONFIG = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
MODULE = '''
    import sqlite3
    import time
    import requests
    from gmosn.filter.api import HttpFilter, Response

    def echo_config(stream, config):
        return Response(200, config["text"])

    class Upper(HttpFilter):
        def on_request_body(self, stream, chunks):
            for chunk in chunks:
                yield chunk.upper()
        def on_response_body(self, stream, chunks):
            for chunk in chunks:
                yield chunk.lower()
            yield b"!"

    class Reads(HttpFilter):
        def on_request(self, stream):
            body = stream.read_request_body()
            stream.request.set(b"x-size", b"%d" % len(body))

    class Fails:
        def __init__(self, config):
            self.where = config["where"]
        def on_request(self, stream):
            if self.where == "request":
                raise ValueError("in the request")
        def on_response(self, stream):
            if self.where == "response":
                raise ValueError("in the response")
        def on_response_body(self, stream, chunks):
            for chunk in chunks:
                yield chunk
            if self.where == "body":
                raise ValueError("in the body")
        def on_log(self, stream):
            if self.where == "log":
                raise ValueError("in the log")

    class Waits:
        def __init__(self, config):
            self.how, self.url = config["how"], config.get("url")
        def on_request(self, stream):
            if stream.request.path != b"/wait":
                return
            if self.how == "sleep":
                time.sleep(1)  # sleeps: the filter's own blocking call is the subject
            else:
                requests.get(self.url, timeout=10)

    class Computes:
        blocking = True
        def on_request(self, stream):
            if stream.request.path != b"/wait":
                return
            query = ("with recursive n(i) as (select 1 union all select i + 1 from n where i < 8000000) "
                     "select sum(i) from n")
            sqlite3.connect(":memory:").execute(query).fetchall()
    '''


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")
    (folder / "integration_filters.py").write_text(textwrap.dedent(MODULE))
    return {"PYTHONPATH": str(folder)}


def python(name, label="python", **config):
    return http_filter(label, PYTHON, module="integration_filters", name=name, config=config)


def running(filters, *routes, environment, upstream_port=1, **options):
    config = bootstrap([listener(hcm(*(routes or [route("backend")]), filters=[*filters, router()], **options.pop("hcm", {})))],
                       [cluster("backend", upstream_port)])
    return proxy(config, env=environment, **options)


def test_configuration_of_filter_and_route(modules):
    routes = [{**direct(prefix="/own"), "typed_per_filter_config": {"python": {"@type": PER_ROUTE, "config": {"text": "route"}}}},
              {**direct(body="off", prefix="/off"), "typed_per_filter_config": {"python": {"@type": FILTER_CONFIG, "disabled": True}}},
              direct()]
    with running([python("echo_config", text="filter")], *routes, environment=modules) as p, p.client() as client:
        assert [client.get(path).body for path in ("/", "/own", "/off")] == [b"filter", b"route", b"off"]


def test_a_disabled_filter_is_switched_on_by_a_route(modules):
    routes = [{**direct(body="no", prefix="/on"), "typed_per_filter_config": {"python": {"@type": FILTER_CONFIG, "config": {
        "@type": PER_ROUTE, "config": {"text": "on"}}}}}, direct(body="plain")]
    sleeping = {**python("echo_config", text="x"), "disabled": True}
    with running([sleeping], *routes, environment=modules) as p, p.client() as client:
        assert [client.get(path).body for path in ("/", "/on")] == [b"plain", b"on"]


def test_bodies(modules):
    def mirror(exchange):
        exchange.answer(body=exchange.read_body() + b"Z", headers=[("x-size", (exchange.request.header(b"x-size") or b"").decode())])
    with HttpUpstream(mirror) as upstream, running([python("Reads", "a"), python("Upper", "b")], environment=modules,
                                                   upstream_port=upstream.port) as p, p.client() as client:
        client.request("POST", "/", body=b"Hello")
        response = client.response()
        assert (response.body, response.header(b"x-size")) == (b"helloz!", b"5")
        assert upstream.requests[0].body == b"HELLO"


@pytest.mark.parametrize("where", ["request", "response"])
def test_failures_before_the_response(modules, tmp_path, where):
    log = tmp_path / "access.log"
    with HttpUpstream() as upstream, running(
            [python("Fails", where=where)], environment=modules, upstream_port=upstream.port, leaves_traceback=True,
            hcm={"access_log": access_log(log, "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\n")}) as p, p.client() as client:
        for _ in range(2):
            response = client.get()
            assert (response.status, response.body) == (500, b"internal error")
        assert f"ValueError: in the {where}" in p.log()
        workers = p.role_pids("worker")
        assert client.get().status == 500 and p.role_pids("worker") == workers
        p.wait_counter("cluster.backend.upstream_rq_active", 0)
    line = "500 python_filter_error{integration_filters:Fails}"
    eventually(lambda: log.read_text().splitlines() == [line] * 3)


def test_a_failure_in_the_body_cuts_it(modules):
    with HttpUpstream() as upstream, running([python("Fails", where="body")], environment=modules, upstream_port=upstream.port,
                                             leaves_traceback=True) as p:
        with p.client() as client, pytest.raises(Closed):
            client.get()
        assert "ValueError: in the body" in p.log()


def test_a_failure_in_the_log_hook_hurts_nobody(modules):
    with HttpUpstream() as upstream, running([python("Fails", where="log")], environment=modules, upstream_port=upstream.port,
                                             leaves_traceback=True) as p, p.client() as client:
        assert client.get().body == client.get().body == b"upstream"
        eventually(lambda: "ValueError: in the log" in p.log())


def slow_answer(exchange):
    threading.Event().wait(1)
    exchange.answer()


@pytest.mark.parametrize("name, how", [("Waits", "sleep"), ("Waits", "requests"), ("Computes", "sqlite3")])
def test_a_waiting_filter_holds_up_its_own_stream_only(modules, name, how):
    """While one request waits in its filter, others through the same worker are answered."""
    with HttpUpstream() as upstream, HttpUpstream(slow_answer) as slow, running(
            [python(name, how=how, url=f"http://127.0.0.1:{slow.port}/")], environment=modules,
            upstream_port=upstream.port) as p, Client(p.port(), timeout_s=30) as waiting, p.client() as other:
        other.get()
        waiting.request("GET", "/wait")
        slowest, count, started = 0.0, 0, time.monotonic()
        waiting.sock.setblocking(False)
        while not _answered(waiting) and time.monotonic() - started < 30 * SCALE:
            before = time.monotonic()
            assert other.get().status == 200
            slowest, count = max(slowest, time.monotonic() - before), count + 1
        total = time.monotonic() - started
        assert count >= 5, f"{count} requests in {total:.2f} s"
        assert slowest < total / 2, f"one request took {slowest:.2f} s while the other waited {total:.2f} s"


def _answered(client):
    try:
        client.buffer += client.sock.recv(65536)
    except BlockingIOError:
        return False
    assert client.buffer.startswith(b"HTTP/1.1 200")
    return True


@pytest.mark.parametrize("module, name, text", [
    ("nothing_here", "x", "module 'nothing_here' cannot be imported"), ("integration_filters", "Missing", "is not there"),
    ("integration_filters", "Fails", "KeyError: 'where'")])
def test_a_wrong_filter_is_refused_by_place(modules, module, name, text):
    filters = [http_filter("python", PYTHON, module=module, name=name)]
    p = running(filters, environment=modules, wait_ready=False)
    try:
        assert p.process.wait(20 * SCALE) == 1
        assert text in p.log() and "http_filters[0].typed_config" in p.log()
    finally:
        p.kill()


def test_the_example():
    example = yaml.safe_load((ROOT / "examples" / "python_filter" / "envoy.yaml").read_text())
    example["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = 0
    with proxy(example, env={"PYTHONPATH": str(ROOT / "examples" / "python_filter")}) as p, p.client() as client:
        assert client.get("/").status == 401
        known = client.get("/", headers=[("x-api-key", "abc")])
        assert (known.status, known.header(b"x-owner"), known.body) == (200, b"alice", b"come in\n")
        assert client.get("/health").body == b"healthy\n"
