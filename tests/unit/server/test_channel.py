import os
import subprocess
import sys

import pytest

from gmosn.server.channel import PACKET_BYTES, Channel, MemoryChannel, PolledChannel, memory_file, read_memory_file
from gmosn.server.messages import Ack, Assignment, Generation, Sockets, Start


def socket_pair():
    return tuple(Channel(sock) for sock in Channel.pair())


@pytest.fixture(params=[socket_pair, MemoryChannel.pair], ids=["socket", "memory"])
def ends(request):
    left, right = request.param()
    yield left, right
    left.close()
    right.close()


def open_fds():
    return len(os.listdir("/proc/self/fd"))


def test_messages_keep_their_order_and_borders(ends):
    left, right = ends
    for number in range(5):
        left.send(Ack(number))
    assert [right.receive() for _ in range(5)] == [Ack(number) for number in range(5)]
    right.send(Ack(9))
    assert left.receive() == Ack(9)


def test_none_when_the_peer_is_gone(ends):
    left, right = ends
    left.send(Ack(1))
    left.close()
    assert right.receive() == Ack(1)
    assert right.receive() is None


def test_descriptors_arrive_with_their_message(ends):
    left, right = ends
    before = open_fds()
    fds = [memory_file("a", b"first"), memory_file("b", b"second")]
    left.send(Ack(0))
    left.send(Sockets(["a", "b"], fds=fds))
    for fd in fds:
        os.close(fd)
    assert right.receive().fds == []
    received = right.receive().fds
    assert [read_memory_file(fd) for fd in received] == [b"first", b"second"]
    assert not any(os.get_inheritable(fd) for fd in received)
    for fd in received:
        os.close(fd)
    assert open_fds() == before


def test_large_message_with_descriptors(ends):
    left, right = ends
    before = open_fds()
    payload = os.urandom(3 * PACKET_BYTES)
    fd = memory_file("x", b"beside")
    left.send(Assignment("c", payload, fds=[fd]))
    os.close(fd)
    message = right.receive()
    assert message.payload == payload
    assert read_memory_file(message.fds[0]) == b"beside"
    os.close(message.fds[0])
    assert open_fds() == before


@pytest.mark.parametrize("size", [PACKET_BYTES - 64, PACKET_BYTES - 16, PACKET_BYTES, PACKET_BYTES + 1])
def test_sizes_around_the_packet_limit(ends, size):
    left, right = ends
    left.send(Assignment("c", b"x" * size))
    assert len(right.receive().payload) == size


def test_send_to_a_peer_that_is_gone_raises():
    left, right = socket_pair()
    right.close()
    with pytest.raises(OSError):
        left.send(Ack(1))
    left.close()


def test_peer_that_dies_with_unread_messages_is_an_end():
    left, right = socket_pair()
    left.send(Ack(1))
    right.close()
    assert left.receive() is None
    left.close()


def test_polled_channel_never_blocks():
    one, other = Channel.pair()
    left, right = PolledChannel(one), Channel(other)
    before = open_fds()
    fd = memory_file("x", b"kept")
    sent = 0
    while not left.outbox:
        left.send(Generation(sent, "d", fds=[fd]))
        sent += 1
        assert sent < 100_000
    for _ in range(3):
        left.send(Generation(sent, "d", fds=[fd]))
        sent += 1
    os.close(fd)                                     # those that wait have their own
    for number in range(sent):
        left.flush()
        message = right.receive()
        assert message.number == number
        assert read_memory_file(message.fds[0]) == b"kept"
        os.close(message.fds[0])
    assert left.outbox == []
    assert left.receive_now() == (False, None)
    right.send(Ack(1))
    assert left.receive_now() == (True, Ack(1))
    right.close()
    assert left.receive_now() == (True, None)
    left.close()
    assert open_fds() == before - 2


def test_polled_channel_to_a_dead_peer_is_silent_and_leaks_nothing():
    before = open_fds()
    one, other = Channel.pair()
    left = PolledChannel(one)
    other.close()
    left.send(Ack(1))
    assert left.receive_now() == (True, None)
    left.close()
    assert open_fds() == before


def test_gevent_end_blocks_its_greenlet_only():
    """In a process of its own: patching this one would change the other tests."""
    program = """
from gevent import monkey; monkey.patch_all()
import gevent
from gmosn.server.channel import Channel
from gmosn.server.messages import Ack
left, right = (Channel(sock) for sock in Channel.pair())
reader = gevent.spawn(right.receive)
gevent.sleep(0)                      # sleeps: lets the reader start
left.send(Ack(7))
assert reader.get(timeout=5) == Ack(7)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_start_message_is_inherited_by_a_child():
    one, other = Channel.pair()
    left = Channel(one)
    program = ("import sys; from gmosn.server.channel import Channel; c = Channel.from_fd(int(sys.argv[1]));"
               "m = c.receive(); c.send(m)")
    child = subprocess.Popen([sys.executable, "-c", program, str(other.fileno())], pass_fds=[other.fileno()])
    other.close()
    left.send(Start(1, 2, 3))
    assert left.receive() == Start(1, 2, 3)
    assert left.receive() is None
    assert child.wait(30) == 0
    left.close()
