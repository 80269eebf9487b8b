"""Bind plans from listeners."""
import pytest

from gmosn.config.bind_plan import bind_plans
from gmosn.config.descriptors import message_class
from gmosn.errors import ConfigError
from gmosn.io.bind import bind

Listener = message_class("envoy.config.listener.v3.Listener")


def listener(ip="127.0.0.1", port=80, **fields):
    proto = Listener(**fields)
    proto.address.socket_address.address = ip
    proto.address.socket_address.port_value = port
    return proto


def test_defaults():
    (plan,) = bind_plans(listener())
    assert plan["key"].startswith("127.0.0.1:80#")
    assert (plan["family"], plan["ip"], plan["port"], plan["reuse_port"]) == ("ipv4", "127.0.0.1", 80, True)
    (plan,) = bind_plans(listener(port=0))
    bind(plan).close()


def test_fields():
    proto = listener("::", 8080, enable_mptcp=True)
    proto.enable_reuse_port.value = False
    proto.tcp_backlog_size.value = 9
    proto.transparent.value = proto.freebind.value = True
    proto.tcp_fast_open_queue_length.value = 3
    proto.address.socket_address.ipv4_compat = True
    proto.socket_options.add(level=1, name=9, int_value=1, state=2)
    proto.socket_options.add(level=1, name=13, buf_value=b"\1\0")
    proto.socket_options.add(level=1, name=14, int_value=1).type.datagram.SetInParent()
    (plan,) = bind_plans(proto)
    assert {name: plan[name] for name in plan if name != "key"} == {
        "family": "ipv6", "ip": "::", "port": 8080, "reuse_port": False, "mptcp": True, "ipv4_compat": True,
        "transparent": True, "freebind": True, "fast_open": 3, "backlog": 9,
        "options": [["listening", 1, 9, 1], ["prebind", 1, 13, "0100"]]}


def test_more_addresses_and_their_options():
    proto = listener()
    proto.socket_options.add(level=1, name=9, int_value=1)
    first = proto.additional_addresses.add()
    first.address.pipe.path, first.address.pipe.mode = "@x", 0
    second = proto.additional_addresses.add()
    second.address.socket_address.address, second.address.socket_address.port_value = "::1", 81
    second.socket_options.SetInParent()
    plans = bind_plans(proto)
    assert [plan["key"].partition("#")[0] for plan in plans] == ["127.0.0.1:80", "@x", "[::1]:81"]
    assert [len(plan["options"]) for plan in plans] == [1, 1, 0]
    assert [plan["reuse_port"] for plan in plans] == [True, False, True]


def test_keys():
    """Equal sockets have equal keys, whatever listener they belong to; port 0 is nobody else's."""
    def key(*arguments, **fields):
        return bind_plans(listener(*arguments, **fields))[0]["key"]
    assert key(name="a") == key(name="b")
    assert key(name="a") != key(name="a", enable_mptcp=True)
    assert key("127.0.0.1", 0, name="a") != key("127.0.0.1", 0, name="b")


def test_not_bound():
    proto = listener()
    proto.bind_to_port.value = False
    assert bind_plans(proto) == []


def compat_on_ipv4():
    proto = listener()
    proto.address.socket_address.ipv4_compat = True
    return proto


def empty_option():
    proto = listener()
    proto.socket_options.add(level=1, name=2)
    return proto


@pytest.mark.parametrize("proto, message", [
    (Listener(name="l0"), "address: error adding listener named 'l0': address is necessary"),
    (listener("localhost"), "address.socket_address.address: malformed IP address: localhost"),
    (compat_on_ipv4(), "ipv4_compat"),
    (empty_option(), "socket_options[0]: int_value or buf_value is necessary"),
])
def test_refused(proto, message):
    with pytest.raises(ConfigError) as caught:
        bind_plans(proto)
    assert message in str(caught.value)
