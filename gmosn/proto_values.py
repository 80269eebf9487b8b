"""Values that many configuration messages share: durations and data sources (config/core/v3/base.proto)."""
import os

from gmosn.errors import ConfigError


def micros(duration):
    """A google.protobuf.Duration in us."""
    return duration.seconds * 1_000_000 + duration.nanos // 1000


def duration_us(message, field, default=0):
    """A Duration field in us; `default` when it is not set."""
    return micros(getattr(message, field)) if message.HasField(field) else default


def read_data_source(source, unreadable="Invalid path: {path} ({reason})"):
    """The bytes of a DataSource, read now. ConfigError below `source`; `unreadable`: what Envoy says of a bad file there."""
    which = source.WhichOneof("specifier")
    if which == "inline_bytes":
        return source.inline_bytes
    if which == "inline_string":
        return source.inline_string.encode("utf-8", "surrogateescape")
    if which == "environment_variable":
        value = os.environb.get(source.environment_variable.encode())
        if value is None:
            raise ConfigError(f"Environment variable doesn't exist: {source.environment_variable}", (which,))
        return value
    if which == "filename":
        try:
            with open(source.filename, "rb") as file:
                return file.read()
        except OSError as exc:
            raise ConfigError(unreadable.format(path=source.filename, reason=exc.strerror), (which,)) from None
    raise ConfigError("Unexpected DataSource::specifier_case(): 0")
