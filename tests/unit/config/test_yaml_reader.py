"""YAML as Envoy reads it: yaml-cpp's scalar rules."""
import pytest

from gmosn.config.yaml_events import MAX_DEPTH
from gmosn.config.yaml_reader import YamlProblem, read_yaml

SCALARS = [
    ("5", 5), ("-5", -5), ("+5", 5), ("0", 0), ("-0", 0), ("0x1F", 31), ("0X1f", 31), ("-0x10", -16), ("0644", 420),
    ("007", 7), ("09", "09"), ("0x", "0x"), ("2147483647", 2147483647), ("2147483648", "2147483648"),
    ("-2147483648", -2147483648), ("-2147483649", "-2147483649"), ("3000000000", "3000000000"),
    ("0x100000000", "0x100000000"), ("0o644", "0o644"), ("1_000", "1_000"), ("12:30:45", "12:30:45"),
    ("2001-01-01", "2001-01-01"), ("1.5", "1.5"), ("1e3", "1e3"), (".inf", ".inf"), (".nan", ".nan"), ("0b11", "0b11"),
    ("y", True), ("Y", True), ("n", False), ("yes", True), ("No", False), ("ON", True), ("off", False), ("True", True),
    ("FALSE", False), ("oFF", "oFF"), ("yEs", "yEs"), ("t", "t"),
    ("null", None), ("~", None), ("Null", None), ("NULL", None), ("", None), ("nUll", "nUll"),
    ("'5'", "5"), ('"true"', "true"), ("''", ""), ('"~"', "~"), ("'null'", "null"),
    ("!!str 5", 5), ("!foo 5", 5), ('!!int "5"', 5), ('!!str "yes"', True), ("! 5", "5"),
    ("|\n  5\n", "5\n"), (">\n  yes\n", "yes\n"), ("a b", "a b"), ("a#b", "a#b"), ("a # b", "a"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars(text, value):
    read = read_yaml(f"k: {text}")["k"]
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize(("text", "value"), [
    ("{a: 1, a: 2}", {"a": 2}), ("{5: x, true: v, ~: z}", {"5": "x", "true": "v", "~": "z"}),
    ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}), ("a: &x 5\nb: [*x, *x]", {"a": 5, "b": [5, 5]}),
    ("<<: {a: 1}", {"<<": {"a": 1}}), ("a: 1\n---\nb: [", {"a": 1}), ("--- {a: 1}\n...\n", {"a": 1}),
    ("[a, [b, {c: d}]]", ["a", ["b", {"c": "d"}]]), ("- a: 1\n  b: 2\n- c", [{"a": 1, "b": 2}, "c"]),
    ("", None), ("# nothing", None), ("---", None), ("5", 5), ('{"a": [1, "x", null]}', {"a": [1, "x", None]}),
    ("a:\n- b\n- c\n", {"a": ["b", "c"]}), ("&k a: 1", {"a": 1}), ("a: {}\nb: []", {"a": {}, "b": []}),
])
def test_structures(text, value):
    assert read_yaml(text) == value


@pytest.mark.parametrize(("text", "line", "column"), [
    ("a: [1, 2", 2, 1), ("a: 1\n b: 2", 2, 3), ("a: 1\n\tb: 2", 2, 1), ("a: *x", 1, 4), ("a: &x [*x]", 1, 8),
    ("{[a]: b}", 1, 2), ("a:\n  - {{b: c}: d}", 2, 6), ("a: 1\nb: \x01", 2, 4), ('"abc', 1, 5),
])
def test_problems_have_a_place(text, line, column):
    with pytest.raises(YamlProblem) as caught:
        read_yaml(text)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_depth_is_limited():
    assert read_yaml("[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))
    with pytest.raises(YamlProblem, match="nested deeper"):
        read_yaml("[" * 5000 + "]" * 5000)


def test_without_libyaml(monkeypatch):
    """PyYAML's own parser gives the same values."""
    from gmosn.config import yaml_events, yaml_pure
    monkeypatch.setattr(yaml_events, "Parser", yaml_pure.Parser)
    for text, value in SCALARS:
        assert read_yaml(f"k: {text}") == {"k": value}
