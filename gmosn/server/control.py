"""The process that knows the configuration: loads and validates it, sends generations to the workers, runs DNS and
admin.

It may die at any moment: the supervisor starts another one with the generation that is being served, which goes on from
there instead of reading the file again (the file may have changed; what is served must not).
"""
import os
import time

import gevent
from gevent.event import AsyncResult, Event

from gmosn.config.bind_plan import bind_plans
from gmosn.config.descriptors import message_class
from gmosn.config.loader import load_bootstrap
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.io.address import Address
from gmosn.observe.log import Logs
from gmosn.observe.stats import Segment, Stats
from gmosn.observe.stats_reader import SegmentReader
from gmosn.server import messages as m
from gmosn.server.channel import close_fds, memory_file, read_memory_file
from gmosn.server.control_parts import control_context, start_admin, start_dns
from gmosn.server.generation import BOOTSTRAP, bare_bootstrap, contents_of, digest_of, resources_of
from gmosn.server.roles import settle_memory
from gmosn.server.state import ServerState
from gmosn.server.validate import build_registry, tell_errors
from gmosn.server.watchdog import Watchdog
from gmosn.server.worker_links import WorkerLinks
from gmosn.upstream.limits import LimitTable
from gmosn.xds.registry import CLUSTER, KINDS, LISTENER, Registry

ADMIN_KEY = "admin"
INBOUND = 1                              # core.v3.TrafficDirection
FIRST_ANSWERS_WITHIN_S = 15.0            # of DNS, before traffic is served without; Envoy's initial fetch timeout
KEEP_EVERY_S = 1.0                       # how often at most the supervisor gets new endpoints to keep


class Control:
    """`channel`: to the supervisor; `extensions`: gives the table of extensions. `run()` returns the exit code."""

    def __init__(self, options, channel, extensions):
        self.options = options
        self.channel = channel
        self.extensions = extensions
        self.logs = Logs.from_options(options)
        self.log = self.logs.get("main")
        self.start = channel.receive()
        options.base_id = self.start.base_id         # may have been chosen by the supervisor
        segment_fd, self._limits_fd, *rest = self.start.fds
        self._kept_generation = rest[self.start.concurrency:]
        self.stats = Stats(Segment.attach(segment_fd))
        self.readers = [SegmentReader(fd) for fd in (segment_fd, *rest[:self.start.concurrency])]
        self.state = ServerState(options.drain_time_s, options.drain_strategy == "gradual", self.start.started_us / 1e6,
                                 options.restart_epoch)
        self.state.health_failed = self.start.health_failed
        for name, level in self.start.log_levels.items():
            self.logs.set_component_level(name, level)
        self.workers = WorkerLinks(self._on_worker_up, self._on_worker_refused)
        self.bootstrap = self.registry = self.context = self.dns = None
        self.loaded_us = 0
        self.assignments = {}                        # {cluster name: serialized ClusterLoadAssignment} from DNS
        self.addresses = {}                          # {bind plan's key: [ip, port] or [path]}
        self._bare, self._digest = b"", ""
        self._sendable = False
        self._to_keep = Event()
        self._bound = AsyncResult()
        self._admin_socket = AsyncResult()
        self._ended = Event()

    def run(self):
        gevent.spawn(self._read_supervisor).name = "supervisor"
        gevent.spawn(Watchdog(self.stats, "main_thread").run).name = "watchdog"
        try:
            self._load()
            self._bind()
        except (ConfigError, ConfigErrors) as exc:
            return self._refuse(exc)
        if not self._serve():
            return 1
        gevent.spawn(self._keep_current).name = "keep current"
        self._ended.wait()
        self.context.access_logs.close()
        return 0

    def _refuse(self, exc):
        """The configuration cannot be used: says why and ends the instance, unless that has served before."""
        tell_errors(self.options, self.log, exc)
        self.channel.send(m.Refused())
        return 1

    # the configuration

    def _load(self):
        if self._kept_generation:
            self._take_over(m.decode(read_memory_file(self._kept_generation[0])))
            close_fds(self._kept_generation)
        else:
            loaded = load_bootstrap(self.options)
            self.bootstrap = loaded.message
            self.registry = build_registry(loaded, self.options, self.logs, self.extensions())
            self.loaded_us = int(time.time() * 1e6)
        self._bare = bare_bootstrap(self.bootstrap)
        self._digest = digest_of(self._contents())
        self.context = control_context(self)

    def _take_over(self, contents):
        """Goes on where the dead predecessor was: all of it has been checked and is being served."""
        self.assignments = dict(contents.assignments)
        self.loaded_us = contents.loaded_us
        self.bootstrap = message_class(BOOTSTRAP).FromString(contents.bootstrap)
        self.registry = Registry(lambda snapshot, resources: None)
        self.registry.load(resources_of(contents))
        self.registry.snapshot.number = contents.number

    def _contents(self):
        return contents_of(self.registry.snapshot, KINDS, self._bare, self.loaded_us, self.assignments)

    def _bind(self):
        """Has the supervisor bind everything; ConfigError with its words when it cannot."""
        owners, plans = {}, list(admin_plans(self.bootstrap))
        for resource in self.registry.snapshot.of(LISTENER):
            for plan in bind_plans(resource.message):
                owners[plan["key"]] = resource.name
                plans.append(plan)
        self.channel.send(m.Bind(plans))
        answer = self._bound.get()
        if answer.error:
            if answer.failed_key in owners:
                self.logs.get("config").error("listener '%s' failed to bind or apply socket options: %s",
                                              owners[answer.failed_key], answer.error)
            raise ConfigError(answer.error)
        self.addresses.update(answer.addresses)

    def _serve(self):
        """Sends the generation and waits until all workers serve it. False when one cannot.

        No deadline: a worker that does not come up is the supervisor's business."""
        self._start_dns()
        self._sendable = True
        for link in self.workers:
            self._send_generation(link)
        if ADMIN_KEY in self.addresses:
            start_admin(self, self._admin_socket.get())
        settle_memory()
        served, error = self.workers.wait_for(self.registry.snapshot.number, self.start.concurrency)
        if not served:
            self._refuse(ConfigError(error))
            return False
        self._tell_serving()
        self.state.initialized = True
        took_ms = max(0, int(time.time() * 1000 - self.start.started_us / 1000))
        if not self._kept_generation:
            self.stats.histogram("server.initialization_time_ms", "ms").record(took_ms)
        self.log.info("all dependencies initialized. starting workers")
        return True

    def drain_listeners(self, graceful, skip_exit, inbound_only):
        """POST /drain_listeners. Does not block. The supervisor's copies of the sockets are closed, too."""
        if graceful and not inbound_only:
            self.state.start_drain()
        self.workers.send(m.DrainListeners(graceful, inbound_only, skip_exit))
        if not (graceful and skip_exit):
            gevent.spawn_later(self.options.drain_time_s if graceful else 0, self._stop_listening, inbound_only)

    def _stop_listening(self, inbound_only):
        kept = [ADMIN_KEY]
        for resource in self.registry.snapshot.of(LISTENER):
            if inbound_only and resource.message.traffic_direction != INBOUND:
                kept += [plan["key"] for plan in bind_plans(resource.message)]
        self.channel.send(m.Keep(kept))

    def _generation_file(self):
        return memory_file("gmosn-generation", m.encode(self._contents()))

    def _send_generation(self, link):
        fd = self._generation_file()
        self.workers.send_to(link, m.Generation(self.registry.snapshot.number, self._digest, fds=[fd]))
        os.close(fd)

    def _tell_serving(self):
        fd = self._generation_file()
        self.channel.send(m.Serving(self.registry.snapshot.number, fds=[fd]))
        os.close(fd)

    def _on_worker_up(self, link):
        if self._sendable:
            self._send_generation(link)
            for name, wire in self.assignments.items():      # its predecessor's generation may have older ones
                self.workers.send_to(link, m.Assignment(name, wire))

    def _on_worker_refused(self, link):
        self.logs.get("config").error("worker %d cannot use generation %d: %s", link.index, link.refused, link.error)

    # DNS

    def _start_dns(self):
        clusters = [resource.message for resource in self.registry.snapshot.of(CLUSTER)]
        self.dns = start_dns(clusters, self.context, self._publish, self.logs.get("dns"))
        if self.dns is not None and not self.assignments:
            self.dns.wait_first(FIRST_ANSWERS_WITHIN_S)

    def _publish(self, cluster, assignment):
        """New endpoints of a cluster: to the workers now, to the supervisor (for processes to come) soon."""
        wire = assignment.SerializeToString()
        if self.assignments.get(cluster) != wire:
            self.assignments[cluster] = wire
            if self._sendable:
                self.workers.send(m.Assignment(cluster, wire))
            self._to_keep.set()

    def _keep_current(self):
        while True:
            self._to_keep.wait()
            self._to_keep.clear()
            self._tell_serving()
            gevent.sleep(KEEP_EVERY_S)

    # the supervisor

    def _read_supervisor(self):
        while True:
            message = self.channel.receive()
            if message is None:
                self.log.critical("the supervisor is gone")
                os._exit(1)
            self._on_supervisor(message)

    def _on_supervisor(self, message):
        if isinstance(message, m.WorkerUp):
            self.workers.add(message.index, message.pid, message.fds[0])
        elif isinstance(message, m.WorkerDown):
            self._on_worker_down(message)
        elif isinstance(message, m.Bound):
            self._bound.set(message)
        elif isinstance(message, m.Sockets):
            self._admin_socket.set(message.fds[message.keys.index(ADMIN_KEY)])
        elif isinstance(message, m.ReopenLogs):
            self.logs.reopen()
            if self.context is not None:
                self.context.access_logs.reopen()
        elif isinstance(message, m.Drain):
            if message.limit_s:
                self.state.start_drain(exiting=True)
            else:
                self._ended.set()

    def _on_worker_down(self, message):
        """Forgets it. When its successor takes a while, what it held is given back already now."""
        self.workers.remove(message.index, message.pid)
        self.stats.counter("gmosn.worker_restarts").add(1)
        if message.away_ms:
            LimitTable(self._limits_fd, -1).clear(message.index)


def admin_plans(bootstrap):
    """The bind plan of the admin's address, if it has one."""
    if bootstrap.HasField("admin") and bootstrap.admin.HasField("address"):
        address = Address.from_proto(bootstrap.admin.address)
        where = {"path": address.path} if address.family == "unix" else {"ip": address.ip, "port": address.port}
        yield {"key": ADMIN_KEY, "owner": "control", "family": address.family, **where}
