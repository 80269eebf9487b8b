"""Names to addresses, as Envoy's c-ares does it: literal, /etc/hosts, then DNS; with the time that answers stay good.

Blocking calls: runs in the control process, where sockets are gevent's.
"""
import os

from gmosn.io.address import Address
from gmosn.upstream.dns_options import ALL, AUTO, V4_ONLY, V4_PREFERRED, V6_ONLY

LOOPBACK = {"ipv4": "127.0.0.1", "ipv6": "::1"}
KINDS = {"ipv4": "A", "ipv6": "AAAA"}
# The order of questions per family: the first that has an answer is enough, except for ALL.
QUESTIONS = {AUTO: ("ipv6", "ipv4"), V4_ONLY: ("ipv4",), V6_ONLY: ("ipv6",), V4_PREFERRED: ("ipv4", "ipv6"),
             ALL: ("ipv4", "ipv6")}


class ResolutionFailed(Exception):
    """No server answered, or with an error. A name that does not exist is an empty answer instead, as in Envoy."""


class Resolver:
    """`options`: ResolverOptions; `hosts_path`, `config_path`: the files of the system (None: no resolv.conf)."""

    def __init__(self, options, hosts_path="/etc/hosts", config_path="/etc/resolv.conf"):
        self.options = options
        self.hosts = HostsFile(hosts_path)
        self.config_path = config_path
        self._engine = None

    def resolve(self, name, family):
        """([ip as str], seconds that they stay good or None). Blocks. Raises ResolutionFailed."""
        found, ttls = [], []
        for kind in QUESTIONS[family]:
            addresses, ttl = self._ask(name, kind)
            found += addresses
            if ttl is not None and addresses:
                ttls.append(ttl)
            if found and family != ALL:
                break
        return found, min(ttls, default=None)

    def _ask(self, name, kind):
        local = self.hosts.find(name, kind)
        if local:
            return local, None
        plain = name.rstrip(".").lower()
        if plain == "localhost" or plain.endswith(".localhost"):
            return [LOOPBACK[kind]], None            # RFC 6761 6.3: never asked outside
        return self._query(name, kind)

    def _query(self, name, kind):
        import dns.exception                         # 8 MiB and 0.2 s that a configuration without names does not pay
        import dns.resolver
        if self._engine is None:
            self._engine = self._make_engine(dns.resolver)
        try:
            answer = self._engine.resolve(name, KINDS[kind], tcp=self.options.tcp, search=self.options.search)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return [], None
        except (dns.exception.DNSException, OSError) as exc:
            raise ResolutionFailed(f"{name}: {exc}") from exc
        return [record.address for record in answer], answer.chaining_result.minimum_ttl

    def _make_engine(self, module):
        """dnspython's resolver with our servers or resolv.conf's."""
        options = self.options
        own = options.servers or self.config_path is None or not os.path.exists(self.config_path)
        engine = module.Resolver(configure=False)
        if not own:
            engine.read_resolv_conf(self.config_path)
        if options.servers:
            import dns.nameserver
            engine.nameservers = [dns.nameserver.Do53Nameserver(ip, port) for ip, port in options.servers]
        elif not engine.nameservers:
            engine.nameservers = ["127.0.0.1"]
        engine.rotate = options.rotate
        engine.timeout = options.timeout_s
        engine.lifetime = options.timeout_s * options.tries
        return engine


class HostsFile:
    """/etc/hosts, read again when it changed."""

    def __init__(self, path):
        self.path = path
        self._stamp = None
        self._names = {}

    def find(self, name, kind):
        """The addresses of a name, of one family, in the file's order."""
        self._refresh()
        found = self._names.get(name.rstrip(".").lower(), ())
        return [address.ip for address in found if address.family == kind]

    def _refresh(self):
        try:
            status = os.stat(self.path)
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp == self._stamp:
                return
            with open(self.path, encoding="utf-8", errors="replace") as file:
                self._names = _parse_hosts(file)
            self._stamp = stamp
        except OSError:
            self._stamp, self._names = None, {}


def _parse_hosts(lines):
    names = {}
    for line in lines:
        fields = line.partition("#")[0].split()
        if len(fields) < 2:
            continue
        try:
            address = Address.parse(fields[0].partition("%")[0])
        except ValueError:
            continue
        for name in fields[1:]:
            known = names.setdefault(name.rstrip(".").lower(), [])
            if address not in known:
                known.append(address)
    return names
