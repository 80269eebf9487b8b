"""Patterns mean the same with and without google-re2; what could not is refused."""
import pytest

from gmosn.errors import ConfigError
from gmosn.matching.re2_syntax import translate
from gmosn.matching.regex import compile_pattern, re2

SUBJECTS = [b"", b"a", b"ab", b"aab", b"abc", b"/a/12", b"a\n", b"\n", b"a b", b"\x0b", b"\xff", b"a\xffb", b"A", b"AB", b"a.b", b"{",
            b"a{", b"[", b"x-y", b"^", b"$", b"\t", b"_", b"0", b"xyz", b"]", b"\\"]
PATTERNS = [
    "", "a", "a*", "a+b?", "(a|b)*", "[abc]+", "[^a]", "[]a]", "[a\\]]", "\\d+", "[\\d\\s]", "\\s", "[^\\s]", "\\S", "\\w+", ".", ".*", "(?s).*",
    "(?i)ab", "(?i:a)B", "a$", "^a", "\\Aa\\z", "a{2}", "a{1,2}b", "a{", "{", "x-y", "[x-z]+", "[[:alpha:]]+", "[[:space:]]",
    "[^[:upper:]]", "\\Qa.b\\E", "\\Q[", "\\x41", "\\x{ff}", "(?P<n>a)b", "(?<n>a)b", "(?:ab|a)c?", "/a/\\d{2}", "[\\x80-\\xff]", "\\.",
    "a\\.b", "[$^]", "\\^", "[a&&b]", "a??", "(a+)(b+)?", "\\t", "[\\t]", "\\bab\\b", "é?a", "a|", "(|a)", "\\{", "\\_"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_same_as_re2(pattern):
    if re2 is None:
        pytest.skip("google-re2 is not installed")
    real, ours = compile_pattern(pattern), compile_pattern(pattern, linear=False)
    for subject in SUBJECTS:
        assert (real.fullmatch(subject) is None) == (ours.fullmatch(subject) is None), subject


@pytest.mark.parametrize("pattern", [
    "(", ")", "[", "a**", "a*+", "(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", "\\1", "(?P=n)", "(a)\\1", "\\k<n>", "a{2}{3}", "[b-a]", "\\",
    "*a", "\\Z", "(?x)a", "a{1001}", "\\y", "(?>a)", "[[:nope:]]", "\\xg1"])
def test_refused_by_both(pattern):
    with pytest.raises(ConfigError):
        compile_pattern(pattern, linear=False)
    if re2 is not None:
        with pytest.raises(ConfigError):
            compile_pattern(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+", "(a*b?)*c", "((a+)b)+", "(?:a{2,})*", "\\pL", "(?m)^a$", "(?U)a+", "a(?i)b"])
def test_refused_without_re2(pattern):
    """Exponential time, or no faithful translation."""
    with pytest.raises(ConfigError):
        translate(pattern.encode())


def test_regex_runs_on_any_bytes():
    """RE2 in UTF-8 mode would fail to match these, and an inverted matcher would let them through."""
    for linear in (True, False):
        assert compile_pattern("[^/]+", linear=linear).fullmatch(b"\xff\xfe\x80") is not None
        assert compile_pattern("a.c", linear=linear).fullmatch(b"a\xffc") is not None
