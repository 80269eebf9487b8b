"""membership_* of one cluster."""
from google.protobuf import json_format

from gmosn.config.descriptors import message_class
from gmosn.observe.stats import Segment, Stats
from gmosn.upstream.membership import Membership

ASSIGNMENT = message_class("envoy.config.endpoint.v3.ClusterLoadAssignment")


def assignment(*endpoints):
    return json_format.ParseDict({"clusterName": "c", "endpoints": [{"lbEndpoints": [
        {"endpoint": {"address": {"socketAddress": {"address": "10.0.0.1", "portValue": port}}},
         "healthStatus": health, "loadBalancingWeight": weight} for port, health, weight in endpoints]}]}, ASSIGNMENT())


def test_counts():
    stats = Stats(Segment.local())
    membership = Membership(stats)

    def gauges():
        return [stats.gauge(f"cluster.c.{name}").value()
                for name in ("membership_total", "membership_healthy", "membership_degraded", "max_host_weight")]
    rest = (2, "UNKNOWN", 3), (3, "DEGRADED", 2), (4, "DRAINING", 9)
    assert membership.update("c", assignment((1, "HEALTHY", 1), *rest))
    assert gauges() == [4, 2, 1, 9]
    assert not membership.update("c", assignment((1, "UNHEALTHY", 1), *rest))
    assert gauges() == [4, 1, 1, 9]
    assert membership.update("c", assignment())
    assert gauges() == [0, 0, 0, 0]
    assert stats.counter("cluster.c.membership_change").value() == 2


def test_a_cluster_without_endpoints_has_not_changed():
    stats = Stats(Segment.local())
    assert not Membership(stats).update("c", assignment())
    assert stats.counter("cluster.c.membership_change").value() == 0
