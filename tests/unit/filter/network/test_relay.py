"""The relay between two connections: every way it can move bytes, and every way it can end."""
import hashlib
import os
import socket
import struct
import threading

import gevent
import pytest

from gmosn.clock import now_us
from gmosn.filter.network.relay import DURATION, ENDED, IDLE, RESET_DOWN, RESET_UP, Relay
from gmosn.io.address import Address
from gmosn.io.connection import Connection
from gmosn.io.splice import Pipes
from gmosn.io.wheel import Wheel
from gmosn.observe.stats import Segment, Stats
from tests.helpers.timing import SCALE

ADDRESS = Address.parse("127.0.0.1", 1)
MS = 1000


class Stage:
    """A relay between two TCP connections whose other ends the test holds: `client` and `server`."""

    def __init__(self, pipes=None, **more):
        wheel = Wheel(gevent.get_hub().loop)
        stats = Stats(Segment.local())
        down, self.client = tcp_pair(wheel)
        up, self.server = tcp_pair(wheel)
        self.relay = Relay(down, up, stats.counter("received"), stats.counter("sent"))
        self.relay.pipes = pipes
        for name, value in more.items():
            setattr(self.relay, name, value)
        self.stats = stats
        self.greenlet = gevent.spawn(self.relay.run)

    def over(self):
        """Waits for the end; the outcome."""
        self.greenlet.join(timeout=10 * SCALE)
        assert self.greenlet.ready()
        assert self.relay.down.closed and self.relay.up.closed
        return self.relay.outcome

    def counts(self):
        return self.stats.counter("received").value(), self.stats.counter("sent").value()


def tcp_pair(wheel):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    peer.setblocking(False)
    return Connection(ours, wheel, ADDRESS, ADDRESS), peer


@pytest.fixture
def stage(hub_errors):
    made = []

    def make(*arguments, **more):
        made.append(Stage(*arguments, **more))
        return made[-1]
    yield make
    for one in made:
        one.greenlet.kill()
        one.client.close()
        one.server.close()


def wait(action):
    """Repeats action() while it would block; lets the hub run."""
    with gevent.Timeout(10 * SCALE):
        while True:
            try:
                return action()
            except BlockingIOError:
                gevent.sleep(0.001)  # sleeps: lets the hub run


def recv(sock, size=65536):
    return wait(lambda: sock.recv(size))


def until(check):
    with gevent.Timeout(10 * SCALE):
        while not check():
            gevent.sleep(0.001)  # sleeps: lets the hub run


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_both_ways_and_half_close(stage):
    s = stage()
    s.client.sendall(b"question")
    assert recv(s.server) == b"question"
    s.client.shutdown(socket.SHUT_WR)
    assert recv(s.server) == b""
    s.server.sendall(b"answer")
    assert recv(s.client) == b"answer"
    s.server.close()
    assert recv(s.client) == b""
    assert s.over() == ENDED
    assert s.counts() == (8, 6)


def test_the_server_may_end_first(stage):
    s = stage()
    s.server.sendall(b"banner")
    s.server.shutdown(socket.SHUT_WR)
    assert recv(s.client) == b"banner" and recv(s.client) == b""
    s.client.sendall(b"still here")
    assert recv(s.server) == b"still here"
    s.client.close()
    assert recv(s.server) == b""
    assert s.over() == ENDED


@pytest.mark.parametrize("who, other, outcome", [("client", "server", RESET_DOWN), ("server", "client", RESET_UP)])
@pytest.mark.parametrize("half_closed", [False, True])
def test_a_reset_goes_through(stage, who, other, outcome, half_closed):
    s = stage()
    if half_closed:                                  # nobody reads that side any more
        getattr(s, who).shutdown(socket.SHUT_WR)
        assert recv(getattr(s, other)) == b""
    reset(getattr(s, who))
    assert s.over() == outcome
    if not half_closed:                              # after an end was seen, the kernel shows no reset
        with pytest.raises(ConnectionResetError):
            recv(getattr(s, other))


def test_a_reset_while_the_other_side_does_not_read(stage):
    s = stage()
    fill(s.client)
    reset(s.client)
    assert s.over() == RESET_DOWN


def fill(sock):
    """Sends until nothing more is taken for a while."""
    quiet = 0
    while quiet < 20:
        try:
            sock.send(b"x" * 65536)
            quiet = 0
        except BlockingIOError:
            quiet += 1
            gevent.sleep(0.002)  # sleeps: lets the hub run


def test_an_early_answer_is_delivered_although_the_upload_is_refused(stage):
    """The server answers, ends and takes no more: that resets the upload, but the answer must arrive."""
    s = stage()
    s.client.sendall(b"head")
    assert recv(s.server) == b"head"
    s.server.sendall(b"413")
    s.server.close()
    until(lambda: s.relay.up.eof)
    while not s.greenlet.ready():                    # the server's kernel refuses these
        try:
            s.client.send(b"more")
        except OSError:
            pass
        gevent.sleep(0.01)  # sleeps: lets the relay meet the reset
    assert recv(s.client) == b"413"
    assert s.over() == RESET_UP


def test_a_slow_reader_slows_the_sender_down(stage):
    s = stage()
    fill(s.client)
    before = s.relay.down.bytes_in
    fill(s.client)
    assert s.relay.down.bytes_in == before           # nothing is buffered beyond the kernel
    assert s.relay.up.blocked >= 1
    total = 0
    while total < before:
        total += len(recv(s.server))


def test_idle(stage):
    start = now_us()
    s = stage(idle_us=60 * MS)
    gevent.sleep(0.03)  # sleeps: idle time is the subject
    s.client.sendall(b"x")
    assert recv(s.server) == b"x"
    assert s.over() == IDLE
    assert now_us() - start >= 85 * MS
    assert recv(s.client) == b"" and recv(s.server) == b""


def test_duration(stage):
    s = stage(until_us=now_us() + 50 * MS)
    assert s.over() == DURATION
    assert recv(s.client) == b""


def test_reports(stage):
    times = []
    s = stage(report_us=20 * MS, on_report=lambda: times.append(now_us()), idle_us=300 * MS)
    assert s.over() == IDLE
    assert 3 <= len(times) <= 16


def test_killed(stage):
    s = stage()
    s.client.sendall(b"x")
    assert recv(s.server) == b"x"
    s.greenlet.kill()
    assert s.relay.down.closed and s.relay.up.closed


class Digest(threading.Thread):
    """Reads a socket to its end in a thread; `seen`: hash and size."""

    def __init__(self, sock):
        super().__init__()
        self.sock, self.seen, self.size = sock, hashlib.sha256(), 0
        sock.setblocking(True)
        sock.settimeout(30 * SCALE)

    def run(self):
        while data := self.sock.recv(1 << 18):
            self.seen.update(data)
            self.size += len(data)


@pytest.mark.parametrize("splice", [False, True])
def test_bulk_both_ways_arrives_unchanged(stage, splice):
    pipes = Pipes() if splice else None
    s = stage(pipes)
    data = os.urandom(1 << 20)
    pieces = 24
    readers = [Digest(s.client.dup()), Digest(s.server.dup())]
    writers = [threading.Thread(target=send, args=(sock, data, pieces)) for sock in (s.client, s.server)]
    for thread in readers + writers:
        thread.start()
    assert s.over() == ENDED
    expected = hashlib.sha256(data * pieces).digest()
    for thread in readers + writers:
        thread.join(10 * SCALE)
    assert [reader.seen.digest() for reader in readers] == [expected] * 2
    assert s.counts() == (len(data) * pieces,) * 2
    if splice:
        before = len(os.listdir("/proc/self/fd"))
        pipes.close()
        assert len(os.listdir("/proc/self/fd")) < before     # it did splice, and kept its pipes


def send(sock, data, pieces):
    sock.setblocking(True)
    for _ in range(pieces):
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
