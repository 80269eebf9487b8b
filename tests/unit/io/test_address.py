"""Addresses: parsing, printing as Envoy does, comparing, ranges."""
from socket import AF_INET, AF_INET6, AF_UNIX
from types import SimpleNamespace

import pytest

from gmosn.errors import ConfigError
from gmosn.io.address import Address, CidrSet


@pytest.mark.parametrize("ip, port, text, packed", [
    ("1.2.3.4", 80, b"1.2.3.4:80", b"\1\2\3\4"),
    ("::1", 80, b"[::1]:80", b"\0" * 15 + b"\1"),
    ("2001:DB8:0::1", 0, b"[2001:db8::1]:0", bytes.fromhex("20010db8000000000000000000000001")),
])
def test_parse(ip, port, text, packed):
    address = Address.parse(ip, port)
    assert address.text == text and address.ip_bytes == packed
    assert address.sockaddr == (address.ip, port)
    assert str(address) == text.decode()


@pytest.mark.parametrize("bad", ["localhost", "1.2.3", "1.2.3.4.5", "", "01.2.3.4", "1.2.3.4 ", "::g", "１.2.3.4"])
def test_not_an_address(bad):
    with pytest.raises(ValueError, match="malformed IP address"):
        Address.parse(bad)


@pytest.mark.parametrize("sockaddr, family, text", [
    (("1.2.3.4", 80), AF_INET, b"1.2.3.4:80"),
    (("::1", 80, 0, 0), AF_INET6, b"[::1]:80"),
    (("fe80::1%lo", 80, 0, 1), AF_INET6, b"[fe80::1]:80"),
    (("::ffff:1.2.3.4", 80, 0, 0), AF_INET6, b"1.2.3.4:80"),
    ("/run/x.sock", AF_UNIX, b"/run/x.sock"),
    (b"\0name", AF_UNIX, b"@name"),
    ("", AF_UNIX, b""),
])
def test_from_sockaddr(sockaddr, family, text):
    assert Address.from_sockaddr(sockaddr, family).text == text


def test_unix_sockaddr():
    assert Address("unix", path="@name").sockaddr == "\0name"
    assert Address("unix", path="/x").sockaddr == "/x"
    assert Address("unix", path="/x").ip_bytes == b""


def test_equality_and_hash():
    assert Address.parse("::1", 1) == Address.parse("0::1", 1)
    assert Address.parse("::1", 1) != Address.parse("::1", 2)
    assert len({Address.parse("1.1.1.1", 1), Address.parse("1.1.1.1", 1)}) == 1
    assert Address.parse("1.1.1.1", 1) != "1.1.1.1:1"
    assert Address.parse("1.1.1.1", 1).with_port(9).text == b"1.1.1.1:9"


def test_loopback_and_wildcard():
    assert Address.parse("127.9.9.9").is_loopback and Address.parse("::1").is_loopback
    assert not Address.parse("128.0.0.1").is_loopback
    assert Address.parse("0.0.0.0").is_wildcard and Address.parse("::").is_wildcard


class Proto(SimpleNamespace):
    """Looks like a message with one oneof."""

    def WhichOneof(self, name):
        return self.kind


def socket_address(ip, port=1, specifier="port_value", protocol=0):
    return Proto(kind="socket_address", socket_address=Proto(
        kind=specifier, address=ip, port_value=port, protocol=protocol))


def test_from_proto():
    assert Address.from_proto(socket_address("::1", 5)).text == b"[::1]:5"
    assert Address.from_proto(Proto(kind="pipe", pipe=SimpleNamespace(path="@x"))).text == b"@x"


@pytest.mark.parametrize("proto, message", [
    (socket_address("localhost"), "socket_address.address: malformed IP address: localhost"),
    (socket_address("::1", specifier="named_port"), "named port"),
    (socket_address("::1", protocol=1), "UDP is not implemented"),
    (Proto(kind=None), "address is necessary"),
    (Proto(kind="envoy_internal_address"), "envoy_internal_address: envoy_internal_address is not implemented"),
])
def test_from_proto_refuses(proto, message):
    with pytest.raises(ConfigError, match=message):
        Address.from_proto(proto)


@pytest.mark.parametrize("ip, inside", [
    ("10.1.2.3", True), ("11.0.0.0", False), ("192.168.1.1", True), ("192.168.1.2", False),
    ("fd00::1", True), ("fe00::1", False)])
def test_ranges(ip, inside):
    ranges = CidrSet([("10.0.0.0", 8), ("192.168.1.1", 32), ("fd00::", 8)])
    assert ranges.contains(Address.parse(ip)) is inside


def test_ranges_of_everything_and_the_longest():
    ranges = CidrSet([("0.0.0.0", 0), ("10.0.0.0", 8), ("10.0.0.0", 24)])
    assert ranges.match_length(Address.parse("1.1.1.1")) == 0
    assert ranges.match_length(Address.parse("10.0.0.1")) == 24
    assert ranges.match_length(Address.parse("::1")) == -1
    assert ranges.match_length(Address("unix", path="/x")) == -1
    assert not CidrSet([])


@pytest.mark.parametrize("prefix, length", [("10.0.0.0", 33), ("::", 129), ("x", 8), ("10.0.0.0", -1)])
def test_bad_ranges(prefix, length):
    with pytest.raises(ValueError, match="malformed IP address"):
        CidrSet([(prefix, length)])
