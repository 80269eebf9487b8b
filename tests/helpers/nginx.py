"""A real nginx: as the upstream of load tests, as a peer, and as an anchor in benchmarks."""
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.helpers.timing import SCALE, eventually


def nginx_binary():
    """Path of nginx, or None."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def free_port():
    """A port that nothing listens on now: only for servers that cannot be asked for port 0."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Nginx:
    """nginx with the given `http` block, which must listen on `port`. `prefix`: command words in front (taskset)."""

    def __init__(self, http, port, prefix=()):
        self.folder = Path(tempfile.mkdtemp(prefix="nginx-"))
        config = self.folder / "nginx.conf"
        config.write_text(f"""
            daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error error;
            worker_rlimit_nofile 65536; {"user root;" if os.getuid() == 0 else ""}
            events {{ worker_connections 16384; }}
            http {{
                keepalive_requests 1000000000; keepalive_timeout 3600; tcp_nodelay on; sendfile on;
                client_body_buffer_size 64k; client_body_temp_path {self.folder}/body;
                proxy_temp_path {self.folder}/proxy;
                {http}
            }}""")
        self._process = subprocess.Popen([*prefix, nginx_binary(), "-p", str(self.folder), "-c", str(config)],
                                         stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid, self.http_port = self._process.pid, port
        eventually(self._listens)

    def _listens(self):
        assert self._process.poll() is None, (self.folder / "error").read_text()
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.http_port)) == 0

    def port(self, name=None):
        return self.http_port

    def stop(self):
        self._process.terminate()
        self._process.wait(10 * SCALE)
        shutil.rmtree(self.folder, ignore_errors=True)
