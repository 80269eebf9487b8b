"""The unit tests once more with the hot modules as plain Python: what a machine without a compiler runs."""
import os
import subprocess
import sys

import pytest

import gmosn
from tests.helpers.source_tree import ROOT


@pytest.mark.timeout(600)
def test_unit_tests_pass_without_compiled_modules():
    if not gmosn.COMPILED:
        pytest.skip("this run is pure already")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit"], cwd=ROOT,
                          env={**os.environ, "GMOSN_ACCEL": "off"}, capture_output=True, text=True)
    print(done.stdout[-20000:])
    assert done.returncode == 0
