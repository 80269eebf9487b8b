"""envoy.access_loggers.stdout and .stderr."""
from gmosn.filter.access_log.file import FileAccessLog
from gmosn.filter.access_log.formats import build_formatter


class StdoutAccessLog(FileAccessLog):
    """Lines to standard output."""

    TYPE_URL = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
    PATH = "/dev/stdout"

    @classmethod
    def from_proto(cls, config, context):
        formatter = build_formatter(config.log_format if config.HasField("log_format") else None)
        return cls(None if context.validating else context.access_logs.open(cls.PATH), formatter)


class StderrAccessLog(StdoutAccessLog):
    """Lines to standard error."""

    TYPE_URL = "envoy.extensions.access_loggers.stream.v3.StderrAccessLog"
    PATH = "/dev/stderr"
