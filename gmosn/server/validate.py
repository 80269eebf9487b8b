"""`--mode validate`, and how a configuration's problems are told: the same for every mode."""
import sys

from gmosn.config.loader import load_bootstrap
from gmosn.config.unpack import unpack
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.filter.access_log.files import AccessLogFiles
from gmosn.observe.log import Logs
from gmosn.observe.stats import Segment, Stats
from gmosn.registry import ExtensionRegistry, FactoryContext
from gmosn.server.generation import check
from gmosn.server.state import ServerState
from gmosn.upstream.clusters import Clusters


def check_loaded(loaded, options, logs, extensions):
    """Builds everything once without using it; logs the warnings. ConfigErrors with their places.

    `loaded`: LoadedBootstrap; `extensions`: the table.
    """
    log = logs.get("config")
    for warning in loaded.warnings:
        if not options.skip_deprecated_logs or "eprecated" not in warning:
            log.warning("%s", warning)
    stats = Stats(Segment.local())
    context = FactoryContext(
        extensions=ExtensionRegistry(without_disabled(extensions, options.disable_extensions, logs)), stats=stats,
        options=options, bootstrap=loaded.message, server=ServerState(), unpack=unpack, validating=True)
    context.access_logs = AccessLogFiles.from_options(options, stats)
    context.clusters = Clusters(context)
    try:
        check(loaded.message, context)
    except (ConfigError, ConfigErrors) as exc:
        raise loaded.placed(exc) from None
    static = loaded.message.static_resources
    log.info("loading %d static secret(s)", len(static.secrets))
    log.info("loading %d cluster(s)", len(static.clusters))
    log.info("loading %d listener(s)", len(static.listeners))


def without_disabled(extensions, disabled, logs):
    """The table without those that --disable-extensions names as category/name, where a name is the module's last part."""
    table = dict(extensions)
    for entry in filter(None, disabled.split(",")):
        category, slash, name = entry.partition("/")
        found = [key for key in table if key[0] == category and short_name(key, table[key]) in (name, name.rpartition(".")[2])]
        if not slash or not found:
            logs.get("misc").warning("failed to disable invalid extension name '%s'", entry)
        for key in found:
            del table[key]
    return table


def short_name(key, target):
    """"router" for Envoy's envoy.filters.http.router: the package in the type's full name."""
    parts = key[1].split(".")
    return parts[-3] if len(parts) > 2 else target


def tell_errors(options, log, exc):
    """The problems of a configuration, one a line, on standard error; and in the log if that is a file."""
    errors = getattr(exc, "errors", None) or [exc]
    if options.log_path:
        log.critical("error initializing configuration '%s': %s", options.config_path, "; ".join(map(str, errors)))
    sys.stderr.write("".join(f"{error}\n" for error in errors))
    sys.stderr.flush()


def validate(options, extensions):
    """Says whether the configuration is good; returns the exit code."""
    logs = Logs.from_options(options)
    for note in options.notes:
        logs.get("config").warning("%s", note)
    try:
        check_loaded(load_bootstrap(options), options, logs, extensions)
    except (ConfigError, ConfigErrors) as exc:
        tell_errors(options, logs.get("main"), exc)
        return 1
    sys.stdout.write(f"configuration '{options.config_path}' OK\n")
    return 0
