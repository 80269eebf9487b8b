# hot: http1_get
"""The way of a request's body from the client to the upstream, beside the wait for the answer."""
import cython

from gmosn.errors import PeerGone, RemoteProtocolError, StreamError, Timeout
if not cython.compiled:
    from gmosn.clock import now_us
    from gmosn.filter.api import HttpStream
    from gmosn.proxy.stream_handler import HttpStreamHandler, sooner


class Upload:
    """The request body on its way, and how long the answer may take.

    `first`: what came with the head; `first_is_all`: that was everything; `replayable`: nothing beyond `first` was taken
    from the client, so another attempt can send it again; `complete_us`: when the whole request was there, 0 = not yet.
    It starts the route's `timeout_us`, and each attempt's `per_try_us`; `idle_us`: the longest silence. 0 = no limit.
    """

    def __init__(self, stream: HttpStream, first: bytes, first_is_all: cython.bint):
        self.stream = stream
        self.first = first
        self.first_is_all = self.done = first_is_all
        self.replayable = True

    def run(self):
        """The upload greenlet: client to upstream until the body ends. A failure of the client's side interrupts whoever
        waits for the response; one of the upstream's side only ends the upload: the answer may be on its way."""
        body = self.stream.request_body
        up: ClientStream = self.up
        data: bytes
        try:
            while True:
                data = body.read()
                if not data:
                    break
                up.conn.write_deadline = now_us() + body.idle_us if body.idle_us else 0
                try:
                    up.send_data(data, False)
                except (OSError, Timeout):
                    return
            try:
                if body.trailers is not None and len(body.trailers):
                    up.send_trailers(body.trailers)
                else:
                    up.send_data(b"", True)
            except (OSError, Timeout):
                return
        except Timeout:
            manager: HttpStreamHandler = self.stream.manager
            up.conn.interrupt(manager.client_timeout(self.stream))
            return
        except RemoteProtocolError as exc:
            up.conn.interrupt(exc)
            return
        except OSError:
            up.conn.interrupt(PeerGone())
            return
        except StreamError as exc:
            up.conn.interrupt(exc)
            return
        self.finished(up)

    def deadline(self):
        """When the rest of the response must be here, 0 = never."""
        return sooner(self.complete_us + self.timeout_us if self.complete_us and self.timeout_us else 0,
                      self.stream.ends_us)

    def head_deadline(self, now):
        """When the response's head must be here, of an attempt whose last request byte left `now`; 0 = never."""
        until: cython.longlong = sooner(self.deadline(), now + self.idle_us if self.idle_us else 0)
        return sooner(until, now + self.per_try_us if self.complete_us and self.per_try_us else 0)

    def finished(self, up):
        """The request is complete: from now on the route's timeout counts."""
        now: cython.longlong = now_us()
        self.done = True
        self.complete_us = now
        self.stream.info.request_end_us = now
        self.stream.info.upstream_sent_us = now
        if up.body is None:
            up.conn.set_read_deadline(self.head_deadline(now))
        elif not up.body.done:
            up.body.deadline_us = self.deadline()
            up.conn.set_read_deadline(sooner(up.body.deadline_us, now + self.idle_us if self.idle_us else 0))

    def start(self, up):
        self.up = up
        self.replayable = False
        from gevent import spawn                     # not at the top: validation needs no gevent
        self.greenlet = spawn(self.run)

    def stop(self):
        """Ends the greenlet; True when it was still running."""
        greenlet = self.greenlet
        if greenlet is not None:
            self.greenlet = None
            if not greenlet.dead:
                greenlet.kill()
                return True
        return False


if not cython.compiled:
    Upload.greenlet = Upload.up = None
    Upload.timeout_us = Upload.complete_us = Upload.per_try_us = Upload.idle_us = 0
