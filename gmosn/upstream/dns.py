"""DNS for clusters, in the control process: names are resolved here, workers get ClusterLoadAssignments with addresses.

Every name of every STRICT_DNS or LOGICAL_DNS cluster has a greenlet that asks, publishes what changed, and sleeps for
the refresh rate, the answer's TTL or the failure back-off. A failure changes nothing: the last good addresses stay.
"""
import random

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from gmosn.errors import ConfigError
from gmosn.io.address import Address
from gmosn.upstream.dns_options import DnsOptions
from gmosn.upstream.dns_resolver import ResolutionFailed, Resolver
from gmosn.upstream.membership import Membership
from gmosn.upstream.options import discovery_kind

AT_ONCE = 64                             # questions on the way at the same time


class DnsUpdater:
    """Resolves for a set of clusters.

    `publish(cluster_name, ClusterLoadAssignment)` is called when a cluster's endpoints changed, first after every name
    had its first answer or failure. `stats`: the control process's root Stats; `resolver(options)`, `sleep`, `uniform`:
    for tests; `log(text)`: one line per change from good to bad and back.
    """

    def __init__(self, context, publish, stats, *, resolver=Resolver, sleep=gevent.sleep, uniform=random.uniform,
                 log=lambda text: None):
        self.context = context
        self.publish = publish
        self.stats = stats
        self.membership = Membership(stats)
        self.sleep = sleep
        self.uniform = uniform
        self.log = log
        self.gate = BoundedSemaphore(AT_ONCE)
        self._make_resolver = resolver
        self._resolvers = {}
        self.clusters = {}

    def set_clusters(self, protos):
        """From now on these Clusters (DNS types count, others do not). One that did not change goes on."""
        wanted = {}
        for proto in protos:
            if discovery_kind(proto, self.context) != "static":
                wanted[proto.name] = proto
        for name in [name for name in self.clusters if name not in wanted]:
            cluster = self.clusters.pop(name)
            cluster.stop()
            self.membership.forget(cluster.stat_name)
        for name, proto in wanted.items():
            running = self.clusters.get(name)
            if running is not None and running.proto == proto:
                continue
            if running is not None:
                running.stop()
            self.clusters[name] = DnsCluster(proto, self, running)
            self.clusters[name].start()

    def wait_first(self, timeout_s=None):
        """Blocks until every cluster that must be warm has had its first result. True unless the time is over."""
        with gevent.Timeout(timeout_s, False):
            for cluster in list(self.clusters.values()):
                if cluster.options.wait:
                    cluster.first_done.wait()
            return True
        return False

    def resolver_for(self, options):
        """Clusters with the same options share a resolver."""
        found = self._resolvers.get(options.key)
        if found is None:
            found = self._resolvers[options.key] = self._make_resolver(options)
        return found

    def stop(self):
        """Ends all look-ups."""
        self.set_clusters([])


class Name:
    """One name of one cluster: its place in the assignment, and the addresses that it has now (None: not known)."""

    def __init__(self, name, port, group, number):
        self.name = name
        self.port = port
        self.place = (group, number)
        self.addresses = None
        self.asked = False
        self.failures = 0


class DnsCluster:
    """One cluster's names. `last`: the predecessor of the same name, whose addresses are good until ours are there."""

    def __init__(self, proto, updater, last=None):
        self.proto = proto
        self.updater = updater
        self.options = DnsOptions.from_proto(proto, updater.context)
        self.logical = discovery_kind(proto, updater.context) == "logical_dns"
        self.resolver = updater.resolver_for(self.options.resolver)
        self.stat_name = proto.alt_stat_name or proto.name
        self.stats = updater.stats.scope(f"cluster.{self.stat_name}.")
        self.names = list(_names_of(proto.load_assignment))
        self.published = last.published if last is not None else None
        self.first_done = Event()
        self._greenlets = []
        known = {(name.name, name.port): name.addresses for name in last.names} if last is not None else {}
        for name in self.names:
            name.addresses = known.get((name.name, name.port))

    def start(self):
        """Starts one greenlet per name."""
        if not self.names:
            self._first_answers()
        for name in self.names:
            greenlet = gevent.Greenlet(self._keep, name)
            greenlet.name = f"dns {self.proto.name} {name.name}"
            greenlet.start()
            self._greenlets.append(greenlet)

    def stop(self):
        gevent.killall(self._greenlets, block=False)
        self.first_done.set()

    def _keep(self, name):
        while True:
            self.updater.sleep(self.refresh(name))

    def refresh(self, name):
        """Asks once; seconds until the next time. Blocks."""
        options = self.options
        self.stats.counter("update_attempt").add(1)
        try:
            with self.updater.gate:
                addresses, ttl = self.resolver.resolve(name.name, options.family)
        except ResolutionFailed as exc:
            return self._failed(name, exc)
        if name.failures:
            self.updater.log(f"DNS resolution for {name.name} succeeded again")
        name.failures = 0
        self.stats.counter("update_success").add(1)
        self._take(name, addresses)
        wait = options.refresh_s
        if options.respect_ttl and ttl and addresses:
            wait = float(ttl)
        return wait + (self.updater.uniform(0, options.jitter_s) if options.jitter_s else 0)

    def _failed(self, name, exc):
        """Keeps what there is; the next try comes after a jittered exponential back-off."""
        self.stats.counter("update_failure").add(1)
        if not name.failures:
            self.updater.log(f"DNS resolution for {name.name} failed: {exc}")
        ceiling = min(self.options.failure_max_s, self.options.failure_base_s * 2 ** min(name.failures, 30))
        name.failures += 1
        self._asked(name)
        if self.options.failure_max_s == self.options.failure_base_s:
            return ceiling
        return self.updater.uniform(ceiling / 2, ceiling)

    def _take(self, name, addresses):
        """A good answer. An empty one empties STRICT_DNS and leaves LOGICAL_DNS as it was, as in Envoy."""
        addresses = list(dict.fromkeys(addresses))
        if self.logical:
            if not addresses:
                self.stats.counter("update_empty").add(1)
                addresses = name.addresses or []
            addresses = addresses[:1]
        if name.addresses is not None and sorted(name.addresses) == sorted(addresses) and self.published is not None:
            self.stats.counter("update_no_rebuild").add(1)
            self._asked(name)
            return
        name.addresses = addresses
        if self.first_done.is_set():
            self._publish()
        self._asked(name)

    def _asked(self, name):
        name.asked = True
        if not self.first_done.is_set() and all(other.asked for other in self.names):
            self._first_answers()

    def _first_answers(self):
        self._publish()
        self.first_done.set()

    def _publish(self):
        assignment = self.assignment()
        if self.published is not None and assignment == self.published:
            return
        self.published = assignment
        self.updater.membership.update(self.stat_name, assignment)
        self.updater.publish(self.proto.name, assignment)

    def assignment(self):
        """The load assignment with addresses in the place of names; an address that occurs twice counts once."""
        known = {name.place: name for name in self.names}
        made = type(self.proto.load_assignment)()
        made.CopyFrom(self.proto.load_assignment)
        made.cluster_name = self.proto.name
        seen = set()
        for group_number, group in enumerate(made.endpoints):
            originals = list(group.lb_endpoints)
            del group.lb_endpoints[:]
            for number, endpoint in enumerate(originals):
                name = known.get((group_number, number))
                if name is None:
                    group.lb_endpoints.append(endpoint)
                    continue
                for ip in name.addresses or ():
                    if (ip, name.port, group.priority) not in seen:
                        seen.add((ip, name.port, group.priority))
                        _place(group.lb_endpoints.add(), endpoint, ip, name)
        return made

    def __repr__(self):
        return f"<DnsCluster {self.proto.name}: " + ", ".join(f"{n.name} {n.addresses}" for n in self.names) + ">"


def _place(target, endpoint, ip, name):
    target.CopyFrom(endpoint)
    target.endpoint.address.socket_address.address = ip
    if not target.endpoint.hostname:
        target.endpoint.hostname = name.name


def _names_of(assignment):
    """The endpoints that are names, not literal addresses."""
    for group_number, group in enumerate(assignment.endpoints):
        for number, endpoint in enumerate(group.lb_endpoints):
            address = endpoint.endpoint.address
            try:
                Address.from_proto(address)
            except ConfigError:
                yield Name(address.socket_address.address, address.socket_address.port_value, group_number, number)
