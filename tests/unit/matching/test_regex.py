"""Substitutions as RE2::GlobalReplace makes them."""
import pytest

from gmosn.errors import ConfigError
from gmosn.matching.regex import Substitution
from tests.helpers.routes import message


@pytest.mark.parametrize("pattern, substitution, value, wanted", [
    ("a", "b", b"aXa", b"bXb"), ("(a)(b)?", "[\\2\\1]", b"ab a", b"[ba] [a]"), ("a*", "b", b"/w/glob", b"b/bwb/bgblbobbb"),
    ("e*", "b", b"/w/empty", b"b/bwb/bmbpbtbyb"), ("e*", "b", b"ee", b"b"), ("x", "\\\\", b"axb", b"a\\b"), ("(.)", "\\0\\0", b"ab", b"aabb"), ("nope", "x", b"ab", b"ab"), ("^/a", "", b"/a/a", b"/a"),
    ("\\xff", "?", b"a\xffb", b"a?b")])
def test_substitution(pattern, substitution, value, wanted):
    assert Substitution(pattern, substitution).apply(value) == wanted


@pytest.mark.parametrize("pattern, substitution, path", [
    ("(", "x", ("pattern", "regex")), ("a", "\\1", ("substitution",)), ("a", "\\x", ("substitution",)),
    ("a", "x\\", ("substitution",))])
def test_refused(pattern, substitution, path):
    proto = message("envoy.type.matcher.v3.RegexMatchAndSubstitute",
                    {"pattern": {"regex": pattern}, "substitution": substitution})
    with pytest.raises(ConfigError) as caught:
        Substitution.from_proto(proto)
    assert caught.value.path == path
