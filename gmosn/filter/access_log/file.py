"""envoy.extensions.access_loggers.file.v3.FileAccessLog."""
from gmosn.errors import ConfigError
from gmosn.observe.access_log import WriterLog
from gmosn.observe.log_formatters import formatter_from_proto, json_formatter, text_formatter


class FileAccessLog:
    """Builds a log that writes to a file, which all logs with that path share."""

    @classmethod
    def from_proto(cls, config, context):
        return WriterLog(_formatter(config), open_file(config.path, context))


def open_file(path, context):
    """The LogFile of that path. Raises ConfigError when it cannot be opened."""
    try:
        return context.access_logs.open(path, validating=context.validating)
    except OSError as exc:
        raise ConfigError(f"unable to open file '{path}': {exc.strerror}", ("path",)) from None


def _formatter(config):
    which = config.WhichOneof("access_log_format")
    try:
        if which == "format":
            return text_formatter(config.format) if config.format else text_formatter()
        if which in ("json_format", "typed_json_format"):
            return json_formatter(getattr(config, which))
        if which == "log_format":
            return formatter_from_proto(config.log_format)
    except ConfigError as exc:
        raise exc.under(which)
    return text_formatter()
