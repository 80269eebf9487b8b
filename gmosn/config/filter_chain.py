"""A listener's filter chain at run time: a transport socket, network filters, and the one that owns connections."""
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.filter.api import TerminalFilter
from gmosn.tls.raw_buffer import RawBuffer

CATEGORY = "envoy.filters.network"
RAW_BUFFER = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"


class NetworkFilterChain:
    """`terminal`: TerminalFilter, or None for an empty chain, whose connections are closed at once; `filters`: those
    before it, in order."""

    def __init__(self, name, transport_socket, filters, terminal):
        self.name = name
        self.transport_socket = transport_socket
        self.filters = filters
        self.terminal = terminal

    @classmethod
    def from_proto(cls, proto, context):
        """From an envoy.config.listener.v3.FilterChain. ConfigErrors with all that is wrong."""
        errors, filters = [], []
        try:
            transport_socket = _transport_socket(proto, context)
        except ConfigError as exc:
            errors.append(exc.under("transport_socket"))
        for index, entry in enumerate(proto.filters):
            try:
                built = _build_filter(entry, context)
                filters.append(built)
                _check_terminal(built, entry, index == len(proto.filters) - 1, context)
            except ConfigErrors as exc:
                errors.extend(exc.under("filters", index).errors)
            except ConfigError as exc:
                errors.append(exc.under("filters", index))
        if errors:
            for built in filters:
                built.close()
            raise ConfigErrors(errors)
        terminal = filters.pop() if filters else None
        return cls(proto.name, transport_socket, filters, terminal)

    def serve(self, conn, info):
        """Runs a connection to its end (or until it parks). Blocks. Raises what filters raise."""
        conn = self.transport_socket.wrap_server(conn, 0)
        for network_filter in self.filters:
            network_filter.on_connection(conn, info)
            conn = network_filter.wrap(conn)
        if self.terminal is None:
            conn.close()
        else:
            self.terminal.serve(conn, info)

    def drain(self):
        """Asks the connections to end; terminal filters that can do nothing for it let theirs go on."""
        drain = getattr(self.terminal, "drain", None)
        if drain is not None:
            drain()

    def close(self):
        """The generation is gone."""
        for network_filter in self.filters:
            network_filter.close()
        if self.terminal is not None:
            self.terminal.close()


def _transport_socket(proto, context):
    if not proto.HasField("transport_socket"):
        return RawBuffer()
    entry = proto.transport_socket
    if not entry.HasField("typed_config"):
        raise ConfigError(f"Didn't find a registered implementation for '{entry.name}' with type URL: ''",
                          ("typed_config",))
    message = context.unpack(entry.typed_config)
    full_name = message.DESCRIPTOR.full_name if message is not None else entry.typed_config.type_url
    if full_name != RAW_BUFFER:
        raise ConfigError(f"the transport socket {full_name} is not implemented", ("typed_config",))
    return RawBuffer()


def _build_filter(entry, context):
    which = entry.WhichOneof("config_type")
    if which == "config_discovery":
        raise ConfigError("field 'config_discovery' is not implemented", ("config_discovery",))
    if which is None:
        raise ConfigError(f"Didn't find a registered implementation for '{entry.name}' with type URL: ''",
                          ("typed_config",))
    return context.extensions.build(CATEGORY, entry.name, entry.typed_config, context)


def _check_terminal(built, entry, is_last, context):
    terminal = isinstance(built, TerminalFilter)
    if terminal == is_last:
        return
    kind = context.unpack(entry.typed_config).DESCRIPTOR.full_name
    if terminal:
        raise ConfigError(f"Error: terminal filter named {entry.name} of type {kind} must be the last filter in a "
                          "network filter chain.")
    raise ConfigError(f"Error: non-terminal filter named {entry.name} of type {kind} is the last filter in a "
                      "network filter chain.")
