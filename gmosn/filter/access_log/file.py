"""envoy.access_loggers.file: lines appended to a file."""
from gmosn.errors import ConfigError
from gmosn.filter.access_log.formats import build_formatter
from gmosn.observe.access_log import AccessLog, TextFormatter


class FileAccessLog(AccessLog):
    """Formats a line per stream into a LogFile."""

    TYPE_URL = "envoy.extensions.access_loggers.file.v3.FileAccessLog"

    def __init__(self, file, formatter):
        self.file = file
        self.formatter = formatter

    @classmethod
    def from_proto(cls, config, context):
        which = config.WhichOneof("access_log_format")
        if which in ("json_format", "typed_json_format"):
            raise ConfigError(f"deprecated field '{which}': use log_format", (which,))
        if which == "format":
            try:
                formatter = TextFormatter(config.format) if config.format else build_formatter(None)
            except ConfigError as exc:
                raise exc.under("format")
        else:
            formatter = build_formatter(config.log_format if which == "log_format" else None)
        if context.validating:
            return cls(None, formatter)
        try:
            return cls(context.access_logs.open(config.path), formatter)
        except OSError as exc:
            raise ConfigError(f"unable to open file '{config.path}': {exc.strerror}", ("path",)) from exc

    def log(self, info):
        self.file.write(self.formatter.format(info))
