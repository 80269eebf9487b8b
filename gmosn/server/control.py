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
from gmosn.server.channel import memory_file, read_memory_file
from gmosn.server.generation import BOOTSTRAP, bare_bootstrap, contents_of, digest_of, resources_of
from gmosn.server.roles import settle_memory
from gmosn.server.state import ServerState
from gmosn.server.validate import build_registry, tell_errors
from gmosn.server.watchdog import Watchdog
from gmosn.server.worker_links import WorkerLinks
from gmosn.upstream.limits import LimitTable
from gmosn.xds.registry import KINDS, LISTENER, Registry

ADMIN_KEY = "admin"


class Control:
    """`channel`: to the supervisor; `extensions`: gives the table of extensions. `run()` returns the exit code."""

    def __init__(self, options, channel, extensions):
        self.options = options
        self.channel = channel
        self.extensions = extensions
        self.logs = Logs.from_options(options)
        self.log = self.logs.get("main")
        self.start = channel.receive()
        segment_fd, self.limits_fd, *rest = self.start.fds
        self.worker_segments = rest[:self.start.concurrency]
        self.kept_generation = rest[self.start.concurrency:]
        self.stats = Stats(Segment.attach(segment_fd))
        self.readers = [SegmentReader(fd) for fd in (segment_fd, *self.worker_segments)]
        self.state = ServerState(options.drain_time_s, options.drain_strategy == "gradual", self.start.started_us / 1e6,
                                 options.restart_epoch)
        self.workers = WorkerLinks(self._on_worker_up)
        self.bootstrap = self.registry = self.admin_socket = None
        self._bare, self._digest = b"", ""
        self.loaded_us = 0
        self.assignments = {}                        # {cluster name: serialized ClusterLoadAssignment} from DNS
        self.addresses = {}                          # {bind plan's key: [ip, port] or [path]}
        self.bound = AsyncResult()
        self.got_admin_socket = Event()
        self.ended = Event()

    def run(self):
        gevent.spawn(self._read_supervisor).name = "supervisor"
        gevent.spawn(Watchdog(self.stats, "main_thread").run).name = "watchdog"
        try:
            self._load()
            self._bind()
        except (ConfigError, ConfigErrors) as exc:
            return self._refuse(exc)
        self._serve_generation()
        self.ended.wait()
        return 0

    def _refuse(self, exc):
        """The configuration cannot be used: says why and ends the instance (which keeps serving if it ever did)."""
        tell_errors(self.options, self.log, exc)
        self.channel.send(m.Refused())
        self.ended.wait(1.0)
        return 1

    # the configuration

    def _load(self):
        if self.kept_generation:
            self._take_over(m.decode(read_memory_file(self.kept_generation[0])))
        else:
            loaded = load_bootstrap(self.options)
            self.bootstrap = loaded.message
            self.registry = build_registry(loaded, self.options, self.logs, self.extensions())
            self.loaded_us = int(time.time() * 1e6)
        self._bare = bare_bootstrap(self.bootstrap)
        self._digest = digest_of(self._contents())
        settle_memory()

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
        self.bound = AsyncResult()
        self.channel.send(m.Bind(plans))
        answer = self.bound.get()
        if answer.error:
            if answer.failed_key in owners:
                self.logs.get("config").error("listener '%s' failed to bind or apply socket options: %s",
                                              owners[answer.failed_key], answer.error)
            raise ConfigError(answer.error)
        self.addresses.update(answer.addresses)

    def _serve_generation(self):
        """Sends the generation and tells the supervisor when all workers serve it."""
        number = self.registry.snapshot.number
        for link in self.workers:
            self._send_generation(link)
        served, error = self.workers.wait_for(number, self.start.concurrency)
        if not served:
            self._refuse(ConfigError(error))
            return
        fd = self._generation_file()
        self.channel.send(m.Serving(number, fds=[fd]))
        os.close(fd)
        self.state.initialized = True
        self.log.info("all dependencies initialized. serving")

    def _generation_file(self):
        return memory_file("gmosn-generation", m.encode(self._contents()))

    def _send_generation(self, link):
        fd = self._generation_file()
        self.workers.send_to(link, m.Generation(self.registry.snapshot.number, self._digest, fds=[fd]))
        os.close(fd)

    def _on_worker_up(self, link):
        if self._digest:
            self._send_generation(link)
        if self.state.health_failed:
            self.workers.send_to(link, m.SetHealth(True))

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
            self.bound.set(message)
        elif isinstance(message, m.Sockets):
            self.admin_socket = message.fds[message.keys.index(ADMIN_KEY)]
            self.got_admin_socket.set()
        elif isinstance(message, m.ReopenLogs):
            self.logs.reopen()
        elif isinstance(message, m.Drain):
            if message.limit_s:
                self.state.start_drain(exiting=True)
            else:
                self.ended.set()

    def _on_worker_down(self, message):
        """Forgets it. When its successor takes a while, what it was doing is cleared from the shared figures, too."""
        self.workers.remove(message.index, message.pid)
        self.stats.counter("gmosn.worker_restarts").add(1)
        if message.away_ms:
            LimitTable(self.limits_fd, -1).clear(message.index)


def admin_plans(bootstrap):
    """The bind plan of the admin's address, if it has one."""
    if bootstrap.HasField("admin") and bootstrap.admin.HasField("address"):
        address = Address.from_proto(bootstrap.admin.address)
        where = {"path": address.path} if address.family == "unix" else {"ip": address.ip, "port": address.port}
        yield {"key": ADMIN_KEY, "owner": "control", "family": address.family, **where}
