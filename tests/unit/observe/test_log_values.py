"""Operators that are not compiled."""
import pytest

from gmosn.observe.access_log import TextFormatter
from gmosn.observe.log_format import parse_format
from gmosn.observe.log_values import walk
from tests.helpers.streams import header_map, http_info, request_head, response_head

GRPC = [(b"content-type", b"application/grpc")]


def printed(text, info):
    return TextFormatter(parse_format(text), False).format(info)


def test_grpc_status_comes_from_trailers_then_headers_then_http():
    info = http_info(request_head(headers=GRPC), response_head(200, [(b"grpc-status", b"5")]))
    text = "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%"
    assert printed(text, info) == b"NotFound NOT_FOUND 5 5"
    info.response_trailers = header_map((b"grpc-status", b"14"))
    assert printed(text, info) == b"Unavailable UNAVAILABLE 14 14"
    info = http_info(request_head(headers=GRPC), response_head(403))
    assert printed("%GRPC_STATUS%", info) == b"PermissionDenied"
    info = http_info(request_head(headers=GRPC), response_head(200, [(b"grpc-status", b"x")]))
    assert printed("%GRPC_STATUS%", info) == b"InvalidCode"
    info = http_info(request_head(headers=GRPC), response_head(200, [(b"grpc-status", b"99")]))
    assert printed("%GRPC_STATUS% %GRPC_STATUS_NUMBER%", info) == b"99 99"


@pytest.mark.parametrize("content_type", [b"application/grpc-web", b"application/json", b"application/grpcx"])
def test_only_grpc_requests_have_a_grpc_status(content_type):
    info = http_info(request_head(headers=[(b"content-type", content_type)]), response_head(200, [(b"grpc-status", b"5")]))
    assert printed("%GRPC_STATUS%", info) == b"-"


def test_paths():
    request = request_head(path=b"/new?x=%41%20b&nov&%61=2", headers=[(b"x-envoy-original-path", b"/old?q")])
    info = http_info(request)
    assert printed("%PATH%|%PATH(NQ)%|%PATH(NQ:PATH)%|%PATH(WQ:ORIG)%", info) == b"/old?q|/old|/new|/old?q"
    assert printed("%QUERY_PARAM(x)%|%QUERY_PARAM(a)%|%QUERY_PARAM(x):1%|%QUERY_PARAM(nov)%", info) == b"A b|2|A|-"
    assert printed("%QUERY_PARAMS%|%QUERY_PARAMS(DECODED)%", info) == b"x=%41%20b&nov&%61=2|x=A b&nov&a=2"
    assert printed("%QUERY_PARAMS%", http_info(request_head(path=b"/"))) == b"-"


def test_dynamic_metadata():
    info = http_info(metadata={"ns": {"a": "text", "n": 5.0, "deep": {"x": [1, "y"]}, "b": True}})
    assert printed("%DYNAMIC_METADATA(ns:a)%|%DYNAMIC_METADATA(ns:n)%|%DYNAMIC_METADATA(ns:deep:x)%", info) == \
        b'text|5|[1,"y"]'
    assert printed("%DYNAMIC_METADATA(ns:no)%|%DYNAMIC_METADATA(no)%|%DYNAMIC_METADATA(ns:a:b)%", info) == b"-|-|-"
    assert printed("%DYNAMIC_METADATA(ns:deep):5%|%METADATA(DYNAMIC:ns:b)%", info) == b'{"x":|true'
    assert printed("%DYNAMIC_METADATA(ns)%", http_info()) == b"-"


def test_metadata_of_configuration():
    from google.protobuf.struct_pb2 import Struct
    struct = Struct()
    struct.update({"k": "v", "n": {"deep": [1, None, True]}, "f": 1.5})
    info = http_info()
    info.cluster.metadata = type("Metadata", (), {"filter_metadata": {"ns": struct}})()
    assert printed("%CLUSTER_METADATA(ns:k)%|%METADATA(CLUSTER:ns:f)%|%CLUSTER_METADATA(ns:n)%", info) == \
        b'v|1.5|{"deep":[1,null,true]}'
    assert printed("%CLUSTER_METADATA(ns:n:deep)%|%CLUSTER_METADATA(ns:k:x)%|%CLUSTER_METADATA(ns:zz)%", info) == \
        b"[1,null,true]|-|-"
    assert printed("%UPSTREAM_METADATA(ns:k)%|%METADATA(ROUTE:ns)%|%METADATA(LISTENER:ns)%", info) == b"-|-|-"
    assert walk(None, ["a"]) is None


def test_filter_state():
    class Thing:
        part = "p"

        def __str__(self):
            return "a thing"
    info = http_info(filter_state={"t": Thing(), "d": {"a": 1}, "b": b"bytes", "s": "text"})
    assert printed("%FILTER_STATE(t:PLAIN)%|%FILTER_STATE(t:FIELD:part)%|%FILTER_STATE(d:FIELD:a)%", info) == \
        b"a thing|p|1"
    assert printed("%FILTER_STATE(d)%|%FILTER_STATE(s)%|%FILTER_STATE(b:PLAIN):3%|%FILTER_STATE(no)%", info) == \
        b'{"a":1}|"text"|byt|-'
    assert printed("%FILTER_STATE(x)%", http_info()) == b"-"
