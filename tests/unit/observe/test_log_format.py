"""Format strings. What is printed, and every error text, was taken from a real Envoy 1.40."""
import os
import re
import time

import pytest

from gmosn.errors import ConfigError
from gmosn.observe.access_log import TextFormatter, compile_value
from gmosn.observe.log_format import parse_format
from gmosn.stream_info import FLAG_BITS
from tests.helpers.streams import header_map, http_info, request_head, response_head, tcp_info


def printed(text, info, omit=False):
    return TextFormatter(parse_format(text), omit).format(info)


@pytest.mark.parametrize("text, expected", [
    ("%REQ(:METHOD)% %REQ(:PATH)%", b"POST /a/b?a=1&b=2"),
    ("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", b"/a/b?a=1&b=2"),
    ("%REQ(X-A):3%|%REQ(X-A?X-B):2%|%REQ(NO?X-A)%|%REQ(X-A):0%", b"abc|ab|abcdef|abcdef"),
    ("%REQUEST_HEADER(X-A)%|%RESPONSE_HEADER(x-r)%|%RESPONSE_TRAILER(x-t)%", b"abcdef|resp|trail"),
    ("%RESP(X-R)%|%RESP(:STATUS)%|%RESP(CONTENT-LENGTH)%|%TRAILER(X-T):2%", b"resp|200|2|tr"),
    ("%REQ(CONTENT-LENGTH)%|%REQ(HOST)%|%REQ(:AUTHORITY)%|%REQ(:SCHEME)%", b"5|h.test:1|h.test:1|http"),
    ("%REQ(NO)%|%RESP(NO)%|%TRAILER(NO)%|%REQ(EMPTY)%", b"-|-|-|-"),
    ("%PROTOCOL% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %UPSTREAM_PROTOCOL%", b"HTTP/1.1 200 via_upstream HTTP/1.1"),
    ("%BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %CONNECTION_ID%", b"5 2 1 7"),
    ("%DURATION% %REQUEST_DURATION% %REQUEST_TX_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%", b"7 1 3 5 2"),
    ("%COMMON_DURATION(DS_RX_BEG:DS_TX_END:ms)%|%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)%", b"7|5250"),
    ("%COMMON_DURATION(DS_TX_END:DS_RX_BEG)%|%COMMON_DURATION(US_TX_BEG:US_TX_END:ns)%", b"0|1500000"),
    ("%UPSTREAM_HOST% %UPSTREAM_CLUSTER% %UPSTREAM_CLUSTER_RAW%", b"127.0.0.1:5678 alt up"),
    ("%UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAME_WITHOUT_PORT%", b"127.0.0.1:5678 127.0.0.1"),
    ("%UPSTREAM_LOCAL_ADDRESS%|%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%|%UPSTREAM_LOCAL_PORT%",
     b"127.0.0.1:57770|127.0.0.1|57770"),
    ("%UPSTREAM_REMOTE_ADDRESS%|%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%|%UPSTREAM_REMOTE_PORT%",
     b"127.0.0.1:5678|127.0.0.1|5678"),
    ("%DOWNSTREAM_REMOTE_ADDRESS%|%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%|%DOWNSTREAM_REMOTE_PORT%",
     b"127.0.0.1:48518|127.0.0.1|48518"),
    ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%|%DOWNSTREAM_LOCAL_ADDRESS%|%DOWNSTREAM_DIRECT_LOCAL_PORT%",
     b"127.0.0.1:48518|127.0.0.1:10000|10000"),
    ("%UPSTREAM_TRANSPORT_FAILURE_REASON%|%CONNECTION_TERMINATION_DETAILS%|%REQUESTED_SERVER_NAME%", b"-|-|-"),
    ("%DOWNSTREAM_TLS_VERSION%|%DOWNSTREAM_PEER_CERT_V_START(%s)%|%TRACE_ID%|%UPSTREAM_PEER_URI_SAN%", b"-|-|-|-"),
    ("%ROUTE_NAME%|%VIRTUAL_CLUSTER_NAME%|%FILTER_CHAIN_NAME%", b"-|-|-"),
    ("%RESPONSE_FLAGS%|%RESPONSE_FLAGS_LONG%", b"-|-"),
    ("%ACCESS_LOG_TYPE%|%LOCAL_REPLY_BODY%|", b"DownstreamEnd||"),
    ("%START_TIME%|%START_TIME()%|%START_TIME(%s.%3f)%",
     b"2026-11-21T23:40:20.148Z|2026-11-21T23:40:20.148Z|1795304420.148"),
    ("%START_TIME(%f|%1f|%2f|%6f|%9f|%E3S|%E*S|%E*f|%E3f|%E0f)%",
     b"148752000|1|14|148752|148752000|20.148|20.148752|148752|148|"),
    ("%START_TIME(%Y %e %a %A %b %B %j %p %I %y %D %T %R %F %U %w %u %G %V %Ez %z %Z %s000 %%)%",
     b"2026 21 Sat Saturday Nov November 325 PM 11 26 11/21/26 23:40:20 23:40 2026-11-21 46 6 6 2026 47 +00:00 +0000 "
     b"UTC 1795304420000 %"),
    ("%PATH%|%PATH(NQ)%|%PATH(WQ:PATH)%|%PATH(NQ:ORIG)%|%PATH:3%", b"/a/b?a=1&b=2|/a/b|/a/b?a=1&b=2|-|/a/"),
    ("%QUERY_PARAM(a)%|%QUERY_PARAM(zz)%|%QUERY_PARAMS%|%QUERY_PARAMS(DECODED)%", b"1|-|a=1&b=2|a=1&b=2"),
    ("%GRPC_STATUS%|%GRPC_STATUS_NUMBER%|%STREAM_ID%", b"-|-|-"),
    ("%REQUEST_HEADERS_BYTES%|%RESPONSE_HEADERS_BYTES%|%RESPONSE_TRAILERS_BYTES%", b"86|32|8"),
    ("100%% %%PROTOCOL%%", b"100% %PROTOCOL%"),
    ("no operator", b"no operator"),
    ("\u00e9%PROTOCOL%", b"\xc3\xa9HTTP/1.1"),
])
def test_operators(text, expected):
    request = request_head(b"POST", b"/a/b?a=1&b=2", b"h.test:1", [(b"x-a", b"abcdef"), (b"empty", b"")])
    request.length = 5
    response = response_head(200, [(b"x-r", b"resp")])
    response.length = 2
    info = http_info(request, response, bytes_received=5, bytes_sent=2,
                     response_trailers=header_map((b"x-t", b"trail")))
    assert printed(text, info) == expected


@pytest.mark.parametrize("text, message", [
    ("%REQ(", "Incorrect configuration: %REQ(. Couldn't find valid command at position 0"),
    ("a % b", "Incorrect configuration: a % b. Couldn't find valid command at position 2"),
    ("%START_TIME%%", "Incorrect configuration: %START_TIME%%. Couldn't find valid command at position 12"),
    ("%REQ(A):x%", "Incorrect configuration: %REQ(A):x%. Couldn't find valid command at position 0"),
    ("%req(a)%", "Incorrect configuration: %req(a)%. Couldn't find valid command at position 0"),
    ("%REQ%", "REQ requires parameters"),
    ("%TRAILER()%", "TRAILER requires parameters"),
    ("%REQ(A?B?C)%", "More than 1 alternative header specified in token: A?B?C"),
    ("%REQ(A B)%", "Invalid header configuration. Format string contains invalid characters."),
    ("%RESPONSE_CODE(x)%", "RESPONSE_CODE does not take any parameters or length"),
    ("%PROTOCOL:3%", "PROTOCOL does not take any parameters or length"),
    ("%UPSTREAM_HOST:4%", "UPSTREAM_HOST does not take any parameters or length"),
    ("%DOWNSTREAM_REMOTE_ADDRESS:5%", "DOWNSTREAM_REMOTE_ADDRESS does not take any parameters or length"),
    ("%HOSTNAME(x)%", "HOSTNAME does not take any parameters or length"),
    ("%GRPC_STATUS_NUMBER(X)%", "GRPC_STATUS_NUMBER does not take any parameters or length"),
    ("%NOPE%", "Not supported field in StreamInfo: NOPE"),
    ("%NOPE(x)%", "Not supported field in StreamInfo: NOPE"),
    ("%VIRTUAL_HOST_NAME%", "Not supported field in StreamInfo: VIRTUAL_HOST_NAME"),
    ("%START_TIME:3%", "START_TIME does not allow length to be specified."),
    ("%RESPONSE_CODE_DETAILS:3%", "RESPONSE_CODE_DETAILS does not allow length to be specified."),
    ("%START_TIME(a%nb)%", "Invalid header configuration. Format string contains newline."),
    ("%ENVIRONMENT()%", "ENVIRONMENT requires parameters"),
    ("%FILTER_STATE%", "Invalid filter state configuration, key cannot be empty."),
    ("%FILTER_STATE(a:BAD)%", "Invalid filter state serialize type, only support PLAIN/TYPED/FIELD."),
    ("%FILTER_STATE(a:PLAIN:x)%", "Invalid filter state serialize type, FIELD should be used with the field name."),
    ("%DYNAMIC_METADATA%", "DYNAMIC_METADATA requires parameters"),
    ("%METADATA(X:a)%", "X is not supported type of metadata"),
    ("%METADATA%", " is not supported type of metadata"),
    ("%COMMON_DURATION%", "COMMON_DURATION requires parameters"),
    ("%COMMON_DURATION(a)%", "Invalid common duration configuration: a."),
    ("%COMMON_DURATION(DS_RX_BEG:DS_TX_END:xx)%", "Invalid common duration precision: xx."),
    ("%PATH(X)%", "Invalid PATH option: 'X', only 'WQ'/'NQ' are allowed"),
    ("%PATH(NQ:X)%", "Invalid PATH option: 'X', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed"),
    ("%QUERY_PARAM()%", "QUERY_PARAM requires parameters"),
    ("%QUERY_PARAMS(RAW)%", "Invalid QUERY_PARAMS option: 'RAW', only 'ORIG'/'DECODED' are allowed"),
    ("%GRPC_STATUS(X)%", "GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: X"),
    ("%UPSTREAM_CONNECTION_ID%", "%UPSTREAM_CONNECTION_ID% is not implemented"),
    ("%COMMON_DURATION(DS_RX_BEG:US_CX_BEG)%", "COMMON_DURATION: the time point 'US_CX_BEG' is not implemented"),
])
def test_errors(text, message):
    with pytest.raises(ConfigError) as caught:
        parse_format(text)
    assert caught.value.message == message


def test_flags():
    info = http_info(flags=FLAG_BITS["DPE"])
    assert printed("%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%", info) == b"DPE DownstreamProtocolError"
    info.add_flag("UF")
    formatter = TextFormatter(parse_format("%RESPONSE_FLAGS%"), False)
    assert formatter.format(info) == formatter.format(info) == b"UF,DPE"


def test_nothing_is_known_of_a_tcp_connection_before_it_ends():
    info = tcp_info()
    text = ("%REQ(A)% %RESP(A)% %TRAILER(A)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %UPSTREAM_HOST% "
            "%UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_REMOTE_PORT% %RESPONSE_DURATION% %PATH% "
            "%REQUEST_HEADERS_BYTES% %UPSTREAM_HOST_NAME% %QUERY_PARAM(a)% %GRPC_STATUS% %ACCESS_LOG_TYPE%")
    assert printed(text, info) == b"- - - - 0 - - - - - - - 0 - - - TcpConnectionEnd"
    assert printed("%DURATION%", info).isdigit()


def test_constants_are_taken_when_the_format_is_read(monkeypatch):
    monkeypatch.setenv("GMOSN_TEST_VALUE", "foo value")
    parts = parse_format("%ENVIRONMENT(GMOSN_TEST_VALUE)%|%ENVIRONMENT(GMOSN_NOT_SET)%|%ENVIRONMENT(GMOSN_TEST_VALUE):3%")
    assert b"".join(parts) == b"foo value|-|foo"
    assert printed("%HOSTNAME%", tcp_info()) == os.uname().nodename.encode()


def test_details_without_white_space():
    info = http_info(details=b"a b")
    assert printed("%RESPONSE_CODE_DETAILS%|%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", info) == b"a_b|a b"


def test_termination_details_of_stream_or_connection():
    info = http_info()
    info.connection.termination_details = b"of the connection"
    assert printed("%CONNECTION_TERMINATION_DETAILS%", info) == b"of the connection"
    info.termination_details = b"of the stream"
    assert printed("%CONNECTION_TERMINATION_DETAILS%", info) == b"of the stream"


def test_names():
    info = http_info(route_name="r\u00e9", virtual_cluster="vc", request_id=b"rid", upstream_failure=b"why not")
    info.connection.filter_chain_name = "chain"
    info.connection.sni = b"sni.test"
    assert printed("%ROUTE_NAME%|%VIRTUAL_CLUSTER_NAME%|%STREAM_ID%|%FILTER_CHAIN_NAME%|%REQUESTED_SERVER_NAME%|"
                   "%UPSTREAM_TRANSPORT_FAILURE_REASON%", info) == \
        "r\u00e9|vc|rid|chain|sni.test|why not".encode()
    info.upstream_host.hostname = "up.test"
    assert printed("%UPSTREAM_HOST_NAME%", info) == b"up.test"


def test_unique_ids():
    one, two = printed("%UNIQUE_ID%", tcp_info()), printed("%UNIQUE_ID%", tcp_info())
    assert one != two and re.fullmatch(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", one)


def test_emit_time_is_now():
    before = time.time()
    assert before - 0.01 <= float(printed("%EMIT_TIME(%s.%6f)%", tcp_info())) <= time.time() + 0.01


def test_seconds_are_rendered_anew():
    formatter = TextFormatter(parse_format("%START_TIME%"), False)
    info = tcp_info()
    assert formatter.format(info) == b"2026-11-21T23:40:20.148Z"
    info.wall_us += 851_250
    assert formatter.format(info) == b"2026-11-21T23:40:21.000Z"
    info.wall_us += 60_000_000
    assert formatter.format(info) == b"2026-11-21T23:41:21.000Z"


def test_compile_value():
    assert compile_value("a%%b") == b"a%b"
    assert compile_value("") == b""
    formatter = compile_value("[%REQ(NO)%]%PROTOCOL%")
    assert formatter.format(http_info()) == b"[]HTTP/1.1"
