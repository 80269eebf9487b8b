"""The proxies under test, each on one core with one worker, behind one interface; and the upstream servers."""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.machine import cores, on_core
from tests.helpers.nginx import Nginx, free_port
from tests.helpers.proxy import RunningProxy, envoy_binary, with_admin

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
BODY = "x" * 63 + "\n"                                  # 64 bytes
MIB = 1 << 20


def gmosn_command(*arguments):
    return [sys.executable, "-m", "gmosn", "--disable-hot-restart", *arguments]


def envoy_command(*arguments):
    return [envoy_binary(), "--disable-hot-restart", "-l", "error", *arguments]


class EnvoyLike:
    """gmosn or Envoy with a bootstrap (dict). `pid`: the root of its process tree."""

    def __init__(self, command, config):
        self._running = RunningProxy(on_core(cores()[0], command), with_admin(config), ready_s=30)
        self.pid = self._running.process.pid

    def port(self, name="listener_0"):
        return self._running.port(name)

    def stop(self):
        self._running.kill()


class Upstreams:
    """nginx answering 64 bytes everywhere, 1 MiB at /mib; a TCP echo and a TCP source. All on the load's core."""

    def __init__(self):
        self.http, self.echo, self.source = free_port(), free_port(), free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="bench-www-"))
        (self.folder / "mib").write_bytes(bytes(MIB))
        self._nginx = Nginx(f"""access_log off; server {{ listen 127.0.0.1:{self.http}; root {self.folder};
            location / {{ return 200 "{BODY}"; }}
            location = /mib {{ default_type application/octet-stream; }} }}""", self.http, on_core(cores()[1], []))
        self._tcp = subprocess.Popen(on_core(cores()[1], [load_tool(), "serve", self.echo, self.source]),
                                     stdout=subprocess.PIPE)
        self._tcp.stdout.readline()

    def stop(self):
        self._nginx.stop()
        self._tcp.kill()
        self._tcp.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def load_tool():
    """Path of the compiled load generator."""
    source, tool = HERE / "load.c", OUT / "load"
    if not tool.exists() or tool.stat().st_mtime < source.stat().st_mtime:
        OUT.mkdir(exist_ok=True)
        subprocess.run(["gcc", "-O2", "-Wall", "-o", tool, source], check=True)
    return tool
