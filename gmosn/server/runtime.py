"""What a worker serves: generations become clusters and listeners here. Built whole before any of it is used; what
did not change since the generation before is kept."""
import gevent

from gmosn.config.descriptors import message_class
from gmosn.config.listener import Listener
from gmosn.upstream.cluster import Cluster
from gmosn.xds.registry import ASSIGNMENT, CLUSTER, LISTENER

DRAIN_LOOK_S = 0.02                      # how often a drain looks whether connections are left


class RunningListener:
    """A Listener that serves, and the bytes it was made from."""

    def __init__(self, listener, wire):
        self.listener = listener
        self.wire = wire


class Runtime:
    """`context`: the worker's FactoryContext; `sockets(key)`: the listening socket of a bind plan, waits until it is
    there (each listener gets a duplicate); `drain_time_s`: how long connections of a listener that is gone may go
    on; `spawn(name, function, *args)`: starts a greenlet."""

    def __init__(self, context, sockets, drain_time_s, spawn):
        self.context = context
        self.listeners = {}
        self.retired = []                            # listeners that still have connections
        self._cluster_wires = {}
        self._sockets = sockets
        self._drain_time_s = drain_time_s
        self._spawn = spawn

    def apply(self, contents):
        """Builds all, then swaps. ConfigError or ConfigErrors: the old listeners go on as they are. Other greenlets
        get a turn between two resources, so that traffic goes on meanwhile."""
        clusters = {name: wire for kind, name, wire, *_ in contents.resources if kind == CLUSTER}
        for cluster, wire in self._build_clusters(clusters):
            self.context.clusters.add(cluster)
            self._cluster_wires[cluster.name] = wire
        for wire in contents.assignments.values():
            self.update_assignment(wire)
        wanted = {name: wire for kind, name, wire, *_ in contents.resources if kind == LISTENER}
        fresh = self._build_listeners(wanted)
        sockets = [[self._sockets(plan["key"]).dup() for plan in new.listener.plans] for new in fresh.values()]
        # no switch below: from here on the new generation serves
        for new, own in zip(fresh.values(), sockets, strict=True):
            new.listener.serve(own)
        for name in [name for name in self.listeners if name in fresh or name not in wanted]:
            self._retire(self.listeners.pop(name))
        self.listeners.update(fresh)
        for name in self._cluster_wires.keys() - clusters.keys():
            self.context.clusters.remove(name)
            del self._cluster_wires[name]

    def _build_clusters(self, entries):
        make, built = message_class(CLUSTER), []
        for name, wire in entries.items():
            if self._cluster_wires.get(name) != wire:
                built.append((Cluster.from_proto(make.FromString(wire), self.context), wire))
                gevent.sleep(0)
        return built

    def _build_listeners(self, entries):
        make, built = message_class(LISTENER), {}
        try:
            for name, wire in entries.items():
                before = self.listeners.get(name)
                if before is None or before.wire != wire:
                    built[name] = RunningListener(Listener.from_proto(make.FromString(wire), self.context), wire)
                    gevent.sleep(0)
        except BaseException:
            for new in built.values():
                new.listener.close()
            raise
        return built

    def update_assignment(self, wire):
        """Gives a serialized ClusterLoadAssignment to its cluster."""
        self.context.clusters.update_assignment(message_class(ASSIGNMENT).FromString(wire))

    def _retire(self, old):
        """Its successor, if any, accepts already; its connections are asked to go and closed after the drain time."""
        old.listener.close_sockets()
        old.listener.drain()
        self.retired.append(old)
        self._spawn(f"drain {old.listener.name}", self._close_later, old)

    def _close_later(self, old):
        with gevent.Timeout(self._drain_time_s, False):
            while old.listener.live:
                gevent.sleep(min(1.0, self._drain_time_s))
        self.retired.remove(old)
        old.listener.close()

    def all_listeners(self):
        """Listeners that have, or may still have, connections."""
        return [running.listener for running in (*self.listeners.values(), *self.retired)]

    def drain(self, limit_s):
        """Accepts nothing more; returns when the last connection has ended, or after `limit_s`."""
        listeners = self.all_listeners()
        for listener in listeners:
            listener.accept_waiting()
            listener.close_sockets()
        with gevent.Timeout(limit_s, False):
            while any(listener.live for listener in listeners):
                gevent.sleep(DRAIN_LOOK_S)           # first: a request that is here already must not look like idling
                for listener in listeners:
                    listener.drain()
                    listener.close_idle()
