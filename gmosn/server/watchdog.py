"""How long the hub of a process was kept from its work: a timer that notices when it comes late."""
import time

import gevent

PERIOD_S = 0.5
MISS_S, MEGA_MISS_S = 0.2, 1.0                       # Envoy's defaults


class Watchdog:
    """Counts stalls as Envoy's watchdog does: server.NAME.watchdog_miss and _mega_miss, workers.* or main_thread.*; and
    their lengths in gmosn.hub_stall (ms). `name`: "worker_0" or "main_thread"."""

    def __init__(self, stats, name, clock=time.monotonic, sleep=gevent.sleep):
        group = "workers" if name.startswith("worker") else name
        self._miss = [stats.counter(f"server.{name}.watchdog_miss"), stats.counter(f"{group}.watchdog_miss")]
        self._mega = [stats.counter(f"server.{name}.watchdog_mega_miss"), stats.counter(f"{group}.watchdog_mega_miss")]
        self._length = stats.histogram("gmosn.hub_stall", "ms")
        self._clock = clock
        self._sleep = sleep

    def run(self):
        """Never returns."""
        while True:
            self.look()

    def look(self):
        """One period."""
        before = self._clock()
        self._sleep(PERIOD_S)
        late = self._clock() - before - PERIOD_S
        if late >= MISS_S:
            self._length.record(int(late * 1000))
            for counter in self._miss:
                counter.add(1)
        if late >= MEGA_MISS_S:
            for counter in self._mega:
                counter.add(1)
