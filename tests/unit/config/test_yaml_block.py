"""The fast YAML reader: whenever it answers, libyaml's events say the same."""
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gmosn.config.yaml_block import NotSimple, read_block
from gmosn.config.yaml_events import read_events
from gmosn.config.yaml_reader import YamlProblem, plain_scalar

TEXTS = st.text("ab1 :-#'\"y,[]{}&*!|>%@`~\n\\.", max_size=6) | st.sampled_from(
    ["yes", "0x1F", "007", "1.5", "a b", "a: b", "a #b", "a#b", "http://x:80/y", "@type", "-", "--- x", "null", ""])
VALUES = st.recursive(TEXTS | st.integers(-5, 5) | st.booleans() | st.none(), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)), max_leaves=12)
LINE = st.sampled_from([
    "a: 1", "a:", "b: x y", "- a", "- a: 1", "- a:", "-", "- - a", "- - a: 1", "# note", "", "x", "'q': 'r'",
    "a: b: c", "a: 'x", "- ", "b: []", "b: {}", "b: [1]", "? a", "a : b", "c: -", "c: - d", "---", "...", "- ---",
    "a: 1 # n", "a:  ", "a:b", "- 'x'", "\"@type\": y", "-  a: 1", "   b: 2", "a: ~", "a: !x 5", "a: |", "a: &x 1",
    "c: *x", "5: x", "a: x:", "a: x :y", "\ta: 1", "%YAML 1.1", "a: \"\\n\"", "a: 'it''s'", "a: \"x\ty\"", "a:\t1",
    "a: 1\r", "a: é", "a: -5", "a: -x", "a: <<", "<<: x", "a: 'x' y", "'a': 1", "'a' : 1", "- 'a': 1", "[a]: b",
    "a: x,]"])
INDENT = st.sampled_from(["", " ", "  ", "   ", "    "])
LINES = st.lists(st.tuples(INDENT, LINE), max_size=7)


def answer(text):
    try:
        return read_block(text, plain_scalar)
    except NotSimple:
        return NotSimple


def check_same_as_events(text):
    fast = answer(text)
    if fast is NotSimple:
        return
    try:
        slow = read_events(text)
    except YamlProblem as exc:
        pytest.fail(f"{text!r} is no YAML ({exc}), yet the fast reader says {fast!r}")
    assert fast == slow and repr(fast) == repr(slow)


@settings(max_examples=150, deadline=None)
@given(VALUES, st.sampled_from([None, False]), st.integers(2, 4), st.sampled_from([20, 1000]))
def test_what_dumpers_write(value, flow, indent, width):
    check_same_as_events(yaml.dump(value, default_flow_style=flow, indent=indent, width=width, Dumper=yaml.SafeDumper))


@settings(max_examples=300, deadline=None)
@given(LINES)
@example([("", "a:"), ("", "- x"), ("", "b: 1")])
@example([("", "- a:"), ("  ", "- x"), ("", "- b")])
def test_lines_put_together_at_random(lines):
    check_same_as_events("\n".join(indent + text for indent, text in lines))


@settings(max_examples=300, deadline=None)
@given(st.text("ab:- \n#'\"[]{}0\t", max_size=24))
def test_characters_put_together_at_random(text):
    check_same_as_events(text)


@pytest.mark.parametrize(("text", "value"), [
    ("a: 1\nb: x y\n", {"a": 1, "b": "x y"}), ("a:\n- b: 1\n  c: 2\n- d\n", {"a": [{"b": 1, "c": 2}, "d"]}),
    ("a:\n  - b\n  -\n  - - c\n    - d\n", {"a": ["b", None, ["c", "d"]]}),
    ("- a:\n  - x\n- b:\n", [{"a": ["x"]}, {"b": None}]),
    ("# c\na:\n\n  b: 'yes'\n  \"@type\": \"x: y\"\n", {"a": {"b": "yes", "@type": "x: y"}}),
    ("a: []\nb: {}\nc: http://x:80/#y\nd: -5\n", {"a": [], "b": {}, "c": "http://x:80/#y", "d": -5}),
    ("a: 1\na: 2\n", {"a": 2}), ("-   a: 1\n    b: 2\n", [{"a": 1, "b": 2}]),
])
def test_plain_block_yaml_is_read_fast(text, value):
    assert answer(text) == value


@pytest.mark.parametrize("text", [
    "", "x", "a: [1]", "a: &x 1", "a: 1 # c", "a: x\n  y", "a: |\n  x", "\u00e9: 1", "a: 1\n b: 2", "{}", "a: 1\n- b",
    "- a\nb: 1", "a: b: c", "a:\n" + "".join(" " * n + "- \n" for n in range(1, 200))])
def test_what_is_left_to_libyaml(text):
    assert answer(text) is NotSimple
