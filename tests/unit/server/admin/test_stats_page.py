"""Rendering against what Envoy printed for the same numbers, byte for byte."""
import re

import pytest

from gmosn.observe.stat_tags import StatTags
from gmosn.observe.stats_view import HistogramValue, StatsSnapshot
from gmosn.server.admin.http_types import JSON, TEXT, AdminRequest
from gmosn.server.admin.stats_page import prometheus, stats
from gmosn.server.admin.stats_text import to_chars
from tests.helpers.envoy_golden import GoldenResponse, detailed_histograms, stat_values


class Numbers:
    """An admin that knows exactly Envoy's numbers."""

    def __init__(self):
        self.tags = StatTags()
        self.found = StatsSnapshot()
        self.found.counters, self.found.gauges = stat_values()
        self.found.histograms = {name: HistogramValue(bins, bins) for name, bins in detailed_histograms().items()}
        used = GoldenResponse("stats_usedonly.txt").text
        self.found.used = {line.partition(": ")[0] for line in used.splitlines()}

    def snapshot(self):
        return self.found

    def pause(self):
        """Nobody else wants to run."""


@pytest.fixture(scope="module")
def admin():
    return Numbers()


def comparable(text):
    """Without histograms, and without values: the pages were asked for one after the other."""
    text = re.sub(r"^\S+: (P0|No recorded).*\n", "", text, flags=re.MULTILINE)
    return re.sub(r" \d+$", " N", text, flags=re.MULTILINE)


@pytest.mark.parametrize("page, query", [
    ("stats.txt", ""), ("stats_usedonly.txt", "?usedonly")])
def test_counters_and_gauges_as_text(admin, page, query):
    golden = GoldenResponse(page)
    answer = stats(admin, AdminRequest(target="/stats" + query))
    assert comparable(answer.body.decode()) == comparable(golden.text)
    assert (answer.status, answer.content_type) == (200, golden.headers["content-type"])


@pytest.mark.parametrize("mode", ["cumulative", "disjoint", "detailed", "summary"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_histograms(admin, mode, form):
    golden = GoldenResponse(f"stats_hist_{mode}.{'txt' if form == 'text' else 'json'}")
    answer = stats(admin, AdminRequest(target=f"/stats?filter=rq_time&format={form}&histogram_buckets={mode}"))
    assert answer.body.decode() == golden.text
    assert answer.content_type == golden.headers["content-type"]


@pytest.mark.parametrize("mode", ["cumulative", "summary", "detailed"])
def test_histograms_for_prometheus(admin, mode):
    golden = GoldenResponse(f"stats_hist_{mode}.prom")
    answer = prometheus(admin, AdminRequest(target=f"/stats/prometheus?filter=rq_time&histogram_buckets={mode}"))
    assert (answer.status, answer.body.decode()) == (golden.status, golden.text)


def test_every_metric_for_prometheus(admin):
    answer = stats(admin, AdminRequest(target="/stats?format=prometheus&type=Counters"))
    gauges = stats(admin, AdminRequest(target="/stats?format=prometheus&type=Gauges"))
    expected = GoldenResponse("stats.prom").text
    histograms = expected.index(re.search(r"# TYPE \w+ histogram", expected).group())
    assert comparable((answer.body + gauges.body).decode()) == comparable(expected[:histograms])


def test_numbers_as_json(admin):
    answer = stats(admin, AdminRequest(target="/stats?format=json"))
    text = GoldenResponse("stats.json").text
    assert answer.body.decode().partition(',{"histograms"')[0] == text.partition(',{"histograms"')[0]
    assert answer.content_type == JSON


def test_filter_is_envoys(admin):
    golden = GoldenResponse("stats_filter.txt")
    answer = stats(admin, AdminRequest(target="/stats?filter=%5Ehttp.*rq_time"))
    assert answer.body.decode() == golden.text


def test_inverted_filter_and_types(admin):
    answer = stats(admin, AdminRequest(target="/stats?filter=%5E(cluster|http|listener)&invert_filter&type=Gauges"))
    names = [line.partition(":")[0] for line in answer.body.decode().splitlines()]
    assert "server.live" in names and not any(name.startswith(("cluster.", "http.", "listener.")) for name in names)
    assert "runtime.load_success" not in names


@pytest.mark.parametrize("query, text", [
    ("format=xx", "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n"),
    ("type=foo", "invalid &type= param"),
    ("filter=(", "Invalid re2 regex: "),
    ("histogram_buckets=foo", "usage: /stats?histogram_buckets=("),
    ("format=prometheus&histogram_buckets=detailed", "unsupported prometheus histogram bucket mode"),
])
def test_bad_parameters(admin, query, text):
    answer = stats(admin, AdminRequest(target="/stats?" + query))
    assert answer.status == 400 and answer.content_type == TEXT
    assert answer.body.decode().startswith(text)


def test_html_is_escaped(admin):
    admin.found.texts["x.version_text"] = "<script>"
    try:
        answer = stats(admin, AdminRequest(target="/stats?format=html&type=TextReadouts"))
        assert b"&lt;script&gt;" in answer.body and answer.content_type.startswith("text/html")
        plain = stats(admin, AdminRequest(target="/stats?type=TextReadouts"))
        assert plain.body == b'x.version_text: "<script>"\n'
        labels = prometheus(admin, AdminRequest(target="/stats/prometheus?text_readouts&type=TextReadouts"))
        assert labels.body == b'# TYPE envoy_x_version_text gauge\nenvoy_x_version_text{text_value="<script>"} 0\n'
    finally:
        del admin.found.texts["x.version_text"]


@pytest.mark.parametrize("value, text", [
    (0.0, "0"), (0.5, "0.5"), (1.0, "1"), (10000.0, "10000"), (300000.0, "3e+05"), (1800000.0, "1800000"),
    (1.0666666666666667, "1.0666666666666667"), (1e20, "1e+20"), (1.5e16, "1.5e+16"), (float("nan"), "null")])
def test_shortest_numbers(value, text):
    assert to_chars(value) == text
