"""What every test gets: the mode in the header, and a fixture that fails on exceptions which a greenlet swallowed."""
import pytest

import gmosn


def pytest_report_header():
    return f"gmosn hot modules: {'compiled' if gmosn.COMPILED else 'pure Python'}"


@pytest.fixture
def hub_errors():
    """Exceptions that reached gevent's hub during the test; the test fails if any did."""
    import gevent
    hub, seen = gevent.get_hub(), []
    original = hub.handle_error
    hub.handle_error = lambda context, kind, value, tb: seen.append((context, kind, value))
    yield seen
    hub.handle_error = original
    assert not seen, seen


@pytest.fixture
def run_python():
    """Runs a line of Python in a fresh interpreter of the same mode and returns what it printed."""
    import subprocess
    import sys

    def run(code):
        return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return run
