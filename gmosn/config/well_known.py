"""Fills google.protobuf messages that have a JSON form of their own: Duration, Struct, wrappers, Timestamp, FieldMask.

A filler is `f(value, message)`: it sets the message's fields and raises Mismatch. Any is fill.py's own business.
"""
import re

from gmosn.config.scalars import Mismatch, converter, describe

DURATION = re.compile(r"(-?)(\d+)(?:\.(\d{1,9}))?s\Z", re.ASCII).match
MILLISECONDS = re.compile(r"(\d+(?:\.\d+)?)ms\Z").match
MAX_SECONDS = 315_576_000_000
OF_STRUCT = ("google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue")


def fill_duration(value, message):
    """"0.25s". ({seconds, nanos} is filled like any message.)"""
    if type(value) is not str:
        hint = f' (did you mean "{value}s"?)' if type(value) in (int, float) else ""
        raise Mismatch(f'expected a duration such as "0.25s", got {describe(value)}{hint}')
    match = DURATION(value)
    if match is None:
        raise Mismatch(f"invalid duration '{value}': {_duration_problem(value)}")
    sign, seconds, fraction = match.groups()
    seconds, nanos = int(seconds), int((fraction or "").ljust(9, "0"))
    if seconds > MAX_SECONDS:
        raise Mismatch(f"duration out of range: {value}")
    message.seconds, message.nanos = (-seconds, -nanos) if sign else (seconds, nanos)


def _duration_problem(value):
    milliseconds = MILLISECONDS(value)
    if milliseconds:
        return f'duration must end with a single \'s\' (did you mean "{float(milliseconds[1]) / 1000:g}s"?)'
    if not value.endswith("s") or not value[:1].isdigit():
        hint = f' (did you mean "{value}s"?)' if re.fullmatch(r"\d+(\.\d+)?", value) else ""
        return f"duration must start with an integer and end with a single 's'{hint}"
    return "duration had bad number of seconds, such as \"0.25s\" it must be, with at most 9 digits after the point"


def fill_value(value, message):
    """Any JSON value -> google.protobuf.Value."""
    if value is None:
        message.null_value = 0
    elif value is True or value is False:
        message.bool_value = value
    elif type(value) is str:
        message.string_value = value
    elif type(value) is dict:
        message.struct_value.SetInParent()
        fill_struct(value, message.struct_value)
    elif type(value) is list:
        message.list_value.SetInParent()
        fill_list(value, message.list_value)
    else:
        message.number_value = value


def fill_struct(value, message):
    if type(value) is not dict:
        raise Mismatch(f"expected a mapping, got {describe(value)} (unexpected character; expected '{{')")
    fields = message.fields
    for key, item in value.items():
        fill_value(item, fields[key])


def fill_list(value, message):
    if type(value) is not list:
        raise Mismatch(f"expected a list, got {describe(value)} (unexpected character; expected '[')")
    for item in value:
        fill_value(item, message.values.add())


def fill_from_string(value, message):
    """Timestamp and FieldMask."""
    try:
        message.FromJsonString(value)
    except (ValueError, TypeError, AttributeError) as exc:
        raise Mismatch(f"expected {message.DESCRIPTOR.name}, got {describe(value)}: {exc}") from None


def fill_wrapper(convert):
    """A filler for UInt32Value and its siblings. ({value: 5} is filled like any message.)"""
    def fill(value, message):
        message.value = convert(value)
    return fill


FILLERS = {"google.protobuf.Duration": fill_duration, "google.protobuf.Struct": fill_struct,
           "google.protobuf.Value": fill_value, "google.protobuf.ListValue": fill_list,
           "google.protobuf.Timestamp": fill_from_string, "google.protobuf.FieldMask": fill_from_string}


def filler(descriptor):
    """(filler or None, whether it also takes a mapping) for a message type."""
    name = descriptor.full_name
    if name in FILLERS:
        return FILLERS[name], name in OF_STRUCT
    if name.startswith("google.protobuf.") and name.endswith("Value"):
        return fill_wrapper(converter(descriptor.fields_by_name["value"])), False
    return None, False


def struct_to_python(struct):
    """A google.protobuf.Struct as dict; whole numbers become int, as they were before JSON made them doubles."""
    return {key: value_to_python(value) for key, value in struct.fields.items()}


def value_to_python(value):
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return struct_to_python(value.struct_value)
    if kind == "list_value":
        return [value_to_python(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return getattr(value, kind) if kind and kind != "null_value" else None
