import gevent
import pytest

from gmosn.server.channel import Channel
from gmosn.server.messages import Ack, Generation, Nack
from gmosn.server.worker_links import WorkerLinks


@pytest.fixture
def fleet():
    """Links whose far ends the test holds; gevent sockets, as in the control process."""
    from gevent import socket

    class Fleet:
        def __init__(self):
            self.up, self.ends = [], {}
            self.links = WorkerLinks(lambda link: self.up.append(link.index))

        def start(self, index, pid):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.links.add(index, pid, ours.detach())
            self.ends[index] = Channel(theirs)
            return self.ends[index]
    made = Fleet()
    import gmosn.server.channel as module
    original, module.socket = module.socket, socket
    yield made
    module.socket = original
    for end in made.ends.values():
        end.close()


def within(function, *args):
    with gevent.Timeout(10):
        return function(*args)


def test_waits_until_all_acked(fleet):
    first, second = fleet.start(0, 100), fleet.start(1, 101)
    waiter = gevent.spawn(fleet.links.wait_for, 1, 2)
    fleet.links.send(Generation(1, "d"))
    assert within(first.receive) == within(second.receive) == Generation(1, "d")
    first.send(Ack(1))
    gevent.sleep(0.02)           # sleeps: shows that nothing happens
    assert not waiter.ready()
    second.send(Ack(1))
    assert within(waiter.get) == (True, "")
    assert fleet.up == [0, 1] and fleet.links.pids == [100, 101]


def test_a_refusal_ends_the_wait(fleet):
    first = fleet.start(0, 100)
    waiter = gevent.spawn(fleet.links.wait_for, 2, 1)
    first.send(Nack(2, "no such cluster"))
    assert within(waiter.get) == (False, "no such cluster")


def test_a_worker_that_dies_is_waited_for_until_its_successor_acked(fleet):
    fleet.start(0, 100).close()
    waiter = gevent.spawn(fleet.links.wait_for, 1, 1)
    gevent.sleep(0.02)           # sleeps: shows that nothing happens
    assert fleet.links.pids == [] and not waiter.ready()
    fleet.start(0, 200).send(Ack(1))
    assert within(waiter.get) == (True, "")


def test_late_news_of_a_predecessors_death_leave_the_successor_alone(fleet):
    fleet.start(0, 100)
    fleet.start(0, 200)
    fleet.links.remove(0, 100)
    assert fleet.links.pids == [200]
    fleet.links.remove(0, 200)
    assert fleet.links.pids == []


def test_sending_to_a_dead_worker_is_no_error(fleet):
    fleet.start(0, 100).close()
    for _ in range(3):
        assert fleet.links.send(Ack(1)) is None
