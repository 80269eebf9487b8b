"""Connection over socket pairs: bytes, waiting, deadlines, interrupts, parking, and a sane state after each."""
import errno
import gc
import os
import socket
import struct
import weakref

import gevent
import pytest
from gevent.event import AsyncResult

from gmosn.clock import now_us
from gmosn.errors import PeerGone, Timeout
from gmosn.io.address import Address
from gmosn.io.connection import Connection
from gmosn.io.wheel import Wheel
from tests.helpers.timing import SCALE

MS = 1000
LATE = 300 * MS * SCALE       # a busy machine; without precision it would be up to a second
ADDRESS = Address.parse("127.0.0.1", 1)


@pytest.fixture
def wheel(hub_errors):
    return Wheel(gevent.get_hub().loop)


@pytest.fixture
def pair(wheel):
    """A Connection and the plain socket at its other end (TCP, so that resets exist)."""
    made = []

    def make(unix=False):
        if unix:
            ours, peer = socket.socketpair()
        else:
            with socket.create_server(("127.0.0.1", 0)) as server:
                peer = socket.create_connection(server.getsockname())
                ours, _ = server.accept()
        conn = Connection(ours, wheel, ADDRESS, ADDRESS)
        peer.settimeout(5 * SCALE)
        made.append((conn, peer))
        return conn, peer
    yield make
    for conn, peer in made:
        conn.close()
        peer.close()


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def settle():
    """Lets the hub look at every event there is."""
    for _ in range(5):
        gevent.sleep(0.005)  # sleeps: lets the hub run


class InGreenlet:
    """A call in a greenlet of its own, which must block; its result or exception comes out of get()."""

    def __init__(self, function, *args):
        self.result = AsyncResult()
        self.greenlet = gevent.spawn(self.run, function, args)
        settle()
        assert not self.ready()

    def run(self, function, args):
        try:
            self.result.set(function(*args))
        except Exception as exc:
            self.result.set_exception(exc)

    def ready(self):
        return self.result.ready()

    def get(self, timeout=5):
        return self.result.get(timeout=timeout * SCALE)

    def kill(self):
        self.greenlet.kill()


in_greenlet = InGreenlet


def receive(peer, size):
    """Exactly `size` bytes; lets the hub run meanwhile."""
    got = bytearray()
    peer.setblocking(False)
    with gevent.Timeout(10 * SCALE):
        while len(got) < size:
            try:
                got += peer.recv(1 << 20)
            except BlockingIOError:
                gevent.sleep(0.001)  # sleeps: lets the hub run
    return bytes(got)


def fill(conn):
    """Writes until the kernel takes no more; bytes written."""
    conn.set_write_deadline(now_us() + 30 * MS)
    with pytest.raises(Timeout):
        conn.write(b"x" * (64 << 20))
    conn.set_write_deadline(0)
    return conn.bytes_out


# -- bytes

def test_reads_what_is_there_and_then_the_end(pair):
    conn, peer = pair()
    peer.sendall(b"hello")
    assert conn.read() == b"hello"
    peer.close()
    assert conn.read() == b"" and conn.eof
    assert conn.read() == b""
    assert conn.bytes_in == 5


def test_read_blocks_until_bytes_come(pair):
    conn, peer = pair()
    reader = in_greenlet(conn.read)
    peer.sendall(b"late")
    assert reader.get() == b"late"


def test_read_now_does_not_block(pair):
    conn, peer = pair()
    assert conn.read_now() is None
    peer.sendall(b"x")
    conn.wait_readable()
    assert conn.read_now() == b"x"


def test_unread_bytes_come_first(pair):
    conn, peer = pair()
    conn.unread(b"b")
    conn.unread(b"a")
    conn.unread(b"")
    assert conn.wait_readable()
    assert conn.read() == b"ab"
    assert conn.bytes_in == 0
    peer.sendall(b"c")
    assert conn.read() == b"c"


def test_write_blocks_and_everything_arrives(pair):
    conn, peer = pair()
    data = os.urandom(1 << 20) * 8
    writer = in_greenlet(conn.write, data)
    got = receive(peer, len(data))
    writer.get()
    assert got == data and conn.bytes_out == len(data)


@pytest.mark.parametrize("chunks", [[], [b""], [b"a"], [b"a", b"", b"bc"], [b"%d," % n for n in range(200)]])
def test_write_many(pair, chunks):
    conn, peer = pair()
    conn.write_many(chunks)
    conn.half_close()
    assert b"".join(iter(lambda: peer.recv(4096), b"")) == b"".join(chunks)
    assert conn.bytes_out == len(b"".join(chunks))


def test_write_many_continues_in_the_middle_of_a_chunk(pair):
    conn, peer = pair()
    chunks = [bytes([65 + n]) * 1_000_003 for n in range(16)]
    writer = in_greenlet(conn.write_many, chunks)
    got = receive(peer, 16 * 1_000_003)
    writer.get()
    assert got == b"".join(chunks)


def test_half_close_ends_one_direction(pair):
    conn, peer = pair()
    conn.half_close()
    conn.half_close()
    assert peer.recv(10) == b""
    peer.sendall(b"still")
    assert conn.read() == b"still"
    with pytest.raises(BrokenPipeError):
        conn.write(b"x")


def test_a_reset_raises_in_the_reader(pair):
    conn, peer = pair()
    reader = in_greenlet(conn.read)
    reset(peer)
    with pytest.raises(ConnectionResetError):
        reader.get()


# -- deadlines

@pytest.mark.parametrize("ahead", [30, 200, 1100])
def test_read_deadline_is_precise(pair, ahead):
    conn, _ = pair()
    start = now_us()
    conn.set_read_deadline(start + ahead * MS)
    with pytest.raises(Timeout):
        conn.read()
    assert ahead * MS <= now_us() - start <= ahead * MS + LATE


def test_a_deadline_set_while_a_later_one_waits_counts(pair):
    conn, _ = pair()
    conn.set_read_deadline(now_us() + 5_000 * MS)
    reader = in_greenlet(conn.read)
    start = now_us()
    conn.set_read_deadline(start + 40 * MS)
    with pytest.raises(Timeout):
        reader.get()
    assert now_us() - start <= 40 * MS + LATE


def test_a_deadline_in_the_past_raises_at_once(pair):
    conn, peer = pair()
    conn.set_read_deadline(1)
    with pytest.raises(Timeout):
        conn.read()
    conn.set_read_deadline(0)
    peer.sendall(b"x")
    assert conn.read() == b"x"


def test_two_deadlines_both_count(pair):
    conn, _ = pair()
    conn.set_read_deadline(now_us() + 60 * MS)
    reader = in_greenlet(conn.read)
    fill(conn)
    assert not reader.ready()
    with pytest.raises(Timeout):
        reader.get()


def test_a_peer_that_does_not_read_is_reset(pair):
    """Closing would else leave what is queued, and a socket, to the kernel for as long as the peer likes."""
    conn, peer = pair()
    conn.set_write_deadline(now_us() + 30 * MS)
    with pytest.raises(Timeout):
        conn.write(bytes(8 << 20))
    conn.close()
    with pytest.raises(ConnectionResetError):
        while peer.recv(1 << 20):
            pass


def test_write_deadline(pair):
    conn, peer = pair()
    start = now_us()
    fill(conn)
    assert now_us() - start <= 30 * MS + LATE
    conn.set_write_deadline(1)
    with pytest.raises(Timeout):
        conn.write(b"x" * (1 << 20))


def test_after_a_timeout_the_connection_works(pair):
    conn, peer = pair()
    conn.set_read_deadline(now_us() + 20 * MS)
    with pytest.raises(Timeout):
        conn.read()
    conn.set_read_deadline(0)
    reader = in_greenlet(conn.read)
    peer.sendall(b"ok")
    assert reader.get() == b"ok"


# -- exceptions from outside

def test_a_killed_reader_leaves_the_connection_usable(pair):
    conn, peer = pair()
    in_greenlet(conn.read).kill()
    assert conn.armed
    reader = in_greenlet(conn.read)
    peer.sendall(b"next")
    assert reader.get() == b"next"


def test_gevent_timeout_in_a_reader_and_a_writer(pair):
    conn, peer = pair()
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.02):
        conn.read()
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.02):
        conn.write(b"x" * (64 << 20))
    peer.sendall(b"y")
    assert conn.read() == b"y"


def test_interrupt_wakes_reader_and_writer(pair):
    conn, _ = pair()
    fill(conn)
    reader, writer = in_greenlet(conn.read), in_greenlet(conn.write, b"x" * (1 << 20))
    conn.interrupt(KeyError("enough"))
    for greenlet in reader, writer:
        with pytest.raises(KeyError):
            greenlet.get()


def test_interrupt_with_nobody_waiting_is_kept_for_the_next_wait(pair):
    conn, peer = pair()
    conn.interrupt(KeyError("later"))
    settle()
    with pytest.raises(KeyError):
        conn.read()
    peer.sendall(b"x")
    assert conn.read() == b"x"


def test_close_wakes_who_waits(pair):
    conn, _ = pair()
    reader = in_greenlet(conn.read)
    conn.close()
    with pytest.raises(OSError):
        reader.get()
    for call in conn.read, lambda: conn.write(b"x"), conn.wait_writable:
        with pytest.raises(OSError):
            call()


def test_one_reader_at_a_time(pair):
    conn, peer = pair()
    reader = in_greenlet(conn.read)
    with pytest.raises(AssertionError):
        conn.read()
    peer.sendall(b"x")
    assert reader.get() == b"x"


# -- partner, stale

@pytest.mark.parametrize("unix", [False, True])
def test_a_reset_nobody_reads_interrupts_the_partner(pair, unix):
    down, peer = pair(unix)
    up, _ = pair()
    down.arm()
    down.partner = up
    down.write(b"unread")                            # for a Unix peer that is what makes its close a reset
    waiting = in_greenlet(up.read)
    reset(peer)
    with pytest.raises(PeerGone):
        waiting.get()
    with pytest.raises(ConnectionResetError):        # the error was not consumed by looking
        down.read()


@pytest.mark.parametrize("unix", [False, True])
@pytest.mark.parametrize("end", [lambda peer: peer.shutdown(socket.SHUT_WR), socket.socket.close])
def test_an_orderly_end_does_not_interrupt_the_partner(pair, unix, end):
    down, peer = pair(unix)
    up, up_peer = pair()
    down.arm()
    down.partner = up
    waiting = in_greenlet(up.read)
    peer.sendall(b"to be delivered")
    end(peer)
    settle()
    assert down.stale and not down.is_reset()
    up_peer.sendall(b"answer")
    assert waiting.get() == b"answer"


def test_a_late_interrupt_is_dropped_when_the_partnership_is_over(pair):
    down, peer = pair()
    up, up_peer = pair()
    down.arm()
    down.partner = up
    reset(peer)
    settle()
    down.partner = None                              # the upstream connection went back to its pool
    up_peer.sendall(b"for somebody else")
    assert up.read() == b"for somebody else"


def test_a_late_interrupt_counts_while_the_partnership_lasts(pair):
    down, peer = pair()
    up, _ = pair()
    down.arm()
    down.partner = up
    reset(peer)
    settle()
    with pytest.raises(PeerGone):
        up.read()


def test_readable_with_nobody_waiting_is_stale(pair):
    conn, peer = pair()
    conn.arm()
    settle()
    assert not conn.stale and conn.armed
    peer.close()
    settle()
    assert conn.stale and not conn.armed
    assert conn.read() == b""


def test_reading_what_came_early_ends_staleness_and_watches_on(pair):
    conn, peer = pair()
    conn.arm()
    peer.sendall(b"early")
    settle()
    assert conn.stale
    assert conn.read_now() == b"early"
    assert not conn.stale and conn.armed
    peer.close()
    settle()
    assert conn.stale


# -- idle and parked

def test_a_request_within_a_second_keeps_the_greenlet(pair):
    conn, peer = pair()
    waiting = in_greenlet(conn.wait_request)
    peer.sendall(b"GET")
    assert waiting.get() is True
    assert not conn.idle
    assert conn.read() == b"GET"


def park(conn, then):
    """Waits until wait_request says so, then parks."""
    assert conn.wait_request() is False
    conn.parked = then


def test_parked_and_woken_by_a_byte(pair):
    conn, peer = pair()
    log = []

    def resume():
        log.append(conn.wait_request())
        log.append(conn.read())
    gevent.spawn(park, conn, resume).get(timeout=10 * SCALE)
    assert "parked" in repr(conn)
    gevent.sleep(0.05)  # sleeps: lets the hub run
    assert log == []
    peer.sendall(b"again")
    settle()
    assert log == [True, b"again"]
    assert conn.parked is None


def test_parked_and_woken_by_the_end(pair):
    conn, peer = pair()
    log = []
    gevent.spawn(park, conn, lambda: log.append((conn.wait_request(), conn.read()))).get(timeout=10 * SCALE)
    peer.close()
    settle()
    assert log == [(True, b"")]


def test_parked_and_woken_by_the_deadline(pair):
    conn, _ = pair()
    log = []

    def resume():
        try:
            conn.wait_request()
        except Timeout:
            log.append(now_us())
    deadline = now_us() + 2_300 * MS
    conn.set_read_deadline(deadline)
    gevent.spawn(park, conn, resume).get(timeout=10 * SCALE)
    while not log and now_us() < deadline + 4 * LATE:
        gevent.sleep(0.01)  # sleeps: lets the hub run
    assert len(log) == 1
    assert deadline <= log[0] <= deadline + LATE


def test_a_deadline_set_after_parking_counts(pair):
    conn, _ = pair()
    log = []

    def resume():
        with pytest.raises(Timeout):
            conn.wait_request()
        log.append(now_us())
    gevent.spawn(park, conn, resume).get(timeout=10 * SCALE)
    settle()
    deadline = now_us() + 100 * MS
    conn.set_read_deadline(deadline)
    gevent.sleep(0.1 + LATE / 1e6)  # sleeps: lets the hub run
    assert len(log) == 1 and deadline <= log[0]


# -- the end

def test_close_is_idempotent_and_tells_the_owner_once(pair):
    class Owner:
        closed = []

        def connection_closed(self, conn):
            self.closed.append(conn)
    conn, peer = pair()
    conn.owner = Owner()
    conn.close()
    conn.close()
    assert Owner.closed == [conn] and conn.closed and conn.fd == -1
    assert peer.recv(1) == b""


def test_abort_resets_the_peer(pair):
    conn, peer = pair()
    conn.close(abort=True)
    with pytest.raises(ConnectionResetError):
        peer.recv(1)


def test_a_closed_connection_is_freed(wheel):
    ours, peer = socket.socketpair()

    class Traced(Connection):                        # a subclass has room for weak references
        pass
    conn = Traced(ours, wheel, ADDRESS, ADDRESS)
    conn.arm()
    conn.close()
    peer.close()
    alive = weakref.ref(conn)
    del conn
    gevent.sleep(1.1)                                # sleeps: the wheel lets go of it at its next look
    gc.collect()
    assert alive() is None


def test_the_descriptor_is_owned(wheel):
    ours, peer = socket.socketpair()
    conn = Connection(ours, wheel, ADDRESS, ADDRESS)
    assert ours.fileno() == -1
    fd = conn.fd
    conn.close()
    with pytest.raises(OSError) as caught:
        os.fstat(fd)
    assert caught.value.errno == errno.EBADF
    peer.close()
