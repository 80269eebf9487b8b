"""What /stats shows: the sums over all processes, the families that nobody wrote yet, reset counters, and histograms
with their last interval. One object in the control process; never blocks."""
from gmosn.observe.circllhist import DEFAULT_BUCKETS
from gmosn.observe.stat_names import takes_max
from gmosn.observe.stats_reader import sum_histograms, sum_segments

INTERNAL = "\x01"                    # names that start with it are not shown (per-host stats, reset counters)
RESET = "\x01reset."


class HistogramValue:
    """`interval`, `cumulative`: {bin number: count}, of the last whole flush interval and since the start; `bounds`: of
    the buckets that are shown."""

    __slots__ = ("interval", "cumulative", "bounds")

    def __init__(self, interval, cumulative, bounds=DEFAULT_BUCKETS):
        self.interval = interval
        self.cumulative = cumulative
        self.bounds = bounds


class StatsSnapshot:
    """One consistent-enough look: `counters`, `gauges`: name -> int; `histograms`: name -> HistogramValue; `texts`:
    name -> str; `used`: names of counters and gauges that were ever written."""

    def __init__(self):
        self.counters = {}
        self.gauges = {}
        self.histograms = {}
        self.texts = {}
        self.used = set()


class StatsView:
    """`readers()`: the SegmentReaders to sum; `stats`: this process's own Stats, where the counts at the last reset are
    kept (so they survive this process); `accepts(name)`: stats_config.stats_matcher, True shows the name; `bounds`:
    (predicate on names, bucket bounds) of stats_config.histogram_bucket_settings; `derive(totals)`: adds what follows
    from other numbers."""

    def __init__(self, readers, stats, accepts=None, bounds=(), derive=None):
        self._readers = readers
        self._stats = stats
        self._accepts = accepts
        self._bounds = bounds
        self._derive = derive
        self._before = None
        self._interval = None

    def flush(self):
        """The end of a flush interval (stats_flush_interval, 5 s): what was recorded since the last call is the
        interval that /stats shows from now on."""
        now = sum_histograms(self._readers())
        before = self._before or {}
        self._interval = {name: _difference(bins, before.get(name)) for name, bins in now.items() if bins}
        self._before = now

    def reset_counters(self):
        """All counters start at 0 again. A slot has one writer, its process: so the counts of now are remembered."""
        for name, value in self._totals().counters.items():
            if value and not name.startswith(INTERNAL):
                mark = self._stats.counter(RESET + name)
                mark.add(value - mark.value())

    def snapshot(self, families, texts=None):
        """StatsSnapshot of now. `families`: observe.families.Families; `texts`: name -> str."""
        totals = self._totals()
        out = StatsSnapshot()
        self._take_numbers(out, totals, families)
        for name in families.histograms:
            totals.histograms.setdefault(name, {})
        for name, bins in totals.histograms.items():
            if not name.startswith(INTERNAL) and self.shows(name):
                interval = bins if self._interval is None else self._interval.get(name, {})
                out.histograms[name] = HistogramValue(interval, bins, self.bounds(name))
        out.texts = {name: text for name, text in (texts or {}).items() if self.shows(name)}
        return out

    def _totals(self):
        totals = sum_segments(self._readers(), takes_max)
        if self._derive is not None:
            self._derive(totals)
        return totals

    def internal_numbers(self):
        """Name -> int of everything that is not shown, above all per-host stats."""
        totals = sum_segments(self._readers())
        return {name: value for table in (totals.counters, totals.gauges) for name, value in table.items()
                if name.startswith(INTERNAL)}

    def _take_numbers(self, out, totals, families):
        reset = {}
        counters = dict.fromkeys(families.counters, 0)
        for name, value in totals.counters.items():
            if not name.startswith(INTERNAL):
                counters[name] = value
                if value:
                    out.used.add(name)
            elif name.startswith(RESET):
                reset[name[len(RESET):]] = value
        for name, value in reset.items():
            counters[name] = max(0, counters.get(name, 0) - value)
        gauges = dict.fromkeys(families.gauges, 0)
        gauges.update((name, value) for name, value in totals.gauges.items() if not name.startswith(INTERNAL))
        out.used.update(totals.used_gauges)
        out.counters = {name: value for name, value in counters.items() if self.shows(name)}
        out.gauges = {name: value % (1 << 64) if name.endswith(".version") else value       # a 64-bit hash
                      for name, value in gauges.items() if self.shows(name)}

    def bounds(self, name):
        """The buckets of a histogram: those of the first entry of `bounds` that matches."""
        return next((bounds for matches, bounds in self._bounds if matches(name)), DEFAULT_BUCKETS)

    def shows(self, name):
        return self._accepts is None or self._accepts(name)


def _difference(bins, before):
    if not before:
        return bins
    return {number: count - before.get(number, 0) for number, count in bins.items() if count != before.get(number, 0)}


def stats_matcher(config, compile_pattern):
    """accepts(name) of a metrics.v3.StatsMatcher, or None when it shows everything.

    `compile_pattern(StringMatcher)`: a predicate on text. Raises what that raises (ConfigError for a bad regex).
    """
    which = config.WhichOneof("stats_matcher") if config is not None else None
    if which is None:
        return None
    if which == "reject_all":
        return (lambda name: False) if config.reject_all else None
    patterns = [compile_pattern(pattern) for pattern in getattr(config, which).patterns]
    if which == "inclusion_list":
        return lambda name: any(matches(name) for matches in patterns)
    return lambda name: not any(matches(name) for matches in patterns)
