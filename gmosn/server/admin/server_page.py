"""Pages about the server itself: /server_info, /ready, /memory, /certs, /init_dump and what only Envoy's build can
do."""
import time

from gmosn.server.admin.http_types import PLAIN, AdminResponse, json_response
from gmosn.server.admin.protos import to_json
from gmosn.server.state import LIVE

# server.ServerInfo's options: name in the proto -> attribute of the command line, by kind
_PLAIN_OPTIONS = (
    "concurrency", "config_path", "config_yaml", "allow_unknown_static_fields", "admin_address_path",
    "local_address_ip_version", "log_level", "component_log_level", "log_format", "log_path", "service_cluster",
    "service_node", "service_zone", "disable_hot_restart", "enable_mutex_tracing", "restart_epoch", "cpuset_threads",
    "reject_unknown_dynamic_fields", "log_format_escaped", "ignore_unknown_dynamic_fields", "use_dynamic_base_id",
    "base_id_path", "enable_fine_grain_logging", "socket_path", "enable_core_dump", "stats_tag",
    "skip_hot_restart_on_no_parent", "skip_hot_restart_parent_stats", "skip_deprecated_logs",
    "log_stacktrace_single_entry")
_MODES = {"serve": "Serve", "validate": "Validate", "init_only": "InitOnly"}


def server_info(admin, request):
    """envoy.admin.v3.ServerInfo; `version` says whether the hot modules are compiled."""
    backend = admin.backend
    age = f"{max(0, int(time.time() - backend.state.started_s))}s"
    return json_response({
        "version": backend.version, "state": backend.state.name, "uptime_current_epoch": age, "uptime_all_epochs": age,
        "hot_restart_version": _hot_restart_version(backend),
        "command_line_options": command_line_options(backend.options),
        "node": to_json(backend.node, defaults=True), "hot_restart_initializing": False})


def command_line_options(options):
    """envoy.admin.v3.CommandLineOptions with every flag, as a dict."""
    out = {"base_id": str(options.base_id)}
    for name in _PLAIN_OPTIONS:
        out[name] = getattr(options, name)
    disabled = options.disable_extensions
    out.update(
        file_flush_interval=_milliseconds(options.file_flush_interval_msec),
        file_flush_min_size=options.file_flush_min_size_kb, drain_time=f"{options.drain_time_s}s",
        parent_shutdown_time=f"{options.parent_shutdown_time_s}s", mode=_MODES[options.mode],
        drain_strategy=options.drain_strategy.capitalize(), socket_mode=int(str(options.socket_mode), 8),
        disabled_extensions=disabled.split(",") if disabled else [])
    return out


def _milliseconds(value):
    return f"{value // 1000}s" if value % 1000 == 0 else f"{value / 1000:.3f}s"


def _hot_restart_version(backend):
    return "disabled" if backend.options.disable_hot_restart else backend.hot_restart_version


def hot_restart_version(admin, request):
    return AdminResponse(_hot_restart_version(admin.backend))


def ready(admin, request):
    state = admin.backend.state.name
    return AdminResponse(state + "\n", 200 if state == LIVE else 503)


def certs(admin, request):
    """No transport socket with certificates is implemented yet, so there are none."""
    return json_response({"certificates": []})


def init_dump(admin, request):
    targets = admin.backend.unready_targets()
    dumps = [{"name": "init manager Server", "target_names": targets}] if targets else []
    return json_response({"unready_targets_dumps": dumps} if dumps else {})


def memory_of(pids):
    """Bytes of all those processes together: `allocated` (anonymous pages), `heap_size` (data segments), `physical`
    (proportional share of resident pages). A process that is gone counts 0."""
    total = {"allocated": 0, "heap_size": 0, "physical": 0}
    names = {"RssAnon": "allocated", "VmData": "heap_size", "Pss": "physical"}
    for pid in pids:
        for file in ("status", "smaps_rollup"):
            for name, value in _proc_numbers(f"/proc/{pid}/{file}").items():
                if name in names:
                    total[names[name]] += value * 1024
    return total


def _proc_numbers(path):
    """Lines such as "VmRSS:  123 kB" -> {"VmRSS": 123}; {} when it cannot be read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            lines = [line.split() for line in file]
    except OSError:
        return {}
    return {words[0][:-1]: int(words[1]) for words in lines if len(words) == 3 and words[2] == "kB"}


def memory(admin, request):
    use = memory_of(admin.pids())
    return json_response({"allocated": str(use["allocated"]), "heap_size": str(use["heap_size"]),
                          "pageheap_unmapped": "0", "pageheap_free": "0", "total_thread_cache": "0",
                          "total_physical_bytes": str(use["physical"])})


def tcmalloc(admin, request):
    return AdminResponse("", 200, PLAIN)


def heap_dump(admin, request):
    return AdminResponse("Heap profile is not implemented in current build", 501)


def heap_profiler(admin, request):
    return AdminResponse("The current build does not support heap profiler", 501)


def alloc_profiler(admin, request):
    if request.first("enable") not in ("y", "n"):
        return AdminResponse("?enable=<y|n>\n", 400)
    return AdminResponse("Allocation profiler is not implemented in current build", 501)


def cpu_profiler(admin, request):
    """There is none: switching it on fails as it does in an Envoy that cannot write its file."""
    if len(request.query) != 1 or request.first("enable") not in ("y", "n"):
        return AdminResponse("?enable=<y|n>\n", 400)
    if request.first("enable") == "y":
        return AdminResponse("failure to start the profiler", 500)
    return AdminResponse("OK\n")
