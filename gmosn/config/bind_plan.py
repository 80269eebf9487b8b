"""What a listener wants bound: Listener protos to the plans of gmosn/io/bind.py."""
import json
from _blake2 import blake2b                # not by hashlib: that loads OpenSSL, 8 ms

from gmosn.errors import ConfigError
from gmosn.io.address import Address
from gmosn.io.bind import BOUND, LISTENING, PREBIND

STATES = (PREBIND, BOUND, LISTENING)


def bind_plans(listener):
    """The plans of an envoy.config.listener.v3.Listener, one per address; none when it is not bound. ConfigError."""
    if listener.HasField("bind_to_port") and not listener.bind_to_port.value:
        listener_addresses(listener)
        return []
    addresses = listener_addresses(listener)
    plans = [_plan(listener, listener.address, addresses[0], listener.socket_options, ("socket_options",))]
    for index, extra in enumerate(listener.additional_addresses):
        own = extra.HasField("socket_options")
        place = ("additional_addresses", index, "socket_options", "socket_options") if own else ("socket_options",)
        options = extra.socket_options.socket_options if own else listener.socket_options
        plans.append(_plan(listener, extra.address, addresses[index + 1], options, place))
    return plans


def listener_addresses(listener):
    """The Addresses of a Listener, the main one first. ConfigError with the place."""
    if not listener.HasField("address"):
        raise ConfigError(f"error adding listener named '{listener.name}': address is necessary", ("address",))
    addresses = []
    places = [(listener.address, ("address",))]
    places += [(extra.address, ("additional_addresses", index, "address"))
               for index, extra in enumerate(listener.additional_addresses)]
    for proto, place in places:
        try:
            addresses.append(Address.from_proto(proto))
        except ConfigError as exc:
            raise exc.under(*place) from None
    return addresses


def _plan(listener, proto, address, options, place):
    plan = {"family": address.family, "reuse_port": False, "options": _options(options, place),
            "backlog": listener.tcp_backlog_size.value}
    if address.family == "unix":
        plan.update(path=address.path, mode=proto.pipe.mode)
    else:
        plan.update(
            ip=address.ip, port=address.port, reuse_port=_reuse_port(listener), mptcp=listener.enable_mptcp,
            ipv4_compat=proto.socket_address.ipv4_compat, transparent=listener.transparent.value,
            freebind=listener.freebind.value, fast_open=listener.tcp_fast_open_queue_length.value)
        if plan["ipv4_compat"] and address.family != "ipv6":
            raise ConfigError("ipv4_compat is for IPv6 addresses", ("address", "socket_address", "ipv4_compat"))
    named = dict(plan, name=listener.name) if not plan.get("port", 1) else plan    # any port: not shared by accident
    digest = blake2b(json.dumps(named, sort_keys=True).encode(), digest_size=6).hexdigest()
    plan["key"] = f"{address}#{digest}"
    return plan


def _reuse_port(listener):
    if listener.HasField("enable_reuse_port"):
        return listener.enable_reuse_port.value
    return True


def _options(options, place):
    """[[state, level, name, int or hex str], ...] of SocketOption messages."""
    made = []
    for index, option in enumerate(options):
        which = option.WhichOneof("value")
        if which is None:
            raise ConfigError("int_value or buf_value is necessary", (*place, index))
        if option.HasField("type") and option.type.HasField("datagram"):
            continue                                 # says itself that it is not for TCP
        value = option.int_value if which == "int_value" else option.buf_value.hex()
        made.append([STATES[option.state], option.level, option.name, value])
    return made
