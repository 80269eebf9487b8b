"""The data plane's process: builds the generations that control sends and serves them until the supervisor says stop.

Greenlets: the main one reads the supervisor's channel, one reads control's, one applies generations in their order. The
death of the supervisor ends the worker, the death of control does not concern it.
"""
import os
import socket
import time
import traceback

import gevent
from gevent.event import Event
from gevent.queue import Queue

from gmosn.config.descriptors import message_class
from gmosn.config.unpack import unpack
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.filter.access_log.files import AccessLogFiles
from gmosn.io.wheel import Wheel
from gmosn.observe.log import Logs
from gmosn.observe.stats import Segment, Stats
from gmosn.registry import ExtensionRegistry, FactoryContext
from gmosn.server import messages as m
from gmosn.server.channel import Channel, close_fds, read_memory_file
from gmosn.server.generation import BOOTSTRAP, digest_of
from gmosn.server.roles import settle_memory
from gmosn.server.runtime import Runtime
from gmosn.server.state import ServerState
from gmosn.server.watchdog import Watchdog
from gmosn.upstream.clusters import Clusters
from gmosn.upstream.limits import LimitTable

SOCKETS_WITHIN_S = 10.0                  # the supervisor sends sockets before control sends what needs them


class Worker:
    """`channel`: to the supervisor; `extensions`: gives the table of extensions. `run()` returns the exit code."""

    def __init__(self, options, channel, extensions):
        self.options = options
        self.channel = channel
        self.control = None
        self.logs = Logs.from_options(options)
        self.log = self.logs.get("main")
        self.sockets = {}
        self.sockets_changed = Event()
        self.generations = Queue()                   # (channel or None, Generation)
        self.number, self.digest = 0, ""
        self.ended = Event()
        self.greenlets = []
        start = channel.receive()
        self.index = start.index
        self.state = ServerState(options.drain_time_s, options.drain_strategy == "gradual", start.started_us / 1e6,
                                 options.restart_epoch)
        self.state.health_failed = start.health_failed
        self._set_log_levels(start.log_levels)
        self.context = self._make_context(start, extensions)
        self.runtime = Runtime(self.context, self._socket, options.drain_time_s, self._spawn)
        if len(start.fds) > 2:
            self.generations.put((None, m.Generation(0, "", fds=start.fds[2:3])))

    def _make_context(self, start, extensions):
        stats = Stats(Segment.attach(start.fds[0]))
        wheel = Wheel(gevent.get_hub().loop)
        limits = LimitTable(start.fds[1], start.index)
        access_logs = AccessLogFiles.from_options(self.options, stats)
        context = FactoryContext(
            extensions=ExtensionRegistry(extensions()), stats=stats, wheel=wheel, options=self.options,
            server=self.state, access_logs=access_logs, unpack=unpack, log_exception=self._log_exception)
        context.clusters = Clusters(context, limits)
        return context

    def _set_log_levels(self, levels):
        for name, level in levels.items():
            self.logs.set_component_level(name, level)

    def _log_exception(self, exc):
        self.log.error("unexpected: %s", "".join(traceback.format_exception(exc)).rstrip())

    def run(self):
        watchdog = Watchdog(self.context.stats, f"worker_{self.index}")
        self._spawn("supervisor", self._read_supervisor)
        self._spawn("generations", self._apply_all)
        self._spawn("watchdog", watchdog.run)
        self._spawn("access log flusher", self.context.access_logs.flush_forever)
        self.ended.wait()
        self.context.access_logs.close()
        return 0

    def _spawn(self, name, function, *args):
        greenlet = gevent.Greenlet(function, *args)
        greenlet.name = name
        greenlet.link_exception(self._on_crash)
        greenlet.start()
        self.greenlets.append(greenlet)

    def _on_crash(self, greenlet):
        """One of the process's own greenlets failed: better a fresh process than half a one. gevent printed the
        traceback."""
        self.log.critical("%s failed", greenlet.name)
        os._exit(1)

    # the supervisor

    def _read_supervisor(self):
        while True:
            message = self.channel.receive()
            if message is None:
                self.log.critical("the supervisor is gone")
                os._exit(1)
            self._on_supervisor(message)

    def _on_supervisor(self, message):
        if isinstance(message, m.Sockets):
            for key, fd in zip(message.keys, message.fds, strict=True):
                self.sockets[key] = socket.socket(fileno=fd)
            self.sockets_changed.set()
            self.sockets_changed.clear()
        elif isinstance(message, m.Unlisten):
            for key in message.keys:
                self._forget_socket(key)
        elif isinstance(message, m.ControlChannel):
            self.control = Channel.from_fd(message.fds[0])
            self._spawn("control", self._read_control, self.control)
        elif isinstance(message, m.ReopenLogs):
            self._reopen_logs()
        elif isinstance(message, m.Drain):
            if message.limit_s == 0:
                self.ended.set()
            else:
                self._spawn("drain", self._drain, message.limit_s)

    def _socket(self, key):
        deadline = time.monotonic() + SOCKETS_WITHIN_S
        while key not in self.sockets:
            if not self.sockets_changed.wait(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                raise ConfigError(f"no listening socket for '{key}'")
        return self.sockets[key]

    def _forget_socket(self, key):
        sock = self.sockets.pop(key, None)
        if sock is not None:
            sock.close()

    def _reopen_logs(self):
        self.logs.reopen()
        self.context.access_logs.reopen()

    def _drain(self, limit_s):
        """Accepts nothing more and ends when the last connection has, or the time is up."""
        self.state.start_drain(exiting=True)
        self.generations.put(None)
        for key in list(self.sockets):
            self._forget_socket(key)
        self.runtime.drain(limit_s)
        self.ended.set()

    # control

    def _read_control(self, channel):
        while True:
            message = channel.receive()
            if message is None:
                channel.close()
                return
            if isinstance(message, m.Generation):
                self.generations.put((channel, message))
            elif isinstance(message, m.Assignment):
                self.runtime.update_assignment(message.payload)
            elif isinstance(message, m.SetHealth):
                self.state.health_failed = message.failed
            elif isinstance(message, m.LogLevels):
                self._set_log_levels(message.levels)
            elif isinstance(message, m.DrainListeners):
                self._spawn("drain listeners", self._drain_listeners, message)
            elif isinstance(message, m.ReopenLogs):
                self._reopen_logs()

    def _apply_all(self):
        while True:
            item = self.generations.get()
            if item is None:
                return
            channel, message = item
            try:
                answer = self._apply(message)
            finally:
                close_fds(message.fds)
            try:
                if channel is not None:
                    channel.send(answer)
            except OSError:
                pass                                 # that control is gone; the next one asks again

    def _apply(self, message):
        """Ack or Nack for one Generation; number 0 comes from the supervisor after this worker's predecessor died."""
        if message.digest and message.digest == self.digest:
            self.number = message.number
            return m.Ack(message.number)
        contents = m.decode(read_memory_file(message.fds[0]))
        if self.context.bootstrap is None:
            self.context.bootstrap = message_class(BOOTSTRAP).FromString(contents.bootstrap)
        try:
            self.runtime.apply(contents)
        except (ConfigError, ConfigErrors) as exc:
            return m.Nack(message.number, str(exc))
        first = not self.digest
        self.number, self.digest = contents.number, digest_of(contents)
        if first:
            self.state.initialized = True
            settle_memory()
            self.channel.send(m.Ready())
        return m.Ack(message.number)

    def _drain_listeners(self, message):
        """POST /drain_listeners: Envoy closes the listeners at once, or when the drain time is over if graceful."""
        listeners = [listener for listener in self.runtime.all_listeners()
                     if listener.inbound or not message.inbound_only]
        if message.graceful:
            if message.inbound_only:
                for listener in listeners:
                    listener.drain()
            else:
                self.state.start_drain()
            if message.skip_exit:
                return
            gevent.sleep(self.options.drain_time_s)
        for listener in listeners:
            listener.accept_waiting()
            listener.close_sockets()
