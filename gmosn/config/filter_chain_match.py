"""Which filter chain a connection gets: Envoy's nine criteria in Envoy's order, the most specific value of each.

Once a criterion has chosen, chains without the chosen value are out: there is no way back when a later criterion fails
(source: Envoy's api, config/listener/v3/listener_components.proto, FilterChainMatch).
"""
from itertools import product

from gmosn.errors import ConfigError
from gmosn.io.address import Address

ANY, SAME_IP_OR_LOOPBACK, EXTERNAL = range(3)
EVERY = ("",)


class ChainMatcher:
    """Chooses among `chains`: (FilterChainMatch, value) pairs; `default` when none matches."""

    def __init__(self, chains, default=None):
        self.chains = [(Criteria(match), value) for match, value in chains]
        self.default = default
        self.trivial = all(criteria.is_empty for criteria, _ in self.chains)

    def find(self, info):
        """The value for a connection (ConnectionInfo), `default` when none matches."""
        if self.trivial and self.chains:
            return self.chains[0][1]
        left = self.chains
        for score in SCORES:
            best, kept = 0, []
            for entry in left:
                value = score(entry[0], info)
                if value > best:
                    best, kept = value, [entry]
                elif value == best and value > 0:
                    kept.append(entry)
            left = kept
            if not left:
                return self.default
        return left[0][1]


class Criteria:
    """One FilterChainMatch. An empty list or None matches everything."""

    def __init__(self, match):
        self.port = match.destination_port.value if match.HasField("destination_port") else None
        self.ranges = _ranges(match.prefix_ranges, "prefix_ranges")
        self.names = _server_names(match.server_names)
        self.transport = match.transport_protocol.encode()
        self.alpn = [protocol.encode() for protocol in match.application_protocols]
        self.direct_sources = _ranges(match.direct_source_prefix_ranges, "direct_source_prefix_ranges")
        self.source_type = match.source_type
        self.sources = _ranges(match.source_prefix_ranges, "source_prefix_ranges")
        self.source_ports = frozenset(match.source_ports)

    def keys(self):
        """Every combination of single values that this match stands for, to find overlaps."""
        return product((self.port,), self.ranges or EVERY, self.names or EVERY, (self.transport,), self.alpn or EVERY,
                       self.direct_sources or EVERY, (self.source_type,), self.sources or EVERY,
                       sorted(self.source_ports) or EVERY)

    @property
    def is_empty(self):
        return (self.port is None and not self.source_type and not self.transport and not any(
            (self.ranges, self.names, self.alpn, self.direct_sources, self.sources, self.source_ports)))


def _ranges(protos, field):
    """[(bits, length, number)], canonical: 10.1.2.3/8 is 10.0.0.0/8."""
    ranges = []
    for index, proto in enumerate(protos):
        try:
            packed = Address.parse(proto.address_prefix).ip_bytes
        except ValueError as exc:
            raise ConfigError(str(exc), (field, index, "address_prefix")) from None
        bits, length = len(packed) * 8, proto.prefix_len.value
        if length > bits:
            raise ConfigError(f"malformed IP address range: {proto.address_prefix}/{length}",
                              (field, index, "prefix_len"))
        ranges.append((bits, length, int.from_bytes(packed, "big") >> (bits - length)))
    return ranges


def _server_names(names):
    lowered = []
    for index, name in enumerate(names):
        if "*" in name and not (name.startswith("*.") and "*" not in name[1:]) and name != "*":
            raise ConfigError('partial wildcards are not supported in "server_names"', ("server_names", index))
        lowered.append(name.lower().encode())
    return lowered


# Each score: 0 = does not match, 1 = matches because the chain does not ask, more = the higher the more specific.

def _score_port(criteria, info):
    if criteria.port is None:
        return 1
    return 2 if info.local.family != "unix" and criteria.port == info.local.port else 0


def _score_ranges(ranges, address):
    if not ranges:
        return 1
    packed = address.ip_bytes
    bits, number = len(packed) * 8, int.from_bytes(packed, "big")
    return max((length + 1 for width, length, prefix in ranges
                if width == bits and number >> (bits - length) == prefix), default=0)


def _score_destination(criteria, info):
    return _score_ranges(criteria.ranges, info.local)


def _score_name(criteria, info):
    """Exact, then the longest suffix, then no name at all."""
    if not criteria.names or b"*" in criteria.names:
        return 1
    name, best = (info.sni or b"").lower(), 0
    for wanted in criteria.names:
        if wanted == name:
            return 1 << 20
        if wanted.startswith(b"*.") and name.endswith(wanted[1:]):
            best = max(best, len(wanted))
    return best


def _score_transport(criteria, info):
    if not criteria.transport:
        return 1
    return 2 if criteria.transport == (info.transport_protocol or b"raw_buffer") else 0


def _score_alpn(criteria, info):
    """`info.alpn`: what the client offers, comma-separated in its order (b"h2,http/1.1"); the first that fits wins."""
    if not criteria.alpn:
        return 1
    offered = (info.alpn or b"").split(b",")
    return max((1 + len(offered) - index for index, protocol in enumerate(offered) if protocol in criteria.alpn),
               default=0)


def _score_direct_source(criteria, info):
    return _score_ranges(criteria.direct_sources, info.direct_remote)


def _score_source_type(criteria, info):
    if criteria.source_type == ANY:
        return 1
    remote = info.remote
    local = remote.family == "unix" or remote.is_loopback or remote.ip == info.local.ip
    return 2 if local == (criteria.source_type == SAME_IP_OR_LOOPBACK) else 0


def _score_source(criteria, info):
    return _score_ranges(criteria.sources, info.remote)


def _score_source_port(criteria, info):
    if not criteria.source_ports:
        return 1
    return 2 if info.remote.family != "unix" and info.remote.port in criteria.source_ports else 0


SCORES = (_score_port, _score_destination, _score_name, _score_transport, _score_alpn, _score_direct_source,
          _score_source_type, _score_source, _score_source_port)


def check_overlaps(chains, where):
    """Refuses chains that could not be told apart. `chains`: FilterChain messages; `where`: the listener's address."""
    seen = {}
    for index, chain in enumerate(chains):
        match = chain.filter_chain_match
        try:
            keys = list(Criteria(match).keys())
        except ConfigError as exc:
            raise exc.under("filter_chains", index, "filter_chain_match") from None
        for key in keys:
            other = seen.setdefault(key, chain)
            if other is chain:
                continue
            if other.filter_chain_match == match:
                from google.protobuf import json_format
                text = json_format.MessageToJson(match, preserving_proto_field_name=True, indent=None)
                raise ConfigError(f"error adding listener '{where}': filter chain '{chain.name}' has the same matching "
                                  f"rules defined as '{other.name}'. duplicate matcher is: {text}",
                                  ("filter_chains", index))
            raise ConfigError(f"error adding listener '{where}': multiple filter chains with overlapping matching "
                              "rules are defined", ("filter_chains", index))
