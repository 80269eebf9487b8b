"""The router against a scripted upstream: what the client, the upstream, the log and the stats see."""
import errno
import socket

import gevent
import pytest

from tests.helpers import configs
from tests.helpers.http_in_hub import OK, HttpInHub, answer_all, read_head
from tests.helpers.wire import green_eventually, read_until


@pytest.fixture
def proxy():
    made = []

    def build(*args, **kwargs):
        made.append(HttpInHub(*args, **kwargs))
        return made[-1]
    yield build
    for one in made:
        one.close()


def reset(sock):
    """Closes with RST."""
    import socket
    import struct
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_connection_is_reused_and_the_upstream_sees_envoys_headers(proxy):
    heads = []

    def upstream(sock, number):
        head = read_head(sock)
        while head:
            heads.append(head)
            sock.sendall(OK)
            head = read_head(sock)
    p = proxy(upstream)
    assert b"x-envoy-upstream-service-time: " in p.get()
    p.get()
    assert p.accepted == 1 and len(heads) == 2
    for name in (b"host: h", b"x-forwarded-proto: http", b"x-request-id: ", b"x-envoy-expected-rq-timeout-ms: 15000"):
        assert name in heads[0].lower()
    assert p.lines.seen[0] == (200, "", "via_upstream", 1)
    assert p.stat("cluster.web.upstream_rq_200") == 2


def test_no_route_no_cluster_no_answer(proxy):
    p = proxy(routes=(configs.route("web", "/a"),))
    assert p.get("/b", until=b"\r\n\r\n").startswith(b"HTTP/1.1 404 Not Found")
    assert p.lines.seen == [(404, "NR", "route_not_found", 0)]
    assert p.stat("http.ingress.no_route") == 1


def test_connection_refused_is_503_uf(proxy):
    p = proxy()
    p.server.stop()
    got = p.get(until=b"remote connection failure")
    assert got.startswith(b"HTTP/1.1 503 Service Unavailable") and b"upstream connect error" in got
    status, flags, details, _ = p.lines.seen[0]
    assert (status, flags) == (503, "UF") and details.startswith("upstream_reset_before_response_started{")


def test_upstream_that_hangs_up_is_503_uc(proxy):
    p = proxy(lambda sock, number: read_head(sock) and reset(sock))
    assert p.get(until=b"termination").startswith(b"HTTP/1.1 503")
    assert p.lines.seen[0][:2] == (503, "UC")


def test_nonsense_is_502_upe(proxy):
    p = proxy(lambda sock, number: answer_all(sock, b"nonsense\r\n\r\n"))
    assert p.get(until=b"protocol error").startswith(b"HTTP/1.1 502")
    assert p.lines.seen[0][:2] == (502, "UPE")


def test_reused_connection_that_died_is_retried_once_for_get_but_not_for_post(proxy):
    def upstream(sock, number):
        if number == 1:                                    # one answer, then the race: hang up at the next request
            read_head(sock)
            sock.sendall(OK)
            read_head(sock)
            reset(sock)
        else:
            answer_all(sock, OK)
    p = proxy(upstream)
    p.get()
    assert p.get().startswith(b"HTTP/1.1 200")
    assert p.accepted == 2 and p.lines.seen[1][3] == 2
    assert p.stat("cluster.web.upstream_rq_retry") == 1

    p = proxy(upstream)
    p.get()
    client = p.connect()
    client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
    assert read_until(client, b"termination").startswith(b"HTTP/1.1 503")
    client.close()


def test_route_timeout_is_504_ut(proxy):
    p = proxy(lambda sock, number: gevent.sleep(10), routes=(configs.route("web", timeout="0.2s"),))   # sleeps: the upstream that never answers
    assert p.get(until=b"timeout").startswith(b"HTTP/1.1 504 Gateway Timeout")
    assert p.lines.seen[0][:3] == (504, "UT", "response_timeout")
    assert p.stat("cluster.web.upstream_rq_timeout") == 1


def test_stream_idle_and_stream_duration(proxy):
    p = proxy(lambda sock, number: gevent.sleep(10), stream_idle_timeout="0.2s")     # sleeps: the upstream that never answers
    assert p.get(until=b"timeout").startswith(b"HTTP/1.1 408")
    assert p.lines.seen[0][1] == "SI"
    p = proxy(lambda sock, number: gevent.sleep(10),       # sleeps: the upstream that never answers
              common_http_protocol_options={"max_stream_duration": "0.2s"})
    assert p.get(until=b"timeout").endswith(b"downstream duration timeout")
    assert p.lines.seen[0][1:3] == ("DT", "max_duration_timeout")


def test_body_cut_by_the_upstream_is_visible_as_incomplete(proxy):
    def upstream(sock, number):
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        reset(sock)
    p = proxy(upstream)
    got = p.get(until=b"never")
    assert got.startswith(b"HTTP/1.1 200") and not got.endswith(b"0123456789") and b"content-length: 10" in got
    green_eventually(lambda: p.lines.seen)
    assert p.lines.seen[0][1] == "UC"


def test_early_response_while_uploading(proxy):
    def upstream(sock, number):
        read_head(sock)
        sock.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
        gevent.sleep(0.2)                                  # sleeps: keeps reading nothing for a while
        sock.close()
    p = proxy(upstream)
    client = p.connect()
    client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000)
    assert read_until(client, b"no").startswith(b"HTTP/1.1 413")
    client.close()


def test_bodies_stream_both_ways(proxy):
    def upstream(sock, number):
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        size = 0
        while size < 300_000:
            piece = sock.recv(65536)
            size += len(piece)
            sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        sock.sendall(b"0\r\n\r\n")
    p = proxy(upstream)
    client = p.connect()
    sender = gevent.spawn(client.sendall, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n" + b"~" * 300_000)
    got = read_until(client, b"\r\n0\r\n\r\n")
    sender.join()
    assert got.count(b"~") == 300_000
    client.close()
    green_eventually(lambda: p.lines.seen and p.lines.seen[0][:2] == (200, ""))


def test_client_that_resets_cancels_the_upstream(proxy):
    gone = []

    def upstream(sock, number):
        read_head(sock)
        gone.append(sock.recv(1))
    p = proxy(upstream)
    client = p.connect()
    client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    green_eventually(lambda: p.accepted == 1)
    reset(client)                                          # a mere FIN may be a half-close, see decision 001
    green_eventually(lambda: gone == [b""])
    green_eventually(lambda: p.lines.seen and p.lines.seen[0][1] == "DC")


def test_a_client_that_reads_nothing_is_reset_when_the_upstream_stalls_too(proxy):
    def upstream(sock, number):
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 300_000)
        gevent.sleep(10)                                   # sleeps: the upstream that stalls in the middle
    p = proxy(upstream, stream_idle_timeout="0.3s")
    client = p.connect()
    client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    green_eventually(lambda: client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET)
    client.close()
    assert p.lines.seen[0][1] == "SI"


def test_retry_policy_on_5xx_and_its_limit(proxy):
    def upstream(sock, number):
        answer_all(sock, OK if number == 3 else b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    policy = {"retry_on": "5xx", "num_retries": 2, "retry_back_off": {"base_interval": "0.001s"}}
    p = proxy(upstream, routes=(configs.route("web", retry_policy=policy),))
    assert p.get().startswith(b"HTTP/1.1 200")
    assert p.accepted == 3 and p.lines.seen[0][3] == 3
    p = proxy(lambda sock, n: answer_all(sock, b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"),
              routes=(configs.route("web", retry_policy=policy),))
    assert p.get(until=b"\r\n\r\n").startswith(b"HTTP/1.1 503")
    assert p.accepted == 3 and p.stat("cluster.web.upstream_rq_retry_limit_exceeded") == 1


def test_per_try_timeout_is_retried(proxy):
    def upstream(sock, number):
        if number == 1:
            gevent.sleep(10)                               # sleeps: the upstream that never answers
        answer_all(sock, OK)
    policy = {"retry_on": "5xx", "num_retries": 1, "per_try_timeout": "0.1s"}
    p = proxy(upstream, routes=(configs.route("web", retry_policy=policy),))
    assert p.get().startswith(b"HTTP/1.1 200")
    assert p.stat("cluster.web.upstream_rq_per_try_timeout") == 1


def test_per_try_idle_timeout_and_no_retry_after_the_routes_timeout(proxy):
    def upstream(sock, number):
        if number == 1:
            gevent.sleep(10)                               # sleeps: the upstream that never answers
        answer_all(sock, OK)
    policy = {"retry_on": "reset", "num_retries": 1, "per_try_idle_timeout": "0.1s"}
    p = proxy(upstream, routes=(configs.route("web", retry_policy=policy),))
    assert p.get().startswith(b"HTTP/1.1 200")
    assert p.stat("cluster.web.upstream_rq_per_try_idle_timeout") == 1
    p = proxy(lambda sock, number: gevent.sleep(10),       # sleeps: the upstream that never answers
              routes=(configs.route("web", timeout="0.2s", retry_policy={"retry_on": "5xx", "num_retries": 3}),))
    assert p.get(until=b"timeout").startswith(b"HTTP/1.1 504")
    assert p.accepted == 1 and p.lines.seen[0][1:] == ("UT", "response_timeout", 1)


@pytest.mark.parametrize("field", ["x-envoy-ratelimited: true", "grpc-status: 14"])
def test_retry_on_what_a_header_says(proxy, field):
    def upstream(sock, number):
        answer_all(sock, OK if number == 2 else f"HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: 0\r\n\r\n".encode())
    p = proxy(upstream, routes=(configs.route("web", retry_policy={"retry_on": "envoy-ratelimited,unavailable"}),))
    assert p.get().endswith(b"ok") and p.accepted == 2


def test_reset_before_request_does_not_cover_a_request_that_was_sent(proxy):
    p = proxy(lambda sock, number: read_head(sock) and reset(sock),
              routes=(configs.route("web", retry_policy={"retry_on": "reset-before-request", "num_retries": 2}),))
    assert p.get(until=b"termination").startswith(b"HTTP/1.1 503")
    assert p.accepted == 1


def test_upgrade_is_tunnelled_only_where_configured(proxy):
    def upstream(sock, number):
        head = read_head(sock)
        assert b"upgrade: foo" in head.lower() and b"early" not in head
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n")
        data = sock.recv(100)
        sock.sendall(b"<" + data + b">")
        sock.close()
    request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\nearly"
    p = proxy(upstream, upgrade_configs=[{"upgrade_type": "foo"}])
    client = p.connect()
    client.sendall(request)
    assert read_until(client, b"<early>").startswith(b"HTTP/1.1 101")
    client.close()
    p = proxy(upstream)
    client = p.connect()
    client.sendall(request)
    assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 403")
    client.close()


def test_an_unasked_101_is_a_protocol_error(proxy):
    p = proxy(lambda sock, n: answer_all(sock, b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"))
    assert p.get(until=b"error").startswith(b"HTTP/1.1 502")


def test_100_continue_comes_from_the_upstream_when_configured(proxy):
    def upstream(sock, number):
        assert b"expect: 100-continue" in read_head(sock).lower()
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert sock.recv(3) == b"abc"
        sock.sendall(OK)
    p = proxy(upstream, proxy_100_continue=True)
    client = p.connect()
    client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert read_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"abc")
    assert read_until(client, b"ok").startswith(b"HTTP/1.1 200")
    client.close()


def test_redirect_and_direct_response(proxy):
    p = proxy(routes=(configs.direct(418, "tea", "/tea"),
                      {"match": {"prefix": "/"}, "redirect": {"host_redirect": "example.com"}}))
    assert p.get("/tea", until=b"tea").endswith(b"\r\n\r\ntea")
    got = p.get("/x", until=b"\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 301") and b"location: http://example.com/x" in got
    assert p.stat("http.ingress.rq_direct_response") + p.stat("http.ingress.rq_redirect") == 2
    assert p.accepted == 0


def test_long_bodies_arrive_whole_and_the_connection_lives_on(proxy):
    """Beyond 128 KiB the rest goes through a pipe; several on one connection, and a client that reads slowly."""
    body = bytes(range(256)) * 8192                        # 2 MiB

    def upstream(sock, number):
        while read_head(sock):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    p = proxy(upstream)
    client = p.connect()
    for _ in range(3):
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        got = b""
        while not got.endswith(body[-512:]) or len(got) < len(body):
            gevent.idle()
            piece = client.recv(100_000)
            assert piece
            got += piece
        assert got.partition(b"\r\n\r\n")[2] == body
    assert p.accepted == 1
    client.close()
    green_eventually(lambda: len(p.lines.seen) == 3)
    assert all(line[:2] == (200, "") for line in p.lines.seen)


def test_long_body_cut_in_the_pipe(proxy):
    def upstream(sock, number):
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 1_000_000)
        reset(sock)
    p = proxy(upstream)
    got = p.get(until=b"never")
    assert len(got) < 1_100_000 and got.startswith(b"HTTP/1.1 200")
    green_eventually(lambda: p.lines.seen and p.lines.seen[0][1] == "UC")
