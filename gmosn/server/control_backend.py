"""What the admin sees of the control process."""
from gmosn.config.bind_plan import bind_plans
from gmosn.config.descriptors import message_class
from gmosn.config.unpack import unpack
from gmosn.io.address import Address
from gmosn.server import messages as m
from gmosn.server.admin.backend import Backend, ConfigEntry
from gmosn.version import HOT_RESTART_VERSION, version_text
from gmosn.xds.registry import ASSIGNMENT, CLUSTER, LISTENER, ROUTES, SECRET

KINDS = {"cluster": CLUSTER, "listener": LISTENER, "route": ROUTES, "secret": SECRET}
HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


class ControlBackend(Backend):
    """`control`: the Control whose parts this shows and whose commands this gives."""

    version, hot_restart_version = version_text(), HOT_RESTART_VERSION

    def __init__(self, control):
        self._control = control
        self.options = control.options
        self.bootstrap = control.bootstrap
        self.node = node_of(control.bootstrap, control.options)
        self.state = control.state
        self.logs = control.logs
        self.stats = control.stats
        self.unpack = unpack
        self.loaded_s = control.loaded_us / 1e6

    def readers(self):
        return self._control.readers

    def worker_pids(self):
        return [self._control.start.supervisor_pid, *self._control.workers.pids]

    def entries(self, kind):
        if kind == "endpoint":
            return list(self._endpoints())
        found = [self._entry(one) for one in self._control.registry.snapshot.of(KINDS[kind])]
        if kind == "listener":
            for entry in found if self.state.draining else ():
                entry.state = "draining"
        if kind == "route":
            found += self._inline_routes()
        return found + self._never_accepted(KINDS[kind], {entry.name for entry in found})

    def _entry(self, resource):
        return ConfigEntry(resource.name, resource.message, dynamic=not resource.is_static, version=resource.version,
                           updated_s=resource.updated_s, error=self._error(resource.kind, resource.name))

    def _error(self, kind, name):
        rejection = self._control.registry.rejections.get((kind, name))
        return rejection and (rejection.text, rejection.version, rejection.at_s)

    def _never_accepted(self, kind, names):
        return [ConfigEntry(name, None, dynamic=True, error=self._error(kind, name))
                for own_kind, name in self._control.registry.rejections if own_kind == kind and name not in names]

    def _endpoints(self):
        make = message_class(ASSIGNMENT)
        for resource in self._control.registry.snapshot.of(CLUSTER):
            wire = self._control.assignments.get(resource.name)
            message = make.FromString(wire) if wire is not None else resource.message.load_assignment
            own = make()
            own.CopyFrom(message)
            own.cluster_name = resource.name
            yield ConfigEntry(resource.name, own, dynamic=False, updated_s=resource.updated_s)

    def _inline_routes(self):
        """Route configurations that stand inside a connection manager."""
        for resource in self._control.registry.snapshot.of(LISTENER):
            chains = list(resource.message.filter_chains)
            if resource.message.HasField("default_filter_chain"):
                chains.append(resource.message.default_filter_chain)
            for entry in (one for chain in chains for one in chain.filters):
                if entry.typed_config.type_url.endswith("/" + HCM):
                    manager = unpack(entry.typed_config)
                    if manager.HasField("route_config"):
                        yield ConfigEntry(manager.route_config.name, manager.route_config, updated_s=resource.updated_s)

    def config_version(self, kind):
        versions = self._control.registry.versions
        return next((version for (own, _), version in versions.items() if own == KINDS[kind] and version), "")

    def listener_addresses(self, name):
        resource = self._control.registry.snapshot.get(LISTENER, name)
        found = []
        for plan in bind_plans(resource.message) if resource is not None else ():
            where = self._control.addresses.get(plan["key"])
            if where:
                found.append(Address(plan["family"], path=where[0]) if plan["family"] == "unix" else
                             Address(plan["family"], *where))
        return found

    def unready_targets(self):
        return [] if self.state.initialized else ["workers"]

    def drain_listeners(self, graceful, skip_exit, inbound_only):
        self._control.drain_listeners(graceful, skip_exit, inbound_only)

    def quit(self):
        self._control.channel.send(m.Quit())

    def set_health(self, passing):
        self.state.health_failed = not passing
        message = m.SetHealth(not passing)
        self._control.channel.send(message)
        self._control.workers.send(message)

    def reopen_logs(self):
        self._control.channel.send(m.ReopenLogs())

    def set_log_levels(self, levels):
        for name, level in levels.items():
            self.logs.set_component_level(name, level)
        message = m.LogLevels(levels)
        self._control.channel.send(message)
        self._control.workers.send(message)

    def set_runtime(self, overrides):
        """Nothing reads runtime values yet but the admin itself, which keeps them."""


def node_of(bootstrap, options):
    """The bootstrap's Node with what the command line says instead."""
    node = type(bootstrap.node)()
    node.CopyFrom(bootstrap.node)
    node.id = options.service_node or node.id
    node.cluster = options.service_cluster or node.cluster
    if options.service_zone:
        node.locality.zone = options.service_zone
    if not node.user_agent_name:
        node.user_agent_name = "gmosn"
    return node


