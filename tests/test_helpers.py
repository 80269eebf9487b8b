"""The test helpers themselves, shown against each other and against the real Envoy."""
import pytest

from tests.helpers.client import Client, Closed
from tests.helpers.configs import bootstrap, cluster, http_to, listener, tcp_proxy
from tests.helpers.proxy import envoy
from tests.helpers.timing import eventually, never
from tests.helpers.upstream import HttpUpstream, TcpUpstream


def test_http_upstream_records_and_answers_by_script():
    def handler(exchange):
        exchange.read_body()
        exchange.answer(201, b"hello", [("x-a", "1"), ("x-a", "2")])

    with HttpUpstream(handler) as upstream, Client(upstream.port) as client:
        client.request("POST", "/p", headers=[("X-Q", "v")], body=b"abc")
        response = client.response()
        assert (response.status, response.body, response.all(b"x-a")) == (201, b"hello", [b"1", b"2"])
        assert upstream.requests[0].raw == b"POST /p HTTP/1.1\r\nHost: test\r\nX-Q: v\r\nContent-Length: 3\r\n\r\n"
        assert (upstream.requests[0].body, upstream.requests[0].connection) == (b"abc", 0)


def test_tcp_upstream_sees_the_half_close():
    with TcpUpstream() as upstream, Client(upstream.port) as client:
        client.send(b"ping")
        client.half_close()
        assert client.read_all() == b"ping"
        assert upstream.received[0] == b"ping"
        eventually(lambda: upstream.open_connections == 0)


def test_closed_tells_what_had_arrived():
    with TcpUpstream(lambda sock, index: sock.sendall(b"HTTP/1.1 200")) as upstream, Client(upstream.port) as client:
        with pytest.raises(Closed) as caught:
            client.response()
        assert caught.value.received == b"HTTP/1.1 200"


def test_eventually_fails_with_the_last_reason():
    def check():
        raise AssertionError("not yet")

    with pytest.raises(AssertionError, match="not yet"):
        eventually(check, 0.02)
    with pytest.raises(AssertionError, match="happened"):
        never(lambda: True)


def test_runner_with_the_real_envoy():
    with HttpUpstream() as web, TcpUpstream() as tcp:
        config = http_to(web.port)
        config["static_resources"]["listeners"].append(listener(tcp_proxy("tcp"), name="tcp"))
        config["static_resources"]["clusters"].append(cluster("tcp", tcp.port))
        with envoy(config) as proxy:
            with proxy.client("listener_0") as client:
                assert client.get("/x").body == b"upstream"
            with proxy.client("tcp") as client:
                client.send(b"ping")
                assert client.read_exactly(4) == b"ping"
            proxy.wait_counter("http.ingress.downstream_rq_total", 1)
        assert web.requests[0].path == b"/x"


def test_a_proxy_that_does_not_start_says_why():
    with pytest.raises(RuntimeError, match="exited with 1"):
        envoy(bootstrap(clusters=[{"name": "x", "nonsense": 1}]))
