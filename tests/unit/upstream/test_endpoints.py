"""Endpoints from a ClusterLoadAssignment."""
import pytest
from google.protobuf import json_format

from gmosn.errors import ConfigError
from gmosn.upstream.endpoints import build_host_set
from gmosn.upstream.host import DEGRADED, HEALTHY, UNHEALTHY, HostSet
from tests.helpers.clusters import ASSIGNMENT, assignment


def build(proto, before=None, **options):
    return build_host_set(proto, before or HostSet([]), "c", None, options.pop("hostname_ok", False), **options)


def parse(**fields):
    return json_format.ParseDict(dict(clusterName="c", **fields), ASSIGNMENT())


def endpoint(port, **fields):
    return {"endpoint": {"address": {"socketAddress": {"address": "10.0.0.1", "portValue": port}}}} | fields


def test_everything_that_an_endpoint_says():
    proto = parse(policy={"overprovisioningFactor": 200}, endpoints=[
        {"locality": {"region": "r", "zone": "z"}, "priority": 1, "loadBalancingWeight": 7, "lbEndpoints": [
            endpoint(1, loadBalancingWeight=3, healthStatus="DEGRADED",
                     metadata={"filterMetadata": {"envoy.lb": {"canary": True}}})]},
        {"lbEndpoints": [endpoint(2)]}])
    hosts = build(proto)
    first, second = hosts.hosts
    assert (first.weight, first.health, first.priority, first.zone, first.locality_weight, first.canary) == (
        3, DEGRADED, 1, "z", 7, True)
    assert (second.weight, second.health, second.priority, second.zone, second.canary) == (1, HEALTHY, 0, "", False)
    assert hosts.overprovisioning == 200 and len(hosts.priorities) == 2
    assert hosts.priorities[0].hosts == [second] and hosts.priorities[1].degraded == [first]


@pytest.mark.parametrize(("status", "health"), [
    ("UNKNOWN", HEALTHY), ("HEALTHY", HEALTHY), ("UNHEALTHY", UNHEALTHY), ("DRAINING", UNHEALTHY),
    ("TIMEOUT", UNHEALTHY), ("DEGRADED", DEGRADED)])
def test_health(status, health):
    assert build(parse(endpoints=[{"lbEndpoints": [endpoint(1, healthStatus=status)]}])).hosts[0].health == health


def test_a_host_that_stays_is_the_same_object_with_new_values():
    before = build(assignment(1, 2))
    newer = assignment(2)
    newer.endpoints[0].lb_endpoints[0].load_balancing_weight.value = 9
    after = build(newer, before)
    assert after.hosts == [before.hosts[1]] and after.hosts[0].weight == 9


def test_one_address_twice_is_two_hosts():
    before = build(assignment(1, 1))
    assert len(set(map(id, before.hosts))) == 2
    after = build(assignment(1, 1), before)
    assert after.hosts == before.hosts


def test_names_are_skipped_where_dns_brings_addresses():
    assert [host.address.port for host in build(assignment(("a.test", 1), 2), hostname_ok=True).hosts] == [2]


def test_named_endpoints_are_refused():
    with pytest.raises(ConfigError, match="named endpoints"):
        build(parse(endpoints=[{"lbEndpoints": [{"endpointName": "x"}]}]))
