"""envoy.extensions.access_loggers.stream.v3: access logs on standard output and standard error."""
from gmosn.errors import ConfigError
from gmosn.filter.access_log.file import open_file
from gmosn.observe.access_log import WriterLog
from gmosn.observe.log_formatters import formatter_from_proto, text_formatter


class StdoutAccessLog:
    PATH = "/dev/stdout"

    @classmethod
    def from_proto(cls, config, context):
        formatter = text_formatter()
        if config.HasField("log_format"):
            try:
                formatter = formatter_from_proto(config.log_format)
            except ConfigError as exc:
                raise exc.under("log_format")
        return WriterLog(formatter, open_file(cls.PATH, context))


class StderrAccessLog(StdoutAccessLog):
    PATH = "/dev/stderr"
