"""Resolver against a real (small) DNS server, and /etc/hosts."""
import pytest

from gmosn.upstream.dns_options import ALL, AUTO, V4_ONLY, V4_PREFERRED, V6_ONLY, ResolverOptions
from gmosn.upstream.dns_resolver import HostsFile, ResolutionFailed, Resolver
from tests.helpers.dns_server import DnsServer
from tests.helpers.timing import SCALE

BOTH = {"both.test.": {"A": (30, ["10.0.0.1", "10.0.0.2"]), "AAAA": (20, ["fd00::1"])},
        "four.test.": {"A": (30, ["10.0.0.4"])},
        "alias.test.": {"CNAME": (7, "four.test.")}}


@pytest.fixture
def server():
    with DnsServer(BOTH) as made:
        yield made


@pytest.fixture
def resolver(server, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.9 Static.Test other.test # comment\n::9 static.test\nnonsense x\n127.0.0.9 static.test\n")
    options = ResolverOptions([("127.0.0.1", server.port)], timeout_s=0.3 * SCALE, tries=2)
    return Resolver(options, hosts, None)


@pytest.mark.parametrize(("name", "family", "addresses", "ttl"), [
    ("both.test", AUTO, ["fd00::1"], 20), ("both.test", V4_ONLY, ["10.0.0.1", "10.0.0.2"], 30),
    ("both.test", V6_ONLY, ["fd00::1"], 20), ("both.test", V4_PREFERRED, ["10.0.0.1", "10.0.0.2"], 30),
    ("both.test", ALL, ["10.0.0.1", "10.0.0.2", "fd00::1"], 20),
    ("four.test", AUTO, ["10.0.0.4"], 30), ("four.test.", V4_PREFERRED, ["10.0.0.4"], 30),
    ("four.test", V6_ONLY, [], None), ("four.test", ALL, ["10.0.0.4"], 30),
    ("none.test", AUTO, [], None), ("alias.test", V4_ONLY, ["10.0.0.4"], 7),
])
def test_families(resolver, name, family, addresses, ttl):
    found, seconds = resolver.resolve(name, family)
    assert (sorted(found), seconds) == (addresses, ttl)      # the server shuffles


def test_hosts_file_comes_first(resolver, server):
    assert resolver.resolve("static.test", V4_ONLY) == (["127.0.0.9"], None)
    assert resolver.resolve("STATIC.test", ALL) == (["127.0.0.9", "::9"], None)
    assert resolver.resolve("other.test.", AUTO)[0] == ["127.0.0.9"]
    assert ("static.test.", "A") not in server.questions


def test_localhost_is_never_asked_for(server):
    resolver = Resolver(ResolverOptions([("127.0.0.1", server.port)]), "/nonexistent", None)
    assert resolver.resolve("localhost", V4_ONLY) == (["127.0.0.1"], None)
    assert resolver.resolve("x.localhost", AUTO) == (["::1"], None)
    assert server.questions == []


def test_hosts_file_is_read_again_when_it_changes(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("10.0.0.1 a\n")
    hosts = HostsFile(path)
    assert hosts.find("a", "ipv4") == ["10.0.0.1"]
    path.write_text("10.0.0.22 a\n")
    assert hosts.find("a", "ipv4") == ["10.0.0.22"]
    path.unlink()
    assert hosts.find("a", "ipv4") == []


@pytest.mark.parametrize("mode", ["servfail", "silent"])
def test_failures_are_not_empty_answers(resolver, server, mode):
    server.mode = mode
    with pytest.raises(ResolutionFailed, match=r"four\.test"):
        resolver.resolve("four.test", V4_ONLY)


def test_truncated_answers_are_asked_for_again_over_tcp(resolver, server):
    server.truncate = True
    assert resolver.resolve("four.test", V4_ONLY) == (["10.0.0.4"], 30)


def test_tcp_only(server):
    server.udp.close()
    resolver = Resolver(ResolverOptions([("127.0.0.1", server.port)], tcp=True), "/nonexistent", None)
    assert resolver.resolve("four.test", V4_ONLY) == (["10.0.0.4"], 30)


def test_system_configuration(tmp_path, server):
    config = tmp_path / "resolv.conf"
    config.write_text("nameserver 127.0.0.1\nsearch test\noptions ndots:1\n")
    resolver = Resolver(ResolverOptions([("127.0.0.1", server.port)]), "/nonexistent", config)
    assert resolver.resolve("four.test", V4_ONLY)[0] == ["10.0.0.4"]
