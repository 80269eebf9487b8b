"""A control process for the admin's tests: everything in memory, every command recorded."""
import time
from types import SimpleNamespace

import yaml
from google.protobuf import json_format

from gmosn.config.descriptors import message_class, pool
from gmosn.io.address import Address
from gmosn.observe.log import DEFAULT_FORMAT, LEVEL_NAMES, Logs
from gmosn.observe.stats import Segment, Stats
from gmosn.observe.stats_reader import SegmentReader
from gmosn.server.admin.backend import Backend, ConfigEntry
from gmosn.server.state import ServerState


def options(**values):
    """The command line's attributes, Envoy's defaults."""
    known = dict.fromkeys((
        "config_path config_yaml admin_address_path component_log_level log_path service_cluster service_node "
        "service_zone "
        "base_id_path disable_extensions").split(), "")
    known.update(dict.fromkeys((
        "allow_unknown_static_fields disable_hot_restart enable_mutex_tracing cpuset_threads "
        "reject_unknown_dynamic_fields log_format_escaped ignore_unknown_dynamic_fields use_dynamic_base_id "
        "enable_fine_grain_logging enable_core_dump skip_hot_restart_on_no_parent skip_hot_restart_parent_stats "
        "skip_deprecated_logs log_stacktrace_single_entry").split(), False))
    known.update(base_id=0, concurrency=2, local_address_ip_version="v4", log_level="info", log_format=DEFAULT_FORMAT,
                 restart_epoch=0, socket_path="@envoy_domain_socket", stats_tag=[], file_flush_interval_msec=10000,
                 file_flush_min_size_kb=64, drain_time_s=600, parent_shutdown_time_s=900, mode="serve",
                 drain_strategy="gradual", socket_mode="600")
    return SimpleNamespace(**{**known, **values})


def message(full_name, content):
    """A message from a dict as in YAML."""
    return json_format.ParseDict(content, message_class(full_name)(), descriptor_pool=pool())


class FakeBackend(Backend):
    """`bootstrap`: a dict. `segments`: one per worker; `calls`: the commands, as tuples."""

    version, hot_restart_version = "1.0/test", "1.1"

    def __init__(self, bootstrap=None, workers=2, **flags):
        self.options = options(concurrency=workers, **flags)
        self.bootstrap = message("envoy.config.bootstrap.v3.Bootstrap", bootstrap or {})
        self.node = message_class("envoy.config.core.v3.Node")()
        self.node.CopyFrom(self.bootstrap.node)
        self.node.user_agent_name = "gmosn"
        self.state = ServerState(started_s=time.time() - 9)
        self.state.initialized = True
        self.logs = Logs(pattern="%v", level=LEVEL_NAMES.index("info"))
        own = Segment.create(1 << 20)
        self.stats = Stats(own)
        self.segments = [Segment.create(1 << 20) for _ in range(workers)]
        self._readers = [SegmentReader(segment.fd) for segment in (own, *self.segments)]
        self.loaded_s = 1790000000.5
        self.found = {"cluster": [], "listener": [], "route": [], "secret": [], "endpoint": []}
        self.versions = {}
        self.health = {}
        self.texts = {}
        self.calls = []
        for cluster in self.bootstrap.static_resources.clusters:
            self.add("cluster", cluster.name, cluster)
            if cluster.HasField("load_assignment"):
                self.add("endpoint", cluster.name, cluster.load_assignment)
        for listener in self.bootstrap.static_resources.listeners:
            self.add("listener", listener.name, listener)

    @classmethod
    def from_yaml(cls, path, **more):
        with open(path, encoding="utf-8") as file:
            return cls(yaml.safe_load(file), **more)

    def add(self, kind, name, content, **more):
        self.found[kind].append(ConfigEntry(name, content, **{"updated_s": 1790000001.25, **more}))

    def worker_stats(self, number):
        return Stats(self.segments[number])

    def readers(self):
        return self._readers

    def worker_pids(self):
        return []

    def entries(self, kind):
        return self.found[kind]

    def config_version(self, kind):
        return self.versions.get(kind, "")

    def listener_addresses(self, name):
        (entry,) = [entry for entry in self.found["listener"] if entry.name == name]
        return [Address.from_proto(entry.message.address)]

    def host_health(self, cluster, address):
        return self.health.get((cluster, address), frozenset())

    def text_readouts(self):
        return self.texts

    def drain_listeners(self, graceful, skip_exit, inbound_only):
        self.calls.append(("drain", graceful, skip_exit, inbound_only))

    def quit(self):
        self.calls.append(("quit",))

    def set_health(self, passing):
        self.state.health_failed = not passing
        self.calls.append(("health", passing))

    def reopen_logs(self):
        self.calls.append(("reopen",))

    def set_log_levels(self, levels):
        for name, level in levels.items():
            self.logs.set_component_level(name, level)

    def set_runtime(self, overrides):
        self.calls.append(("runtime", overrides))
