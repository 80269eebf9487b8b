"""/clusters and /listeners: what runs, with the counts of every host."""
from gmosn.errors import ConfigError
from gmosn.io.address import Address
from gmosn.matching.regex import compile_pattern
from gmosn.observe.stats_view import INTERNAL
from gmosn.server.admin.http_types import TEXT, AdminResponse, json_response
from gmosn.server.admin.protos import to_json

COUNTERS = ("cx_connect_fail", "cx_total", "rq_error", "rq_success", "rq_timeout", "rq_total")
GAUGES = ("cx_active", "rq_active", "rq_pending_active")
LIMITS = (("max_connections", 1024), ("max_pending_requests", 1024), ("max_requests", 1024), ("max_retries", 3))
HEALTH_FIELDS = {"failed_active_hc": "failed_active_health_check", "failed_outlier_check": "failed_outlier_check",
                 "degraded_active_hc": "failed_active_degraded_check",
                 "pending_dynamic_removal": "pending_dynamic_removal"}


class HostView:
    """One host: `address`: as printed; `proto`: its core.v3.Address; `stats`: name -> int; `flags`: health flags."""

    def __init__(self, backend, cluster, locality, endpoint, numbers):
        self.proto = endpoint.endpoint.address
        self.address = host_address(self.proto)
        prefix = f"{INTERNAL}host.{cluster}.{self.address}."
        self.stats = {name: numbers.get(prefix + name, 0) for name in COUNTERS + GAUGES}
        self.hostname = endpoint.endpoint.hostname
        self.weight = endpoint.load_balancing_weight.value if endpoint.HasField("load_balancing_weight") else 1
        self.locality = locality.locality
        self.priority = locality.priority
        metadata = endpoint.metadata.filter_metadata
        self.canary = "envoy.lb" in metadata and bool(metadata["envoy.lb"].fields["canary"].bool_value)
        self.flags = set(backend.host_health(cluster, self.address))
        self.eds_health = {2: "UNHEALTHY", 3: "UNHEALTHY", 4: "UNHEALTHY", 5: "DEGRADED"}.get(
            endpoint.health_status, "HEALTHY")
        if self.eds_health != "HEALTHY":
            self.flags.add("failed_eds_health" if self.eds_health == "UNHEALTHY" else "degraded_eds_health")


def host_address(proto):
    """The text of a core.v3.Address as /clusters and the per-host stats have it; a name that is not resolved stays."""
    try:
        return Address.from_proto(proto).text.decode()
    except ConfigError:
        return f"{proto.socket_address.address}:{proto.socket_address.port_value}"


def clusters(admin, request):
    """The page. Parameters: filter (regex on names), format=json."""
    pattern = None
    if request.first("filter"):
        try:
            pattern = compile_pattern(request.first("filter"))
        except ConfigError:
            return AdminResponse("Invalid re2 regex", 400)
    numbers = admin.host_numbers()
    assignments = {entry.name: entry.message for entry in admin.backend.entries("endpoint")}
    found = []
    for entry in admin.backend.entries("cluster"):
        if entry.state == "active" and (pattern is None or pattern.search(entry.name.encode())):
            assignment = assignments.get(entry.name)
            hosts = [HostView(admin.backend, entry.name, locality, endpoint, numbers)
                     for locality in (assignment.endpoints if assignment is not None else ())
                     for endpoint in locality.lb_endpoints]
            found.append((entry, hosts))
    if request.first("format") == "json":
        statuses = [_cluster_json(entry, hosts) for entry, hosts in found]
        return json_response({"cluster_statuses": statuses} if statuses else {})
    return AdminResponse("".join(line + "\n" for entry, hosts in found for line in _cluster_lines(entry, hosts)))


def _limits(cluster, priority):
    """Circuit-breaker thresholds of "DEFAULT" or "HIGH": pairs (name, value)."""
    for threshold in cluster.circuit_breakers.thresholds:
        if threshold.priority == (priority == "HIGH"):
            return [(name, getattr(threshold, name).value if threshold.HasField(name) else default)
                    for name, default in LIMITS]
    return list(LIMITS)


def _cluster_lines(entry, hosts):
    name, cluster = entry.name, entry.message
    yield f"{name}::observability_name::{cluster.alt_stat_name or name}"
    if cluster.HasField("outlier_detection"):
        for line in ("success_rate_average", "success_rate_ejection_threshold", "local_origin_success_rate_average",
                     "local_origin_success_rate_ejection_threshold"):
            yield f"{name}::outlier::{line}::-1"
    for priority in ("DEFAULT", "HIGH"):
        for limit, value in _limits(cluster, priority):
            yield f"{name}::{priority.lower()}_priority::{limit}::{value}"
    yield f"{name}::added_via_api::{str(entry.dynamic).lower()}"
    for host in hosts:
        yield from _host_lines(f"{name}::{host.address}::", host)


def _host_lines(prefix, host):
    for stat in sorted(host.stats):
        yield f"{prefix}{stat}::{host.stats[stat]}"
    flags = "".join("/" + flag for flag in sorted(host.flags)) or "healthy"
    for name, value in (("hostname", host.hostname), ("health_flags", flags), ("weight", host.weight),
                        ("region", host.locality.region), ("zone", host.locality.zone),
                        ("sub_zone", host.locality.sub_zone), ("canary", str(host.canary).lower()),
                        ("priority", host.priority), ("success_rate", -1), ("local_origin_success_rate", -1)):
        yield f"{prefix}{name}::{value}"


def _cluster_json(entry, hosts):
    """envoy.admin.v3.ClusterStatus."""
    out = {"name": entry.name}
    if entry.dynamic:
        out["added_via_api"] = True
    if hosts:
        out["host_statuses"] = [_host_json(host) for host in hosts]
    out["circuit_breakers"] = {"thresholds": [
        {**({"priority": "HIGH"} if priority == "HIGH" else {}), **dict(_limits(entry.message, priority))}
        for priority in ("DEFAULT", "HIGH")]}
    out["observability_name"] = entry.message.alt_stat_name or entry.name
    return out


def _host_json(host):
    """envoy.admin.v3.HostStatus; 64-bit numbers are strings and zeros are left out, as in all proto JSON."""
    health = {HEALTH_FIELDS[flag]: True for flag in sorted(host.flags) if flag in HEALTH_FIELDS}
    health["eds_health_status"] = host.eds_health
    out = {"address": to_json(host.proto),
           "stats": [_metric(name, host.stats[name], "") for name in COUNTERS] + [
               _metric(name, host.stats[name], "GAUGE") for name in GAUGES],
           "health_status": health, "weight": host.weight}
    if host.hostname:
        out["hostname"] = host.hostname
    if host.priority:
        out["priority"] = host.priority
    out["locality"] = to_json(host.locality)
    return out


def _metric(name, value, kind):
    out = {"type": kind} if kind else {}
    if value:
        out["value"] = str(value)
    return {**out, "name": name}


def listeners(admin, request):
    """The page. Parameter: format=json."""
    backend = admin.backend
    found = [(entry.name, backend.listener_addresses(entry.name)) for entry in backend.entries("listener")
             if entry.state == "active" and entry.message is not None]
    if request.first("format") != "json":
        return AdminResponse("".join(f"{name}::{address.text.decode()}\n" for name, addresses in found
                                     for address in addresses), 200, TEXT)
    statuses = []
    for name, addresses in found:
        status = {"name": name}
        if addresses:
            status["local_address"] = _address_json(addresses[0])
        if addresses[1:]:
            status["additional_local_addresses"] = [_address_json(address) for address in addresses[1:]]
        statuses.append(status)
    return json_response({"listener_statuses": statuses} if statuses else {})


def _address_json(address):
    if address.family == "unix":
        return {"pipe": {"path": address.path}}
    return {"socket_address": {"address": address.ip, **({"port_value": address.port} if address.port else {})}}
