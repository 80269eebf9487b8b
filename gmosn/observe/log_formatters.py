"""Formatters from configuration: envoy.config.core.v3.SubstitutionFormatString, Structs and format strings."""
import json

from gmosn.errors import ConfigError
from gmosn.observe.access_log import DEFAULT_FORMAT, JsonFormatter, JsonObject, TextFormatter
from gmosn.observe.log_format import parse_format
from gmosn.proto_values import read_data_source


def text_formatter(text=DEFAULT_FORMAT, omit=False):
    return TextFormatter(parse_format(text), omit)


def json_formatter(struct, omit=False):
    """From a google.protobuf.Struct. Keys are printed in order, as Envoy does."""
    return JsonFormatter(_object(struct.fields, omit, ()), omit)


def formatter_from_proto(proto):
    """From a SubstitutionFormatString. Raises ConfigError."""
    if proto.formatters:
        raise ConfigError("formatter extensions are not implemented", ("formatters", 0))
    which = proto.WhichOneof("format")
    try:
        if which == "json_format":
            return json_formatter(proto.json_format, proto.omit_empty_values)
        if which == "text_format":
            return text_formatter(proto.text_format, proto.omit_empty_values)
        if which == "text_format_source":
            return text_formatter(read_data_source(proto.text_format_source).decode("utf-8", "surrogateescape"),
                                  proto.omit_empty_values)
    except ConfigError as exc:
        raise exc.under(which)
    raise ConfigError("field: \"format\", reason: is required")


def _object(fields, omit, path):
    return JsonObject([(json.dumps(key, ensure_ascii=False).encode() + b":", _shape(fields[key], omit, (*path, key)))
                       for key in sorted(fields)])


def _shape(value, omit, path):
    """What JsonFormatter renders for a google.protobuf.Value."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _object(value.struct_value.fields, omit, path)
    if kind == "list_value":
        return [_shape(inner, omit, (*path, index)) for index, inner in enumerate(value.list_value.values)]
    if kind == "number_value":
        number = value.number_value
        return b"%d" % number if number.is_integer() and abs(number) < 2**63 else repr(number).encode()
    if kind == "bool_value":
        return b"true" if value.bool_value else b"false"
    if kind != "string_value":
        return b"null"
    try:
        parts = parse_format(value.string_value)
    except ConfigError as exc:
        raise exc.under(*path)
    if all(isinstance(part, bytes) for part in parts):
        return json.dumps(b"".join(parts).decode("utf-8", "backslashreplace"), ensure_ascii=False).encode()
    return parts[0] if len(parts) == 1 else TextFormatter(parts, omit)
