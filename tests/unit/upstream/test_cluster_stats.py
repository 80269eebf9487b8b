"""Names of cluster stats against those that Envoy has for one cluster."""
from pathlib import Path

import pytest

from gmosn.observe.stats import Segment, Stats
from gmosn.upstream.cluster_stats import ClusterStats, register_names


@pytest.fixture
def root():
    return Stats(Segment.local())


def names(root):
    return set(root.segment.counters) | set(root.segment.gauges) | set(root.segment.histograms)


def value(root, name):
    return root.segment.counters["cluster.c." + name].value() if "cluster.c." + name in root.segment.counters else None


def test_names_are_envoys(root):
    expected = Path(__file__).with_name("cluster_stat_names.txt").read_text().split()
    ClusterStats(root.scope("cluster.c."))
    register_names(root.scope("cluster.c."))
    assert {name.removeprefix("cluster.c.") for name in names(root)} == set(expected)


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
    histograms = {name for name in root.segment.histograms if name.endswith("rq_time")}
    assert histograms == {"cluster.c." + prefix + "upstream_rq_time"
                          for prefix in ("", "external.", "internal.", "canary.", "zone.z1.z2.")}
