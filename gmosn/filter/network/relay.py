# hot: tcp_ping
"""Bytes both ways between two connections, one greenlet per direction: a write that blocks is the backpressure.

Each direction ends on its own (half-close). A reset of one side resets the other, as in Envoy. A direction that moves
much changes over to splice(2) and back when it calms down.
"""
import cython
from gevent import spawn

from gmosn.errors import PeerGone, Timeout

if not cython.compiled:
    from gmosn.clock import now_us
    from gmosn.io.connection import Connection
    from gmosn.io.wheel import Entry

ENDED, RESET_DOWN, RESET_UP, IDLE, DURATION = "ended", "downstream reset", "upstream reset", "idle", "duration"
# a direction earns credit for what it moves per system call beyond these sizes, and loses it for less
COPY_FROM, SPLICE_FROM = 8192, 16384
SPLICE_CREDIT = 512 * 1024           # so much earned: splice; all lost: copy again
MOST_CREDIT = 4 * SPLICE_CREDIT


class Relay(Entry):
    """Relays `down` and `up` (Connections) until both directions have ended; closes both.

    `idle_us`: nothing moved for so long ends it, 0 = never; `until_us`: the time at which it ends, 0 = never;
    `received`, `sent`: Counters of bytes from and to `down`; `pipes`: for splice, None = never; `outcome`: how it
    ended, one of ENDED ... DURATION; `on_report()`: called every `report_us`, in the hub, when that is not 0.
    """

    def __init__(self, down: Connection, up: Connection, received, sent):
        self.down = down
        self.up = up
        self.received = received
        self.sent = sent
        self.outcome = ""
        self.running = 2
        self.last_us = now_us()

    def run(self):
        """Blocks until it is over. Raises nothing of its own."""
        upload: Direction = Direction(self, self.down, self.up, self.received)
        download: Direction = Direction(self, self.up, self.down, self.sent)
        self.down.partner = self.up
        self.up.partner = self.down
        self.next_report = now_us() + self.report_us
        self.down.wheel.add(self, 0)
        greenlet = spawn(upload.run)
        try:
            download.run()
            greenlet.join()
        finally:
            self.finish(ENDED)
            greenlet.kill(block=False)

    def finish(self, outcome):
        """Ends both directions now; the first outcome counts."""
        if not self.outcome:
            self.outcome = outcome
            self.running = 0
            self.down.close()
            self.up.close()

    def abort(self, dead):
        """`dead` was reset: resets the other one."""
        if self.outcome:
            return
        dead.eof = True                              # so that whoever counts sees that the peer ended it
        if dead is self.down:
            self.outcome = RESET_DOWN
            self.up.close(abort=True)
            self.down.close()
        else:
            self.outcome = RESET_UP
            self.down.close(abort=True)
            self.up.close()
        self.running = 0

    def on_tick(self, now):
        """Idle time, duration, reports."""
        look: cython.longlong = 1 << 60
        moved: cython.longlong
        if self.outcome:
            return 0
        if self.until_us:
            if now >= self.until_us:
                self.finish(DURATION)
                return 0
            look = min(look, self.until_us - now)
        if self.idle_us:
            moved = self.down.bytes_in + self.down.bytes_out + self.up.bytes_in + self.up.bytes_out
            if now - self.last_us >= self.idle_us:
                if moved == self.moved:
                    self.finish(IDLE)
                    return 0
                self.last_us = now                   # a write that is not complete yet makes progress
            self.moved = moved
            look = min(look, self.last_us + self.idle_us - now)
        if self.report_us:
            if now >= self.next_report:
                self.next_report = now + self.report_us
                self.on_report()
            look = min(look, self.next_report - now)
        return look if look < 1 << 60 else 0

    def __repr__(self):
        return f"<Relay {self.down} {self.up} {self.outcome or 'running'}>"


class Direction:
    """One way of a relay. `writing`: whether it reads or writes, to know who failed."""

    def __init__(self, relay: Relay, source: Connection, target: Connection, counter):
        self.relay = relay
        self.source = source
        self.target = target
        self.counter = counter
        self.plain = relay.pipes is not None and type(source) is Connection and type(target) is Connection

    def run(self):
        """Blocks until this direction has ended, for whatever reason."""
        relay = self.relay
        try:
            self._move()
            self.target.half_close()
        except PeerGone:
            self._failed(True)
        except (OSError, Timeout):
            self._failed(False)
        if not relay.outcome:
            relay.running -= 1
            if relay.reset is not None and (relay.running == 0 or self.source is relay.reset):
                relay.finish(RESET_DOWN if relay.reset is relay.down else RESET_UP)
            elif relay.running == 0:
                relay.finish(ENDED)

    def _failed(self, by_partner):
        """A read that failed: that side was reset. A write that failed: the target was, but what it sent before that
        can still be read by the other direction, which ends it all. Until then what comes from the source is thrown
        away: closing a socket with unread bytes would destroy the answer that is on its way (an early 413, say)."""
        relay = self.relay
        if relay.outcome:
            return
        if by_partner:                               # thrown at whoever waited on the other side of the dead one
            relay.abort(relay.down if relay.down.is_reset() else relay.up)
        elif self.writing and relay.running == 2:
            relay.reset = self.target
            self.target.eof = True
            self._discard()
        elif self.writing:
            relay.finish(RESET_DOWN if self.target is relay.down else RESET_UP)
        else:
            relay.abort(self.source)

    def _discard(self):
        try:
            while self.source.read():
                pass
        except (OSError, Timeout, PeerGone):
            pass

    def _move(self):
        while not self._copy():
            if self._splice():
                return

    def _copy(self):
        """True: the end. False: it moves so much that splicing pays."""
        data: bytes
        size: cython.longlong
        relay = self.relay
        source, target = self.source, self.target
        while True:
            self.writing = False
            data = source.read()
            size = len(data)
            if size == 0:
                return True
            relay.last_us = now_us()
            self.counter.add(size)
            self.writing = True
            target.write(data)
            if size > COPY_FROM or self.credit > 0:
                self.credit += size - COPY_FROM
                if self.credit > SPLICE_CREDIT and self.plain:
                    return False

    def _splice(self):
        """The same through a pipe. False: it has calmed down, or there was no pipe to be had."""
        pipe: Pipe
        n: cython.Py_ssize_t
        source, target = self.source, self.target
        self.credit = min(self.credit, MOST_CREDIT)
        while self.credit > 0:
            pipe = self.relay.pipes.take()
            if pipe is None:
                self.credit = -16 * MOST_CREDIT      # try again much later
                return False
            self.writing = False
            try:
                n = pipe.fill(source)
                if n > 0:
                    self.relay.last_us = now_us()
                    self.counter.add(n)
                    self.writing = True
                    while not pipe.drain(target):
                        target.wait_writable()
                    self.credit = min(self.credit + n - SPLICE_FROM, MOST_CREDIT)
            finally:
                self.relay.pipes.give(pipe)
            if n == 0:
                return True
            if n < 0:
                source.wait_readable()               # without a pipe: an idle connection holds no descriptors
        return False


if not cython.compiled:
    for _name in "idle_us until_us report_us next_report moved".split():
        setattr(Relay, _name, 0)
    Relay.on_report = Relay.pipes = Relay.reset = None
    Direction.writing, Direction.credit = False, 0
