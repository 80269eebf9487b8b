"""YAML and JSON scalars -> protobuf scalars, as lenient as the parser Envoy uses (protobuf's "legacy" JSON mode).

Numbers may be strings ("5", "5.0", "1e3", "0x10"), booleans may be words, enum names may be in any case; strings must
be strings. Every rule here was tried on Envoy 1.40 (tests/unit/config/test_fill_leniency.py has the list).
"""
import base64
import binascii
import math
import re

from google.protobuf.descriptor import FieldDescriptor

RANGES = {FieldDescriptor.CPPTYPE_INT32: ("int32", -2**31, 2**31 - 1),
          FieldDescriptor.CPPTYPE_UINT32: ("uint32", 0, 2**32 - 1),
          FieldDescriptor.CPPTYPE_INT64: ("int64", -2**63, 2**63 - 1),
          FieldDescriptor.CPPTYPE_UINT64: ("uint64", 0, 2**64 - 1)}
BOOLEANS = {word: word in ("true", "t", "yes", "y", "1") for word in "true t yes y 1 false f no n 0".split()}
NUMBER = re.compile(r"""([+-]?)(?:0[xX]([0-9a-fA-F]+) | (\d+) | (\d+\.\d*|\.\d+|\d+(?=[eE])) ([eE][+-]?\d+)?)\Z""",
                    re.ASCII | re.VERBOSE).match
SPECIAL = {"infinity": math.inf, "inf": math.inf, "nan": math.nan}
FLOAT_MAX = 3.4028234663852886e38


class Mismatch(Exception):
    """A value does not fit its field; the text says why, without the place. `unknown`: counts as an unknown field."""

    def __init__(self, message, unknown=False):
        super().__init__(message)
        self.unknown = unknown


def close_matches(word, words, count, cutoff=0.6):
    """difflib.get_close_matches, which is imported when there is something to complain about."""
    from difflib import get_close_matches
    return get_close_matches(word, words, count, cutoff)


def describe(value):
    """A value in words, for messages."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return f"boolean {str(value).lower()}"
    if value is None:
        return "null"
    return f"{'string' if isinstance(value, str) else 'number'} {value!r}"


def parse_number(text):
    """A number in a string -> int or float, None when it is none."""
    match = NUMBER(text)
    if match is None:
        number = SPECIAL.get(text.lstrip("+-").lower())
        return number if number is None or text[0] != "-" else -number
    sign, hexadecimal, digits, mantissa, exponent = match.groups()
    number = int(hexadecimal, 16) if hexadecimal else int(digits) if digits else float(mantissa + (exponent or ""))
    return -number if sign == "-" else number


def converter(field):
    """value -> Python value for a scalar field (FieldDescriptor); it raises Mismatch."""
    kind = field.cpp_type
    if kind in RANGES:
        return _integer(*RANGES[kind])
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return to_bool
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return to_bytes if field.type == FieldDescriptor.TYPE_BYTES else to_string
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return _enum(field.enum_type)
    return to_float if kind == FieldDescriptor.CPPTYPE_FLOAT else to_double


def _integer(name, low, high):
    def convert(value):
        if type(value) is int and low <= value <= high:
            return value
        number = parse_number(value) if type(value) is str and value else value
        if type(number) not in (int, float):
            if type(value) is str:
                raise Mismatch(f"invalid number: '{value}' (expected {name})")
            raise Mismatch(f"expected number or string ({name}), got {describe(value)}")
        if number != number or number in (math.inf, -math.inf) or not low <= number <= high:
            raise Mismatch(f"JSON number out of range for int: {value} is not a {name}")
        if int(number) != number:
            raise Mismatch(f"expected integer, but JSON number had fractional part: {value} ({name})")
        return int(number)
    return convert


def to_bool(value):
    if value is True or value is False:
        return value
    word = BOOLEANS.get(value.lower()) if type(value) is str else None
    if word is None:
        raise Mismatch(f"expected 'true' or 'false', got {describe(value)}")
    return word


def to_string(value):
    if type(value) is str:
        return value
    hint = ""
    if type(value) is bool:
        hint = "; quote it: YAML reads y, n, yes, no, on, off, true and false as booleans"
    elif type(value) in (int, float):
        hint = "; quote it"
    raise Mismatch(f"expected a string, got {describe(value)}{hint} (unexpected character; expected '\"')")


def to_bytes(value):
    text = to_string(value).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Mismatch("corrupt base64") from None


def to_double(value):
    number = parse_number(value) if type(value) is str and value else value
    if type(number) not in (int, float):
        if type(value) is str:
            raise Mismatch(f"invalid number: '{value}'")
        raise Mismatch(f"expected number or string, got {describe(value)}")
    return float(number)


def to_float(value):
    number = to_double(value)
    if abs(number) > FLOAT_MAX and abs(number) != math.inf:
        raise Mismatch(f"JSON number out of range for float: {value}")
    return number


def _enum(descriptor):
    numbers = {value.name: value.number for value in descriptor.values}
    lowered = {name.lower(): number for name, number in numbers.items()}

    def convert(value):
        if type(value) is str:
            number = numbers.get(value)
            if number is None:
                number = lowered.get(value.lower())
            if number is None and value.lstrip("+-").isascii() and value.lstrip("+-").isdigit():
                number = int(value)
            if number is None:
                raise Mismatch(_unknown_enum(value, descriptor, numbers), unknown=True)
        elif type(value) is int:
            number = value
        else:
            raise Mismatch(f"expected number or string (enum {descriptor.full_name}), got {describe(value)}")
        if not -2**31 <= number < 2**31:
            raise Mismatch(f"JSON number out of range for int: {value} is not a value of enum {descriptor.full_name}")
        return number
    return convert


def _unknown_enum(value, descriptor, numbers):
    close = close_matches(value.upper().replace("-", "_"), numbers, 1)
    hint = f"did you mean {close[0]}?" if close else f"one of {', '.join(list(numbers)[:12])}"
    return f"unknown enum value: '{value}' for {descriptor.full_name} ({hint})"
