"""From a configuration to what runs: the same steps to validate (control, --mode validate) and to serve (workers).

A generation is built whole before any of it is used; what did not change since the one before is kept.
"""
import hashlib

from gevent import sleep

from gmosn.config.bind_plan import bind_plans
from gmosn.config.descriptors import message_class
from gmosn.config.listener import Listener
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.server import messages as m
from gmosn.upstream.cluster import Cluster

BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap"
CLUSTER = "envoy.config.cluster.v3.Cluster"
LISTENER = "envoy.config.listener.v3.Listener"
ASSIGNMENT = "envoy.config.endpoint.v3.ClusterLoadAssignment"


def contents_of(bootstrap, number, loaded_us):
    """Contents from a Bootstrap message: its static resources, the same way as dynamic ones will enter."""
    static = bootstrap.static_resources
    return m.Contents(number, loaded_us, bootstrap.SerializeToString(),
                      [[cluster.name, cluster.SerializeToString(), ""] for cluster in static.clusters],
                      [[listener.name, listener.SerializeToString(), ""] for listener in static.listeners], {})


def digest_of(contents):
    """Equal for two generations that say the same."""
    same = m.Contents(0, 0, b"", contents.clusters, contents.listeners, {})
    return hashlib.blake2b(m.encode(same), digest_size=16).hexdigest()


def check(bootstrap, context):
    """Builds everything once and drops it. Raises ConfigErrors with all that is wrong, paths from the Bootstrap's root."""
    errors = []
    static = bootstrap.static_resources
    for field, build in (("clusters", _check_cluster), ("listeners", Listener.from_proto)):
        for index, proto in enumerate(getattr(static, field)):
            try:
                build(proto, context)
            except (ConfigError, ConfigErrors) as exc:
                exc.under("static_resources", field, index)
                errors.extend(getattr(exc, "errors", [exc]))
    if errors:
        raise ConfigErrors(errors)


def _check_cluster(proto, context):
    if proto.name in context.clusters:
        raise ConfigError(f"cluster manager: duplicate cluster '{proto.name}'", ("name",))
    context.clusters.add(Cluster.from_proto(proto, context))


class RunningListener:
    """A Listener that serves, and what it was made from."""

    def __init__(self, listener, wire, keys):
        self.listener = listener
        self.wire = wire
        self.keys = keys


class Runtime:
    """What a worker serves now. `apply` replaces it by the next generation.

    `sockets(key)`: the listening socket of a bind plan, waits until it is there; each listener gets a duplicate.
    """

    def __init__(self, context, sockets):
        self.context = context
        self._sockets = sockets
        self._cluster_wires = {}
        self.listeners = {}
        self.retired = []                            # listeners that still have connections

    def apply(self, contents):
        """Builds all, then swaps. ConfigError or ConfigErrors: nothing was changed. Gives other greenlets a turn between
        two resources, so that traffic goes on meanwhile."""
        clusters = self._build_clusters(contents.clusters)
        for cluster, wire in clusters:
            self.context.clusters.add(cluster)
            self._cluster_wires[cluster.name] = wire
        for wire in contents.assignments.values():
            self.update_assignment(wire)
        listeners = self._build_listeners(contents.listeners)
        serving = [(new, [self._sockets(key) for key in new.keys]) for new in listeners.values()]
        # no switch below: from here on the new generation is the one that serves
        for new, sockets in serving:
            new.listener.serve([sock.dup() for sock in sockets])
        wanted = {name for name, _, _ in contents.listeners}
        for name in [name for name in self.listeners if name in listeners or name not in wanted]:
            self._retire(self.listeners.pop(name))
        self.listeners.update(listeners)
        kept = {name for name, _, _ in contents.clusters}
        for name in [name for name in self._cluster_wires if name not in kept]:
            self.context.clusters.remove(name)
            del self._cluster_wires[name]

    def _build_clusters(self, entries):
        make, built = message_class(CLUSTER), []
        for name, wire, _ in entries:
            if self._cluster_wires.get(name) != wire:
                built.append((Cluster.from_proto(make.FromString(wire), self.context), wire))
                sleep(0)
        return built

    def _build_listeners(self, entries):
        make, built = message_class(LISTENER), {}
        for name, wire, _ in entries:
            before = self.listeners.get(name)
            if before is None or before.wire != wire:
                proto = make.FromString(wire)
                keys = [plan["key"] for plan in bind_plans(proto)]
                built[name] = RunningListener(Listener.from_proto(proto, self.context), wire, keys)
                sleep(0)
        return built

    def update_assignment(self, wire):
        """Gives a serialized ClusterLoadAssignment to its cluster."""
        self.context.clusters.update_assignment(message_class(ASSIGNMENT).FromString(wire))

    def _retire(self, old):
        old.listener.stop_accepting()
        old.listener.drain()
        self.retired.append(old)

    def all_listeners(self):
        """Listeners that have, or may still have, connections."""
        return [running.listener for running in (*self.listeners.values(), *self.retired)]
