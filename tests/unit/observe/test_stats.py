import os
import random
import signal

import pytest

from gmosn.observe.stats import BINS, Segment, Stats
from gmosn.observe.stats_reader import SegmentReader, sum_segments


@pytest.fixture
def segment():
    made = Segment.create(1 << 20)
    yield made
    os.close(made.fd)


def test_one_name_is_one_object_in_every_scope(segment):
    stats = Stats(segment)
    counter = stats.counter("http.ingress.rq_total")
    assert stats.scope("http.").scope("ingress.").counter("rq_total") is counter
    assert stats.scope("http.ingress.").gauge("rq_total") is not counter
    counter.add(3)
    counter.add(4)
    assert counter.value() == 7


def test_scopes_have_envoys_characters(segment):
    stats = Stats(segment)
    assert stats.scope("listener.127.0.0.1:80.").prefix == "listener.127.0.0.1_80."
    assert stats.scope("cluster.a://b.").counter("x").name == "cluster.a_b.x"
    assert stats.scope("\x01host.c.[::1]:80.").prefix == "\x01host.c.[::1]:80."


def test_gauge_goes_up_and_down_and_is_set(segment):
    gauge = segment.gauge("g")
    gauge.add(5)
    gauge.add(-2)
    assert gauge.value() == 3
    gauge.set(-9)
    assert gauge.value() == -9


def test_reader_learns_names_incrementally(segment):
    reader = SegmentReader(segment.fd)
    segment.counter("a").add(1)
    reader.refresh()
    assert reader.counters() == {"a": 1}
    segment.counter("a").add(1)
    segment.gauge("b\u00e9").set(7)
    segment.histogram("h", "bytes")
    reader.refresh()
    assert (reader.counters(), reader.gauges(), reader.histograms()) == ({"a": 2}, {"b\u00e9": 7}, {"h": {}})
    assert reader.units == {"h": "bytes"}
    reader.close()


def test_local_segment_works_without_a_descriptor():
    stats = Stats(Segment.local())
    stats.counter("c").add(2)
    assert stats.counter("c").value() == 2


def test_reader_sees_every_bin(segment):
    histogram = segment.histogram("h")
    for shift in range(18):
        for digits in range(10, 100, 7):
            histogram.record(min(digits * 10 ** shift, 2 ** 63 - 1))
    reader = SegmentReader(segment.fd)
    reader.refresh()
    assert reader.histograms()["h"] == {i: n for i, n in enumerate(histogram.bins()) if n}


@pytest.mark.parametrize("value, number", [
    (0, 0), (1, 1), (9, 9), (10, 10), (99, 99), (100, 90 + 10), (109, 90 + 10), (110, 90 + 11), (999, 90 + 99),
    (1000, 180 + 10), (123456, 4 * 90 + 12), (2 ** 63 - 1, 17 * 90 + 92), (-5, 0)])
def test_histogram_bin_of_a_value(segment, value, number):
    histogram = segment.histogram("h")
    assert histogram.bins() == []
    histogram.record(value)
    assert [i for i, n in enumerate(histogram.bins()) if n] == [number]
    assert len(histogram.bins()) == BINS


def test_successor_continues_counters_and_histograms_and_clears_gauges(segment):
    segment.counter("c").add(5)
    segment.gauge("g").set(5)
    segment.histogram("h").record(12)
    segment.histogram("unused")
    segment.gauge("unwritten")
    successor = Segment.attach(segment.fd)
    used = SegmentReader(segment.fd).view[4]
    assert successor.gauge("g").value() == 0
    successor.counter("c").add(1)
    successor.histogram("h").record(12)
    successor.histogram("unused").record(1)
    successor.counter("new").add(1)
    reader = SegmentReader(segment.fd)
    reader.refresh()
    assert reader.counters() == {"c": 6, "new": 1}
    assert reader.gauges() == {"g": 0, "unwritten": 0} and reader.used_gauges() == ["g"]
    assert reader.histograms()["h"][12] == 2 and reader.histograms()["unused"][1] == 1
    assert reader.view[4] == used + 16 + 8                     # only the new name was entered


def test_attach_refuses_other_memory(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes(4096))
    with open(path, "r+b") as file:
        with pytest.raises(ValueError):
            Segment.attach(file.fileno())
        with pytest.raises(ValueError):
            SegmentReader(file.fileno())


def test_full_directory_is_counted_and_harmless():
    segment = Segment.create(4096)
    made = [segment.counter(f"cluster.c{i}.upstream_rq_total") for i in range(100)]
    for counter in made:
        counter.add(1)
    reader = SegmentReader(segment.fd)
    reader.refresh()
    assert 0 < len(reader.counters()) < 100
    assert set(reader.counters().values()) == {1}
    assert reader.overflow == 100 - len(reader.counters())
    os.close(segment.fd)


def test_histogram_without_room_drops_values_and_is_counted():
    segment = Segment.create(4096)
    histogram = segment.histogram("h")
    for value in (1, 100, 5):
        histogram.record(value)
    reader = SegmentReader(segment.fd)
    reader.refresh()
    assert histogram.bins() == [] and reader.histograms() == {"h": {}}
    assert reader.overflow == 1
    os.close(segment.fd)


def test_histograms_that_share_the_scratch_slot_do_not_share_bins():
    segment = Segment.create(1 << 16)
    number = 0
    while SegmentReader(segment.fd).overflow == 0:             # fill the directory; room for slots remains
        segment.counter(f"{number:05d}" * 50)
        number += 1
    first, second = segment.histogram("first"), segment.histogram("second")
    first.record(3)
    second.record(4)
    assert first.bins() == second.bins() == []
    os.close(segment.fd)


def test_too_long_name_overflows(segment):
    segment.counter("x" * 70000).add(1)
    segment.counter("y").add(1)
    reader = SegmentReader(segment.fd)
    reader.refresh()
    assert reader.counters() == {"y": 1} and reader.overflow == 1


def test_sum_over_processes():
    segments = [Segment.create(1 << 20) for _ in range(3)]
    for number, segment in enumerate(segments):
        segment.counter("c").add(10 ** number)
        segment.gauge("active").set(number)
        segment.gauge("version").set(5)
        segment.histogram("h").record(number)
    segments[0].counter("only_here").add(1)
    readers = [SegmentReader(segment.fd) for segment in segments]
    total = sum_segments(readers, lambda name: name == "version")
    assert total.counters == {"c": 111, "only_here": 1}
    assert total.gauges == {"active": 3, "version": 5}
    assert total.histograms == {"h": {0: 1, 1: 1, 2: 1}}
    assert total.used_gauges == {"active", "version"}
    assert total.units == {"h": "ms"} and total.overflow == 0
    for segment in segments:
        os.close(segment.fd)


def test_sums_stay_exact_while_writers_are_killed(segment):
    """A writer says after every step how far it got; whoever is killed, at most one step may be unsaid."""
    rng = random.Random(7)
    reader = SegmentReader(segment.fd)
    told = 0
    for kills in range(1, 13):
        told += _writer_until_killed(segment.fd, rng.randrange(1, 400))
        reader.refresh()
        counters = reader.counters()
        steps = counters.pop("steps")
        assert told <= steps <= told + kills
        assert all(name.startswith("n.") for name in counters)
        assert steps - kills <= sum(counters.values()) <= steps
        assert steps - kills <= sum(reader.histograms()["h"].values()) <= steps
    assert reader.overflow == 0


def _writer_until_killed(fd, kill_after):
    """Forks a writer that makes and adds; kills it -9 after that many reports. Returns how many steps it reported."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            mine = Segment.attach(fd)
            steps, histogram, number = mine.counter("steps"), mine.histogram("h"), 0
            while True:
                steps.add(1)
                mine.counter(f"n.{steps.value() % 997}").add(1)
                histogram.record(number)
                number += 1
                os.write(write_end, b"x")
        finally:
            os._exit(1)
    os.close(write_end)
    told = 0
    while told < kill_after:
        told += len(os.read(read_end, kill_after - told))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while data := os.read(read_end, 65536):
        told += len(data)
    os.close(read_end)
    return told
