"""envoy.filters.network.direct_response: says something and closes."""
from gmosn.clock import now_us
from gmosn.errors import ConfigError
from gmosn.filter.api import TerminalFilter
from gmosn.proto_values import read_data_source

LINGER_US = 1_000_000                # unread bytes at close() would turn the answer into a reset


class DirectResponse(TerminalFilter):
    """`response`: the bytes."""

    TYPE_URL = "envoy.extensions.filters.network.direct_response.v3.Config"

    def __init__(self, response):
        self.response = response

    @classmethod
    def from_proto(cls, config, context):
        """From direct_response.v3.Config. The file or variable is read now."""
        if not config.HasField("response"):
            return cls(b"")
        try:
            return cls(read_data_source(config.response, "unable to read file: {path} ({reason})"))
        except ConfigError as exc:
            raise exc.under("response")

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
