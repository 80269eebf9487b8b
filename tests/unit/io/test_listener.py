"""The acceptor: everything is accepted, batches are bounded, and it keeps calm without descriptors."""
import os
import resource
import socket

import gevent
import pytest

from gmosn.clock import now_us
from gmosn.io import listener
from gmosn.io.listener import Acceptor
from tests.helpers.timing import SCALE


def until(check, seconds=5):
    """Lets the hub run until check() is true."""
    with gevent.Timeout(seconds * SCALE):
        while not check():
            gevent.sleep(0.005)  # sleeps: lets the hub run


class Accepting:
    def __init__(self, **more):
        self.server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = self.server.getsockname()
        self.accepted, self.batches, self.reports, self.clients = [], [], [], []
        self.acceptor = Acceptor(self.server, self.on_accept, self.reports.append, on_batch=self.batches.append, **more)
        self.acceptor.start()

    def on_accept(self, fd, sockaddr):
        self.accepted.append((fd, sockaddr))

    def connect(self, count=1):
        for _ in range(count):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(self.address)
            self.clients.append(client)

    def hang_up(self):
        for fd, _ in self.accepted:
            os.close(fd)
        self.accepted = []

    def close(self):
        self.acceptor.close()
        self.hang_up()
        for client in self.clients:
            client.close()


@pytest.fixture
def accepting(hub_errors):
    made = []

    def make(**more):
        made.append(Accepting(**more))
        return made[-1]
    yield make
    for one in made:
        one.close()


def test_accepts_everyone_non_blocking(accepting):
    a = accepting()
    a.connect(100)
    until(lambda: len(a.accepted) == 100)
    assert {sockaddr for _, sockaddr in a.accepted} == {client.getsockname() for client in a.clients}
    assert not any(os.get_blocking(fd) for fd, _ in a.accepted)


def test_batches_are_bounded(accepting):
    a = accepting(per_event=3)
    a.connect(10)
    until(lambda: len(a.accepted) == 10)
    assert sum(a.batches) == 10 and max(a.batches) <= 3


def test_stop_leaves_clients_in_the_queue_and_release_hands_them_over(accepting):
    a = accepting()
    a.acceptor.stop()
    a.connect()
    gevent.sleep(0.05)  # sleeps: shows that nothing happens
    assert a.accepted == []
    fd = a.acceptor.release()
    successor = Acceptor(fd, a.on_accept, a.reports.append)
    successor.start()
    until(lambda: len(a.accepted) == 1)
    successor.close()
    successor.close()


@pytest.fixture
def few_descriptors(monkeypatch):
    """Room for 22 more than are open now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used, limit = set(map(int, os.listdir("/proc/self/fd"))), 0
    while len(set(range(limit)) - used) < 22:
        limit += 1
    monkeypatch.setattr(listener, "RESERVE", 4)
    monkeypatch.setattr(listener, "REPORT_US", 300_000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_out_of_descriptors(accepting, few_descriptors):
    a = accepting()
    clients = [gevent.spawn(a.connect)]
    a.connect(13)                                    # each needs a second descriptor on our side
    gevent.joinall(clients)
    until(lambda: a.reports)
    used = len(a.accepted)
    start, cpu = now_us(), os.times()
    gevent.sleep(0.5)  # sleeps: measures what it costs to be out of descriptors
    spent = sum(os.times()[:2]) - sum(cpu[:2])
    assert spent * 1e6 <= 0.1 * (now_us() - start)
    os.close(os.dup(0))                              # some were left for others
    assert used < 14
    assert len(a.reports) <= 3
    a.hang_up()
    freed = now_us()
    until(lambda: used + len(a.accepted) >= 14)
    assert now_us() - freed <= 1_000_000 * SCALE
