import pytest
from google.protobuf import json_format

from gmosn.config.descriptors import message_class, pool
from gmosn.errors import ConfigError
from gmosn.filter.access_log.conditions import condition_from_proto
from gmosn.stream_info import FLAG_BITS
from tests.helpers.streams import http_info, request_head, response_head, tcp_info

GRPC = [(b"content-type", b"application/grpc")]


def condition(**config):
    proto = message_class("envoy.config.accesslog.v3.AccessLogFilter")()
    return condition_from_proto(json_format.ParseDict(config, proto, descriptor_pool=pool()))


def compare(op, value):
    return {"comparison": {"op": op, "value": {"default_value": value, "runtime_key": "k"}}}


@pytest.mark.parametrize("op, value, statuses", [
    ("EQ", 404, [404]), ("GE", 404, [404, 500]), ("LE", 404, [0, 200, 404]), ("NE", 404, [0, 200, 500])])
def test_status_codes(op, value, statuses):
    matcher = condition(status_code_filter=compare(op, value))
    assert [status for status in (0, 200, 404, 500) if matcher.matches(http_info(status=status))] == statuses


def test_durations_are_milliseconds():
    info = http_info()
    assert condition(duration_filter=compare("GE", 7)).matches(info)
    assert not condition(duration_filter=compare("GE", 8)).matches(info)
    assert condition(duration_filter=compare("LE", 5000)).matches(tcp_info())


def test_health_checks_and_traces():
    assert condition(not_health_check_filter={}).matches(http_info())
    assert not condition(traceable_filter={}).matches(http_info())


def test_runtime_share_follows_the_request_id():
    share = {"runtime_key": "k", "percent_sampled": {"numerator": 30}}
    matcher = condition(runtime_filter=share)
    for first, expected in ((b"0000001d", True), (b"0000001e", False)):
        info = http_info(request_head(headers=[(b"x-request-id", first + b"-9b94-4e90-a1f2-deac8f101641")]))
        assert [matcher.matches(info) for _ in range(5)] == [expected] * 5
    assert {matcher.matches(tcp_info()) for _ in range(200)} == {True, False}
    independent = condition(runtime_filter={**share, "use_independent_randomness": True})
    assert {independent.matches(info) for _ in range(200)} == {True, False}
    assert not condition(runtime_filter={"runtime_key": "k"}).matches(tcp_info())


def test_and_or():
    many = [{"status_code_filter": compare("GE", 400)}, {"status_code_filter": compare("LE", 499)}]
    both, either = condition(and_filter={"filters": many}), condition(or_filter={"filters": many})
    assert [both.matches(http_info(status=n)) for n in (200, 404, 500)] == [False, True, False]
    assert [either.matches(http_info(status=n)) for n in (200, 404, 500)] == [True, True, True]


def test_headers():
    matcher = condition(header_filter={"header": {"name": "X-A", "string_match": {"prefix": "v"}}})
    assert matcher.matches(http_info(request_head(headers=[(b"x-a", b"value")])))
    assert not matcher.matches(http_info())
    assert not matcher.matches(tcp_info())


def test_response_flags():
    named, some = condition(response_flag_filter={"flags": ["UF", "DC"]}), condition(response_flag_filter={})
    for flag, by_name in (("DC", True), ("UF", True), ("NR", False)):
        info = http_info(flags=FLAG_BITS[flag])
        assert (named.matches(info), some.matches(info)) == (by_name, True)
    assert not some.matches(http_info())


def test_grpc_statuses():
    matcher = condition(grpc_status_filter={"statuses": ["NOT_FOUND"]})
    other = condition(grpc_status_filter={"statuses": ["NOT_FOUND"], "exclude": True})
    info = http_info(request_head(headers=GRPC), response_head(200, [(b"grpc-status", b"5")]))
    assert matcher.matches(info) and not other.matches(info)
    assert not matcher.matches(http_info()) and other.matches(http_info())


def test_log_types():
    ends = condition(log_type_filter={"types": ["DownstreamEnd"]})
    assert ends.matches(http_info()) and not ends.matches(tcp_info())
    others = condition(log_type_filter={"types": ["DownstreamEnd"], "exclude": True})
    assert others.matches(tcp_info()) and not others.matches(http_info())


@pytest.mark.parametrize("value, good, wrong", [
    ({"string_match": {"exact": "x"}}, "x", "y"), ({"bool_match": True}, True, False),
    ({"double_match": {"exact": 2}}, 2.0, 3), ({"double_match": {"range": {"start": 1, "end": 2}}}, 1, 2),
])
def test_metadata(value, good, wrong):
    config = {"filter": "ns", "path": [{"key": "a"}, {"key": "b"}], "value": value}
    matcher = condition(metadata_filter={"matcher": config})
    assert matcher.matches(http_info(metadata={"ns": {"a": {"b": good}}}))
    assert not matcher.matches(http_info(metadata={"ns": {"a": {"b": wrong}}}))
    assert matcher.matches(http_info())
    strict = condition(metadata_filter={"matcher": {**config, "invert": True}, "match_if_key_not_found": False})
    assert not strict.matches(http_info(metadata={"ns": {"a": {"b": good}}}))
    assert not strict.matches(http_info())


@pytest.mark.parametrize("config, path", [
    ({"extension_filter": {"name": "x"}}, ("extension_filter",)),
    ({"and_filter": {"filters": [{"not_health_check_filter": {}}, {"extension_filter": {}}]}},
     ("and_filter", "filters", 1, "extension_filter")),
    ({"response_flag_filter": {"flags": ["UF", "NOPE"]}}, ("response_flag_filter", "flags", 1)),
    ({"metadata_filter": {"matcher": {"filter": "a", "value": {"list_match": {}}}}},
     ("metadata_filter", "matcher", "value", "list_match")),
    ({}, ()),
])
def test_what_is_not_implemented_is_refused(config, path):
    with pytest.raises(ConfigError) as caught:
        condition(**config)
    assert caught.value.path == path
