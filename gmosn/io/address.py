"""Addresses as values: parsed once, printed as Envoy prints them. Literal IPs never touch the resolver."""
from socket import AF_INET, AF_INET6, AF_UNIX, inet_ntop, inet_pton

from gmosn.errors import ConfigError

MAPPED = b"\0" * 10 + b"\xff\xff"                  # ::ffff:0:0/96, how an IPv6 socket sees IPv4 peers
_FAMILIES = {AF_INET: "ipv4", AF_INET6: "ipv6", AF_UNIX: "unix"}


class Address:
    """Immutable. `family`: "ipv4" | "ipv6" | "unix"; `ip`: str in canonical form and `port`, or `path` (abstract:
    "@name").

    Two addresses are equal when family, ip, port and path are.
    """

    __slots__ = ("family", "ip", "port", "path", "_text")

    def __init__(self, family, ip="", port=0, path=""):
        self.family = family
        self.ip = ip
        self.port = port
        self.path = path
        self._text = None

    @classmethod
    def parse(cls, ip, port=0):
        """From a literal IPv4 or IPv6 address. ValueError when it is none."""
        for af, family in ((AF_INET, "ipv4"), (AF_INET6, "ipv6")):
            try:
                packed = inet_pton(af, ip)
            except OSError:
                continue
            return cls(family, inet_ntop(af, packed), port)
        raise ValueError(f"malformed IP address: {ip}")

    @classmethod
    def from_proto(cls, proto):
        """From an envoy.config.core.v3.Address: socket_address with a literal IP and a port_value, or pipe."""
        kind = proto.WhichOneof("address")
        if kind == "pipe":
            return cls("unix", path=proto.pipe.path)
        if kind != "socket_address":
            raise ConfigError("address is necessary" if kind is None else f"{kind} is not implemented",
                              () if kind is None else (kind,))
        address = proto.socket_address
        if address.protocol != 0:
            raise ConfigError("UDP is not implemented", ("socket_address", "protocol"))
        if address.WhichOneof("port_specifier") != "port_value":
            raise ConfigError("a named port needs a resolver: give port_value", ("socket_address", "named_port"))
        try:
            return cls.parse(address.address, address.port_value)
        except ValueError as exc:
            raise ConfigError(str(exc), ("socket_address", "address")) from None

    @classmethod
    def from_sockaddr(cls, sockaddr, family):
        """From what accept(), getsockname() and getpeername() return for `family` (AF_INET, AF_INET6, AF_UNIX).

        An IPv4 peer of an IPv6 socket becomes the IPv4 address that it is.
        """
        if family == AF_UNIX:
            path = sockaddr.decode("utf-8", "surrogateescape") if isinstance(sockaddr, bytes) else sockaddr or ""
            return cls("unix", path="@" + path[1:] if path[:1] == "\0" else path)
        ip = sockaddr[0].partition("%")[0]
        if family == AF_INET6 and ip[:7].lower() == "::ffff:" and "." in ip:
            return cls("ipv4", ip[7:], sockaddr[1])
        return cls(_FAMILIES[family], ip, sockaddr[1])

    @property
    def af(self):
        """socket.AF_INET, AF_INET6 or AF_UNIX."""
        return AF_UNIX if self.family == "unix" else AF_INET6 if self.family == "ipv6" else AF_INET

    @property
    def sockaddr(self):
        """For bind() and connect()."""
        if self.family == "unix":
            return "\0" + self.path[1:] if self.path[:1] == "@" else self.path
        return (self.ip, self.port)

    @property
    def text(self):
        """As Envoy prints it: b"1.2.3.4:80", b"[::1]:80", b"/path", b"@abstract"."""
        if self._text is None:
            if self.family == "unix":
                text = self.path
            else:
                text = f"[{self.ip}]:{self.port}" if self.family == "ipv6" else f"{self.ip}:{self.port}"
            self._text = text.encode("utf-8", "surrogateescape")
        return self._text

    @property
    def ip_text(self):
        """The address without port, as bytes: b"1.2.3.4", b"::1", b"/path"."""
        return (self.ip or self.path).encode("utf-8", "surrogateescape")

    @property
    def ip_bytes(self):
        """The packed IP address (4 or 16 bytes); b"" for a Unix address."""
        return b"" if self.family == "unix" else inet_pton(self.af, self.ip)

    @property
    def is_loopback(self):
        return self.ip == "::1" or self.family == "ipv4" and self.ip.startswith("127.")

    @property
    def is_wildcard(self):
        """0.0.0.0 or ::."""
        return self.ip in ("0.0.0.0", "::")

    def with_port(self, port):
        return Address(self.family, self.ip, port, self.path)

    def _key(self):
        return self.family, self.ip, self.port, self.path

    def __eq__(self, other):
        return isinstance(other, Address) and self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    def __str__(self):
        return self.text.decode("utf-8", "replace")

    def __repr__(self):
        return f"<Address {self}>"


class CidrSet:
    """Address ranges. `ranges`: (prefix str, length) pairs. ValueError for what is no range."""

    def __init__(self, ranges):
        self.ranges = []                            # (total bits, prefix length, prefix as a number)
        for prefix, length in ranges:
            address = Address.parse(prefix)
            bits = len(address.ip_bytes) * 8
            if not 0 <= length <= bits:
                raise ValueError(f"malformed IP address range: {prefix}/{length}")
            self.ranges.append((bits, length, int.from_bytes(address.ip_bytes, "big") >> (bits - length)))

    @classmethod
    def from_proto(cls, ranges):
        """From a list of envoy.config.core.v3.CidrRange."""
        try:
            return cls((r.address_prefix, r.prefix_len.value) for r in ranges)
        except ValueError as exc:
            raise ConfigError(str(exc)) from None

    def contains(self, address):
        """Whether `address` (Address) is in one of the ranges. A Unix address never is."""
        return self.match_length(address) >= 0

    def match_length(self, address):
        """The longest matching prefix length, -1 when none matches."""
        packed = address.ip_bytes
        bits, number, best = len(packed) * 8, int.from_bytes(packed, "big"), -1
        for width, length, prefix in self.ranges:
            if width == bits and length > best and number >> (bits - length) == prefix:
                best = length
        return best

    def __bool__(self):
        return bool(self.ranges)

    def __repr__(self):
        return f"<CidrSet of {len(self.ranges)}>"
