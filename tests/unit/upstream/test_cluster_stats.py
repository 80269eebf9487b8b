"""Names of cluster stats against those that Envoy has for one cluster."""
from pathlib import Path

import pytest

from gmosn.observe.stats import Segment, Stats
from gmosn.observe.stats_reader import SegmentReader
from gmosn.upstream.cluster_stats import ClusterStats


@pytest.fixture
def root():
    return Stats(Segment.create(1 << 20))


def totals(root):
    reader = SegmentReader(root.segment.fd)
    reader.refresh()
    return reader


def value(root, name):
    """A counter's value, None when nobody made it."""
    return totals(root).counters().get("cluster.c." + name)


def test_names_are_envoys(root):
    """Of Envoy's names those that a worker counts; the control process adds what is always 0."""
    envoys = set(Path(__file__).with_name("cluster_stat_names.txt").read_text().split())
    ClusterStats(root.scope("cluster.c."))
    made = totals(root)
    names = {name.removeprefix("cluster.c.") for kind in (made.counters(), made.gauges(), made.histograms())
             for name in kind}
    assert names <= envoys and len(names) > 45


def test_external_response(root):
    stats = ClusterStats(root.scope("cluster.c."))
    stats.on_response(204)
    stats.charge(204, False, False, "z")
    for name in ("upstream_rq_204", "upstream_rq_2xx", "upstream_rq_completed"):
        assert value(root, name) == value(root, "external." + name) == 2
    assert value(root, "internal.upstream_rq_204") is None


def test_internal_canary_and_zone(root):
    stats = ClusterStats(root.scope("cluster.c."), local_zone="z1")
    stats.charge(503, True, True, "z2")
    for prefix in ("", "internal.", "canary.", "zone.z1.z2."):
        assert value(root, prefix + "upstream_rq_503") == value(root, prefix + "upstream_rq_5xx") == 1
    assert value(root, "external.upstream_rq_503") is None


def test_retried_response(root):
    stats = ClusterStats(root.scope("cluster.c."))
    stats.charge_retry(503)
    assert value(root, "retry.upstream_rq_503") == value(root, "retry.upstream_rq_completed") == 1
    assert value(root, "upstream_rq_503") is None


def test_times(root):
    stats = ClusterStats(root.scope("cluster.c."), local_zone="z1")
    stats.charge_time(5, False, False, "")
    stats.charge_time(7, True, True, "z2")
    histograms = {name for name in totals(root).histograms() if name.endswith("rq_time")}
    assert histograms == {"cluster.c." + prefix + "upstream_rq_time"
                          for prefix in ("", "external.", "internal.", "canary.", "zone.z1.z2.")}
