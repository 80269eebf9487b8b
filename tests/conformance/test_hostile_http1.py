"""The hostile corpus through a running proxy: the shared probe is client, upstream and judge.

The cases mostly wait (for a close, for a timeout), so they are dealt out to a few probes that run side by side, each
with its own proxy and upstream port.
"""
import json
import os
import re
import socket
import subprocess
import sys
from contextlib import ExitStack

import yaml

from tests.helpers.fixtures import shared_fixtures
from tests.helpers.proxy import proxy

SHARDS = 4
LISTENERS = ("default", "edge", "upgrade")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def bootstrap(upstream_port):
    """proxy.yaml with ephemeral ports."""
    config = yaml.safe_load(shared_fixtures("hostile", "proxy.yaml").read_text())
    for listener in config["static_resources"]["listeners"]:
        listener["address"]["socket_address"]["port_value"] = 0
    config["admin"]["address"]["socket_address"]["port_value"] = 0
    (cluster,) = config["static_resources"]["clusters"]
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    endpoint["address"]["socket_address"]["port_value"] = upstream_port
    return config


def start_probe(running, cases, upstream_port, folder):
    """The probe as a process; its verdicts go to folder/out.json."""
    folder.mkdir()
    (folder / "cases.json").write_text(json.dumps({"cases": cases}))
    ports = [str(running.port(name)) for name in LISTENERS]
    script = shared_fixtures("hostile", "probe_http1.py")
    with (folder / "output").open("w") as output:
        return subprocess.Popen(
            [sys.executable, str(script), "gmosn", *ports, str(upstream_port)], stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, "CASES": str(folder / "cases.json"), "OUT": str(folder / "out.json")})


def test_corpus(tmp_path):
    cases = json.loads(shared_fixtures("hostile", "http1.json").read_text())["cases"]
    verdicts, output = {}, ""
    with ExitStack() as stack:
        probes = []
        for shard in range(SHARDS):
            upstream_port = free_port()
            running = stack.enter_context(proxy(bootstrap(upstream_port)))
            probes.append(start_probe(running, cases[shard::SHARDS], upstream_port, tmp_path / str(shard)))
            stack.callback(probes[-1].kill)
        for shard, probe in enumerate(probes):
            probe.wait(900)
            output += (tmp_path / str(shard) / "output").read_text()
            verdicts.update(json.loads((tmp_path / str(shard) / "out.json").read_text()))
    wrong = {name: verdict.get("why") for name, verdict in verdicts.items() if not verdict["pass"]}
    assert wrong == {}
    assert len(verdicts) == len(cases) >= 323
    assert not re.search("smuggled|ambiguous", output)
