"""What a running Envoy 1.40 answered on its admin for tests/golden/envoy_admin/simple-http.yaml: one file per request,
response head included."""
import json
import re
from pathlib import Path

from gmosn.observe.stat_tags import StatTags

FOLDER = Path(__file__).parent.parent / "golden" / "envoy_admin"


class GoldenResponse:
    """`status`, `headers` (dict, lower case), `body` (bytes)."""

    def __init__(self, name):
        head, _, self.body = (FOLDER / name).read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")
        lines = head.decode().split("\n")
        self.status = int(lines[0].split()[1])
        self.headers = dict(line.split(": ", 1) for line in lines[1:])

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


def stat_values():
    """(counters, gauges): name -> value, as in stats.txt; kinds from the Prometheus page."""
    kinds = {}
    for line in GoldenResponse("stats.prom").text.splitlines():
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split()
            kinds[name] = kind
    counters, gauges = {}, {}
    for item in GoldenResponse("stats.json").json["stats"]:
        if "name" in item:
            (gauges if _kind(item["name"], kinds) == "gauge" else counters)[item["name"]] = item["value"]
    return counters, gauges


def _kind(name, kinds):
    """A stat's kind by the metric that its name became."""
    extracted, _ = StatTags().extract(name)
    return kinds["envoy_" + re.sub(r"\W", "_", extracted)]


def detailed_histograms():
    """name -> {bin number: count} of the histograms whose bins Envoy showed (histogram_buckets=detailed)."""
    out = {}
    for item in GoldenResponse("stats_hist_detailed.json").json["stats"][-1]["histograms"]["details"]:
        bins = {}
        for entry in item["totals"]:
            low, shift = round(entry["lower_bound"]), 0
            while low >= 100:
                low, shift = low // 10, shift + 90
            bins[shift + low] = entry["count"]
        out[item["name"]] = bins
    return out
