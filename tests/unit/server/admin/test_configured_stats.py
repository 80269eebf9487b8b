from gmosn.server.admin.configured_stats import configured_families
from tests.helpers.admin_backend import FakeBackend
from tests.helpers.envoy_golden import FOLDER
from tests.unit.observe.test_families import simple_http


def test_families_of_a_configuration():
    found, expected = configured_families(FakeBackend.from_yaml(FOLDER / "simple-http.yaml")), simple_http()
    assert (found.counters, found.gauges, found.histograms) == (expected.counters, expected.gauges, expected.histograms)
