"""Reads stats segments of other processes (layout: observe/stats.py) and sums them. Never writes."""
import mmap
import os

from gmosn.observe.stats import (
    BINS, COUNTER, DIRECTORY, DIRECTORY_USED, GAUGE, HEADER_BYTES, HISTOGRAM, MAGIC, OVERFLOW, SIZE, entries,
)

DECADE_BYTES = 90 * 8
NOTHING = bytes(DECADE_BYTES)


class SegmentReader:
    """A read-only view of one process's segment. The names are read incrementally: only what is new since last time.

    `fd` is duplicated by the mapping and may be closed afterwards. Raises ValueError when it is not a segment.
    """

    def __init__(self, fd):
        if os.fstat(fd).st_size < HEADER_BYTES:
            raise ValueError("not a stats segment")
        self.memory = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
        self.view = memoryview(self.memory).cast("q")
        if self.view[0] != MAGIC or self.view[SIZE] != len(self.memory):
            raise ValueError("not a stats segment")
        self.read_up_to = self.view[DIRECTORY]
        self.slots = {COUNTER: {}, GAUGE: {}, HISTOGRAM: {}}
        self.units = {}

    def refresh(self):
        """Takes in the names that were added; cheap when there are none."""
        end = self.view[DIRECTORY_USED]
        if end == self.read_up_to:
            return
        for name, kind, unit, slot in entries(self.memory, self.read_up_to, end):
            self.slots[kind][name] = slot
            if kind == HISTOGRAM:
                self.units[name] = unit
        self.read_up_to = end

    @property
    def overflow(self):
        """How many names or histograms found no room in the segment."""
        return self.view[OVERFLOW]

    def counters(self):
        """Name -> value."""
        view = self.view
        return {name: view[slot] for name, slot in self.slots[COUNTER].items()}

    def gauges(self):
        """Name -> value."""
        view = self.view
        return {name: view[slot] for name, slot in self.slots[GAUGE].items()}

    def used_gauges(self):
        """The names of the gauges that were ever written."""
        view = self.view
        return [name for name, slot in self.slots[GAUGE].items() if view[slot + 1]]

    def histograms(self):
        """Name -> {bin number: count} without zeros, {} when nothing was recorded."""
        view, out = self.view, {}
        for name, slot in self.slots[HISTOGRAM].items():
            first = view[slot]
            out[name] = self._bins(first) if first else {}
        return out

    def _bins(self, first):
        """Most of a histogram's 1,630 bins are 0, above all the upper ones: they are cut off, then whole decades are
        skipped by one comparison (20 us instead of 200)."""
        out = {}
        raw = self.memory[first * 8:(first + BINS) * 8].rstrip(b"\0")
        raw += bytes(-len(raw) % 8)
        for start in range(0, len(raw), DECADE_BYTES):
            part = raw[start:start + DECADE_BYTES]
            if part != NOTHING:
                for number, count in enumerate(memoryview(part).cast("q"), start >> 3):
                    if count:
                        out[number] = count
        return out

    def close(self):
        """Gives the mapping back."""
        self.view.release()
        self.memory.close()


class Totals:
    """Sums over processes: `counters`, `gauges` (name -> int), `used_gauges` (set of names), `histograms` (name ->
    {bin number: count}), `units` (histogram name -> unit), `overflow`."""

    def __init__(self):
        self.counters = {}
        self.gauges = {}
        self.used_gauges = set()
        self.histograms = {}
        self.units = {}
        self.overflow = 0


def sum_histograms(readers):
    """Refreshes SegmentReaders -> name -> {bin number: count}, summed."""
    total = {}
    for reader in readers:
        reader.refresh()
        _add_histograms(total, reader)
    return total


def _add_histograms(total, reader):
    for name, bins in reader.histograms().items():
        before = total.setdefault(name, bins)
        if before is not bins:
            add_counts(before, bins)


def sum_segments(readers, takes_max=None):
    """Refreshes and sums SegmentReaders -> Totals.

    `takes_max(name)`: True for gauges that every process sets to the same thing (a version, a membership count), whose
    total is their maximum.
    """
    total = Totals()
    for reader in readers:
        reader.refresh()
        total.overflow += reader.overflow
        total.units.update(reader.units)
        total.used_gauges.update(reader.used_gauges())
        add_counts(total.counters, reader.counters())
        for name, value in reader.gauges().items():
            before = total.gauges.get(name)
            if before is None:
                total.gauges[name] = value
            elif takes_max is not None and takes_max(name):
                total.gauges[name] = max(before, value)
            else:
                total.gauges[name] = before + value
        _add_histograms(total.histograms, reader)
    return total


def add_counts(into, values):
    """into[key] += value for every item of `values`."""
    if not into:
        into.update(values)
        return
    for key, value in values.items():
        into[key] = into.get(key, 0) + value
