# hot: http1_connect
"""Opening connections to hosts, with Envoy's words for what fails; and the wait of one greenlet for one thing."""
import errno
import os

import cython

from gmosn.errors import Timeout, UpstreamConnectFailure, UpstreamConnectTimeout
from gmosn.io.connect import connect

if not cython.compiled:
    from gmosn.clock import now_us
    from gmosn.io.connection import Connection
    from gmosn.io.wheel import Entry


DELAYED = (errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH)


class Pause(Entry):
    """One greenlet's wait, with a deadline. May be woken from anywhere, before the wait too; a greenlet that was killed
    meanwhile is not touched."""

    def __init__(self):
        self.greenlet = None
        self.expired = self.woken = False

    def wait(self, wheel, deadline_us):
        """Blocks until wake(): True; or until the deadline (0 = none): False."""
        now: cython.longlong
        if self.woken:
            return True
        self.deadline = deadline_us
        if deadline_us != 0:
            now = now_us()
            if deadline_us <= now:
                return False
            wheel.add(self, deadline_us - now)
        from gevent import get_hub, getcurrent       # not at the top: validation needs no gevent
        self.hub = get_hub()
        self.greenlet = getcurrent()
        try:
            self.hub.switch()
        finally:
            self.greenlet = None
        return not self.expired

    def wake(self):
        """Ends the wait soon: the caller is not interrupted."""
        if not self.woken:
            self.woken = True
            if self.greenlet is not None:
                self.hub.loop.run_callback(self._fire)

    def _fire(self):
        g = self.greenlet
        if g is not None:
            self.greenlet = None
            g.switch()

    def on_tick(self, now):
        if self.greenlet is None or self.woken:
            return 0
        if now < self.deadline:
            return self.deadline - now
        self.expired = True
        self._fire()
        return 0


class Connector:
    """How a cluster's connections are made.

    `timeout_us`: connect_timeout, TLS handshake included; `transport_socket`: has wrap_client(conn, deadline, sni), or
    None for plain bytes; `source`: the io.address.Address to connect from, or None; `socket_options`: (level, name,
    value) for setsockopt.
    """

    def __init__(self, wheel, timeout_us=5_000_000, transport_socket=None, source=None, socket_options=(), sni=""):
        self.wheel = wheel
        self.timeout_us = timeout_us
        self.transport_socket = transport_socket
        self.source = source
        self.socket_options = list(socket_options)
        self.sni = sni

    def connect(self, address, deadline_us):
        """A Connection to `address`. Blocks.

        Raises UpstreamConnectFailure, UpstreamConnectTimeout (after timeout_us), Timeout (at deadline_us, 0 = none).
        """
        until: cython.longlong = now_us() + self.timeout_us
        conn: Connection = None
        if deadline_us != 0 and deadline_us < until:
            until = deadline_us
        source = self.source
        if source is not None and source.family != address.family:
            source = None
        try:
            conn = connect(address, self.wheel, until, source=source, options=self.socket_options)
            if self.transport_socket is not None:
                return self._secure(conn, until)
            return conn
        except Timeout as exc:
            if until == deadline_us:
                raise
            raise UpstreamConnectTimeout() from exc
        except OSError as exc:
            raise UpstreamConnectFailure("remote connection failure", failure_text(exc, address)) from exc

    def _secure(self, conn, until_us):
        try:
            return self.transport_socket.wrap_client(conn, until_us, self.sni)
        except BaseException:
            conn.close()
            raise


def failure_text(exc, address):
    """Envoy's transport failure reason of a connect that failed: on the way, or at once, which depends on the errno."""
    text = os.strerror(exc.errno) if exc.errno else str(exc)
    if exc.errno in DELAYED and address.family != "unix":
        return "delayed connect error: %s" % text
    return "immediate connect error: %s|remote address:%s" % (text, address.text.decode("latin-1"))


if not cython.compiled:
    Pause.hub, Pause.deadline = None, 0
