"""The greenlet of one downstream connection."""
from gevent import Greenlet


class ConnectionGreenlet(Greenlet):
    """Runs one downstream connection: `run(conn, *arguments)`. Its name says which."""

    def __init__(self, run, conn, *arguments):
        Greenlet.__init__(self, run, conn, *arguments)
        self.conn = conn

    @property
    def name(self):
        return f"downstream {self.conn.remote}"
