"""The transport socket that does nothing (envoy.transport_sockets.raw_buffer)."""
from gmosn.tls.transport_socket import TransportSocket


class RawBuffer(TransportSocket):
    def wrap_server(self, conn, deadline):
        return conn

    def wrap_client(self, conn, deadline, sni):
        return conn
