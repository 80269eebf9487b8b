"""What turns a raw connection into one that carries plain bytes for the layers above."""


class TransportSocket:
    """One per filter chain or cluster, shared, immutable. Both calls may block, until `deadline` (us, 0 = none)."""

    def wrap_server(self, conn, deadline):
        """The Connection to use for an accepted one. Raises OSError, Timeout; then the caller closes `conn`."""
        raise NotImplementedError

    def wrap_client(self, conn, deadline, sni):
        """The same for a connection that was opened to an upstream; `sni`: bytes or None."""
        raise NotImplementedError
