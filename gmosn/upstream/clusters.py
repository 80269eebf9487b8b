"""All clusters of a process, by name."""
from gmosn.observe.stats import Segment, Stats
from gmosn.upstream.cluster import Cluster, ClusterSlot
from gmosn.upstream.limits import LimitTable


class Clusters:
    """Named slots that clusters are swapped into, whole.

    A slot is made when somebody first asks for it, and stays: routes hold slots, so that a cluster may come later, be
    replaced or go. `limit_table`: where the circuit breakers count.
    """

    def __init__(self, context=None, limit_table=None):
        self.context = context
        self.limit_table = limit_table or LimitTable.local()
        self._slots = {}
        self._unused_stats = None

    def slot(self, name):
        """The ClusterSlot of that name, made if need be; its `cluster` may be None."""
        found = self._slots.get(name)
        if found is None:
            found = self._slots[name] = ClusterSlot(name)
        return found

    def get(self, name):
        """The Cluster of that name, or None."""
        found = self._slots.get(name)
        return found.cluster if found is not None else None

    def add(self, cluster):
        """Puts a cluster in its slot; the one that was there finishes what it has begun. No switch."""
        slot = self.slot(cluster.name)
        before, slot.cluster = slot.cluster, cluster
        if before is not None:
            before.close()

    def build(self, proto, context=None):
        """Cluster.from_proto() and add()."""
        cluster = Cluster.from_proto(proto, context or self.context)
        self.add(cluster)
        return cluster

    def remove(self, name):
        """Takes a cluster away; False when there is none of that name."""
        slot = self._slots.get(name)
        if slot is None or slot.cluster is None:
            return False
        cluster, slot.cluster = slot.cluster, None
        cluster.close()
        return True

    def update_assignment(self, assignment):
        """Gives a ClusterLoadAssignment to the cluster that it names; False when there is none."""
        cluster = self.get(assignment.cluster_name)
        if cluster is None:
            return False
        cluster.update_assignment(assignment)
        return True

    def close(self):
        """Closes every cluster's idle connections; busy ones end with their request."""
        for cluster in self:
            cluster.close()

    def stats_for(self, context):
        """The root Stats to count in. When only validating: names that nobody will see, and few of them."""
        if not context.validating:
            return context.stats
        if self._unused_stats is None:
            self._unused_stats = Stats(Segment.local())
        return self._unused_stats

    def __iter__(self):
        return iter([slot.cluster for slot in self._slots.values() if slot.cluster is not None])

    def __len__(self):
        return sum(1 for _ in self)

    def __contains__(self, name):
        return self.get(name) is not None

    def __repr__(self):
        return f"<Clusters {sorted(cluster.name for cluster in self)}>"
