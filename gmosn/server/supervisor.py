"""The first process: starts control and the workers, replaces those that die, keeps their listening sockets.

No gevent, no threads, no configuration: one loop over signals and the children's channels, so that there is hardly
anything in here that could fail. What the instance serves is known to it only as a sealed file (`generation_fd`), which
it hands to processes that start later; so a worker or control can be replaced while the other is away, too.
"""
import gc
import os
import select
import signal
import sys
import time

from gmosn import COMPILED
from gmosn.observe.log import Logs
from gmosn.observe.stats import Segment
from gmosn.server import messages as m
from gmosn.server.base_id import BaseIdTaken, claim
from gmosn.server.channel import Channel, close_fds
from gmosn.server.listening import BindFailed, ListenSet
from gmosn.server.process import Slot, exit_text
from gmosn.server.signals import HANDLED_BY_SUPERVISOR, SignalQueue

KILL_AFTER_S = 1.0                       # grace above what a process was told, before SIGKILL
QUICK_EXIT_S = 0.3                       # how long a process may take that was told to exit at once
MAX_STARTS = 3                           # of a worker, before the instance has ever served
CLOSE_SOCKETS_ABOVE_S = 0.9              # a worker that is away longer does not keep its share of connections waiting


class Supervisor:
    """Runs one instance: `run()` returns the process's exit code.

    `bind(plan)`: io.bind's function; `limits_fd`: the circuit breakers' table. Both come from outside so that tests can
    do without.
    """

    def __init__(self, options, logs, signals, bind, limits_fd, clock=time.monotonic):
        self.options = options
        self.log = logs.get("main")
        self._logs = logs
        self._signals = signals
        self._clock = clock
        self._limits_fd = limits_fd
        self.listen_set = ListenSet(bind)
        self.control = Slot("control", -1, Segment.create().fd)
        self.workers = [Slot("worker", index, Segment.create().fd) for index in range(options.concurrency)]
        self.slots = [self.control, *self.workers]
        self.generation_fd = -1
        self.served = False
        self.health_failed = False
        self.started_us = int(time.time() * 1e6)
        self.exit_code = None                        # set: the loop ends
        self.stopping = False

    def run(self):
        self.log.info("starting %d workers (%s)", len(self.workers), "compiled" if COMPILED else "pure Python")
        for slot in self.slots:
            self._start(slot)
        try:
            while self.exit_code is None:
                self._poll()
        finally:
            self._end()
        self.log.info("exiting")
        return self.exit_code

    # the loop

    def _poll(self):
        poll = select.poll()
        poll.register(self._signals.fileno(), select.POLLIN)
        channels = {}
        for slot in self.slots:
            if slot.channel is not None and not slot.mute:
                channels[slot.channel.fileno()] = slot
                poll.register(slot.channel.fileno(), select.POLLIN | (select.POLLOUT if slot.channel.outbox else 0))
        for fd, events in poll.poll(self._wait_ms()):
            slot = channels.get(fd)
            if slot is None:
                for number in self._signals.take():
                    self._on_signal(number)
            elif slot.channel is not None and slot.channel.fileno() == fd:
                if events & select.POLLOUT:
                    slot.channel.flush()
                if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                    self._read(slot)
        self._act_on_time()

    def _wait_ms(self):
        times = [at for slot in self.slots for at in (slot.restart_at, slot.kill_at) if at]
        return max(0, (min(times) - self._clock()) * 1000 + 1) if times else None

    def _act_on_time(self):
        now = self._clock()
        for slot in self.slots:
            if slot.restart_at and slot.restart_at <= now:
                self._start(slot)
            if slot.kill_at and slot.kill_at <= now:
                slot.kill_at = 0.0
                self.log.warning("%s (pid %d) did not end in time: killing it", slot.name, slot.pid)
                slot.signal(signal.SIGKILL)

    def _read(self, slot):
        while slot.channel is not None:
            there, message = slot.channel.receive_now()
            if not there:
                return
            if message is None:                      # it is about to end
                slot.mute = True
                slot.kill_at = slot.kill_at or self._clock() + KILL_AFTER_S
                return
            self._on_message(slot, message)

    # processes

    def _start(self, slot):
        """Starts a process in the slot and tells it everything that it must know."""
        try:
            slot.start(self.options.argv)
            if slot.role == "worker":
                self.listen_set.fill(slot, self.slots)
        except OSError as exc:
            self.log.error("cannot start %s: %s", slot.name, exc.strerror)
            slot.restart_at = self._clock() + slot.delay.after(0.0) + 1.0
            return
        except BindFailed as exc:
            self.log.error("%s: %s", slot.name, exc)
        fds = [slot.segment_fd, self._limits_fd]
        if slot is self.control:
            fds += [worker.segment_fd for worker in self.workers]
        if self.generation_fd >= 0:
            fds.append(self.generation_fd)
        slot.send(m.Start(slot.index, len(self.workers), self.started_us, slot.lives - 1, os.getpid(),
                          self.options.base_id, self.health_failed, self._logs.levels(), fds=fds))
        if slot.sockets:
            slot.send(m.Sockets(list(slot.sockets), fds=[sock.fileno() for sock in slot.sockets.values()]))
        for worker in self.workers if slot is self.control else [slot]:
            self._connect_to_control(worker)

    def _connect_to_control(self, worker):
        """A channel between a worker and control, once both are there."""
        if worker.channel is None or self.control.channel is None:
            return
        one, other = Channel.pair()
        self.control.send(m.WorkerUp(worker.index, worker.pid, fds=[one.fileno()]))
        worker.send(m.ControlChannel(fds=[other.fileno()]))
        one.close()
        other.close()

    def _reap(self):
        """Collects ended children, also strangers' (as process 1 of a container we get those)."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for slot in self.slots:
                if slot.pid == pid:
                    self._on_exit(slot, status)

    def _on_exit(self, slot, status):
        pid = slot.pid
        self._read_last_words(slot)
        wait_s = slot.ended(self._clock())
        if self.stopping or self.exit_code is not None:
            self._on_stopped()
            return
        how = exit_text(status)
        if not self.served and (slot is self.control or slot.lives >= MAX_STARTS):
            self.log.critical("%s ended while starting: %s", slot.name, how)
            self.exit_code = 1
            return
        self.log.error("%s (pid %d) ended: %s; starting another %s", slot.name, pid, how,
                       f"in {wait_s:g} s" if wait_s else "now")
        slot.restart_at = self._clock() + wait_s
        if slot is not self.control:
            if wait_s > CLOSE_SOCKETS_ABOVE_S:
                slot.close_sockets()
            self.control.send(m.WorkerDown(slot.index, pid, status, int(wait_s * 1000)))

    def _read_last_words(self, slot):
        while True:
            there, message = slot.channel.receive_now()
            if not there or message is None:
                return
            self._on_message(slot, message)

    # messages

    def _on_message(self, slot, message):
        handler = self._HANDLERS.get(type(message))
        if handler is None:
            self.log.error("%s sent %r", slot.name, message)
            close_fds(message.fds)
        else:
            handler(self, slot, message)

    def _on_ready(self, slot, message):
        if slot.pid and not slot.ready_at:
            slot.ready_at = self._clock()

    def _on_bind(self, slot, message):
        before = set(self.listen_set.plans)
        try:
            bound = self.listen_set.bind(message.plans, self.slots)
        except BindFailed as exc:
            slot.send(m.Bound(str(exc), exc.key, {}))
            return
        for other in self.slots:
            new = [key for key in other.sockets if key not in before]
            if new:
                other.send(m.Sockets(new, fds=[other.sockets[key].fileno() for key in new]))
        slot.send(m.Bound("", "", bound))

    def _on_keep(self, slot, message):
        gone = self.listen_set.keep(set(message.keys), self.slots)
        for worker in self.workers if gone else ():
            worker.send(m.Unlisten(gone))

    def _on_serving(self, slot, message):
        if self.generation_fd >= 0:
            os.close(self.generation_fd)
        self.generation_fd = message.fds[0]
        self._on_ready(slot, message)
        if not self.served:
            self.served = True
            self.log.info("serving generation %d", message.number)
            if self.options.mode == "init_only":
                self.stop(0)

    def _on_refused(self, slot, message):
        if not self.served:
            self.exit_code = 1

    def _on_quit(self, slot, message):
        self.stop(self.options.drain_time_s)

    def _on_reopen_logs(self, slot, message):
        self._reopen_logs()

    def _on_set_health(self, slot, message):
        self.health_failed = message.failed

    def _on_log_levels(self, slot, message):
        for name, level in message.levels.items():
            self._logs.set_component_level(name, level)

    _HANDLERS = {m.Ready: _on_ready, m.Bind: _on_bind, m.Keep: _on_keep, m.Serving: _on_serving, m.Refused: _on_refused,
                 m.Quit: _on_quit, m.ReopenLogs: _on_reopen_logs, m.LogLevels: _on_log_levels,
                 m.SetHealth: _on_set_health}

    # signals and the end

    def _on_signal(self, number):
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGTERM:
            self.log.warning("caught SIGTERM")
            self.stop(0 if self.stopping else self.options.drain_time_s)
        elif number == signal.SIGINT:
            self.log.warning("caught SIGINT")
            self.stop(0)
        elif number == signal.SIGHUP:
            self.log.warning("caught and eating SIGHUP. See documentation for how to hot restart.")
        elif number == signal.SIGUSR1:
            self.log.info("caught SIGUSR1. Reopening access logs.")
            self._reopen_logs()

    def _reopen_logs(self):
        self._logs.reopen()
        for slot in self.slots:
            slot.send(m.ReopenLogs())

    def stop(self, limit_s):
        """Ends the instance: no new connections; what is in flight may take `limit_s`. 0 = at once."""
        if not self.served:
            limit_s = 0
        self.log.info("shutting down server instance")
        self.stopping = True
        for slot in self.slots:
            slot.restart_at = 0.0
            slot.close_sockets([key for key in slot.sockets if slot is not self.control])
            if slot is not self.control or limit_s:
                slot.send(m.Drain(limit_s))
            if slot is not self.control and slot.pid:
                slot.kill_at = self._clock() + (limit_s + KILL_AFTER_S if limit_s else QUICK_EXIT_S)
        self._on_stopped()

    def _on_stopped(self):
        """Control goes last: its admin shows the drain."""
        if any(worker.pid for worker in self.workers):
            return
        if self.control.pid:
            self.control.send(m.Drain(0))
            self.control.kill_at = self._clock() + QUICK_EXIT_S
        else:
            self.exit_code = 0

    def _end(self):
        """Leaves nothing behind, whatever happened."""
        for slot in self.slots:
            slot.signal(signal.SIGKILL)
        for slot in self.slots:
            if slot.pid:
                os.waitpid(slot.pid, 0)
                slot.ended(self._clock())
            slot.close_sockets()


def supervise(options):
    """Runs an instance from the command line; returns the exit code."""
    gc.enable()
    from gmosn.io.bind import bind
    from gmosn.upstream.limits import LimitTable
    try:
        logs = Logs.from_options(options)
    except OSError as exc:
        sys.stderr.write(f"Failed to open log file '{options.log_path}': {exc.strerror}\n")
        return 1
    for note in options.notes:
        logs.get("config").warning("%s", note)
    try:
        held = claim(options)
    except (BaseIdTaken, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    signals = SignalQueue((*HANDLED_BY_SUPERVISOR, signal.SIGCHLD))
    code = Supervisor(options, logs, signals, bind, LimitTable.create(options.concurrency)).run()
    if held is not None:
        held.close()
    return code
