"""String and header matchers."""
import pytest

from gmosn.errors import ConfigError
from gmosn.matching.matchers import HeaderMatcher, StringMatcher
from tests.helpers.routes import message, request

STRING = "envoy.type.matcher.v3.StringMatcher"
HEADER = "envoy.config.route.v3.HeaderMatcher"


@pytest.mark.parametrize("matcher, value, matches", [
    ({"exact": "a"}, b"a", True), ({"exact": "a"}, b"A", False), ({"exact": "A", "ignore_case": True}, b"a", True),
    ({"prefix": "ab"}, b"abc", True), ({"prefix": "ab"}, b"ba", False), ({"suffix": "C", "ignore_case": True}, b"abc", True),
    ({"contains": "b"}, b"abc", True), ({"contains": "d"}, b"abc", False), ({"safe_regex": {"regex": "a.*"}}, b"a\xff", True),
    ({"safe_regex": {"regex": "a"}}, b"ab", False), ({"exact": "\u00e9"}, "\u00e9".encode(), True)])
def test_strings(matcher, value, matches):
    assert StringMatcher.from_proto(message(STRING, matcher)).match(value) == matches


def test_what_is_not_implemented_is_refused():
    with pytest.raises(ConfigError, match="custom"):
        StringMatcher.from_proto(message(STRING, {"custom": {"name": "x"}}))
    with pytest.raises(ConfigError) as caught:
        StringMatcher.from_proto(message(STRING, {"safe_regex": {"regex": "("}}))
    assert caught.value.path == ("safe_regex", "regex")


@pytest.mark.parametrize("matcher, headers, matches", [
    ({"string_match": {"exact": "1"}}, {"x": "1"}, True), ({"exact_match": "1"}, {"x": "1"}, True),
    ({"exact_match": "1"}, {"x": ["2", "1"]}, True), ({"exact_match": "1,2"}, {"x": ["1", "2"]}, False),
    ({"exact_match": "1", "invert_match": True}, {"x": ["2", "1"]}, False), ({"exact_match": ""}, {"x": "any"}, True),
    ({"exact_match": ""}, {}, False), ({"string_match": {"exact": ""}}, {"x": "any"}, False),
    ({"range_match": {"start": "1", "end": "2"}}, {"x": ["5", "1"]}, True),
    ({"prefix_match": "1"}, {"x": "12"}, True), ({"suffix_match": "2"}, {"x": "12"}, True),
    ({"contains_match": "3"}, {"x": "12"}, False), ({"safe_regex_match": {"regex": "\\d+"}}, {"x": "12"}, True),
    ({"present_match": True}, {"x": ""}, True), ({"present_match": True}, {}, False), ({}, {"x": "1"}, True),
    ({"present_match": False}, {}, True), ({"present_match": False}, {"x": "1"}, False),
    ({"present_match": True, "invert_match": True}, {}, True),
    ({"present_match": True, "treat_missing_header_as_empty": True}, {}, True),
    ({"range_match": {"start": "-10", "end": "0"}}, {"x": "-1"}, True),
    ({"range_match": {"start": "-10", "end": "0"}}, {"x": "0"}, False),
    ({"range_match": {"start": "-10", "end": "10"}}, {"x": "1.5"}, False),
    ({"range_match": {"start": "-10", "end": "10"}}, {"x": "one"}, False),
    ({"exact_match": "1", "invert_match": True}, {"x": "2"}, True),
    ({"exact_match": "1", "invert_match": True}, {}, False),
    ({"exact_match": "1", "invert_match": True, "treat_missing_header_as_empty": True}, {}, True),
    ({"string_match": {"exact": ""}, "treat_missing_header_as_empty": True}, {}, True),
    ({"string_match": {"exact": ""}}, {}, False),
])
def test_headers(matcher, headers, matches):
    proto = message(HEADER, {"name": "X", **matcher})
    assert HeaderMatcher.from_proto(proto).match(request(**headers)) == matches


def test_pseudo_headers():
    def holds(name, value):
        return HeaderMatcher.from_proto(message(HEADER, {"name": name, "exact_match": value})).match(
            request("/p", "a.com", "PUT"))
    assert holds(":method", "PUT") and holds(":path", "/p") and holds(":authority", "a.com") and holds("host", "a.com")
    assert holds(":scheme", "http") and not holds(":method", "GET")
