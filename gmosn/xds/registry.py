"""The one registry of configuration: every resource enters here, whether it comes from the bootstrap, a file or xDS.

A change is checked as a whole (`check` builds everything that changed, for validation only). If that succeeds the
registry moves on to the next Snapshot, which is what control sends to the workers; if not, it keeps the last good one
and remembers why. Snapshots never change, so whoever holds one may use it for as long as it likes.
"""
import time

from gmosn.errors import ConfigError, ConfigErrors

CLUSTER = "envoy.config.cluster.v3.Cluster"
ASSIGNMENT = "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = "envoy.config.listener.v3.Listener"
ROUTES = "envoy.config.route.v3.RouteConfiguration"
SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"
# The order in which changes are checked and used: what is referred to comes before what refers to it.
KINDS = (SECRET, CLUSTER, ASSIGNMENT, LISTENER, ROUTES)
STATIC = "static"


class Resource:
    """One resource as it was accepted. Never changed.

    `kind`: the full name of its type; `message`: the proto, not to be modified; `origin`: "static" or the name of
    the subscription that brought it; `version`: its version_info, "" for static ones; `updated_s`: wall clock; `path`:
    where it is in what it came from, for errors.
    """

    __slots__ = ("kind", "name", "message", "origin", "version", "updated_s", "path", "_wire")

    def __init__(self, kind, name, message, *, origin=STATIC, version="", updated_s=0.0, path=()):
        self.kind = kind
        self.name = name
        self.message = message
        self.origin = origin
        self.version = version
        self.updated_s = updated_s
        self.path = tuple(path)
        self._wire = None

    @property
    def wire(self):
        """The serialized message; equal resources have equal bytes."""
        if self._wire is None:
            self._wire = self.message.SerializeToString(deterministic=True)
        return self._wire

    @property
    def is_static(self):
        return self.origin == STATIC

    def __repr__(self):
        version = f" version {self.version}" if self.version else ""
        return f"<{self.kind.rpartition('.')[2]} {self.name!r} {self.origin}{version}>"


class Rejection:
    """The last update of a resource that was refused: `text`, `version`, `at_s` (wall clock)."""

    __slots__ = ("text", "version", "at_s")

    def __init__(self, text, version, at_s):
        self.text = text
        self.version = version
        self.at_s = at_s


class Snapshot:
    """All resources of one generation. `number` counts up from 1; 0 is the empty one at the start."""

    def __init__(self, number=0, resources=None):
        self.number = number
        self._resources = resources or {kind: {} for kind in KINDS}

    def of(self, kind):
        """The Resources of a kind, in the order in which they were added."""
        return list(self._resources[kind].values())

    def get(self, kind, name):
        return self._resources[kind].get(name)

    def changed(self, kind, upserts, removals):
        """(the next Snapshot, the Resources in it that are new or different)."""
        resources = dict(self._resources)
        own = resources[kind] = dict(self._resources[kind])
        for name in removals:
            own.pop(name, None)
        different = []
        for resource in upserts:
            before = own.get(resource.name)
            own[resource.name] = resource
            if before is None or before.wire != resource.wire:
                different.append(resource)
        return Snapshot(self.number + 1, resources), different

    def __repr__(self):
        counts = [f"{len(found)} {kind.rpartition('.')[2]}" for kind, found in self._resources.items() if found]
        return f"<Snapshot {self.number}: {', '.join(counts) or 'empty'}>"


class Registry:
    """Holds the current Snapshot and moves it on.

    `check(snapshot, resources)`: builds `resources`, the changed ones of that candidate, for validation only; raises
    ConfigError or ConfigErrors, whose paths start at the root of what the resource's `path` starts from. It may block.
    `clock`: wall clock in seconds.
    """

    def __init__(self, check, clock=time.time):
        self._check = check
        self._clock = clock
        self.snapshot = Snapshot()
        self.versions = {}                           # {(kind, origin): version_info of the last update accepted}
        self.rejections = {}                         # {(kind, name): Rejection}, gone once an update is accepted

    def load(self, resources):
        """Takes in all static resources (of every kind) at once. Returns the Snapshot; raises what the check raises."""
        snapshot = Snapshot(1)
        for kind in KINDS:
            own = [self._stamped(resource) for resource in resources if resource.kind == kind]
            snapshot = snapshot.changed(kind, own, ())[0]
        snapshot.number = self.snapshot.number + 1
        self._check(snapshot, [resource for kind in KINDS for resource in snapshot.of(kind)])
        self.snapshot = snapshot
        return snapshot

    def replace(self, kind, resources, version, origin):
        """A state-of-the-world update: `resources` are all that this origin has of this kind. See update()."""
        names = {resource.name for resource in resources}
        gone = [old.name for old in self.snapshot.of(kind) if old.origin == origin and old.name not in names]
        return self.update(kind, resources, gone, version, origin)

    def update(self, kind, resources, removals, version, origin):
        """Adds, changes and removes resources of one kind, all or nothing.

        Returns the new Snapshot, or the current one when nothing differs. Raises ConfigErrors, each beginning with the
        resource's name; then nothing has changed, and `rejections` says why.
        """
        resources = [self._stamped(resource) for resource in resources]
        try:
            self._refuse_foreign(kind, [resource.name for resource in resources], removals, origin)
            snapshot, different = self.snapshot.changed(kind, resources, removals)
            if different:
                self._check(snapshot, different)
        except (ConfigError, ConfigErrors) as exc:
            self._reject(kind, resources, version, exc)
            raise
        for resource in resources:
            self.rejections.pop((kind, resource.name), None)
        self.versions[kind, origin] = version
        if different or any(self.snapshot.get(kind, name) for name in removals):
            self.snapshot = snapshot                 # else it was told what it knows: no new generation
        return self.snapshot

    def _stamped(self, resource):
        if not resource.updated_s:
            resource.updated_s = self._clock()
        return resource

    def _refuse_foreign(self, kind, names, removals, origin):
        """A resource belongs to who brought it: xDS can neither change nor remove what the bootstrap says."""
        for name in (*names, *removals):
            before = self.snapshot.get(kind, name)
            if before is not None and before.origin != origin:
                raise ConfigError(f"{kind.rpartition('.')[2]} '{name}' belongs to {before.origin}")

    def _reject(self, kind, resources, version, exc):
        """Remembers the refusal with the resource that it names, or with all of them."""
        for error in getattr(exc, "errors", [exc]):
            own = [one for one in resources if one.path and error.path[:len(one.path)] == one.path] or resources
            for resource in own:
                self.rejections[kind, resource.name] = Rejection(str(error), version, self._clock())
