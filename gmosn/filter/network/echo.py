"""envoy.filters.network.echo: sends back whatever comes."""
from gmosn.filter.api import TerminalFilter


class Echo(TerminalFilter):
    TYPE_URL = "envoy.extensions.filters.network.echo.v3.Echo"

    @classmethod
    def from_proto(cls, config, context):
        return cls()

    def serve(self, conn, info):
        """Blocks until the client has ended; then closes."""
        try:
            while data := conn.read():
                conn.write(data)
        finally:
            conn.close()
