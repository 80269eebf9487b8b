"""The families against the names that a running Envoy listed (its names that appear with first use left out)."""
import re

from gmosn.observe.families import Families
from gmosn.observe.stat_names import sanitize, takes_max
from tests.helpers.envoy_golden import GoldenResponse, stat_values

WITH_FIRST_USE = re.compile(
    r"^cluster\.\w+\.(external|retry|zone|http1)\.|^cluster\.\w+\.upstream_rq_(\d(xx|\d\d)|time)$")


def simple_http():
    """What tests/golden/envoy_admin/simple-http.yaml makes."""
    families = Families()
    families.add_server(2)
    families.add_resolver()
    families.add_cluster("svc")
    families.add_cluster("svc_empty", health_checks=True, outlier_detection=True)
    families.add_listener("127.0.0.1:18080", 2)
    families.add_connection_manager("ingress_http", "127.0.0.1:18080")
    return families


def test_no_name_is_missing_and_none_invented():
    counters, gauges = stat_values()
    families = simple_http()
    assert families.counters == {name for name in counters if not WITH_FIRST_USE.match(name)}
    assert families.gauges == {name for name in gauges if not WITH_FIRST_USE.match(name)}


def test_histograms():
    histograms = GoldenResponse("stats.json").json["stats"][-1]["histograms"]
    shown = {item["name"] for item in histograms["computed_quantiles"]}
    assert set(simple_http().histograms) == {name for name in shown if not WITH_FIRST_USE.match(name)}


def test_names_from_configuration_are_cleaned():
    assert sanitize("a:b") == "a_b" and sanitize("unix:///tmp/x") == "unix_/tmp/x" and sanitize(".a.") == "a"
    families = Families()
    families.add_listener("[::1]:80", 1)
    assert "listener.[__1]_80.worker_0.downstream_cx_total" in families.counters


def test_gauges_that_are_not_summed():
    assert takes_max("cluster.a.b.membership_total") and takes_max("cluster.c.circuit_breakers.high.rq_open")
    assert not takes_max("cluster.c.upstream_cx_active") and not takes_max("server.total_connections")
