import os

import pytest

from gmosn.config.descriptors import message_class
from gmosn.errors import ConfigError
from gmosn.observe.families import Families
from gmosn.observe.stats import Segment, Stats
from gmosn.observe.stats_reader import SegmentReader
from gmosn.observe.stats_view import StatsView, stats_matcher


@pytest.fixture
def processes():
    """Stats of two workers and of the control process, and their readers."""
    segments = [Segment.create(1 << 20) for _ in range(3)]
    yield [Stats(segment) for segment in segments], [SegmentReader(segment.fd) for segment in segments]
    for segment in segments:
        os.close(segment.fd)


def look(view, families=None):
    return view.snapshot(families or Families())


def test_sums_families_and_used(processes):
    (one, two, control), readers = processes
    families = Families()
    families.add("cluster.c.", ("a", "b"), ("g", "h"), {"t": "ms"})
    one.counter("cluster.c.a").add(2)
    two.counter("cluster.c.a").add(3)
    two.counter("own").add(0)
    one.gauge("cluster.c.g").set(0)
    found = look(StatsView(lambda: readers, control), families)
    assert found.counters == {"cluster.c.a": 5, "cluster.c.b": 0, "own": 0}
    assert found.gauges == {"cluster.c.g": 0, "cluster.c.h": 0}
    assert found.used == {"cluster.c.a", "cluster.c.g"}
    assert found.histograms["cluster.c.t"].cumulative == {}


def test_reset_is_exact_repeatable_and_survives_the_view(processes):
    (one, two, control), readers = processes
    view = StatsView(lambda: readers, control)
    one.counter("c").add(5)
    two.counter("c").add(7)
    view.reset_counters()
    assert look(view).counters == {"c": 0} and "c" in look(view).used
    two.counter("c").add(2)
    assert look(view).counters == {"c": 2}
    view.reset_counters()
    one.counter("c").add(1)
    assert look(StatsView(lambda: readers, control)).counters == {"c": 1}
    assert one.counter("c").value() == 6                       # the worker's own slot was not touched


def test_gauges_and_histograms_are_not_reset(processes):
    (one, _, control), readers = processes
    view = StatsView(lambda: readers, control)
    one.gauge("g").set(4)
    one.histogram("h").record(3)
    view.reset_counters()
    found = look(view)
    assert found.gauges == {"g": 4} and found.histograms["h"].cumulative == {3: 1}


def test_intervals_end_with_flush(processes):
    (one, two, control), readers = processes
    view = StatsView(lambda: readers, control)
    one.histogram("h").record(1)
    assert look(view).histograms["h"].interval == {1: 1}       # before the first flush: everything
    view.flush()
    one.histogram("h").record(1)
    two.histogram("h").record(2)
    assert look(view).histograms["h"].interval == {1: 1}
    view.flush()
    value = look(view).histograms["h"]
    assert (value.interval, value.cumulative) == ({1: 1, 2: 1}, {1: 2, 2: 1})
    view.flush()
    assert look(view).histograms["h"].interval == {}


def test_same_everywhere_gauges_are_not_summed(processes):
    (one, two, control), readers = processes
    for stats in (one, two):
        stats.gauge("cluster.c.membership_total").set(3)
        stats.gauge("cluster.c.upstream_cx_active").set(3)
        stats.gauge("cluster.c.version").set(13237225503670494420 - (1 << 64))
    found = look(StatsView(lambda: readers, control)).gauges
    assert found == {"cluster.c.membership_total": 3, "cluster.c.upstream_cx_active": 6,
                     "cluster.c.version": 13237225503670494420}


def test_internal_names_are_apart(processes):
    (one, two, control), readers = processes
    one.counter("\x01host.c.1.2.3.4:5.rq_total").add(1)
    two.counter("\x01host.c.1.2.3.4:5.rq_total").add(1)
    view = StatsView(lambda: readers, control)
    assert look(view).counters == {}
    assert view.internal_numbers() == {"\x01host.c.1.2.3.4:5.rq_total": 2}


@pytest.mark.parametrize("content, shown", [
    (None, ["a.x", "a.y", "b"]), ("reject_all", []), ("inclusion_list", ["a.x", "a.y"]), ("exclusion_list", ["b"])])
def test_stats_matcher(processes, content, shown):
    (one, _, control), readers = processes
    config = message_class("envoy.config.metrics.v3.StatsMatcher")()
    if content == "reject_all":
        config.reject_all = True
    elif content:
        getattr(config, content).patterns.add().prefix = "a."
    accepts = stats_matcher(config, lambda pattern: lambda name: name.startswith(pattern.prefix))
    for name in ("a.x", "b"):
        one.counter(name).add(1)
    one.histogram("a.y").record(1)
    found = look(StatsView(lambda: readers, control, accepts))
    assert sorted([*found.counters, *found.histograms]) == shown


def test_own_buckets_for_some_histograms(processes):
    (one, _, control), readers = processes
    one.histogram("a").record(1)
    one.histogram("b").record(1)
    found = look(StatsView(lambda: readers, control, None, [(lambda name: name == "a", (3.0, 7.0))])).histograms
    assert found["a"].bounds == (3.0, 7.0) and found["b"].bounds[0] == 0.5


def test_matcher_errors_pass_through():
    config = message_class("envoy.config.metrics.v3.StatsMatcher")()
    config.inclusion_list.patterns.add().safe_regex.regex = "("

    def refuse(pattern):
        raise ConfigError("bad")
    with pytest.raises(ConfigError):
        stats_matcher(config, refuse)
