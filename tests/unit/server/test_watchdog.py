import pytest

from gmosn.observe.stats import Segment, Stats
from gmosn.server.watchdog import PERIOD_S, Watchdog


@pytest.mark.parametrize("late, missed, mega", [(0.0, 0, 0), (0.19, 0, 0), (0.3, 1, 0), (1.5, 1, 1)])
def test_counts_late_wake_ups(late, missed, mega):
    stats, now = Stats(Segment.local()), [50.0]

    def sleep(duration):
        now[0] += duration + late

    Watchdog(stats, "worker_3", lambda: now[0], sleep).look()
    for prefix in ("server.worker_3", "workers"):
        assert stats.counter(f"{prefix}.watchdog_miss").value() == missed
        assert stats.counter(f"{prefix}.watchdog_mega_miss").value() == mega
    assert now[0] == 50.0 + PERIOD_S + late
