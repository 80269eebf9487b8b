"""A Bootstrap's static resources into the registry, and the checks that Envoy makes when it builds them.

`ResourceCheck` is the registry's check: it builds what changed with `context.validating` set and drops it. What
clusters, listeners, filters and routes check themselves is in their from_proto; here is what needs more than one.
"""
from gmosn.config.bind_plan import listener_addresses
from gmosn.config.listener import Listener
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.io.address import Address
from gmosn.upstream.cluster import Cluster
from gmosn.xds.registry import CLUSTER, LISTENER, SECRET, Registry, Resource

STATIC_RESOURCES = "static_resources"
DUPLICATE_ADDRESS = ("error adding listener: '{}' has duplicate address '{}' as existing listener, to check if the "
                     "listener has duplicated addresses with other listeners or 'enable_reuse_port' is set to 'false' "
                     "for the listener")
# what Envoy's own keys begin with that have an effect without being named in the configuration
EFFECTIVE_KEYS = ("envoy.resource_limits.", "overload.", "upstream.", "http.", "http_connection_manager.", "health_check.",
                  "outlier_detection.", "circuit_breakers.", "fault.", "tracing.", "access_log.")
TWO_ADMIN_LAYERS = "Too many admin layers specified in LayeredRuntime, at most one may be specified"


def static_resources(bootstrap):
    """(Resources of a Bootstrap, the ConfigErrors of those that are there twice)."""
    static = bootstrap.static_resources
    resources, errors = [], []
    for field, kind in (("secrets", SECRET), ("clusters", CLUSTER), ("listeners", LISTENER)):
        seen = set()
        for index, message in enumerate(getattr(static, field)):
            path = (STATIC_RESOURCES, field, index)
            name = message.name
            if kind == CLUSTER and name in seen:
                errors.append(ConfigError(f"cluster manager: duplicate cluster '{name}'", (*path, "name")))
                continue
            if kind == LISTENER and not name:
                from uuid import uuid4               # it takes 8 ms to import
                name = str(uuid4())                  # as Envoy
            seen.add(name)
            resources.append(Resource(kind, name, message, path=path))
    return resources, errors


def load_static(bootstrap, context):
    """A Registry with the bootstrap's static resources, all of it checked.

    `context`: a FactoryContext with `validating` set; its `clusters` is filled. Raises ConfigErrors with all that is
    wrong, paths from the Bootstrap's root.
    """
    resources, errors = static_resources(bootstrap)
    errors.extend(_bootstrap_errors(bootstrap, context))
    registry = Registry(ResourceCheck(context))
    try:
        registry.load(resources)
    except ConfigErrors as exc:
        errors.extend(exc.errors)
    if errors:
        raise ConfigErrors(errors)
    return registry


def validate_bootstrap(loaded, context):
    """load_static() for a LoadedBootstrap: its ConfigErrors name file, line and column. Returns the Registry."""
    try:
        return load_static(loaded.message, context)
    except ConfigErrors as exc:
        raise loaded.placed(exc) from None


class ResourceCheck:
    """Builds resources to see whether they can be built. `context`: a FactoryContext with `validating` set."""

    def __init__(self, context):
        self.context = context

    def __call__(self, snapshot, resources):
        """Raises ConfigErrors with all problems. `snapshot`: the candidate; `resources`: what changed in it."""
        errors = []
        for resource in resources:
            build = {CLUSTER: self._cluster, LISTENER: self._listener}.get(resource.kind)
            if build is not None:
                collect(errors, resource.path, build, resource)
        errors.extend(address_conflicts(snapshot))
        if errors:
            raise ConfigErrors(without_consequences(errors, snapshot))

    def _cluster(self, resource):
        self.context.clusters.add(Cluster.from_proto(resource.message, self.context))

    def _listener(self, resource):
        Listener.from_proto(resource.message, self.context).close()


def collect(errors, path, function, *arguments):
    """Calls a function; its ConfigErrors go to the list `errors`, seen from `path`."""
    try:
        function(*arguments)
    except ConfigErrors as exc:
        errors.extend(exc.under(*path).errors)
    except ConfigError as exc:
        errors.append(exc.under(*path))


def without_consequences(errors, snapshot):
    """The ConfigErrors without "unknown cluster" for clusters that are there and could not be built."""
    expected = {f"unknown cluster '{resource.name}'" for resource in snapshot.of(CLUSTER)}
    return [error for error in errors if error.message[error.message.find("unknown cluster"):] not in expected]


def address_conflicts(snapshot):
    """ConfigErrors of listeners that want the address of another one. Port 0 is a different port each time."""
    owners = {}
    for resource in snapshot.of(LISTENER):
        try:
            addresses = listener_addresses(resource.message)
        except ConfigError:
            continue                                 # reported by the listener itself
        for address in addresses:
            if address.family != "unix" and not address.port:
                continue
            owner = owners.setdefault(str(address), resource)
            if owner is not resource:
                yield ConfigError(DUPLICATE_ADDRESS.format(resource.name, address), (*resource.path, "address"))
                break


def _bootstrap_errors(bootstrap, context):
    """Problems of what is not a resource: admin, runtime layers."""
    errors = []
    if bootstrap.admin.HasField("address"):
        collect(errors, ("admin", "address"), Address.from_proto, bootstrap.admin.address)
    names, admin_layers = set(), 0
    for index, layer in enumerate(bootstrap.layered_runtime.layers):
        path = ("layered_runtime", "layers", index)
        admin_layers += layer.HasField("admin_layer")
        if layer.name in names:
            errors.append(ConfigError(f"Duplicate layer name: {layer.name}", (*path, "name")))
        if layer.HasField("admin_layer") and admin_layers > 1:
            errors.append(ConfigError(TWO_ADMIN_LAYERS, (*path, "admin_layer")))
        names.add(layer.name)
        errors += _runtime_errors(layer.static_layer, bootstrap, (*path, "static_layer"))
    return errors


def _runtime_errors(layer, bootstrap, path):
    """Runtime keys that would change something in Envoy: no value of a layer is acted on yet, so they are refused."""
    keys = list(_runtime_keys(layer.fields, ""))
    resources = bootstrap.static_resources.SerializeToString() if keys else b""
    for key, inner in keys:
        named = bytes((len(key) & 0x7F,)) + key.encode()   # as a string field has it on the wire: its length, its bytes
        if key.startswith(EFFECTIVE_KEYS) or named in resources:
            yield ConfigError(f"runtime key '{key}' is not implemented: only defaults count", (*path, *inner))


def _runtime_keys(fields, prefix):
    """(dotted key, path of field names) of the values of a Struct's `fields`."""
    for name, value in fields.items():
        if value.HasField("struct_value"):
            for key, inner in _runtime_keys(value.struct_value.fields, f"{prefix}{name}."):
                yield key, (name, *inner)
        else:
            yield prefix + name, (name,)
