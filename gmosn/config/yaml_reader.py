"""YAML text -> dicts, lists and scalars as Envoy sees them (yaml-cpp's rules, not YAML 1.1 of PyYAML's loaders).

Plain scalars are booleans (y n yes no on off true false, in lower case, Capitalised or UPPER), null, an int32 (decimal,
0x, leading zero = octal) or else strings: floats, dates, 0o17, 1_000 and integers beyond int32 are strings, which the
conversion to protobuf then reads as numbers where the field is one. Quoted scalars are strings unless they carry a tag.
No merge keys; of duplicate keys the last wins; keys are always strings; only the first document is read.

Most files are simple enough for yaml_block.py; all others are read by yaml_events.py, which knows all of YAML. Positions
are not kept: gmosn/config/positions.py reads the text a second time when there is something to report.
"""
import re

from gmosn.config.yaml_block import NotSimple, read_block

NULLS = frozenset(("", "~", "null", "Null", "NULL"))
BOOLEANS = {form(word): value for pair in (("y", "n"), ("yes", "no"), ("true", "false"), ("on", "off"))
            for word, value in zip(pair, (True, False), strict=True) for form in (str.lower, str.upper, str.capitalize)}
INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\Z").match


class YamlProblem(Exception):
    """The text is not usable YAML. `line` and `column` count from 1."""

    def __init__(self, message, line, column):
        super().__init__(message)
        self.line = line
        self.column = column


def plain_scalar(text):
    """The value of an unquoted scalar."""
    if text in BOOLEANS:
        return BOOLEANS[text]
    if text in NULLS:
        return None
    if INTEGER(text):
        digits = text.lstrip("+-")
        number = int(digits, 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10)
        if text[0] == "-":
            number = -number
        if -2147483648 <= number <= 2147483647:
            return number
    return text


def read_yaml(text):
    """The value of the first document: dict, list, str, int, bool or None. Raises YamlProblem."""
    try:
        return read_block(text, plain_scalar)
    except NotSimple:
        from gmosn.config.yaml_events import read_events     # PyYAML takes 25 ms to import, and few files need it
        return read_events(text)
