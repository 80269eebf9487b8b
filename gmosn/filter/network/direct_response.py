"""envoy.filters.network.direct_response: says something and closes."""
import os

from gmosn.clock import now_us
from gmosn.errors import ConfigError
from gmosn.filter.api import TerminalFilter

LINGER_US = 1_000_000                # unread bytes at close() would turn the answer into a reset


class DirectResponse(TerminalFilter):
    """`response`: the bytes."""

    TYPE_URL = "envoy.extensions.filters.network.direct_response.v3.Config"

    def __init__(self, response):
        self.response = response

    @classmethod
    def from_proto(cls, config, context):
        """From direct_response.v3.Config. The file or variable is read now."""
        return cls(read_data_source(config.response) if config.HasField("response") else b"")

    def serve(self, conn, info):
        try:
            if self.response:
                conn.write(self.response)
            conn.half_close()
            conn.set_read_deadline(now_us() + LINGER_US)
            while conn.read():
                pass
        finally:
            conn.close()


def read_data_source(source):
    """The bytes of an envoy.config.core.v3.DataSource. ConfigError when they cannot be had."""
    kind = source.WhichOneof("specifier")
    if kind == "inline_bytes":
        return source.inline_bytes
    if kind == "inline_string":
        return source.inline_string.encode()
    if kind == "environment_variable":
        value = os.environb.get(source.environment_variable.encode())
        if value is None:
            raise ConfigError(f"environment variable doesn't exist: {source.environment_variable}",
                              ("response", "environment_variable"))
        return value
    if kind == "filename":
        try:
            with open(source.filename, "rb") as file:
                return file.read()
        except OSError as exc:
            raise ConfigError(f"unable to read file: {source.filename} ({exc.strerror})",
                              ("response", "filename")) from None
    raise ConfigError("Unexpected DataSource::specifier_case(): 0", ("response",))
