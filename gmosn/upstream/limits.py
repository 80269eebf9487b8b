# hot: http1_get
"""Circuit breakers: a cluster's limits, counted over all workers.

The counts live in one shared memory file. Every worker writes its own column only, so nothing needs to be atomic, and
a limit is checked against the sum of a row: two workers that pass the check at the same moment may exceed a limit by
one, as in Envoy. A new worker clears its column, which takes back whatever its dead predecessor held.
"""
import fcntl
import mmap
import os
from _blake2 import blake2b                # not by hashlib: that loads OpenSSL, 8 ms

import cython

if not cython.compiled:
    from gmosn.io.wheel import Entry
    from gmosn.observe.stats import Gauge

    CONNECTIONS, PENDING, REQUESTS, RETRIES = range(4)

MAGIC = 0x31544D4C                       # "LMT1"
HEADER_WORDS = 8                         # magic, columns, rows
KEY_WORDS = 2                            # a row's key: 16 bytes of hash
ROW_WORDS = 4                            # one count per LimitKind
EMPTY = bytes(16)
LOOK_US = 500_000
OPEN_GAUGES = ("cx_open", "rq_pending_open", "rq_open", "rq_retry_open")        # in the order of the kinds
REMAINING_GAUGES = ("remaining_cx", "remaining_pending", "remaining_rq", "remaining_retries")
ROWS = 16384                             # (cluster, priority) pairs; the file is sparse, unused rows cost nothing


class LimitTable:
    """The counts of all (cluster, priority) pairs.

    Layout in 64-bit words: header, `rows` keys, then per column `rows` x 4 counts. `column`: the one that this process
    may write, -1 = only reads.
    """

    def __init__(self, fd, column):
        self.fd = fd
        self.column = column
        self.memory = mmap.mmap(fd, os.fstat(fd).st_size)
        self.words = memoryview(self.memory).cast("q")
        if self.words[0] != MAGIC:
            raise ValueError("not a limit table")
        self.columns = self.words[1]
        self.rows = self.words[2]
        if column >= self.columns:
            raise ValueError("the limit table has %d columns, not %d" % (self.columns, column + 1))
        self.counts = HEADER_WORDS + self.rows * KEY_WORDS
        self.stride = self.rows * ROW_WORDS
        self.known = {}
        if column >= 0:
            self.clear(column)

    @classmethod
    def create(cls, columns, rows=ROWS):
        """A new table's file descriptor (a memfd, inheritable by passing it on); the caller closes it."""
        fd = os.memfd_create("gmosn-limits")
        os.ftruncate(fd, 8 * (HEADER_WORDS + rows * KEY_WORDS + columns * rows * ROW_WORDS))
        with mmap.mmap(fd, 8 * HEADER_WORDS) as memory:
            for place, value in enumerate((MAGIC, columns, rows)):
                memory[8 * place:8 * place + 8] = value.to_bytes(8, "little")
        return fd

    @classmethod
    def local(cls):
        """A table of one column that nobody else sees: tests, validation, a single process."""
        fd = cls.create(1)
        try:
            table = cls(fd, 0)
        finally:
            os.close(fd)
        table.fd = -1
        return table

    def row(self, key):
        """The row of the text `key`, the same in every process; -1 when the table is full."""
        digest = blake2b(key.encode(), digest_size=16).digest()
        found = self.known.get(digest)
        return self._find(digest) if found is None else found

    def _find(self, digest):
        """Reads what others appended and appends the key if it is new, under a lock that all processes respect."""
        locked = self._lock(fcntl.LOCK_EX)
        try:
            while len(self.known) < self.rows:
                row = len(self.known)
                place = 8 * (HEADER_WORDS + row * KEY_WORDS)
                stored = bytes(self.memory[place:place + 16])
                if stored == EMPTY:
                    self.memory[place:place + 16] = stored = digest
                self.known[stored] = row
                if stored == digest:
                    return row
            return -1
        finally:
            if locked:
                self._lock(fcntl.LOCK_UN)

    def _lock(self, operation):
        if self.fd < 0:                          # local(): there is nobody to exclude
            return False
        fcntl.lockf(self.fd, operation)          # held for microseconds
        return True

    def clear(self, column):
        """Forgets what a column held: its process is new, or dead and not replaced."""
        start = 8 * (self.counts + column * self.stride)
        used = 8 * ROW_WORDS * self._used_rows()
        self.memory[start:start + used] = bytes(used)

    def _used_rows(self):
        low, high = 0, self.rows                 # keys are appended: the first empty one ends them
        while low < high:
            middle = (low + high) // 2
            place = 8 * (HEADER_WORDS + middle * KEY_WORDS)
            if self.memory[place:place + 16] == EMPTY:
                high = middle
            else:
                low = middle + 1
        return low

    def total(self, row, kind):
        """The sum of one count over all workers."""
        at: cython.Py_ssize_t = self.counts + row * ROW_WORDS + kind
        found: cython.longlong = 0
        _i: cython.int
        for _i in range(self.columns):
            found += self.words[at]
            at += self.stride
        return found


class Limits(Entry):
    """The limits of one cluster at one routing priority ("default" or "high").

    The gauges say 1 while a limit is reached. Who reaches it sets its gauge at once; when other workers' counts fall
    again is seen by looking, twice a second, as long as it is open.
    """

    def __init__(self, table: LimitTable, cluster, priority="default", max_connections=1024, max_pending=1024,
                 max_requests=1024, max_retries=3, track_remaining=False):
        row: cython.Py_ssize_t = table.row("%s.%s" % (priority, cluster))
        if row < 0:                              # full: these limits count this process only
            table = LimitTable.local()
            row = table.row(cluster)
        self.table = table
        self.row = row
        self.priority = priority
        self.max_connections = max_connections
        self.max_pending = max_pending
        self.max_requests = max_requests
        self.max_retries = max_retries
        self.track_remaining = track_remaining
        self.words = table.words
        self.stride = table.stride
        self.columns = table.columns
        self.first = table.counts + row * ROW_WORDS
        self.own = self.first + max(table.column, 0) * table.stride
        self.wheel = None
        self.open_gauges = self.remaining_gauges = None
        self.is_open = self.looking = False
        if cython.compiled:
            self.p = cython.address(self.words[0])

    def maximum(self, kind):
        if kind == REQUESTS:
            return self.max_requests
        if kind == CONNECTIONS:
            return self.max_connections
        return self.max_pending if kind == PENDING else self.max_retries

    def total(self, kind):
        """How many there are now, over all workers."""
        at: cython.Py_ssize_t = self.first + kind
        found: cython.longlong = 0
        _i: cython.int
        if cython.compiled:
            for _i in range(self.columns):
                found += self.p[at]
                at += self.stride
        else:
            for _i in range(self.columns):
                found += self.words[at]
                at += self.stride
        return found

    def allows(self, kind):
        """Whether one more fits."""
        return self.total(kind) < self.maximum(kind)

    def add(self, kind, n):
        """Counts n more (or fewer) in this worker's column."""
        if cython.compiled:
            self.p[self.own + kind] += n
        else:
            self.words[self.own + kind] += n
        if self.open_gauges is not None:
            if n > 0:
                if self.total(kind) >= self.maximum(kind):
                    self._opened(kind)
            elif self.is_open:
                self._look()

    def retry_start(self):
        """Counts a retry in if the limit allows it; True means that retry_end() must follow."""
        if not self.allows(RETRIES):
            return False
        self.add(RETRIES, 1)
        return True

    def retry_end(self):
        self.add(RETRIES, -1)

    # -- gauges

    def show(self, stats, wheel):
        """From now on keeps circuit_breakers.<priority>.* below `stats` (the cluster's scope). `wheel`: None = only at
        this worker's own changes."""
        scope = stats.scope(f"circuit_breakers.{self.priority}.")
        self.open_gauges = [scope.gauge(name) for name in OPEN_GAUGES]
        self.wheel = wheel
        if self.track_remaining:
            self.remaining_gauges = [scope.gauge(name) for name in REMAINING_GAUGES]
            self._look()
            self._look_again()

    def hide(self):
        """The cluster is gone: its gauges are not touched any more."""
        self.open_gauges = self.remaining_gauges = None
        self.is_open = False

    def _opened(self, kind):
        gauge: Gauge = self.open_gauges[kind]
        gauge.set(1)
        self.is_open = True
        self._look_again()

    def _look_again(self):
        if not self.looking and self.wheel is not None:
            self.looking = True
            self.wheel.add(self, LOOK_US)

    def _look(self):
        kind: cython.int
        total: cython.longlong
        most: cython.longlong
        gauge: Gauge
        self.is_open = False
        for kind in range(ROW_WORDS):
            total = self.total(kind)
            most = self.maximum(kind)
            gauge = self.open_gauges[kind]
            if total < most or gauge.value() == 0 and total == 0:
                gauge.set(0)
            else:
                gauge.set(1)
                self.is_open = self.is_open or total > 0
            if self.remaining_gauges is not None:
                gauge = self.remaining_gauges[kind]
                gauge.set(most - total if most > total else 0)

    def on_tick(self, now):
        self.looking = False
        if self.open_gauges is None:
            return 0
        self._look()
        if not self.is_open and self.remaining_gauges is None:
            return 0
        self.looking = True
        return LOOK_US

    def __repr__(self):
        return (f"<Limits {self.priority}: {self.total(CONNECTIONS)}/{self.max_connections} connections, "
                f"{self.total(PENDING)}/{self.max_pending} pending, "
                f"{self.total(REQUESTS)}/{self.max_requests} requests, "
                f"{self.total(RETRIES)}/{self.max_retries} retries>")
