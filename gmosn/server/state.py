"""What the parts of a process may ask about the server as a whole: drain, health, age. Level 8, but passed down as
`FactoryContext.server`, so lower layers use it without importing it."""
import random
import time

INITIALIZING, LIVE, DRAINING, PRE_INITIALIZING = "INITIALIZING", "LIVE", "DRAINING", "PRE_INITIALIZING"


class ServerState:
    """Plain attributes, read by everyone, written by the process's role only.

    `initialized`: the first configuration generation serves; `health_failed`: POST /healthcheck/fail was given;
    `draining`: the process or all its listeners drain; `started_s`: wall clock of the instance's start (of its
    supervisor, so it survives the replacement of this process); `restart_epoch`.
    """

    def __init__(self, drain_time_s=600, gradual=True, started_s=None, restart_epoch=0, clock=time.monotonic):
        self.drain_time_s = drain_time_s
        self.gradual = gradual
        self.started_s = time.time() if started_s is None else started_s
        self.restart_epoch = restart_epoch
        self.initialized = False
        self.health_failed = False
        self.draining = False
        self.exiting = False
        self._clock = clock
        self._drain_started = 0.0

    @property
    def name(self):
        """LIVE, DRAINING, PRE_INITIALIZING or INITIALIZING, as /server_info and server.state say."""
        if self.health_failed or self.draining:
            return DRAINING
        return LIVE if self.initialized else INITIALIZING

    def start_drain(self, exiting=False):
        """From now on responses ask their clients to go away. `exiting`: the process ends after it, so every
        response does; otherwise (gradual strategy) a share that grows to all within `drain_time_s`."""
        if not self.draining:
            self.draining = True
            self._drain_started = self._clock()
        self.exiting = self.exiting or exiting

    def should_close(self):
        """Whether the response that is about to be sent should carry `connection: close` (GOAWAY in HTTP/2)."""
        if not self.draining:
            return self.health_failed
        if self.exiting or not self.gradual or self.health_failed:
            return True
        return random.random() * self.drain_time_s < self._clock() - self._drain_started

    def __repr__(self):
        return f"<ServerState {self.name}>"
