"""SubstitutionFormatString (config/core/v3) -> Formatter."""
from gmosn.errors import ConfigError
from gmosn.observe.access_log import DEFAULT_FORMAT, JsonFormatter, TextFormatter


def build_formatter(proto):
    """`proto`: a SubstitutionFormatString, or None for Envoy's default format. Raises ConfigError."""
    if proto is None:
        return TextFormatter(DEFAULT_FORMAT)
    which = proto.WhichOneof("format")
    if proto.formatters:
        raise ConfigError("formatter extensions are not implemented", ("log_format", "formatters"))
    try:
        if which == "json_format":
            return JsonFormatter(struct_to_python(proto.json_format), proto.omit_empty_values)
        if which == "text_format":
            return TextFormatter(proto.text_format, proto.omit_empty_values)
        if which == "text_format_source":
            return TextFormatter(_read_source(proto.text_format_source), proto.omit_empty_values)
    except ConfigError as exc:
        raise exc.under("log_format", which)
    raise ConfigError("a format is necessary", ("log_format",))


def _read_source(source):
    """The text of a DataSource."""
    which = source.WhichOneof("specifier")
    if which == "inline_string":
        return source.inline_string
    if which == "inline_bytes":
        return source.inline_bytes.decode("utf-8", "surrogateescape")
    if which == "filename":
        try:
            with open(source.filename, encoding="utf-8") as file:
                return file.read()
        except OSError as exc:
            raise ConfigError(f"Invalid path: {source.filename}", ("filename",)) from exc
    raise ConfigError(f"{which or 'an empty DataSource'} is not implemented", (which,) if which else ())


def struct_to_python(value):
    """google.protobuf.Struct, Value or ListValue -> dict, list, str, float, bool or None."""
    kind = value.DESCRIPTOR.name
    if kind == "Struct":
        return {key: struct_to_python(item) for key, item in value.fields.items()}
    if kind == "ListValue":
        return [struct_to_python(item) for item in value.values]
    which = value.WhichOneof("kind")
    if which in ("struct_value", "list_value"):
        return struct_to_python(getattr(value, which))
    return None if which in (None, "null_value") else getattr(value, which)
