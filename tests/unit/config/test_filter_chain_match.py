"""Choosing filter chains: Envoy's order, the most specific value first, no way back."""
import pytest

from gmosn.config.descriptors import message_class
from gmosn.config.filter_chain_match import ChainMatcher, check_overlaps
from gmosn.errors import ConfigError
from gmosn.io.address import Address
from gmosn.stream_info import ConnectionInfo

FilterChain = message_class("envoy.config.listener.v3.FilterChain")


def match(**fields):
    chain = FilterChain(name=fields.pop("name", ""))
    m = chain.filter_chain_match
    for field in ("prefix_ranges", "source_prefix_ranges", "direct_source_prefix_ranges"):
        for text in fields.pop(field, ()):
            prefix, _, length = text.partition("/")
            entry = getattr(m, field).add(address_prefix=prefix)
            entry.prefix_len.value = int(length)
    if "destination_port" in fields:
        m.destination_port.value = fields.pop("destination_port")
    for field, value in fields.items():
        if isinstance(value, (list, tuple)):
            getattr(m, field).extend(value)
        else:
            setattr(m, field, value)
    return chain


def connection(local="10.0.0.1:80", remote="10.9.9.9:5000", **fields):
    def address(text):
        return Address("unix", path=text) if text.startswith("/") else Address.parse(*split(text))

    def split(text):
        ip, _, port = text.rpartition(":")
        return ip.strip("[]"), int(port)
    info = ConnectionInfo(address(local), address(remote))
    for name, value in fields.items():
        setattr(info, name, value)
    return info


def chosen(chains, info, default=None):
    return ChainMatcher([(chain.filter_chain_match, chain.name) for chain in chains], default).find(info)


@pytest.mark.parametrize("info, expected", [
    (connection(), "any"),
    (connection(local="10.0.0.1:443"), "port"),
    (connection(local="10.1.0.1:80"), "net16"),
    (connection(local="10.1.2.3:80"), "host"),
    (connection(local="[fd00::1]:80"), "six"),
    (connection(local="/run/socket"), "any"),
])
def test_ports_and_destinations(info, expected):
    chains = [match(name="any"), match(name="port", destination_port=443),
              match(name="net16", prefix_ranges=["10.1.0.0/16"]), match(name="host", prefix_ranges=["10.1.2.3/32"]),
              match(name="six", prefix_ranges=["fd00::/8"])]
    assert chosen(chains, info) == expected


def test_there_is_no_way_back():
    """The port chose; that its chain then fails on the source does not bring the others back."""
    chains = [match(name="any"), match(name="port", destination_port=443, source_prefix_ranges=["1.0.0.0/8"])]
    assert chosen(chains, connection(local="10.0.0.1:443"), "default") == "default"
    assert chosen(chains, connection(local="10.0.0.1:443", remote="1.2.3.4:1")) == "port"


@pytest.mark.parametrize("sni, expected", [
    (None, "none"), (b"a.example.com", "exact"), (b"A.Example.COM", "exact"), (b"b.example.com", "wild"),
    (b"x.b.example.com", "wild"), (b"x.deep.example.com", "deep"), (b"example.com", "none"), (b"other", "none"),
])
def test_server_names(sni, expected):
    chains = [match(name="none"), match(name="exact", server_names=["a.example.com"]),
              match(name="wild", server_names=["*.example.com"]),
              match(name="deep", server_names=["*.deep.example.com"])]
    assert chosen(chains, connection(sni=sni)) == expected


def test_raw_connections_match_raw_buffer():
    chains = [match(name="tls", transport_protocol="tls"), match(name="raw", transport_protocol="raw_buffer"),
              match(name="any")]
    assert chosen(chains, connection()) == "raw"
    assert chosen(chains, connection(transport_protocol=b"tls")) == "tls"
    assert chosen(chains[:1], connection()) is None


def test_application_protocols():
    chains = [match(name="h2", application_protocols=["h2"]), match(name="h1", application_protocols=["http/1.1"]),
              match(name="any")]
    assert chosen(chains, connection()) == "any"
    assert chosen(chains, connection(alpn=b"http/1.1,h2")) == "h1"
    assert chosen(chains, connection(alpn=b"spdy,h2,http/1.1")) == "h2"


@pytest.mark.parametrize("remote, expected", [
    ("127.0.0.1:1", "local"), ("10.0.0.1:1", "local"), ("10.0.0.2:1", "external"), ("/x", "local")])
def test_source_type(remote, expected):
    chains = [match(name="local", source_type=1), match(name="external", source_type=2), match(name="any")]
    assert chosen(chains, connection(remote=remote)) == expected


def test_sources_and_ports():
    chains = [match(name="net", source_prefix_ranges=["10.0.0.0/8"]),
              match(name="port", source_prefix_ranges=["10.0.0.0/8"], source_ports=[5000, 5001]),
              match(name="direct", direct_source_prefix_ranges=["10.9.0.0/16"])]
    assert chosen(chains[:2], connection()) == "port"
    assert chosen(chains[:2], connection(remote="10.9.9.9:6000")) == "net"
    assert chosen(chains[:2], connection(remote="11.9.9.9:5000")) is None
    assert chosen(chains, connection()) == "direct"


def test_no_chains_is_the_default():
    assert chosen([], connection(), "default") == "default"
    assert chosen([match(name="one")], connection(), "default") == "one"


@pytest.mark.parametrize("chain, message", [
    (match(server_names=["*foo.com"]), "filter_chains[0].filter_chain_match.server_names[0]: "
                                       "partial wildcards are not supported in \"server_names\""),
    (match(server_names=["a.*"]), "partial wildcards"),
    (match(prefix_ranges=["localhost/8"]), "prefix_ranges[0].address_prefix: malformed IP address: localhost"),
    (match(source_prefix_ranges=["10.0.0.0/33"]), "source_prefix_ranges[0].prefix_len: malformed IP address range"),
])
def test_what_is_refused(chain, message):
    with pytest.raises(ConfigError) as caught:
        check_overlaps([chain], "1.2.3.4:80")
    assert message in str(caught.value)


def test_duplicates():
    with pytest.raises(ConfigError) as caught:
        check_overlaps([match(), match()], "127.0.0.1:18081")
    assert str(caught.value) == (
        "filter_chains[1]: error adding listener '127.0.0.1:18081': filter chain '' has the same matching rules "
        "defined as ''. duplicate matcher is: {}")


@pytest.mark.parametrize("first, second", [
    (match(prefix_ranges=["10.1.2.3/8"]), match(prefix_ranges=["11.0.0.0/8", "10.0.0.0/8"])),
    (match(server_names=["a", "b"]), match(server_names=["B"])),
])
def test_overlaps(first, second):
    with pytest.raises(ConfigError, match="multiple filter chains with overlapping matching rules are defined"):
        check_overlaps([first, second], "x")


def test_no_overlap():
    assert check_overlaps([match(), match(destination_port=1), match(server_names=["a"]),
                           match(prefix_ranges=["10.0.0.0/8"]), match(prefix_ranges=["10.0.0.0/9"])], "x") is None
