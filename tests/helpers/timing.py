"""Time in tests: every timeout is a multiple of SCALE, and nothing sleeps a fixed time and hopes."""
import os
import threading
import time

SCALE = float(os.environ.get("GMOSN_TEST_SCALE", "4" if os.environ.get("CI") else "1"))

_NEVER = threading.Event()


def eventually(check, timeout_s=5.0, interval_s=0.01):
    """Calls `check()` until it returns something true and returns that; the last value or exception is in the failure.

    An AssertionError or OSError of `check` counts as "not yet". Waits at most timeout_s * SCALE.
    """
    deadline = time.monotonic() + timeout_s * SCALE
    while True:
        try:
            value, error = check(), None
            if value:
                return value
        except (AssertionError, OSError) as exc:
            value, error = None, exc
        if time.monotonic() >= deadline:
            seen = repr(value) if error is None else error
            raise AssertionError(f"not within {timeout_s * SCALE} s: {seen}") from error
        _NEVER.wait(interval_s)


def never(check, for_s=0.3, interval_s=0.02):
    """Fails when `check()` becomes true within for_s * SCALE: for the few things that can only be shown by waiting."""
    deadline = time.monotonic() + for_s * SCALE
    while time.monotonic() < deadline:
        value = check()
        assert not value, f"happened after all: {value!r}"
        _NEVER.wait(interval_s)
