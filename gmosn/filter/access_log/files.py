"""Log files: shared by path, buffered, written by one greenlet through the thread pool, never a reason to fail.

A disk that is slow holds up neither the hub nor a request; a disk that is full (or a buffer, because the disk is slow)
loses lines and counts them in filesystem.write_failed.
"""
import os
import time

from gmosn.observe.access_log import LogSink

FLUSH_INTERVAL_S = 10.0               # Envoy's --file-flush-interval-msec
MIN_FLUSH_BYTES = 64 << 10            # Envoy's --file-flush-min-size-kb
MAX_BUFFERED_BYTES = 4 << 20          # per file, what is being written included; Envoy has no bound
MAX_WRITE_BYTES = 1 << 20             # of one write call
STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}


class LogFile(LogSink):
    """One open file. Lines are written whole and in order; processes that append to the same file do not mix them."""

    def __init__(self, path, limit, counts, wake):
        super().__init__(limit, counts.buffered, counts.total_buffered)
        self.path = path
        self.counts = counts
        self.wake = wake                             # called when a flush is due
        self.fd = -1
        self.writing = False
        self.reopening = False

    def open(self):
        """Raises OSError."""
        fd = open_append(self.path)
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = fd

    def full(self):
        self.wake()
        if self.size >= MAX_BUFFERED_BYTES:          # the disk does not keep up: the newest lines go
            for piece, count in self.take():
                self._written(piece, count, False)

    def take(self):
        """Everything that is buffered: (bytes, lines) of at most about MAX_WRITE_BYTES each."""
        lines, self.lines, self.size = self.lines, [], 0
        pieces, piece, size = [], [], 0
        for line in lines:
            piece.append(line)
            size += len(line)
            if size >= MAX_WRITE_BYTES:
                pieces.append((b"".join(piece), len(piece)))
                piece, size = [], 0
        if piece:
            pieces.append((b"".join(piece), len(piece)))
        return pieces

    def flush(self, run):
        """Writes what is buffered. `run(function, *args)` calls a blocking function; only one flush at a time."""
        if self.writing:
            return
        self.writing = True
        try:
            if self.reopening:
                self.reopening = False
                self._reopen()
            for piece, count in self.take():
                self._written(piece, count, run(write_all, self.fd, piece))
        finally:
            self.writing = False

    def _written(self, piece, count, done):
        self.counts.total_buffered.add(-len(piece))
        if done:
            self.counts.completed.add(1)
        else:
            self.counts.failed.add(count)            # lines, so that one sees how many are missing

    def _reopen(self):
        try:
            self.open()
        except OSError:                              # the old file goes on
            self.counts.reopen_failed.add(1)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def open_append(path):
    """A file descriptor that appends. /dev/stdout and /dev/stderr are this process's own."""
    if path in STANDARD:
        return os.dup(STANDARD[path])
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def check_writable(path):
    """Raises OSError if the file could not be opened; makes nothing."""
    if path in STANDARD:
        return
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC))
    except FileNotFoundError:
        folder = os.path.dirname(path) or "."
        os.stat(folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied") from None


def write_all(fd, data):
    """True when everything was written. A rest after an error is lost: a line may be cut, none is repeated."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view):]
        except BlockingIOError:                      # someone made a shared pipe non-blocking
            time.sleep(0.01)
        except OSError:
            return False
    return True


def call(function, *args):
    return function(*args)


class FileCounts:
    """Envoy's filesystem.* stats."""

    def __init__(self, stats):
        scope = stats.scope("filesystem.")
        self.buffered = scope.counter("write_buffered")
        self.completed = scope.counter("write_completed")
        self.failed = scope.counter("write_failed")
        self.by_timer = scope.counter("flushed_by_timer")
        self.reopen_failed = scope.counter("reopen_failed")
        self.total_buffered = scope.gauge("write_total_buffered")


class AccessLogFiles:
    """All log files of a process, by path. Its owner runs flush_forever() in a greenlet and calls close() at the end."""

    def __init__(self, stats, flush_interval_s=FLUSH_INTERVAL_S, min_flush_bytes=MIN_FLUSH_BYTES):
        self.counts = FileCounts(stats)
        self.flush_interval_s = flush_interval_s
        self.min_flush_bytes = min_flush_bytes
        self.files = {}
        self.due = None                              # an Event while flush_forever() runs
        self.running = False

    @classmethod
    def from_options(cls, options, stats):
        """`options`: the command line (--file-flush-interval-msec, --file-flush-min-size-kb)."""
        return cls(stats, options.file_flush_interval_msec / 1000, options.file_flush_min_size_kb << 10)

    def open(self, path, validating=False):
        """The LogFile of that path. Raises OSError. `validating`: only checks that it could be opened."""
        found = self.files.get(path)
        if found is None:
            found = LogFile(path, self.min_flush_bytes, self.counts, self._wake)
            if validating:
                check_writable(path)
                return found
            found.open()
            self.files[path] = found
        return found

    def _wake(self):
        if self.running:
            self.due.set()
        else:
            self.flush()

    def flush_forever(self):
        """Writes when a buffer is full and every flush_interval_s; blocks only its own greenlet."""
        from gevent import get_hub                   # not at the top: validation needs no gevent
        from gevent.event import Event
        pool = get_hub().threadpool
        self.due = Event()

        def in_thread(function, *args):
            return pool.apply(function, args)
        self.running = True
        try:
            while True:
                if not self.due.wait(self.flush_interval_s):
                    self.counts.by_timer.add(1)
                self.due.clear()
                for file in list(self.files.values()):
                    file.flush(in_thread)
        finally:
            self.running = False

    def flush(self):
        """Writes everything now, blocking the process: for its end, and where no flusher runs."""
        for file in list(self.files.values()):
            file.flush(call)

    def reopen(self):
        """The files may have been renamed (log rotation): open the paths again, after what is buffered was written."""
        for file in self.files.values():
            file.reopening = True
        self._wake()

    def close(self):
        self.flush()
        for file in self.files.values():
            file.close()
        self.files.clear()
