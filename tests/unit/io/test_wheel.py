"""The timer wheel: precise, silent while empty, and only the newest look of an entry counts."""
import gevent
import pytest

from gmosn.clock import now_us
from gmosn.io.wheel import Entry, Wheel
from tests.helpers.timing import SCALE

LATE_US = 200_000 * SCALE


class Looked(Entry):
    def __init__(self, again=()):
        self.again = list(again)
        self.seen = []

    def on_tick(self, now):
        self.seen.append(now)
        return self.again.pop(0) if self.again else 0


@pytest.fixture
def wheel(hub_errors):
    return Wheel(gevent.get_hub().loop)


@pytest.mark.parametrize("in_us", [0, 1, 5_000, 16_384, 50_000, 250_000])
def test_looks_at_an_entry_when_it_is_due(wheel, in_us):
    entry, start = Looked(), now_us()
    wheel.add(entry, in_us)
    gevent.sleep(in_us / 1e6 + LATE_US / 1e6)  # sleeps: the passing of time is the subject
    assert len(entry.seen) == 1
    assert in_us <= entry.seen[0] - start <= in_us + LATE_US


def test_comes_back_as_often_as_the_entry_says(wheel):
    entry, start = Looked([20_000, 20_000, 0]), now_us()
    wheel.add(entry, 20_000)
    gevent.sleep(0.06 + 3 * LATE_US / 1e6)  # sleeps: the passing of time is the subject
    assert len(entry.seen) == 3
    assert entry.seen[2] - start >= 60_000
    assert entry.look_at == 0


def test_a_nearer_look_replaces_a_later_one(wheel):
    entry = Looked()
    wheel.add(entry, 150_000)
    wheel.add(entry, 10_000)
    gevent.sleep(0.15 + LATE_US / 1e6)  # sleeps: the passing of time is the subject
    assert len(entry.seen) == 1


def test_a_later_look_replaces_a_nearer_one(wheel):
    entry, start = Looked(), now_us()
    wheel.add(entry, 10_000)
    wheel.add(entry, 120_000)
    gevent.sleep(0.12 + LATE_US / 1e6)  # sleeps: the passing of time is the subject
    assert [seen - start >= 120_000 for seen in entry.seen] == [True]


def test_an_entry_further_away_than_the_wheel_is_not_forgotten(wheel):
    entry = Looked()
    wheel.add(entry, 3600 * 1_000_000)
    assert entry.look_at > 0
    gevent.sleep(0.03)  # sleeps: the passing of time is the subject
    assert entry.seen == []


def test_an_entry_that_fails_does_not_take_the_others_along():
    hub = gevent.get_hub()
    seen, original = [], hub.handle_error
    hub.handle_error = lambda context, kind, value, tb: seen.append(value)
    try:
        class Broken(Entry):
            def on_tick(self, now):
                raise ValueError("broken entry")
        wheel, entry = Wheel(hub.loop), Looked()
        wheel.add(Broken(), 5_000)
        wheel.add(entry, 5_000)
        gevent.sleep(0.03 + LATE_US / 1e6)  # sleeps: the passing of time is the subject
    finally:
        hub.handle_error = original
    assert [str(value) for value in seen] == ["broken entry"]
    assert len(entry.seen) == 1


def test_an_empty_wheel_has_no_timer(wheel):
    entry = Looked()
    wheel.add(entry, 1_000)
    gevent.sleep(LATE_US / 1e6)  # sleeps: the passing of time is the subject
    assert len(entry.seen) == 1
    assert repr(wheel) == "<Wheel 0 entries>"
    with gevent.Timeout(5 * SCALE):
        entry = Looked()
        wheel.add(entry, 1_000)
        gevent.sleep(LATE_US / 1e6)  # sleeps: the passing of time is the subject
    assert len(entry.seen) == 1
