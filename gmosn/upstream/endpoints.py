"""From a ClusterLoadAssignment to a HostSet."""
from gmosn.errors import ConfigError
from gmosn.io.address import Address
from gmosn.upstream.host import DEGRADED, HEALTHY, OVERPROVISIONING, UNHEALTHY, Host, HostSet

# envoy.config.core.v3.HealthStatus: UNKNOWN, HEALTHY, UNHEALTHY, DRAINING, TIMEOUT, DEGRADED
HEALTH = {0: HEALTHY, 1: HEALTHY, 2: UNHEALTHY, 3: UNHEALTHY, 4: UNHEALTHY, 5: DEGRADED}


def build_host_set(assignment, before, cluster_name, stats, hostname_ok, logical=False):
    """A HostSet. Hosts of `before` whose address is still there are taken over, with what they count and hold.

    `stats`: the root Stats, None = hosts without stats; `hostname_ok`: names are skipped (DNS will bring their
    addresses), else they are a ConfigError; `logical`: there is one host, and it moves when its address changes.
    """
    known = {}
    for host in before.hosts:
        known.setdefault(host.address, []).append(host)
    hosts = []
    for index, group in enumerate(assignment.endpoints):
        for number, endpoint in enumerate(group.lb_endpoints):
            try:
                address = _address(endpoint, hostname_ok)
            except ConfigError as exc:
                raise exc.under("endpoints", index, "lb_endpoints", number) from None
            if address is None:
                continue
            olds = known.get(address)
            if logical and before.hosts and not olds:
                olds = [before.hosts[0]]
                olds[0].move_to(address, stats, cluster_name)
            host = olds.pop(0) if olds else Host(address, stats, cluster_name)
            _describe(host, endpoint, group)
            hosts.append(host)
    return HostSet(hosts, _overprovisioning(assignment))


def _overprovisioning(assignment):
    policy = assignment.policy
    return policy.overprovisioning_factor.value if policy.HasField("overprovisioning_factor") else OVERPROVISIONING


def _address(endpoint, hostname_ok):
    """The endpoint's Address; None for a name that DNS will resolve."""
    if endpoint.WhichOneof("host_identifier") != "endpoint":
        raise ConfigError("gmosn does not implement named endpoints", ("endpoint_name",))
    proto = endpoint.endpoint.address
    try:
        return Address.from_proto(proto)
    except ConfigError as exc:
        if not exc.message.startswith("malformed IP address"):
            raise exc.under("endpoint", "address") from None
        if hostname_ok:
            return None
        raise ConfigError(f"malformed IP address: {proto.socket_address.address}. Consider setting resolver_name or "
                          "setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'",
                          ("endpoint", "address", *exc.path)) from None


def _describe(host, endpoint, group):
    """Writes what the assignment says of a host into it."""
    host.weight = endpoint.load_balancing_weight.value if endpoint.HasField("load_balancing_weight") else 1
    host.health = HEALTH.get(endpoint.health_status, HEALTHY)
    host.hostname = endpoint.endpoint.hostname
    host.priority = group.priority
    host.locality = group.locality if group.HasField("locality") else None
    host.locality_weight = group.load_balancing_weight.value
    where = group.locality
    host.zone = where.zone
    host.locality_key = f"{where.region}\0{where.zone}\0{where.sub_zone}"
    host.metadata = endpoint.metadata if endpoint.HasField("metadata") else None
    host.canary = _is_canary(endpoint.metadata)


def _is_canary(metadata):
    """Envoy: the boolean "canary" of the metadata namespace envoy.lb."""
    if "envoy.lb" not in metadata.filter_metadata:
        return False
    value = metadata.filter_metadata["envoy.lb"].fields.get("canary")
    return value is not None and value.bool_value
