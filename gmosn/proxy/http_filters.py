"""Builds the HTTP filters of a connection manager, and the per-route configurations of filters."""
from gmosn.errors import ConfigError, RouteNotFound
from gmosn.filter.api import TerminalHttpFilter

CATEGORY = "envoy.filters.http"
PER_ROUTE = "envoy.filters.http.per_route"
FILTER_CONFIG = "envoy.config.route.v3.FilterConfig"


class RouteFilterConfig:
    """A typed_per_filter_config entry: `disabled`, and `config`: what the per-route class's `from_proto` made, or None."""

    __slots__ = ("disabled", "config")

    def __init__(self, disabled, config):
        self.disabled = disabled
        self.config = config


def build_http_filters(protos, context):
    """The HttpFilters of a list of HttpFilter messages, in order, `name` and `disabled` set. ConfigError below the list.

    The last must be terminal and no other may be; an optional filter of unknown type is left out. A filter that
    was built is closed again when a later one is refused.
    """
    filters = []
    try:
        for index, proto in enumerate(protos):
            try:
                built = _build_one(proto, context)
                if built is not None:
                    _check_terminal(built, proto, index == len(protos) - 1)
                    filters.append(built)
            except ConfigError as exc:
                raise exc.under(index)
    except ConfigError:
        for built in filters:
            built.close()
        raise
    return filters or [NoFilters()]


class NoFilters(TerminalHttpFilter):
    """Ends a chain without filters. Envoy accepts one, and leaves each request without an answer until a timeout."""

    name = "no filters"

    def run(self, stream):
        raise RouteNotFound()


def _build_one(proto, context):
    which = proto.WhichOneof("config_type")
    if which == "config_discovery":
        raise ConfigError("field 'config_discovery' is not implemented", ("config_discovery",))
    if which is None:
        if proto.is_optional:
            return None
        raise ConfigError(f"Didn't find a registered implementation for '{proto.name}' with type URL: ''",
                          ("typed_config",))
    message = context.unpack(proto.typed_config)
    full_name = message.DESCRIPTOR.full_name if message is not None else ""
    if proto.is_optional and context.extensions.find(CATEGORY, full_name) is None:
        return None
    built = context.extensions.build(CATEGORY, proto.name, proto.typed_config, context)
    built.name = proto.name
    built.disabled = proto.disabled
    return built


def _check_terminal(built, proto, is_last):
    terminal = hasattr(built, "run")
    extension = built.EXTENSION_NAME or proto.typed_config.type_url.rpartition("/")[2]
    if terminal and not is_last:
        raise ConfigError(f"Error: terminal filter named {built.name} of type {extension} must be the last filter in a "
                          "http filter chain.")
    if is_last and not terminal:
        raise ConfigError(f"Error: non-terminal filter named {built.name} of type {extension} is the last filter in a "
                          "http filter chain.")
    if terminal and built.disabled:
        raise ConfigError(f"Error: the last (terminal) filter ({built.name}) in the chain cannot be disabled by default.",
                          ("disabled",))


def build_route_config(name, any_config, context):
    """The RouteFilterConfig of one typed_per_filter_config entry (a google.protobuf.Any), None for an optional
    one of unknown type. Raises ConfigError."""
    message = context.unpack(any_config)
    disabled = False
    if message is not None and message.DESCRIPTOR.full_name == FILTER_CONFIG:
        disabled, optional = message.disabled, message.is_optional
        if not message.HasField("config"):
            return RouteFilterConfig(disabled, None)
        message = context.unpack(message.config)
    else:
        optional = False
    full_name = message.DESCRIPTOR.full_name if message is not None else ""
    cls = context.extensions.find(PER_ROUTE, full_name)
    if cls is None:
        if optional:
            return RouteFilterConfig(disabled, None)
        if context.extensions.find(CATEGORY, full_name) is not None:
            raise ConfigError(f"The filter {name} doesn't support virtual host or route specific configurations")
        raise ConfigError(f"Didn't find a registered implementation for '{name}' with type URL: '{full_name}'")
    return RouteFilterConfig(disabled, cls.from_proto(message, context))
