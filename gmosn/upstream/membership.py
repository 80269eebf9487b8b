"""Which endpoints a cluster has, as numbers: kept by the control process, so that workers do not count them N times."""

HEALTHY_STATES = (0, 1)                  # envoy.config.core.v3.HealthStatus: UNKNOWN, HEALTHY
DEGRADED_STATE = 5


class Membership:
    """`stats`: the control process's root Stats."""

    def __init__(self, stats):
        self.stats = stats
        self._known = {}

    def update(self, name, assignment, static=False):
        """Takes a ClusterLoadAssignment of the cluster whose stats are called `name`. True when its endpoints changed.

        Only endpoints with an address count: a name is none until DNS brought its addresses. `static`: the endpoints
        are the configuration's, for which Envoy keeps no max_host_weight.
        """
        scope = self.stats.scope(f"cluster.{name}.")
        endpoints = [endpoint for group in assignment.endpoints for endpoint in group.lb_endpoints]
        scope.gauge("membership_total").set(len(endpoints))
        scope.gauge("membership_healthy").set(sum(e.health_status in HEALTHY_STATES for e in endpoints))
        scope.gauge("membership_degraded").set(sum(e.health_status == DEGRADED_STATE for e in endpoints))
        scope.gauge("membership_excluded").set(0)
        if not static:
            scope.gauge("max_host_weight").set(
                max((e.load_balancing_weight.value or 1 for e in endpoints), default=0))
        places = sorted((group.priority, endpoint.endpoint.address.SerializeToString())
                        for group in assignment.endpoints for endpoint in group.lb_endpoints)
        changed = self._known.get(name) != places and (places or name in self._known)
        if changed:
            scope.counter("membership_change").add(1)
            new = set(places) - set(self._known.get(name, ()))     # every new host looks for its transport socket
            scope.counter("default.total_match_count").add(len(new))
        self._known[name] = places
        return bool(changed)

    def forget(self, name):
        """The cluster is gone."""
        self._known.pop(name, None)
