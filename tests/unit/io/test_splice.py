"""Pipes between sockets."""
import os
import resource
import socket

import gevent
import pytest

from gmosn.io.address import Address
from gmosn.io.connection import Connection
from gmosn.io.splice import Pipe, Pipes
from gmosn.io.wheel import Wheel

ADDRESS = Address.parse("127.0.0.1", 1)


@pytest.fixture
def pair(hub_errors):
    wheel, opened = Wheel(gevent.get_hub().loop), []

    def make():
        ours, peer = socket.socketpair()
        conn = Connection(ours, wheel, ADDRESS, ADDRESS)
        opened.extend((conn, peer))
        return conn, peer
    yield make
    for one in opened:
        one.close()


def test_moves_bytes_and_counts_them(pair):
    (source, writer), (target, reader) = pair(), pair()
    pipe = Pipe()
    assert pipe.fill(source) == -1
    writer.sendall(b"hello")
    assert pipe.fill(source) == 5 and pipe.held == 5
    assert pipe.drain(target) and pipe.held == 0
    assert reader.recv(10) == b"hello"
    assert (source.bytes_in, target.bytes_out) == (5, 5)
    writer.close()
    assert pipe.fill(source) == 0 and source.eof
    pipe.close()


def test_a_target_that_does_not_take_more(pair):
    (source, writer), (target, reader) = pair(), pair()
    pipe, moved = Pipe(), 0
    writer.setblocking(False)
    reader.setblocking(False)
    while True:
        try:
            writer.send(b"x" * 65536)
        except BlockingIOError:
            pass
        moved += max(pipe.fill(source), 0) if pipe.held == 0 else 0
        if not pipe.drain(target):
            break
    got = 0
    while got < moved:
        got += len(reader.recv(65536))
        pipe.drain(target)
    assert got == moved == target.bytes_out
    pipe.close()


def test_a_target_that_is_gone(pair):
    (source, writer), (target, reader) = pair(), pair()
    pipe = Pipe()
    writer.sendall(b"hello")
    pipe.fill(source)
    reader.close()
    with pytest.raises(BrokenPipeError):
        pipe.drain(target)
    assert pipe.held == 5
    pipe.close()


def test_pipes_keep_a_few_empty_ones(pair):
    source, writer = pair()
    before = len(os.listdir("/proc/self/fd"))
    pipes = Pipes(keep=1)
    first, second = pipes.take(), pipes.take()
    pipes.give(first)
    pipes.give(second)
    assert len(os.listdir("/proc/self/fd")) == before + 2
    assert pipes.take() is first
    writer.sendall(b"left over")
    first.fill(source)
    pipes.give(first)                                # it holds somebody's bytes
    assert len(os.listdir("/proc/self/fd")) == before
    pipes.give(pipes.take())
    pipes.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_descriptors_no_pipe():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        assert Pipes().take() is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
