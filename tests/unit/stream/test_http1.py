"""HTTP/1 streams over a socket pair: what goes over the wire, what the handler sees, when a connection survives."""
import gevent
import pytest

from gmosn.clock import now_us
from gmosn.codec.http1 import Http1Settings
from gmosn.errors import RemoteProtocolError, Timeout, UpstreamProtocolError, UpstreamReset
from gmosn.headers import HeaderMap, RequestHead, ResponseHead
from gmosn.stream.api import StreamHandler
from gmosn.stream.http1 import Http1ClientConnection, Http1ServerConnection
from gmosn.stream_info import ConnectionInfo
from tests.helpers.wire import connection_pair, green_eventually, read_until


class Recorder(StreamHandler):
    """Answers by `answer(stream)` and keeps what it saw."""

    def __init__(self, answer):
        self.answer = answer
        self.seen, self.refused, self.ended = [], [], []

    def handle(self, stream):
        self.seen.append((stream.request.method, stream.request.path))
        self.answer(stream)

    def refuse(self, stream, error):
        self.refused.append(error)
        respond(stream, 400, b"no")

    def closed(self, connection):
        self.ended.append(connection.reason)


def respond(stream, status=200, body=b"", length=True, fields=()):
    head = ResponseHead()
    head.status = status
    for name, value in fields:
        head.add(name, value)
    if length:
        head.length = len(body)
    stream.send_headers(head, not body)
    if body:
        stream.send_data(body, True)


def echo(stream):
    respond(stream, body=b"".join(stream.body) or b"empty")


@pytest.fixture
def serve():
    """serve(handler, **limits) -> (client socket, ServerConnection); the greenlet ends with the test."""
    made = []

    def start(handler, **limits):
        conn, client = connection_pair()
        connection = Http1ServerConnection(conn, handler, Http1Settings(), ConnectionInfo(None, None))
        for name, value in limits.items():
            setattr(connection, name, value)
        made.append((gevent.spawn(connection.serve), client, conn))
        return client, connection
    yield start
    for greenlet, client, conn in made:
        client.close()
        greenlet.join(5)
        assert greenlet.dead
        conn.close()


GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


def test_two_requests_on_one_connection(serve):
    handler = Recorder(echo)
    client, _ = serve(handler)
    for _ in range(2):
        client.sendall(GET)
        assert read_until(client, b"empty").startswith(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n")
    assert handler.seen == [(b"GET", b"/a")] * 2


def test_pipelined_requests_are_answered_in_order(serve):
    handler = Recorder(lambda s: respond(s, body=s.request.path))
    client, _ = serve(handler)
    client.sendall(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
    got = read_until(client, b"/2")
    assert got.index(b"/1") < got.index(b"/2")


def test_body_arrives_in_pieces(serve):
    handler = Recorder(echo)
    client, _ = serve(handler)
    client.sendall(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n01234")
    gevent.idle()
    client.sendall(b"56789")
    assert read_until(client, b"0123456789").endswith(b"\r\n\r\n0123456789")


def test_unknown_length_is_chunked_and_trailers_follow(serve):
    def answer(stream):
        head = ResponseHead()
        head.status = 200
        stream.send_headers(head, False)
        stream.send_data(b"abc", False)
        trailers = HeaderMap()
        trailers.add(b"x-sum", b"1")
        stream.send_trailers(trailers)
    client, _ = serve(Recorder(answer))
    client.sendall(GET)
    got = read_until(client, b"0\r\nx-sum: 1\r\n\r\n")
    assert b"transfer-encoding: chunked" in got and b"3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n" in got


def test_head_gets_the_length_without_the_body(serve):
    client, _ = serve(Recorder(lambda s: respond(s, body=b"x" * 7)))
    client.sendall(b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    got = read_until(client, b"never")
    assert b"content-length: 7\r\n" in got and got.endswith(b"\r\n\r\n")


def test_expect_continue_is_sent_only_when_the_body_is_read(serve):
    client, _ = serve(Recorder(lambda s: respond(s, 417)))
    client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert b" 100 " not in read_until(client, b"never", 3)
    client, _ = serve(Recorder(echo))
    client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert read_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"abc")
    assert read_until(client, b"abc").endswith(b"abc")


def test_an_unread_body_ends_the_connection_without_a_reset(serve):
    handler = Recorder(lambda s: respond(s, 403, b"go"))
    client, connection = serve(handler, linger_us=200_000)
    client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc")
    assert read_until(client, b"never").endswith(b"go")
    assert handler.ended == ["local"] or not handler.ended


def test_malformed_request_is_refused_and_closed(serve):
    handler = Recorder(echo)
    client, _ = serve(handler, linger_us=100_000)
    client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n")
    got = read_until(client, b"never")
    assert got.startswith(b"HTTP/1.1 400") and b"connection: close" in got
    assert isinstance(handler.refused[0], RemoteProtocolError) and not handler.seen


def test_slow_head_times_out(serve):
    handler = Recorder(echo)
    client, _ = serve(handler, headers_timeout_us=100_000, linger_us=50_000)
    client.sendall(b"GET / HTT")
    assert read_until(client, b"never").startswith(b"HTTP/1.1 400")
    assert isinstance(handler.refused[0], Timeout)


def test_idle_connection_is_closed_silently(serve):
    handler = Recorder(echo)
    client, _ = serve(handler, idle_timeout_us=100_000)
    assert read_until(client, b"never") == b""
    assert handler.ended == ["idle_timeout"] and not handler.refused


def test_an_idle_connection_gives_its_greenlet_back_and_serves_again(serve):
    handler = Recorder(echo)
    client, connection = serve(handler, idle_timeout_us=60_000_000)
    client.sendall(GET)
    read_until(client, b"empty")
    green_eventually(lambda: connection.conn.parked is not None)
    client.sendall(GET)
    assert read_until(client, b"empty").endswith(b"empty")


def test_drain_closes_an_idle_connection_and_marks_a_busy_one(serve):
    handler = Recorder(echo)
    client, connection = serve(handler)
    client.sendall(GET)
    read_until(client, b"empty")
    connection.drain()
    assert read_until(client, b"never") == b""


def test_tunnel_passes_what_was_read_ahead(serve):
    def answer(stream):
        head = ResponseHead()
        head.status, head.upgrade = 101, b"foo"
        stream.send_headers(head, False)
        tunnel = stream.open_tunnel()
        stream.send_data(b"<" + tunnel.read() + b">", True)
    client, _ = serve(Recorder(answer))
    client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\nearly")
    got = read_until(client, b"<early>")
    assert got.startswith(b"HTTP/1.1 101") and b"upgrade: foo" in got and got.endswith(b"\r\n\r\n<early>")


def request(method=b"GET", path=b"/", length=-1, has_body=False):
    head = RequestHead()
    head.method, head.path, head.authority = method, path, b"h"
    head.length, head.has_body = length, has_body
    return head


@pytest.fixture
def upstream():
    conn, server = connection_pair()
    client = Http1ClientConnection(conn, Http1Settings())
    yield client, server
    client.close()
    server.close()


def test_client_stream_exchange_is_reusable(upstream):
    client, server = upstream
    for _ in range(2):
        stream = client.open_stream()
        stream.send_headers(request(), b"", True)
        assert read_until(server, b"\r\n\r\n") == b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
        server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        assert stream.receive_headers().status == 200
        assert b"".join(stream.body) == b"hi"
        stream.settle()
        assert stream.reusable
    assert client.requests == 2


@pytest.mark.parametrize("answer,error", [
    (b"", UpstreamReset), (b"HTTP/1.1 200 O", UpstreamProtocolError), (b"rubbish\r\n\r\n", UpstreamProtocolError)])
def test_client_stream_failures(upstream, answer, error):
    client, server = upstream
    stream = client.open_stream()
    stream.send_headers(request(), b"", True)
    read_until(server, b"\r\n\r\n")
    server.sendall(answer)
    server.close()
    with pytest.raises(error):
        stream.receive_headers()


def test_surplus_bytes_make_a_connection_useless(upstream):
    client, server = upstream
    stream = client.open_stream()
    stream.send_headers(request(), b"", True)
    server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n")
    stream.receive_headers()
    stream.settle()
    assert not stream.reusable


def test_post_without_a_body_says_so_and_chunked_stays_chunked(upstream):
    client, server = upstream
    client.open_stream().send_headers(request(b"POST"), b"", True)
    assert b"content-length: 0\r\n" in read_until(server, b"\r\n\r\n")
    stream = client.open_stream()
    stream.send_headers(request(b"POST", has_body=True), b"abc", False)
    stream.send_data(b"d" * 20000, True)
    assert read_until(server, b"0\r\n\r\n").endswith(b"3\r\nabc\r\n4e20\r\n" + b"d" * 20000 + b"\r\n0\r\n\r\n")


def test_body_deadline(upstream):
    client, server = upstream
    stream = client.open_stream()
    stream.send_headers(request(), b"", True)
    server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi")
    stream.receive_headers()
    stream.body.deadline_us = now_us() + 100_000
    assert stream.body.read() == b"hi"
    with pytest.raises(Timeout):
        stream.body.read()
