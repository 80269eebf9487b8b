"""/config_dump: the configuration that is served, as the protos of envoy.admin.v3."""
from gmosn.config.descriptors import message_class
from gmosn.errors import ConfigError
from gmosn.matching.regex import compile_pattern
from gmosn.server.admin.clusters_page import host_address
from gmosn.server.admin.http_types import PLAIN, AdminResponse, json_response
from gmosn.server.admin.protos import pack, redact, to_json, trim, trim_resource

_ADMIN = "envoy.admin.v3."


def config_dump(admin, request):
    """The page. Parameters: resource, mask, name_regex, include_eds."""
    try:
        matches = _name_matcher(request.first("name_regex"))
    except ConfigError as exc:
        pattern = request.first("name_regex")
        return AdminResponse(f"INVALID_ARGUMENT: Error while parsing name_regex from {pattern}: {exc}", 400, PLAIN)
    sections = list(_sections(admin.backend, matches, request.has("include_eds")))
    resource, mask = request.first("resource"), request.first("mask")
    configs = _all(sections, mask) if resource is None else _one(sections, resource, mask)
    if isinstance(configs, AdminResponse):
        return configs
    out = []
    for message in configs:
        redact(message)
        out.append({"@type": f"type.googleapis.com/{message.DESCRIPTOR.full_name}", **to_json(message)})
    return json_response({"configs": out} if out else {})


def _name_matcher(pattern):
    if not pattern:
        return lambda name: True
    compiled = compile_pattern(pattern)
    return lambda name: compiled.fullmatch(name.encode()) is not None


def _all(sections, mask):
    if mask is None:
        return sections
    kept = [message for message in sections if trim(message, mask)]
    if not kept:
        return _refusal(f"FieldMask {mask} could not be successfully applied to any configs.", 400)
    return kept


def _one(sections, resource, mask):
    for message in sections:
        field = message.DESCRIPTOR.fields_by_name.get(resource)
        if field is None:
            continue
        if not field.is_repeated:
            return _refusal(f"{resource} is not a repeated field. Use ?mask={resource} to get only this field", 400)
        elements = list(getattr(message, resource))
        for element in elements:
            if mask is not None and not trim_resource(element, mask):
                paths = "".join(f'paths: "{path}"\n' for path in mask.split(","))
                return _refusal(f"FieldMask {paths} could not be successfully used.", 400)
        return elements
    return _refusal(f"{resource} not found in config dump", 404)


def _refusal(text, status):
    return AdminResponse(text, status, PLAIN, [("x-content-type-options", "nosniff")])


def _sections(backend, matches, include_eds):
    """One message per kind of resource, in Envoy's order."""
    bootstrap = message_class(_ADMIN + "BootstrapConfigDump")()
    bootstrap.bootstrap.CopyFrom(backend.bootstrap)
    _node(bootstrap.bootstrap.node, backend)
    _stamp(bootstrap.last_updated, backend.loaded_s)
    yield bootstrap
    yield _clusters(backend, matches)
    if include_eds:
        yield _endpoints(backend, matches)
    yield _listeners(backend, matches)
    yield message_class(_ADMIN + "ScopedRoutesConfigDump")()
    yield _routes(backend, matches)
    yield _secrets(backend, matches)


def _node(node, backend):
    """Who we are, beside what the file says: user agent and build."""
    node.user_agent_name = backend.node.user_agent_name
    if backend.node.HasField("user_agent_build_version"):
        node.user_agent_build_version.CopyFrom(backend.node.user_agent_build_version)
    del node.extensions[:]
    node.extensions.extend(backend.node.extensions)


def _stamp(timestamp, seconds):
    if seconds:
        timestamp.FromMilliseconds(int(seconds * 1000))


def _fill(target, field, entry):
    """A static or dynamic element: the resource as Any, version and time."""
    if entry.message is not None:
        getattr(target, field).CopyFrom(pack(entry.message))
    if entry.version:
        target.version_info = entry.version
    _stamp(target.last_updated, entry.updated_s)


def _error(target, entry):
    if entry.error is not None:
        text, version, at = entry.error
        target.error_state.details = text
        target.error_state.version_info = version
        _stamp(target.error_state.last_update_attempt, at)


def _clusters(backend, matches):
    dump = message_class(_ADMIN + "ClustersConfigDump")()
    dump.version_info = backend.config_version("cluster")
    for entry in backend.entries("cluster"):
        if not matches(entry.name):
            continue
        if not entry.dynamic:
            target = dump.static_clusters.add()
        elif entry.state == "warming":
            target = dump.dynamic_warming_clusters.add()
        else:
            target = dump.dynamic_active_clusters.add()
        _fill(target, "cluster", entry)
        if entry.dynamic:
            _error(target, entry)
    return dump


def _endpoints(backend, matches):
    """Every host as it is used now, health and weight included."""
    dump = message_class(_ADMIN + "EndpointsConfigDump")()
    dynamic = {entry.name: entry.dynamic for entry in backend.entries("cluster")}
    for entry in backend.entries("endpoint"):
        if entry.message is None or not matches(entry.message.cluster_name):
            continue
        target = (dump.dynamic_endpoint_configs if dynamic.get(entry.name) else dump.static_endpoint_configs).add()
        now = type(entry.message)()
        now.CopyFrom(entry.message)
        if not now.policy.HasField("overprovisioning_factor"):
            now.policy.overprovisioning_factor.value = 140
        for locality in now.endpoints:
            _complete_endpoints(backend, entry.name, locality)
        target.endpoint_config.CopyFrom(pack(now))
    return dump


def _complete_endpoints(backend, cluster, locality):
    locality.locality.SetInParent()
    for endpoint in locality.lb_endpoints:
        flags = backend.host_health(cluster, host_address(endpoint.endpoint.address))
        unhealthy = any(flag.startswith("failed") or flag == "pending_dynamic_removal" for flag in flags)
        endpoint.health_status = 2 if unhealthy else 5 if flags else endpoint.health_status or 1
        endpoint.endpoint.health_check_config.SetInParent()
        if not endpoint.HasField("load_balancing_weight"):
            endpoint.load_balancing_weight.value = 1


def _listeners(backend, matches):
    dump = message_class(_ADMIN + "ListenersConfigDump")()
    dump.version_info = backend.config_version("listener")
    dynamic = {}
    for entry in backend.entries("listener"):
        if not matches(entry.name):
            continue
        if not entry.dynamic:
            _fill(dump.static_listeners.add(), "listener", entry)
            continue
        target = dynamic.get(entry.name)
        if target is None:
            target = dynamic[entry.name] = dump.dynamic_listeners.add()
            target.name = entry.name
        if entry.message is not None:
            _fill(getattr(target, f"{entry.state}_state"), "listener", entry)
        _error(target, entry)
    return dump


def _routes(backend, matches):
    dump = message_class(_ADMIN + "RoutesConfigDump")()
    for entry in backend.entries("route"):
        if matches(entry.name):
            target = (dump.dynamic_route_configs if entry.dynamic else dump.static_route_configs).add()
            _fill(target, "route_config", entry)
            if entry.dynamic:
                _error(target, entry)
    return dump


def _secrets(backend, matches):
    dump = message_class(_ADMIN + "SecretsConfigDump")()
    for entry in backend.entries("secret"):
        if not matches(entry.name):
            continue
        if not entry.dynamic:
            target = dump.static_secrets.add()
        elif entry.state == "warming":
            target = dump.dynamic_warming_secrets.add()
        else:
            target = dump.dynamic_active_secrets.add()
        target.name = entry.name
        _fill(target, "secret", entry)
    return dump
