"""The HTTP/1 codec, message by message: each whole, byte by byte, cut everywhere, and with the next one behind it."""

import pytest

from gmosn.codec import http1_state
from gmosn.codec.http1 import (
    Http1Codec,
    encode_chunk,
    encode_fields,
    encode_last_chunk,
    encode_request,
    encode_response,
)
from gmosn.errors import LocalProtocolError, RemoteProtocolError
from gmosn.headers import HeaderMap, RequestHead, ResponseHead
from tests.helpers.codec_check import codec_check, settings

NEXT = b"GET /next HTTP/1.1\r\nHost: n\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: h\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
LAX = {"strict": False}


def one(transcript):
    """The only head of a transcript, as a dict."""
    (head,) = [entry for entry in transcript if entry[0] == "head"]
    return dict(head[1:])


def request(wire, **changes):
    """Fields of the one request in `wire`."""
    return one(codec_check(True, wire, trailing=NEXT, made_settings=settings(**changes)))


def expect_refused(wire, status=400, details="http1.codec_error", eof=False, is_server=True, methods=(), **changes):
    """Asserts that `wire` ends in that error."""
    last = codec_check(is_server, wire, eof=eof, made_settings=settings(**changes), methods=methods)[-1]
    assert last == ("error", status, details)


def test_a_typical_request():
    got = request(
        b"GET /a?b=c HTTP/1.1\r\nHost: h.test:8080\r\nUser-Agent: x/1\r\nX-Long-"
        + b"n" * 70
        + b": \t v w \t\r\nAccept:*/*\r\nEmpty:\r\n\r\n"
    )
    assert got == dict(
        method=b"GET",
        path=b"/a?b=c",
        authority=b"h.test:8080",
        scheme=b"http",
        upgrade=None,
        length=-1,
        minor=1,
        chunked=False,
        close=False,
        has_body=False,
        expect_continue=False,
        absolute=False,
        trailers_ok=False,
        items=((b"user-agent", b"x/1"), (b"x-long-" + b"n" * 70, b"v w"), (b"accept", b"*/*"), (b"empty", b"")),
    )


@pytest.mark.parametrize(
    "line, path, authority, scheme",
    [
        (b"GET http://o.test/c?d HTTP/1.1", b"/c?d", b"o.test", b"http"),
        (b"GET HTTPS://O.test:1 HTTP/1.1", b"/", b"O.test:1", b"https"),
        (b"GET http://o.test?d HTTP/1.1", b"/?d", b"o.test", b"http"),
        (b"GET http://[::1]:80/ HTTP/1.1", b"/", b"[::1]:80", b"http"),
        (b"OPTIONS * HTTP/1.1", b"*", b"h", b"http"),
        (b"GET //o.test/c HTTP/1.1", b"//o.test/c", b"h", b"http"),
        (b"CONNECT o.test:443 HTTP/1.1", None, b"o.test:443", b"http"),
        (b"GET /%zz'()\"<>\\^`{|}~ HTTP/1.1", b"/%zz'()\"<>\\^`{|}~", b"h", b"http"),
    ],
)
def test_request_targets(line, path, authority, scheme):
    got = one(codec_check(True, line + b"\r\nHost: h\r\n\r\n"))
    assert (got["path"], got["authority"], got["scheme"]) == (path, authority, scheme)
    assert got["absolute"] == (b"://" in line or line.startswith(b"CONNECT"))


@pytest.mark.parametrize(
    "line, status, details",
    [
        (b" GET / HTTP/1.1", 400, "http1.codec_error"),
        (b"GET  / HTTP/1.1", 400, "http1.codec_error"),
        (b"GET /  HTTP/1.1", 400, "http1.codec_error"),
        (b"GET / HTTP/1.1 ", 400, "http1.codec_error"),
        (b"GET\t/ HTTP/1.1", 400, "http1.codec_error"),
        (b"GET /a b HTTP/1.1", 400, "http1.codec_error"),
        (b"GET / http/1.1", 400, "http1.codec_error"),
        (b"GET / HTTP/1.10", 400, "http1.codec_error"),
        (b"GET / HTTP/.111", 400, "http1.codec_error"),
        (b"GET / HTTP/1.\xb2", 400, "http1.codec_error"),
        (b"GET / HTTP/2.0", 426, "low_version"),
        (b"GET / HTTP/1.0", 426, "low_version"),
        (b"GET /", 426, "low_version"),
        (b"GET ", 400, "http1.codec_error"),
        (b"get / HTTP/1.1", 400, "http1.codec_error"),
        (b"FROB / HTTP/1.1", 400, "http1.codec_error"),
        (b"G\x00T / HTTP/1.1", 400, "http1.codec_error"),
        (b"GET /a\x00 HTTP/1.1", 400, "http1.invalid_url"),
        (b"GET /a\xff HTTP/1.1", 400, "http1.invalid_url"),
        (b"GET /a\rb HTTP/1.1", 400, "http1.invalid_url"),
        (b"GET * HTTP/1.1", 400, "http1.invalid_url"),
        (b"GET a/b HTTP/1.1", 400, "http1.invalid_url"),
        (b"GET ftp://h/ HTTP/1.1", 400, "http1.invalid_url"),
        (b"GET http:///x HTTP/1.1", 400, "http1.invalid_url"),
        (b"GET http://u@h/ HTTP/1.1", 400, "http1.invalid_url"),
        (b"GET http://h:99999/ HTTP/1.1", 400, "http1.invalid_url"),
        (b"GET /a#b HTTP/1.1", 400, "path_normalization_failed"),
        (b"CONNECT /a HTTP/1.1", 400, "http1.invalid_url"),
        (b"CONNECT h HTTP/1.1", 400, "http1.invalid_url"),
        (b"CONNECT [::1] HTTP/1.1", 400, "http1.invalid_url"),
    ],
)
def test_bad_request_lines(line, status, details):
    expect_refused(line + b"\r\nHost: h\r\n\r\n", status, details)


def test_lax_request_line_is_what_envoy_takes():
    got = request(b"GET \t /a   HTTP/1.1 \r\nHost: h\r\n\r\n", **LAX)
    assert (got["method"], got["path"]) == (b"GET", b"/a")


def test_any_method_when_allowed():
    assert request(b"fr0b / HTTP/1.1\r\nHost: h\r\n\r\n", allow_any_method=True)["method"] == b"fr0b"
    expect_refused(b"fr(b / HTTP/1.1\r\nHost: h\r\n\r\n", allow_any_method=True)


def test_http_10():
    old = dict(accept_http_10=True)
    assert request(b"GET / HTTP/1.0\r\nHost: h\r\n\r\n", **old)["close"]
    assert not request(b"GET / HTTP/1.0\r\nHost: h\r\nConnection: Keep-Alive\r\n\r\n", **old)["close"]
    expect_refused(b"GET / HTTP/1.0\r\n\r\n", 400, "missing_host_header", **old)
    got = request(b"GET / HTTP/1.0\r\n\r\n", default_host=b"d.test", **old)
    assert (got["authority"], got["minor"]) == (b"d.test", 0)
    expect_refused(
        b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        "http1.transfer_encoding_not_allowed",
        **old,
    )
    got = request(b"GET / HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", **old)
    assert got["upgrade"] is None


@pytest.mark.parametrize(
    "value",
    [b"h", b"h.test:80", b"h_x.test", b"h:", b"[::1]", b"[::1]:80", b"1.2.3.4:65535", b"h%2etest", b"~!$&'()*+;=-"],
)
def test_good_hosts(value):
    assert request(b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n")["authority"] == value


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"a b",
        b"u@h",
        b"h/x",
        b"h?x",
        b"h#x",
        b"h\\x",
        b"a,b",
        b"h:abc",
        b"h:80:90",
        b"[::1",
        b"[h]",
        b"[::1]x",
        b"::1",
        b"<x>",
        b"h:65536",
        b"h:999999",
        b":80",
        b"h:+1",
        b"h\xff",
        b"h:\xb2",
    ],
)
def test_bad_hosts(value):
    expect_refused(b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n", 400, "http.invalid.authority")


def test_host_must_be_there_once():
    expect_refused(b"GET / HTTP/1.1\r\n\r\n", 400, "missing_host_header")
    expect_refused(b"GET http://h/ HTTP/1.1\r\n\r\n", 400, "missing_host_header")
    expect_refused(b"GET / HTTP/1.1\r\nHost: h\r\nhost: h\r\n\r\n")
    assert request(b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", **LAX)["authority"] == b"h,i"
    assert request(b"GET http://h/ HTTP/1.1\r\n\r\n", **LAX)["authority"] == b"h"
    expect_refused(
        b"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 404, "absolute_path_rejected", allow_absolute_url=False
    )


@pytest.mark.parametrize(
    "line",
    [
        b"X : a",
        b"X\t: a",
        b": a",
        b":",
        b"foo",
        b"X(: a",
        b"X\xff: a",
        b"X\x00: a",
        b"X\x7f: a",
        b":path: /x",
        b"X\r: a",
    ],
)
def test_bad_field_names(line):
    expect_refused(GET + line + b"\r\n\r\n")


@pytest.mark.parametrize("control", [0, 1, 7, 8, 11, 12, 13, 14, 27, 31, 127])
@pytest.mark.parametrize("padding", [0, 5, 20])
def test_controls_in_values(control, padding):
    value = b"p" * padding + bytes([control]) + b"q" * padding
    expect_refused(GET + b"X: a" + value + b"b\r\n\r\n", 400, "http1.invalid_characters")


def test_values_keep_what_is_legal():
    text = bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100)) + b"\t|"
    assert request(GET + b"X: " + text + b"\r\n\r\n")["items"] == ((b"x", text.strip(b" \t")),)


def test_lax_bare_cr_is_left_out():
    assert request(GET + b"X: a\rb\r\n\r\n", **LAX)["items"] == ((b"x", b"ab"),)


def test_line_ends_may_be_lf():
    got = request(b"GET / HTTP/1.1\nHost: h\nX: a\n\n")
    assert got["items"] == ((b"x", b"a"),)
    assert request(b"\r\n\n\r\n" + GET + b"X: a\n\r\n")["items"] == ((b"x", b"a"),)


def test_blank_lines_are_bounded():
    assert request(b"\r\n" * 2000 + GET + b"\r\n")["method"] == b"GET"
    codec = Http1Codec(True, settings())
    with pytest.raises(RemoteProtocolError):
        for _ in range(100):
            codec.feed(b"\r\n" * 500)
            codec.next_request()


@pytest.mark.parametrize(
    "folded, value",
    [
        (b"X: a\r\n b", b"a b"),
        (b"X: a \r\n\t b", b"a b"),
        (b"X:\r\n b\r\n\tc", b"b c"),
        (b"X: a\r\n \r\n b", b"a b"),
        (b"X: a\n b", b"a b"),
    ],
)
def test_folded_lines_become_one_space(folded, value):
    got = request(GET + folded + b"\r\nY: z\r\n\r\n")
    assert got["items"] == ((b"x", value), (b"y", b"z"))


def test_folding_cannot_hide_anything():
    expect_refused(b"GET / HTTP/1.1\r\n X: a\r\nHost: h\r\n\r\n")
    expect_refused(
        POST + b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n",
        400,
        "http1.content_length_and_chunked_not_allowed",
    )
    assert request(POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")["chunked"]
    expect_refused(GET + b"X: a\r\r\n b\r\n\r\n", 400, "http1.invalid_characters")


@pytest.mark.parametrize(
    "value",
    [
        b"+5",
        b"-5",
        b"0x5",
        b"5.0",
        b"1e1",
        b"5 5",
        b"",
        b"5,",
        b"5, 5",
        b"5;a",
        b"1_0",
        b"18446744073709551621",
        b"9223372036854775808",
        b"\x0b5",
        b"\xa05",
        b"5\x85",
        b"\xd9\xa5",
        b"\xb2",
    ],
)
def test_bad_content_length(value):
    wire = POST + b"Content-Length: " + value + b"\r\n\r\nhello"
    expect_refused(wire, 400, "http1.invalid_characters" if value == b"\x0b5" else "http1.codec_error")


def test_content_length():
    got = codec_check(True, POST + b"Content-Length: 005\r\n\r\nhello", trailing=NEXT)
    assert one(got)["length"] == 5 and got[1] == ("body", b"hello", None)
    assert not request(POST + b"Content-Length: 0\r\n\r\n")["has_body"]
    big = Http1Codec(True, settings())
    big.feed(POST + b"Content-Length: 9223372036854775807\r\n\r\nab")
    assert big.next_request().length == 2**63 - 1 and big.next_data() == b"ab" and big.next_data() is None
    expect_refused(POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello")
    expect_refused(POST + b"Content-Length: 5\r\n\r\nhel", eof=True)


@pytest.mark.parametrize(
    "value",
    [
        b"identity",
        b"gzip, chunked",
        b"chunked, chunked",
        b"chunked, gzip",
        b"xchunked",
        b",chunked",
        b"chunked;q=1",
        b'"chunked"',
        b"",
        b"chunk",
    ],
)
def test_unknown_transfer_coding(value):
    expect_refused(POST + b"Transfer-Encoding: " + value + b"\r\n\r\n", 501, "http1.invalid_transfer_encoding")


def test_both_lengths():
    wire = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    expect_refused(POST + wire, 400, "http1.content_length_and_chunked_not_allowed")
    got = request(POST + wire, allow_chunked_length=True)
    assert got["chunked"] and got["length"] == -1
    expect_refused(POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n", 501, "http1.invalid_transfer_encoding")


@pytest.mark.parametrize(
    "body, data",
    [
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"005\r\nhello\r\n000\r\n\r\n", b"hello"),
        (b"A\r\n0123456789\r\n1\r\n!\r\n0\r\n\r\n", b"0123456789!"),
        (b'5;a=b;c="d;e"\r\nhello\r\n0;z\r\n\r\n', b"hello"),
        (b"5 \t;a\r\nhello\r\n0 \r\n\r\n", b"hello"),
        (b"0" * 40 + b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"0\r\n\r\n", b""),
    ],
)
def test_chunked(body, data):
    assert codec_check(True, CHUNKED + body, trailing=NEXT)[1] == ("body", data, None)


@pytest.mark.parametrize(
    "body",
    [
        b"0x5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"-5\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"\r\nhello\r\n",
        b"g\r\n",
        b"5_0\r\n",
        b"5\nhello\r\n",
        b"5\rhello\r\n0\r\n",
        b"5\r\nhelloX",
        b"5\r\nhello\n0\r\n",
        b"5\r\nhello\rX",
        b"5;\n\r\nhello\r\n",
        b"5;a\rb\r\n",
        b"5\r\r;a\r\n",
        b"5;a=\x00\r\n",
        b"5 xyz\r\n",
        b"10000000000000000\r\n",
        b"FFFFFFFFFFFFFFFFF\r\n",
        b"1;" + b"a" * 5000,
        b"0\r\nX T: v\r\n\r\n",
        b"0\r\nX : v\r\n\r\n",
        b"0\r\nX: v\n\r\n",
        b"0\r\n\n",
        b"0\r\nfoo\r\n\r\n",
        b"0\r\nX: \x01\r\n\r\n",
    ],
)
def test_bad_chunks(body):
    driver = codec_check(True, CHUNKED + body)
    assert driver[-1][:2] == ("error", 400), driver


@pytest.mark.parametrize(
    "body", [b"", b"5", b"5\r", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r\n", b"0\r\n", b"0\r\nX: a\r\n"]
)
def test_chunked_needs_its_end(body):
    expect_refused(CHUNKED + body, eof=True)
    assert codec_check(True, CHUNKED + body)[-1] == ("need",)


def test_lax_chunk_ends():
    got = codec_check(True, CHUNKED + b"5 xyz\r\nhello\n0\r\n\r\n", made_settings=settings(**LAX))
    assert got[1] == ("body", b"hello", None)


def test_chunk_extensions_are_bounded_over_the_body():
    codec = Http1Codec(True, settings())
    codec.feed(CHUNKED)
    codec.next_request()
    with pytest.raises(RemoteProtocolError):
        for _ in range(1000):
            codec.feed(b"1;" + b"e" * 100 + b"\r\nx\r\n")
            while codec.next_data():
                pass


def test_many_small_chunks_come_joined():
    codec = Http1Codec(True, settings())
    codec.feed(CHUNKED + b"1\r\nx\r\n" * 10000 + b"0\r\n\r\n")
    codec.next_request()
    assert codec.next_data() == b"x" * 10000 and codec.body_done() and codec.next_data() == b""


def test_trailers():
    wire = CHUNKED + b"1\r\nx\r\n0\r\nX-T: v\r\nAuthorization: a\r\nHost: e\r\nContent-Length: x\r\nTE: b\r\n\r\n"
    assert codec_check(True, wire, trailing=NEXT)[1] == ("body", b"x", None)
    enabled = settings(enable_trailers=True)
    assert codec_check(True, wire, trailing=NEXT, made_settings=enabled)[1] == ("body", b"x", ((b"x-t", b"v"),))
    assert codec_check(True, CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n", made_settings=enabled)[1] == (
        "body",
        b"",
        ((b"a", b"b c"),),
    )
    assert codec_check(True, CHUNKED + b"0\r\nHost: b\r\n\r\n", made_settings=enabled)[1] == ("body", b"", None)


def test_trailers_are_bounded():
    expect_refused(CHUNKED + b"0\r\n" + b"a: b\r\n" * 101 + b"\r\n", 431, "http1.too_many_trailers")
    expect_refused(
        CHUNKED + b"0\r\na: " + b"b" * 2000 + b"\r\n\r\n",
        431,
        "http1.trailers_too_large",
        max_head_bytes=1500,
        max_fields=10,
    )
    codec = Http1Codec(True, settings())
    codec.feed(CHUNKED + b"0\r\na: ")
    codec.next_request()
    with pytest.raises(RemoteProtocolError, match="trailers size"):
        for _ in range(100):
            codec.feed(b"b" * 1024)
            codec.next_data()


def test_limits_of_heads():
    assert request(b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a: b\r\n" * 99 + b"\r\n")["method"] == b"GET"
    expect_refused(GET + b"a: b\r\n" * 100 + b"\r\n", 431, "http1.too_many_headers")
    exact = 60 * 1024 - len(b"/" + b"Host" + b"h" + b"a")
    codec_check(True, GET + b"a: " + b"b" * exact + b"\r\n\r\n")
    expect_refused(GET + b"a: " + b"b" * (exact + 1) + b"\r\n\r\n", 431, "http1.headers_too_large")
    expect_refused(
        b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
        431,
        "http1.headers_too_large",
        max_head_bytes=1024,
        max_fields=10,
    )
    expect_refused(
        GET + b"a: " + b" " * 3000 + b"\r\n\r\n", 431, "http1.headers_too_large", max_head_bytes=1024, max_fields=10
    )
    codec = Http1Codec(True, settings())
    codec.feed(GET + b"a: ")
    with pytest.raises(RemoteProtocolError, match="headers size"):
        for _ in range(100):
            codec.next_request()
            codec.feed(b"b" * 1024)


def test_underscores():
    wire = GET + b"X_A: 1\r\nY: 2\r\n\r\n"
    assert request(wire)["items"] == ((b"x_a", b"1"), (b"y", b"2"))
    expect_refused(wire, 400, "http1.unexpected_underscore", underscores=1)
    assert request(wire, underscores=2)["items"] == ((b"y", b"2"),)
    codec = Http1Codec(True, settings(underscores=2))
    codec.feed(wire)
    codec.next_request()
    assert codec.dropped_underscores == 1


def test_hop_by_hop_fields_end_here():
    got = request(
        GET + b"Keep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip, trailers;q=1\r\nConnection: X-A, close\r\n"
        b"X-a: 1\r\nX-B: 2\r\nconnection: te, (bad), a b\r\nX-A: 3\r\n\r\n"
    )
    assert got["items"] == ((b"x-b", b"2"),) and got["close"] and got["trailers_ok"]
    assert request(POST + b"Connection: content-length\r\nContent-Length: 0\r\n\r\n")["length"] == 0
    for name in (b"Host", b"X-Forwarded-For", b"x-forwarded-proto", b"x-forwarded-host"):
        expect_refused(GET + b"Connection: " + name + b"\r\n\r\n", 400, "http1.connection_header_rejected")
    expect_refused(GET + b"Connection: " + b"a," * 10 + b"\r\n\r\n", 400, "http1.connection_header_rejected")


def test_upgrade():
    wanted = b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
    assert request(GET + wanted)["upgrade"] == b"websocket"
    assert request(GET + b"Upgrade: websocket\r\n\r\n")["upgrade"] is None
    got = request(GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n")
    assert got["upgrade"] is None and got["items"] == ()
    assert request(GET + b"Connection: upgrade\r\nUpgrade: a\r\nUpgrade: B\r\n\r\n")["upgrade"] == b"a, b"
    codec = Http1Codec(True, settings())
    codec.feed(GET + wanted + b"\x81\x00")
    codec.next_request()
    assert codec.trailing_data() == b"\x81\x00" and codec.state == http1_state.TUNNEL
    assert codec.next_request() is None and not codec.has_buffered()


def test_connect():
    got = codec_check(True, b"CONNECT a:1 HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\nGET / tunnelled")
    assert one(got)["close"] and one(got)["length"] == -1 and got[1] == ("tunnel", b"GET / tunnelled")
    expect_refused(
        b"CONNECT a:1 HTTP/1.1\r\nHost: b\r\nContent-Length: 1\r\n\r\n", 400, "http1.content_length_not_allowed"
    )
    expect_refused(
        b"CONNECT a:1 HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n",
        501,
        "http1.transfer_encoding_not_allowed",
    )


def test_expect():
    body = b"Content-Length: 1\r\n\r\nx"
    got = request(POST + b"Expect: 100-Continue\r\n" + body)
    assert got["expect_continue"] and got["items"] == ()
    assert not request(POST + b"Expect: 200-ok\r\n" + body)["expect_continue"]
    assert not request(GET + b"Expect: 100-continue\r\n\r\n")["expect_continue"]


def test_pipelining_and_the_end():
    wire = GET + b"\r\n" + POST + b"Content-Length: 2\r\n\r\nab" + NEXT
    got = codec_check(True, wire, eof=True)
    assert [entry[0] for entry in got] == ["head", "head", "body", "head", "end"]
    codec = Http1Codec(True, settings())
    codec.feed(POST + b"Content-Length: 2\r\n\r\na")
    codec.next_request()
    with pytest.raises(LocalProtocolError):
        codec.next_request()


@pytest.mark.parametrize(
    "wire", [b"G", b"GET / HTTP/1.1\r\nHost: h", b"GET / HTTP/1.1\r\nHost: h\r\n", b"GET / HTTP/1.1\rHost: h\r\r"]
)
def test_end_inside_a_head(wire):
    expect_refused(wire, eof=True)


def test_other_protocols_are_refused_at_their_first_byte():
    for first in (b"\x16\x03\x01", b"\x00", b"(", b" "):
        codec = Http1Codec(True, settings())
        codec.feed(first)
        with pytest.raises(RemoteProtocolError):
            codec.next_request()
        with pytest.raises(RemoteProtocolError):
            codec.next_request()


OK = b"HTTP/1.1 200 OK\r\n"


def test_a_typical_response():
    got = codec_check(
        False, OK + b"Content-Length: 5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nhello", trailing=OK + b"\r\n"
    )
    assert got == [
        (
            "head",
            ("status", 200),
            ("reason", b"OK"),
            ("upgrade", None),
            ("length", 5),
            ("minor", 1),
            ("chunked", False),
            ("close", False),
            ("has_body", True),
            ("items", ((b"set-cookie", b"a"), (b"set-cookie", b"b"))),
        ),
        ("body", b"hello", None),
    ]


@pytest.mark.parametrize(
    "line, status, reason",
    [
        (b"HTTP/1.1 200", 200, b""),
        (b"HTTP/1.1 200 ", 200, b""),
        (b"HTTP/1.1 404 \xe9 x", 404, b"\xe9 x"),
        (b"HTTP/1.1 999 Hm", 999, b"Hm"),
        (b"HTTP/1.0 200 OK", 200, b"OK"),
        (b"HTTP/1.1 200 OKAY", 200, b"OKAY"),
    ],
)
def test_status_lines(line, status, reason):
    got = one(codec_check(False, line + b"\r\nContent-Length: 0\r\n\r\n"))
    assert (got["status"], got["reason"]) == (status, reason)


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 abc OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 200OK",
        b"HTTP/1.1  200 OK",
        b"http/1.1 200 OK",
        b"HTTP/2.0 200 OK",
        b"HTTP/1.1 200 O\x00K",
        b" HTTP/1.1 200 OK",
        b"<html>",
        b"HTTP/1.1 \xb2\xb2\xb2 OK",
        b"\x15\x03\x01",
        b"HTTP/1.1",
        b"HTTP/1.2 200 OK",
    ],
)
def test_bad_status_lines(line):
    expect_refused(line + b"\r\nContent-Length: 0\r\n\r\n", is_server=False)


def test_blank_lines_before_a_response_are_refused():
    expect_refused(b"\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n", is_server=False)


def test_response_bodies():
    until = codec_check(False, OK + b"\r\nhello", eof=True)
    assert until[1:] == [("body", b"hello", None), ("end",)] and one(until)["close"]
    chunked = codec_check(False, OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert chunked[1] == ("body", b"hello", None) and not one(chunked)["close"]
    assert one(codec_check(False, b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"))["close"]
    assert not one(codec_check(False, b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"))[
        "close"
    ]
    assert one(codec_check(False, OK + b"Connection: close\r\nContent-Length: 1\r\n\r\nx"))["close"]
    expect_refused(OK + b"Content-Length: 5\r\n\r\nhel", is_server=False, eof=True)
    expect_refused(OK + b"Transfer-Encoding: cow\r\n\r\n", 501, "http1.invalid_transfer_encoding", is_server=False)
    expect_refused(OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n", is_server=False)
    expect_refused(
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        "http1.transfer_encoding_not_allowed",
        is_server=False,
    )


@pytest.mark.parametrize(
    "wire, method",
    [
        (OK + b"Content-Length: 5\r\n\r\n", b"HEAD"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"HEAD"),
        (OK + b"\r\n", b"HEAD"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", b"GET"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"GET"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", b"GET"),
    ],
)
def test_responses_without_a_body(wire, method):
    got = codec_check(False, wire, methods=[method], trailing=OK + b"Content-Length: 0\r\n\r\n")
    assert len(got) == 1 and not one(got)["has_body"] and not one(got)["close"]


def test_no_length_where_no_body_can_be():
    for status in (b"103 Early", b"204 No"):
        expect_refused(
            b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\n",
            400,
            "http1.content_length_not_allowed",
            is_server=False,
        )
        expect_refused(
            b"HTTP/1.1 " + status + b"\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "http1.transfer_encoding_not_allowed",
            is_server=False,
        )


def test_interim_responses():
    got = codec_check(
        False, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nLink: a\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n"
    )
    assert [dict(entry[1:])["status"] for entry in got] == [100, 103, 200]


def test_responses_that_open_a_tunnel():
    got = codec_check(False, b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: Foo\r\n\r\nraw")
    assert one(got)["upgrade"] == b"foo" and got[1] == ("tunnel", b"raw")
    got = codec_check(False, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nraw", methods=[b"CONNECT"])
    assert one(got)["length"] == -1 and got[1] == ("tunnel", b"raw")
    got = codec_check(False, b"HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nraw", methods=[b"CONNECT"])
    assert got[1] == ("body", b"raw", None)


def test_response_nominations_are_dropped():
    got = one(codec_check(False, OK + b"Connection: x-a\r\nX-A: 1\r\nKeep-Alive: 5\r\nContent-Length: 0\r\n\r\n"))
    assert got["items"] == ()


def test_response_limits():
    expect_refused(OK + b"a: b\r\n" * 101 + b"\r\n", 431, "http1.too_many_headers", is_server=False)
    expect_refused(OK + b"a: " + b"b" * 62000 + b"\r\n\r\n", 431, "http1.headers_too_large", is_server=False)


def test_end_between_and_inside_responses():
    assert codec_check(False, b"", eof=True) == [("end",)]
    expect_refused(b"HTTP/1.1 20", is_server=False, eof=True)


def test_head_bytes_count_the_wire():
    codec = Http1Codec(True, settings())
    codec.feed(b"\r\n" + NEXT + GET + b"\r\n")
    codec.next_request()
    assert codec.head_bytes == len(NEXT)
    codec.next_request()
    assert codec.head_bytes == len(GET) + 2
    assert "HEAD 0 bytes" in repr(codec)


def head(**values):
    made = RequestHead() if "method" in values else ResponseHead()
    for name, value in values.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    "framing, line", [(0, b""), (1, b"content-length: 5\r\n"), (2, b"transfer-encoding: chunked\r\n")]
)
def test_encode_request(framing, line):
    made = head(method=b"POST", path=b"/a", authority=b"h:1", items=[(b"x", b"y"), (b"e", b"")], length=5)
    assert (
        encode_request(made, framing, b"hello")
        == b"POST /a HTTP/1.1\r\nhost: h:1\r\nx: y\r\ne: \r\n" + line + b"\r\nhello"
    )


def test_encode_request_extras():
    made = head(method=b"CONNECT", authority=b"h:1", upgrade=b"websocket", trailers_ok=True)
    assert encode_request(made, 0, b"") == (
        b"CONNECT h:1 HTTP/1.1\r\nhost: h:1\r\nconnection: upgrade\r\nupgrade: websocket\r\nte: trailers\r\n\r\n"
    )
    assert encode_request(head(method=b"GET", path=b"/"), 0, b"") == b"GET / HTTP/1.1\r\nhost: \r\n\r\n"


@pytest.mark.parametrize(
    "connection, line",
    [
        (0, b""),
        (1, b"connection: close\r\n"),
        (2, b"connection: upgrade\r\nupgrade: foo\r\n"),
        (3, b"connection: keep-alive\r\n"),
    ],
)
def test_encode_response(connection, line):
    made = head(status=404, items=[(b"x", b"y")], length=0, upgrade=b"foo")
    assert (
        encode_response(made, 1, connection, b"")
        == b"HTTP/1.1 404 Not Found\r\nx: y\r\ncontent-length: 0\r\n" + line + b"\r\n"
    )
    assert (
        encode_response(head(status=418), 2, 0, b"t") == b"HTTP/1.1 418 Unknown\r\ntransfer-encoding: chunked\r\n\r\nt"
    )


@pytest.mark.parametrize("size", [1, 9, 10, 15, 16, 255, 256, 4095, 65536, 1000003])
def test_encode_chunk(size):
    assert encode_chunk(b"x" * size) == b"%x\r\n" % size + b"x" * size + b"\r\n"


def test_encode_the_end():
    fields = HeaderMap()
    fields.items = [(b"a", b"b"), (b"c", b"")]
    assert encode_fields(fields) == b"a: b\r\nc: \r\n"
    assert encode_last_chunk(None) == b"0\r\n\r\n"
    assert encode_last_chunk(fields) == b"0\r\na: b\r\nc: \r\n\r\n"


def test_line_feeds_never_leave():
    fields = [(b"x", b"a\r\nEvil: b")]
    with pytest.raises(LocalProtocolError):
        encode_request(head(method=b"GET", path=b"/", authority=b"h", items=fields), 0, b"")
    with pytest.raises(LocalProtocolError):
        encode_response(head(status=200, items=fields), 0, 0, b"")
    trailers = HeaderMap()
    trailers.items = fields
    with pytest.raises(LocalProtocolError):
        encode_last_chunk(trailers)


@pytest.mark.parametrize(
    "wire",
    [
        GET + b"X: a\r\nY: b\r\n\r\n",
        POST + b"Content-Length: 5\r\n\r\nhello",
        CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
        b"GET http://h/a HTTP/1.1\r\nHost: i\r\nTE: trailers\r\n\r\n",
        GET + b"Connection: upgrade\r\nUpgrade: foo\r\n\r\n",
    ],
)
def test_what_is_encoded_reads_the_same(wire):
    """decode(encode(decode(x))) == decode(x), and encoding is stable."""

    def decode(data):
        codec = Http1Codec(True, settings())
        codec.feed(data)
        made = codec.next_request()
        body = b""
        while data := codec.next_data():
            body += data
        return made, body

    def encode(made, body):
        framing = 2 if made.chunked else 1 if made.length >= 0 else 0
        return encode_request(made, framing, encode_chunk(body) + encode_last_chunk(None) if made.chunked else body)

    first = encode(*decode(wire))
    assert encode(*decode(first)) == first
