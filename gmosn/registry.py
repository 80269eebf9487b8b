"""How extensions are found and built: by the type of their configuration, from one table (gmosn/extensions.py)."""
import importlib
import traceback

from gmosn.errors import ConfigError, ConfigErrors


class FactoryContext:
    """What a `from_proto` may use. Passed down, never global.

    `extensions`: ExtensionRegistry; `clusters`: upstream.clusters.Clusters; `stats`: observe.stats.Stats at the root;
    `wheel`: io.wheel.Wheel or None when only validating; `options`: the command line (argparse.Namespace);
    `bootstrap`: the Bootstrap message; `access_logs`: filter.access_log.files.AccessLogFiles; `server`: drain state and
    the like (server.state.ServerState); `listener`: set while a listener's filters are built, has `.stats` (its scope);
    `log_exception(exception)`: where unexpected exceptions of one stream go (default: the traceback to stderr);
    `unpack(any)`: the message inside a google.protobuf.Any, TypedStructs resolved.
    """

    def __init__(self, *, extensions=None, clusters=None, stats=None, wheel=None, options=None, bootstrap=None,
                 access_logs=None, server=None, listener=None, unpack=None, validating=False,
                 log_exception=traceback.print_exception):
        self.extensions = extensions
        self.clusters = clusters
        self.stats = stats
        self.wheel = wheel
        self.options = options
        self.bootstrap = bootstrap
        self.access_logs = access_logs
        self.server = server
        self.listener = listener
        self.unpack = unpack
        self.validating = validating
        self.log_exception = log_exception

    def replace(self, **changes):
        """A copy with some attributes changed."""
        other = FactoryContext.__new__(FactoryContext)
        other.__dict__.update(self.__dict__, **changes)
        return other


class ExtensionRegistry:
    """`table`: (category, full proto name) -> "module:Class"; modules are imported on first use.

    Categories are Envoy's: "envoy.filters.network", "envoy.filters.http", "envoy.access_loggers" ...
    """

    def __init__(self, table):
        self.table = table

    def find(self, category, full_name):
        """The class for a configuration type, or None."""
        target = self.table.get((category, full_name))
        if target is None:
            return None
        module, _, name = target.partition(":")
        return getattr(importlib.import_module(module), name)

    def build(self, category, name, any_config, context):
        """Builds the extension whose configuration is `any_config` (a google.protobuf.Any). Raises ConfigError."""
        message = context.unpack(any_config)
        full_name = message.DESCRIPTOR.full_name if message is not None else ""
        cls = self.find(category, full_name)
        if cls is None:
            raise ConfigError(
                f"Didn't find a registered implementation for '{name}' with type URL: '{full_name}'", ("typed_config",))
        try:
            return cls.from_proto(message, context)
        except (ConfigError, ConfigErrors) as exc:
            raise exc.under("typed_config")
