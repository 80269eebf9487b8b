"""What a proxy's worker holds: file descriptors, memory, greenlets. For tests that something is given back."""
import os
from pathlib import Path

PYTHON_FILTER = "type.googleapis.com/gmosn.filters.http.python.v1.PythonFilter"


def descriptors(pid):
    """Number of open file descriptors."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def rss_kib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(pid)


def worker(proxy):
    """Process id of the only worker."""
    pids = proxy.role_pids("worker")
    assert len(pids) == 1, proxy.children()
    return pids[0]


class GreenletCount:
    """A Python filter: GET /census answers with the number of living greenlets in the worker (but its own)."""

    def on_request(self, stream):
        """Answers itself, or lets the request pass."""
        import gc

        from greenlet import greenlet

        from gmosn.filter.api import Response
        if stream.request.path != b"/census":
            return None
        gc.collect()
        alive = sum(1 for one in gc.get_objects() if isinstance(one, greenlet) and not one.dead)
        return Response(200, b"%d" % (alive - 1))


class SlowFilter:
    """A Python filter: GET /filter blocks for a quarter of a second, as a filter that asks a database would."""

    def on_request(self, stream):
        """In blocking style: only this stream waits."""
        import time
        if stream.request.path == b"/filter":
            time.sleep(0.25)  # sleeps: the wait is what the test is about
