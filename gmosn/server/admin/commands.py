"""The admin's paths: one table of what exists, in the order and words of Envoy 1.40's /help."""
from gmosn.observe.log import LEVEL_NAMES
from gmosn.server.admin import clusters_page, command_pages, config_dump, server_page, stats_page

BOOLEAN, STRING = (), None


class Command:
    """`mutates`: only POST does it; `params`: (name, text, choices); choices () and None have no list in /help."""

    __slots__ = ("path", "text", "page", "mutates", "params")

    def __init__(self, path, text, page, *params, mutates=False):
        self.path = path
        self.text = text
        self.page = page
        self.params = params
        self.mutates = mutates


def help_text():
    """All commands, as /help and a 404 show them."""
    out = ["admin commands are:\n"]
    for command in COMMANDS:
        out.append(f"  {command.path}{' (POST)' if command.mutates else ''}: {command.text}\n")
        for name, text, choices in command.params:
            choice = f"; One of ({', '.join(choices)})" if choices else ""
            out.append(f"      {name}: {text}{choice}\n")
    return "".join(out)


_ENABLE = ("y", "n")
_USED = ("usedonly", "Only include stats that have been written by system since restart", BOOLEAN)
_FILTER = ("filter", "Regular expression (Google re2) for filtering stats", STRING)
_INVERT = ("invert_filter", "Invert the filter regex", BOOLEAN)
_BUCKETS = ("histogram_buckets", "Histogram bucket display mode")

COMMANDS = (
    Command("/", "Admin home page", lambda admin, request: admin.home(request)),
    Command("/allocprofiler", "enable/disable the allocation profiler (if supported)",
            server_page.alloc_profiler, ("enable", "enable/disable the allocation profiler", _ENABLE),
            mutates=True),
    Command("/certs", "print certs on machine", server_page.certs),
    Command("/clusters", "upstream cluster status", clusters_page.clusters,
            ("filter", "Regular expression (Google re2) for filtering clusters by name", STRING)),
    Command("/config_dump", "dump current Envoy configs", config_dump.config_dump,
            ("resource", "The resource to dump", STRING),
            ("mask", "The mask to apply. When both resource and mask are specified, the mask is applied to every "
             "element in the desired repeated field so that only a subset of fields are returned. The mask is parsed "
             "as a Protobuf::FieldMask", STRING),
            ("name_regex", "Dump only the currently loaded configurations whose names match the specified regex. Can "
             "be used with both resource and mask query parameters.", STRING),
            ("include_eds", "Dump currently loaded configuration including EDS. See the response definition for more "
             "information", BOOLEAN)),
    Command("/contention", "dump current Envoy mutex contention stats (if enabled)",
            stats_page.contention),
    Command("/cpuprofiler", "enable/disable the CPU profiler", server_page.cpu_profiler,
            ("enable", "enables the CPU profiler", _ENABLE), mutates=True),
    Command("/drain_listeners", "drain listeners", command_pages.drain_listeners,
            ("graceful", "When draining listeners, enter a graceful drain period prior to closing listeners. This "
             "behaviour and duration is configurable via server options or CLI", BOOLEAN),
            ("skip_exit", "When draining listeners, drain the connections but never stop the listeners. The graceful "
             "parameter has no effect when this is set, since the drain period only delays stopping the listeners",
             BOOLEAN),
            ("inboundonly", "Drains all inbound listeners. traffic_direction field in "
             "envoy_v3_api_msg_config.listener.v3.Listener is used to determine whether a listener is inbound or "
             "outbound.", BOOLEAN), mutates=True),
    Command("/healthcheck/fail", "cause the server to fail health checks",
            command_pages.healthcheck_fail, mutates=True),
    Command("/healthcheck/ok", "cause the server to pass health checks",
            command_pages.healthcheck_ok, mutates=True),
    Command("/heap_dump", "dump current Envoy heap (if supported)", server_page.heap_dump),
    Command("/heapprofiler", "enable/disable the heap profiler", server_page.heap_profiler,
            ("enable", "enable/disable the heap profiler", _ENABLE), mutates=True),
    Command("/help", "print out list of admin commands",
            lambda admin, request: admin.help(request)),
    Command("/hot_restart_version", "print the hot restart compatibility version",
            server_page.hot_restart_version),
    Command("/init_dump", "dump current Envoy init manager information (experimental)",
            server_page.init_dump,
            ("mask", "The desired component to dump unready targets. The mask is parsed as a Protobuf::FieldMask. "
             "For example, get the unready targets of all listeners with /init_dump?mask=listener`",
             STRING)),
    Command("/listeners", "print listener info", clusters_page.listeners,
            ("format", "File format to use", ("text", "json"))),
    Command("/logging", "query/change logging levels", command_pages.logging,
            ("paths", "Change multiple logging levels by setting to "
             "<logger_name1>:<desired_level1>,<logger_name2>:<desired_level2>. If fine grain logging is enabled, use "
             "__FILE__ or a glob experision as the logger name. For example, source/common*:warning",
             STRING),
            ("group", "Change given logger group to desired level, set to <logger_group_name>:<desired_level>. "
             "logger_group_name must be a logger name.", STRING),
            ("level", "desired logging level, this will change all loggers's level", ("", *LEVEL_NAMES)),
            mutates=True),
    Command("/memory", "print current allocation/heap usage", server_page.memory),
    Command("/memory/tcmalloc", "print TCMalloc stats", server_page.tcmalloc),
    Command("/peak_heap_dump", "dump peak Envoy heap (if supported)", server_page.heap_dump),
    Command("/quitquitquit", "exit the server", command_pages.quit_server, mutates=True),
    Command("/ready", "print server state, return 200 if LIVE, otherwise return 503",
            server_page.ready),
    Command("/reopen_logs", "reopen access logs", command_pages.reopen_logs, mutates=True),
    Command("/reset_counters", "reset all counters to zero", stats_page.reset_counters, mutates=True),
    Command("/runtime", "print runtime values", command_pages.runtime),
    Command("/runtime_modify", "Adds or modifies runtime values as passed in query parameters. To delete a "
            "previously added key, use an empty string as the value. Note that deletion only applies to overrides "
            "added via this endpoint; values loaded from disk can be modified via override but not deleted. E.g. "
            "?key1=value1&key2=value2...", command_pages.runtime_modify, mutates=True),
    Command("/server_info", "print server version/status information", server_page.server_info),
    Command("/stats", "print server stats", stats_page.stats, _USED, _FILTER, _INVERT,
            ("format", "Format to use", ("html", "active-html", "text", "json")),
            ("type", "Stat types to include.", stats_page.TYPES), (*_BUCKETS, stats_page.MODES)),
    Command("/stats/prometheus", "print server stats in prometheus format", stats_page.prometheus, _USED,
            ("text_readouts", "Render text_readouts as new gaugues with value 0 (increases Prometheus data size)",
             BOOLEAN), _FILTER, _INVERT, (*_BUCKETS, ("cumulative", "summary"))),
    Command("/stats/recentlookups", "Show recent stat-name lookups", stats_page.recent_lookups),
    Command("/stats/recentlookups/clear", "clear list of stat-name lookups and counter",
            stats_page.clear_lookups, mutates=True),
    Command("/stats/recentlookups/disable", "disable recording of reset stat-name lookup names",
            stats_page.disable_lookups, mutates=True),
    Command("/stats/recentlookups/enable", "enable recording of reset stat-name lookup names",
            stats_page.enable_lookups, mutates=True),
)
