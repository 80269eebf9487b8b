"""The raw buffer hands connections through."""
from gmosn.tls.raw_buffer import RawBuffer


def test_connections_stay_what_they_are():
    conn = object()
    assert RawBuffer().wrap_server(conn, 0) is conn
    assert RawBuffer().wrap_client(conn, 0, b"name") is conn
