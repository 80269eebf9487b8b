# hot: http1_get
"""Two clocks in whole microseconds: `now_us` for durations and deadlines, `wall_us` since the epoch for logs."""
import time

import cython


def now_us():
    """Monotonic time in us."""
    if cython.compiled:
        t: timespec
        clock_gettime(CLOCK_MONOTONIC, cython.address(t))
        return cython.cast(cython.longlong, t.tv_sec) * 1000000 + t.tv_nsec // 1000
    return time.monotonic_ns() // 1000


def wall_us():
    """Time since the Unix epoch in us."""
    if cython.compiled:
        t: timespec
        clock_gettime(CLOCK_REALTIME, cython.address(t))
        return cython.cast(cython.longlong, t.tv_sec) * 1000000 + t.tv_nsec // 1000
    return time.time_ns() // 1000
