"""The direct_response filter."""
import os
import socket

import gevent
import pytest

from gmosn.config.descriptors import message_class
from gmosn.errors import ConfigError
from gmosn.filter.network.direct_response import DirectResponse
from gmosn.io.address import Address
from gmosn.io.connection import Connection
from gmosn.io.wheel import Wheel
from tests.helpers.timing import SCALE

Config = message_class("envoy.extensions.filters.network.direct_response.v3.Config")
ADDRESS = Address.parse("127.0.0.1", 1)


def config(**source):
    fields = Config()
    for name, value in source.items():
        setattr(fields.response, name, value)
    return fields


@pytest.mark.parametrize("talkative", [False, True])
def test_says_it_and_closes(hub_errors, talkative):
    ours, peer = socket.socketpair()
    conn = Connection(ours, Wheel(gevent.get_hub().loop), ADDRESS, ADDRESS)
    with peer:
        if talkative:
            peer.sendall(b"ignored")
        greenlet = gevent.spawn(DirectResponse.from_proto(config(inline_string="Busy"), None).serve, conn, None)
        peer.setblocking(False)
        with gevent.Timeout(5 * SCALE):
            while not conn.half_closed:
                gevent.sleep(0.001)  # sleeps: lets the hub run
        assert peer.recv(100) == b"Busy" and peer.recv(100) == b""
        peer.shutdown(socket.SHUT_WR)
        greenlet.join(5 * SCALE)
    assert conn.closed


def test_sources(tmp_path, monkeypatch):
    (tmp_path / "text").write_bytes(b"from file")
    monkeypatch.setenv("GMOSN_TEST_TEXT", "from environment")
    def made(fields):
        return DirectResponse.from_proto(fields, None).response
    assert made(config(filename=str(tmp_path / "text"))) == b"from file"
    assert made(config(environment_variable="GMOSN_TEST_TEXT")) == b"from environment"
    assert made(config(inline_bytes=b"\0")) == b"\0"
    assert made(Config()) == b""


@pytest.mark.parametrize("fields, message", [
    (config(filename="/nonexistent"), "unable to read file: /nonexistent"),
    (config(environment_variable="GMOSN_NOT_THERE"), "Environment variable doesn't exist: GMOSN_NOT_THERE"),
])
def test_refused(fields, message):
    assert "GMOSN_NOT_THERE" not in os.environ
    with pytest.raises(ConfigError, match=message):
        DirectResponse.from_proto(fields, None)
