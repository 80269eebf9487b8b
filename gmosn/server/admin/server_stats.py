"""Stats that describe the whole server, set by the control process just before they are shown."""
import time

from gmosn import COMPILED, __version__
from gmosn.observe.stat_names import HTTP1_CODEC_COUNTERS, sanitize
from gmosn.server.admin.server_page import memory_of
from gmosn.upstream.membership import Membership

STATES = {"LIVE": 0, "DRAINING": 1, "PRE_INITIALIZING": 2, "INITIALIZING": 3}
TOTAL, ACTIVE = "downstream_cx_total", "downstream_cx_active"
HTTP1_TOTAL = "upstream_cx_http1_total"
STATIC = 0                           # Cluster.DiscoveryType
NO_CERTIFICATE = 4294967295          # Envoy's value of days_until_first_cert_expiring when there is none


class ServerStats:
    """Gauges in this process's own segment. `admin`: Admin."""

    def __init__(self, admin):
        self._admin = admin
        self._stats = admin.backend.stats
        self._membership = Membership(self._stats)

    def update(self):
        backend, admin = self._admin.backend, self._admin
        use = memory_of(admin.pids())
        entries = admin.runtime.entries()
        values = {
            "server.live": int(backend.state.name == "LIVE"), "server.state": STATES[backend.state.name],
            "server.uptime": max(0, int(time.time() - backend.state.started_s)),
            "server.concurrency": backend.options.concurrency, "server.version": version_number(__version__),
            "server.hot_restart_epoch": backend.state.restart_epoch, "server.parent_connections": 0,
            "server.hot_restart_generation": backend.state.restart_epoch + 1,
            "server.memory_allocated": use["allocated"], "server.memory_heap_size": use["heap_size"],
            "server.memory_physical_size": use["physical"], "server.days_until_first_cert_expiring": NO_CERTIFICATE,
            "server.compilation_settings.fips_mode": 0,
            "runtime.num_keys": len(entries), "runtime.num_layers": len(admin.runtime.layers),
            "runtime.admin_overrides_active": int(bool(admin.runtime.admin_values)),
            "gmosn.compiled": int(COMPILED),
            "gmosn.stats_overflow": sum(reader.overflow for reader in backend.readers()),
        }
        values.update(self._resources(backend))
        for name, value in values.items():
            self._stats.gauge(name).set(value)
        self._members()

    def _resources(self, backend):
        clusters, listeners = backend.entries("cluster"), backend.entries("listener")
        out = {"cluster_manager.active_clusters": _count(clusters, "active"),
               "cluster_manager.warming_clusters": _count(clusters, "warming"),
               "listener_manager.total_listeners_active": _count(listeners, "active"),
               "listener_manager.total_listeners_warming": _count(listeners, "warming"),
               "listener_manager.total_listeners_draining": _count(listeners, "draining"),
               "listener_manager.workers_started": int(backend.state.initialized),
               "thread_local_cluster_manager.main_thread.clusters_inflated": len(clusters)}
        for number in range(backend.options.concurrency):
            out[f"thread_local_cluster_manager.worker_{number}.clusters_inflated"] = len(clusters)
        return out

    def _members(self):
        """Membership of clusters whose endpoints the configuration gives (the others' source counts them itself)."""
        assignments = {entry.name: entry.message for entry in self._admin.backend.entries("endpoint")}
        for entry in self._admin.backend.entries("cluster"):
            cluster = entry.message
            if cluster is not None and cluster.WhichOneof("cluster_discovery_type") != "cluster_type" and \
                    cluster.type == STATIC and entry.name in assignments:
                name = sanitize(cluster.alt_stat_name or cluster.name)
                self._membership.update(name, assignments[entry.name], static=True)

    def derive(self, totals):
        """Adds what follows from single processes' figures: connections of every listener per worker, and in all."""
        connections = 0
        for number, reader in enumerate(self._admin.backend.readers()):
            handler = f"worker_{number - 1}." if number else "main_thread."
            for name, value in reader.counters().items():
                if name.startswith("listener.") and name.endswith(TOTAL):
                    totals.counters[name[:-len(TOTAL)] + handler + TOTAL] = value
            for name, value in reader.gauges().items():
                if name.startswith("listener.") and name.endswith(ACTIVE):
                    totals.gauges[name[:-len(ACTIVE)] + handler + ACTIVE] = value
                    totals.used_gauges.add(name[:-len(ACTIVE)] + handler + ACTIVE)
                    connections += value if number else 0
        self._derive_counts(totals)
        totals.gauges["server.total_connections"] = connections
        totals.used_gauges.add("server.total_connections")

    def _derive_counts(self, totals):
        """What the static configuration amounts to, until something counts the changes of a dynamic one."""
        backend = self._admin.backend
        clusters, listeners = len(backend.entries("cluster")), len(backend.entries("listener"))
        for name, value in (("cluster_manager.cluster_added", clusters), ("listener_manager.listener_added", listeners),
                            ("listener_manager.listener_create_success", listeners * backend.options.concurrency),
                            ("runtime.load_success", 2), ("runtime.override_dir_not_exists", 2)):
            totals.counters.setdefault(name, value)
        for name in [name for name, value in totals.counters.items() if value and name.endswith(HTTP1_TOTAL)]:
            for codec_name in HTTP1_CODEC_COUNTERS:                # Envoy's appear with a cluster's first connection
                totals.counters.setdefault(name[:-len(HTTP1_TOTAL)] + codec_name, 0)


def _count(entries, state):
    return sum(entry.state == state and entry.message is not None for entry in entries)


def version_number(text):
    """"1.2.3" -> 10203."""
    major, minor, patch = (int("".join(filter(str.isdigit, part)) or 0) for part in (text.split(".") + ["0", "0"])[:3])
    return major * 10000 + minor * 100 + patch
