"""Files that access logs are appended to: shared by path, buffered, written by a thread so that a slow disk stalls nobody.

A full or broken disk loses lines and counts them; it never fails or delays a request. The buffer is bounded.
"""
import os

import gevent
from gevent import get_hub

FLUSH_BYTES = 65536
LIMIT_BYTES = 4 << 20                    # per file: beyond that lines are lost and counted


class AccessLogFiles:
    """All open files of a process. `interval_s`: how often buffers are written; `flush_bytes`: how full they may get."""

    def __init__(self, stats, interval_s=10.0, flush_bytes=FLUSH_BYTES):
        scope = stats.scope("filesystem.")
        self.stats = {name: scope.counter(name) for name in (
            "write_completed", "write_failed", "write_buffered", "flushed_by_timer", "reopen_failed")}
        self.total_buffered = scope.gauge("write_total_buffered")
        self.interval_s = interval_s
        self.flush_bytes = flush_bytes
        self.files = {}

    @classmethod
    def from_options(cls, options, stats):
        """`options`: the command line's file_flush_interval_msec and file_flush_min_size_kb."""
        return cls(stats, options.file_flush_interval_msec / 1000, options.file_flush_min_size_kb * 1024)

    def open(self, path):
        """The LogFile for `path`, opened on first use. Raises OSError."""
        found = self.files.get(path)
        if found is None:
            found = self.files[path] = LogFile(path, self)
        return found

    def flush(self):
        """Starts writing what is buffered, for every file."""
        for file in self.files.values():
            if file.size:
                self.stats["flushed_by_timer"].add(1)
                file.flush()

    def flush_forever(self):
        """A greenlet's life: flush at every interval."""
        while True:
            gevent.sleep(self.interval_s)
            self.flush()

    def reopen(self):
        """After a rotation: every file is opened anew; when that fails the old descriptor stays in use."""
        for file in self.files.values():
            file.reopen()

    def close(self):
        """Writes everything and closes. Blocks until the disk has it or failed."""
        for file in self.files.values():
            file.close()
        self.files.clear()


class LogFile:
    """One append-only file. `write` is called per request and does no I/O."""

    def __init__(self, path, owner):
        self.path = path
        self.owner = owner
        self.fd = self._open()
        self.lines = []
        self.size = 0
        self.writing = None                                # the greenlet that waits for the writing thread

    def _open(self):
        fixed = {"/dev/stdout": 1, "/dev/stderr": 2}.get(self.path)
        if fixed is not None:
            return os.dup(fixed)
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, line):
        """Appends bytes. Does not block or raise."""
        if self.size > LIMIT_BYTES:
            self.owner.stats["write_failed"].add(1)
            return
        self.lines.append(line)
        self.size += len(line)
        self.owner.stats["write_buffered"].add(1)
        self.owner.total_buffered.add(len(line))
        if self.size >= self.owner.flush_bytes:
            self.flush()

    def flush(self):
        """Has a thread write the buffer, unless one is at it."""
        if self.writing is None and self.lines:
            self.writing = gevent.spawn(self._drain)

    def _drain(self):
        try:
            while self.lines:
                data, count = self._take()
                error = get_hub().threadpool.apply(write_all, (self.fd, data))
                self._count(error, count, len(data))
        finally:
            self.writing = None

    def _take(self):
        data, count = b"".join(self.lines), len(self.lines)
        self.lines, self.size = [], 0
        return data, count

    def _count(self, error, count, size):
        self.owner.total_buffered.add(-size)
        if error is None:
            self.owner.stats["write_completed"].add(1)
        else:
            self.owner.stats["write_failed"].add(count)

    def reopen(self):
        try:
            fresh = self._open()
        except OSError:
            self.owner.stats["reopen_failed"].add(1)
            return
        os.dup2(fresh, self.fd, inheritable=False)         # a write under way keeps its file
        os.close(fresh)

    def close(self):
        if self.writing is not None:
            self.writing.join()
        if self.lines:
            data, count = self._take()
            self._count(write_all(self.fd, data), count, len(data))
        os.close(self.fd)
        self.fd = -1


def write_all(fd, data):
    """Writes bytes to a descriptor. Returns None, or the OSError that stopped it."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view):]
    except OSError as exc:
        return exc
    return None
