"""Stats in Prometheus' text format, as Envoy 1.40 prints them: tags become labels, names get the prefix envoy_."""
import re

from gmosn.observe import circllhist
from gmosn.server.admin.stats_text import bucket_counts, quantile_text

_OTHER = re.compile(r"[^a-zA-Z0-9_]")


def clean(text):
    """A legal metric or label name."""
    return _OTHER.sub("_", text)


def _escape(value):
    if value.isalnum():
        return value
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _labels(tags):
    return ",".join(f'{clean(tag)}="{_escape(value)}"' for tag, value in tags)


def as_prometheus(snapshot, stat_tags, mode, with_texts, pause=lambda: None):
    """`snapshot`: counters, gauges, texts and histograms by name (StatsSnapshot or alike); `stat_tags`: StatTags;
    `mode`: "cumulative" or "summary"; `with_texts`: text readouts as gauges; `pause()`: called every now and then."""
    out = []
    _numbers(out, snapshot.counters, stat_tags, "counter", pause)
    _numbers(out, snapshot.gauges, stat_tags, "gauge", pause)
    if with_texts:
        for name, members in _groups(snapshot.texts, stat_tags):
            out.append(f"# TYPE {name} gauge\n")
            out += [f"{name}{{{_labels([*tags, ('text_value', snapshot.texts[full])])}}} 0\n" for full, tags in members]
    for name, members in _groups(snapshot.histograms, stat_tags):
        out.append(f"# TYPE {name} {'summary' if mode == 'summary' else 'histogram'}\n")
        pause()
        for full, tags in members:
            _histogram(out, name, _labels(tags), snapshot.histograms[full], mode)
    return "".join(out)


def _groups(values, stat_tags):
    """[(metric name, [(full name, tags), ...]), ...], both sorted as Envoy sorts: word by word."""
    groups = {}
    for full in values:
        extracted, tags = stat_tags.extract(full)
        groups.setdefault(extracted, []).append((full, tags))
    for extracted in sorted(groups, key=_words):
        yield "envoy_" + clean(extracted), sorted(groups[extracted], key=lambda member: _words(member[0]))


def _words(name):
    """A sort key that compares word by word."""
    return name.replace(".", "\0")


def _numbers(out, values, stat_tags, kind, pause):
    for name, members in _groups(values, stat_tags):
        pause()
        out.append(f"# TYPE {name} {kind}\n")
        out += [f"{name}{{{_labels(tags)}}} {values[full]}\n" for full, tags in members]


def _histogram(out, name, labels, value, mode):
    comma = labels + "," if labels else ""
    bins = value.cumulative
    if mode == "summary":
        for share, quantile in zip(circllhist.QUANTILES, circllhist.quantiles(value.interval), strict=True):
            out.append(f'{name}{{{comma}quantile="{quantile_text(share)}"}} {quantile:.32g}\n')
    else:
        for bound, _, count in bucket_counts(value, "cumulative"):
            out.append(f'{name}_bucket{{{comma}le="{bound:.32g}"}} {count}\n')
        out.append(f'{name}_bucket{{{comma}le="+Inf"}} {sum(bins.values())}\n')
    out.append(f"{name}_sum{{{labels}}} {circllhist.sample_sum(bins):.32g}\n"
               f"{name}_count{{{labels}}} {sum(bins.values())}\n")
