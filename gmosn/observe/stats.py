# hot: http1_get
"""Counters, gauges and histograms in shared memory: one segment per process, every slot has one writer, readers sum.

A segment describes itself: names are found in its directory, so any process that has the file descriptor can read it
(observe/stats_reader.py) and a process that replaces a dead one goes on where that one stopped.

Layout, in native byte order:

    int64 0..7    MAGIC, size in bytes, directory start, directory end (its capacity), directory used up to,
                  next free slot, names that found no room, unused
    directory     entries, appended only: name length u16, kind u8, unit u8, u32 zero, slot i64, name, padding to 8
    slots         int64 each; `slot` counts from the start of the segment. The first two of the region take the writes
                  of everything that found no room. A gauge has a second slot: 1 once it was written (Envoy's "used").
                  A histogram's slot holds where its bins are, 0 = none yet

"directory used up to" is written after the entry is complete, so a reader never sees half an entry, and a process that
dies between the two leaves nothing behind but an unused slot.
"""
import mmap
import os
import struct

import cython

from gmosn.observe.stat_names import sanitize

MAGIC = 0x6f73746174733031
SIZE, DIRECTORY, DIRECTORY_END, DIRECTORY_USED, NEXT_SLOT, OVERFLOW = 1, 2, 3, 4, 5, 6
HEADER_BYTES = 64
ENTRY = struct.Struct("=HBBIq")
COUNTER, GAUGE, HISTOGRAM = 1, 2, 3
UNITS = ("", "bytes", "us", "ms", "percent")
# libcircllhist's bins for whole numbers: 0..99 one each, then 90 bins (two significant digits) per power of ten up to
# 9.2e18; number 90 * e + d stands for [d, d + 1) * 10**e. 13 KiB, taken from the segment at the first value.
BINS = 100 + 17 * 90
DEFAULT_BYTES = 256 << 20            # sparse: only touched pages exist
DIRECTORY_SHARE = 4                  # a quarter of the segment is directory


class Segment:
    """One process's slots. Built by create(), attach() or local(); there must be only one writer at a time.

    `fd`: the memory's descriptor, -1 for a local one; it stays open, the caller may pass it on.
    """

    def __init__(self, memory, fd: cython.int):
        self.memory = memory
        self.view = memoryview(memory).cast("q")
        self.fd = fd
        if cython.compiled:
            self.slots = self.view
            self.base = cython.address(self.slots[0])
        self.slot_end = self.view[SIZE] // 8
        self.counters = {}
        self.gauges = {}
        self.histograms = {}
        self.found = {}

    @staticmethod
    def create(size=DEFAULT_BYTES):
        """A new, empty segment in a memfd of `size` bytes (at least 4096, sparse). Raises OSError."""
        fd = os.memfd_create("gmosn-stats", os.MFD_CLOEXEC)
        os.ftruncate(fd, size)
        memory = mmap.mmap(fd, size)
        _format(memory, size)
        return Segment(memory, fd)

    @staticmethod
    def local(size=1 << 22):
        """A segment that no other process sees: for tests and for validating a configuration."""
        memory = mmap.mmap(-1, size)
        _format(memory, size)
        return Segment(memory, -1)

    @staticmethod
    def attach(fd):
        """Continues the segment behind `fd`: counters and histograms go on, gauges restart at 0. Raises ValueError."""
        memory = mmap.mmap(fd, 0)
        view = memoryview(memory).cast("q")
        if len(view) < HEADER_BYTES // 8 or view[0] != MAGIC or view[SIZE] != len(memory):
            raise ValueError("not a stats segment")
        segment = Segment(memory, fd)
        segment.restore()
        return segment

    def restore(self):
        """Learns the names that a predecessor made and clears its gauges."""
        view = self.view
        for name, kind, _unit, slot in entries(self.memory, view[DIRECTORY], view[DIRECTORY_USED]):
            self.found[kind, name] = slot
            if kind == GAUGE:
                view[slot] = 0

    def counter(self, name):
        """The counter of that name, made at the first call."""
        made = self.counters.get(name)
        if made is None:
            made = self.counters[name] = Counter(self, name, self.locate(COUNTER, name, ""))
        return made

    def gauge(self, name):
        """The gauge of that name, made at the first call."""
        made = self.gauges.get(name)
        if made is None:
            made = self.gauges[name] = Gauge(self, name, self.locate(GAUGE, name, ""))
        return made

    def histogram(self, name, unit="ms"):
        """The histogram of that name, made at the first call; `unit`: one of UNITS."""
        made = self.histograms.get(name)
        if made is None:
            made = self.histograms[name] = Histogram(self, name, unit, self.locate(HISTOGRAM, name, unit))
        return made

    def take_slots(self, count):
        """The first of `count` fresh slots, 0 when there is no room (counted in OVERFLOW)."""
        first: cython.Py_ssize_t = self.view[NEXT_SLOT]
        if first + count > self.slot_end:
            self.view[OVERFLOW] += 1
            return 0
        self.view[NEXT_SLOT] = first + count
        return first

    def locate(self, kind, name, unit):
        """The slot for a name: a predecessor's, or a fresh one that is entered in the directory."""
        slot = self.found.pop((kind, name), 0)
        if slot:
            return slot
        view = self.view
        raw = name.encode("utf-8", "surrogateescape")
        start = view[DIRECTORY_USED]
        end = start + (ENTRY.size + len(raw) + 7 & ~7)
        if end > view[DIRECTORY_END] or len(raw) > 0xffff:
            view[OVERFLOW] += 1
            return _scratch(view)
        slot = self.take_slots(2 if kind == GAUGE else 1)
        if not slot:
            return _scratch(view)
        ENTRY.pack_into(self.memory, start, len(raw), kind, UNITS.index(unit), 0, slot)
        self.memory[start + ENTRY.size:start + ENTRY.size + len(raw)] = raw
        if cython.compiled:
            publish_barrier()                                                   # noqa: F821  (declared in the .pxd)
        view[DIRECTORY_USED] = end
        return slot

    def __repr__(self):
        view = self.view
        return (f"<Segment fd={self.fd} directory={view[DIRECTORY_USED] - view[DIRECTORY]}B "
                f"slots={view[NEXT_SLOT] - _scratch(view)} overflow={view[OVERFLOW]}>")


def _format(memory, size):
    directory_end = size // DIRECTORY_SHARE & ~7
    view = memoryview(memory).cast("q")
    view[SIZE] = size & ~7
    view[DIRECTORY] = view[DIRECTORY_USED] = HEADER_BYTES
    view[DIRECTORY_END] = directory_end
    view[NEXT_SLOT] = directory_end // 8 + 2
    view[0] = MAGIC


def _scratch(view):
    """The slot for writes that belong nowhere: the first of the slot region (and the next, for gauges)."""
    return view[DIRECTORY_END] // 8


def entries(memory, start, end):
    """Directory entries in memory[start:end]: a list of (name, kind, unit, slot)."""
    out = []
    while start < end:
        size, kind, unit, _, slot = ENTRY.unpack_from(memory, start)
        start += ENTRY.size
        out.append((memory[start:start + size].decode("utf-8", "surrogateescape"), kind, UNITS[unit], slot))
        start += size + 7 & ~7
    return out


class Counter:
    """Only goes up."""

    def __init__(self, segment: Segment, name: str, slot: cython.Py_ssize_t):
        self.name = name
        self.segment = segment
        self.slot = slot
        if cython.compiled:
            self.p = segment.base + slot
        else:
            self.slots = segment.view

    def add(self, n):
        """Adds n >= 0."""
        if cython.compiled:
            self.p[0] += n
        else:
            self.slots[self.slot] += n

    def value(self):
        """What this process counted."""
        if cython.compiled:
            return self.p[0]
        return self.slots[self.slot]

    def __repr__(self):
        return f"<Counter {self.name} {self.value()}>"


class Gauge:
    """Goes up and down, or is set."""

    def __init__(self, segment: Segment, name: str, slot: cython.Py_ssize_t):
        self.name = name
        self.segment = segment
        self.slot = slot
        if cython.compiled:
            self.p = segment.base + slot
        else:
            self.slots = segment.view

    def add(self, n):
        """Adds n, which may be negative."""
        if cython.compiled:
            self.p[0] += n
            self.p[1] = 1
        else:
            self.slots[self.slot] += n
            self.slots[self.slot + 1] = 1

    def set(self, n):
        if cython.compiled:
            self.p[0] = n
            self.p[1] = 1
        else:
            self.slots[self.slot] = n
            self.slots[self.slot + 1] = 1

    def value(self):
        """This process's part."""
        if cython.compiled:
            return self.p[0]
        return self.slots[self.slot]

    def __repr__(self):
        return f"<Gauge {self.name} {self.value()}>"


class Histogram:
    """Counts whole numbers in libcircllhist's bins. `unit` says what the numbers are."""

    def __init__(self, segment: Segment, name: str, unit: str, slot: cython.Py_ssize_t):
        self.name = name
        self.unit = unit
        self.segment = segment
        self.slot = slot
        self.first_bin = 0 if slot == _scratch(segment.view) else segment.view[slot]
        if not cython.compiled:
            self.slots = segment.view
        elif self.first_bin:
            self.p = segment.base + self.first_bin

    def record(self, value):
        """Counts one value; negative ones count as 0."""
        x: cython.longlong = value
        shift: cython.Py_ssize_t = 0
        if self.first_bin <= 0:
            if self.first_bin < 0:
                return
            self._take_bins()
            if self.first_bin < 0:
                return
        if x < 0:
            x = 0
        while x >= 100:
            x //= 10
            shift += 90
        if cython.compiled:
            self.p[shift + x] += 1
        else:
            self.slots[self.first_bin + shift + x] += 1

    def _take_bins(self):
        """Takes the bins out of the segment; without room (first_bin -1) values are dropped from now on."""
        first: cython.Py_ssize_t = self.segment.take_slots(BINS)
        if first == 0 or self.slot == _scratch(self.segment.view):
            self.first_bin = -1
            return
        self.first_bin = first
        self.segment.view[self.slot] = first
        if cython.compiled:
            self.p = self.segment.base + first

    def bins(self):
        """This process's counts, BINS numbers; [] before the first value."""
        if self.first_bin <= 0:
            return []
        return self.segment.view[self.first_bin:self.first_bin + BINS].tolist()

    def __repr__(self):
        return f"<Histogram {self.name} {sum(self.bins())} values>"


class Stats:
    """A segment's names below a prefix: Stats(segment).scope("cluster.c0.").counter("upstream_rq_total").

    The same full name gives the same object, whatever the scope it was asked of.
    """

    def __init__(self, segment: Segment, prefix: str = ""):
        self.segment = segment
        self.prefix = prefix

    def counter(self, name):
        return self.segment.counter(self.prefix + name)

    def gauge(self, name):
        return self.segment.gauge(self.prefix + name)

    def histogram(self, name, unit="ms"):
        """`unit`: "ms", "us", "bytes", "percent" or ""."""
        return self.segment.histogram(self.prefix + name, unit)

    def scope(self, prefix):
        """Stats whose names start with this one's prefix and then `prefix` (give the dot: "http.ingress."). Colons
        become _ as in Envoy, except in internal names (\\x01...)."""
        if ":" in prefix and not prefix.startswith("\x01"):
            prefix = sanitize(prefix.removesuffix(".")) + ("." if prefix.endswith(".") else "")
        return Stats(self.segment, self.prefix + prefix)

    def __repr__(self):
        return f"<Stats {self.prefix!r}>"
