"""`--mode validate`, and how a configuration's problems are told: the same for every mode."""
import sys

from gmosn.config.bootstrap import validate_bootstrap
from gmosn.config.loader import load_bootstrap
from gmosn.config.unpack import unpack
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.filter.access_log.files import AccessLogFiles
from gmosn.observe.log import Logs
from gmosn.observe.stats import Segment, Stats
from gmosn.registry import ExtensionRegistry, FactoryContext
from gmosn.server.state import ServerState
from gmosn.upstream.clusters import Clusters


def build_registry(loaded, options, logs, extensions):
    """Builds everything once without using it and returns the Registry of it; logs what deserves a warning.

    `loaded`: LoadedBootstrap; `extensions`: the table. ConfigErrors with their places.
    """
    log = logs.get("config")
    for warning in loaded.warnings:
        log.warning("%s", warning)
    registry = validate_bootstrap(loaded, validating_context(loaded.message, options, extensions, logs))
    static = loaded.message.static_resources
    log.info("loading %d static secret(s)", len(static.secrets))
    log.info("loading %d cluster(s)", len(static.clusters))
    log.info("loading %d listener(s)", len(static.listeners))
    return registry


def validating_context(bootstrap, options, extensions, logs):
    """A FactoryContext to build things in that nobody will use."""
    stats = Stats(Segment.local())
    context = FactoryContext(
        extensions=ExtensionRegistry(without_disabled(extensions, options.disable_extensions, logs)), stats=stats,
        options=options, bootstrap=bootstrap, server=ServerState(), unpack=unpack, validating=True)
    context.access_logs = AccessLogFiles(stats)
    context.clusters = Clusters(context)
    return context


def without_disabled(extensions, disabled, logs):
    """The table without those that --disable-extensions names as category/name, where a name is Envoy's: its last
    part is the package of the configuration's type (envoy.filters.http.router)."""
    if not disabled:
        return extensions
    table = dict(extensions.add_installed())
    for entry in filter(None, disabled.split(",")):
        category, slash, name = entry.partition("/")
        found = [key for key in table if slash and key[0] == category and name.rpartition(".")[2] in key[1].split(".")]
        if not found:
            logs.get("misc").warning("failed to disable invalid extension name '%s'", entry)
        for key in found:
            del table[key]
    return table


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
        build_registry(load_bootstrap(options), options, logs, extensions)
    except (ConfigError, ConfigErrors) as exc:
        tell_errors(options, logs.get("main"), exc)
        return 1
    sys.stdout.write(f"configuration '{options.config_path}' OK\n")
    return 0
