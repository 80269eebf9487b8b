"""`make run`: gmosn with conf/envoy.yaml and the two upstream services that it routes to, in one terminal.

Arguments are gmosn's own (`python -m gmosn.demo --bootstrap conf/envoy.yaml`). The services run in threads of this
process, gmosn in a child; Ctrl-C or SIGTERM ends all of them, and the exit status is gmosn's.
"""
import http.client
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gmosn

SERVICES = {"service_one": 10001, "service_two": 10002}        # as in conf/envoy.yaml
READY_WITHIN_S = 20


class Service(BaseHTTPRequestHandler):
    """Says which service it is, what it was asked for and what the proxy added to the request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        size = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(size)
        lines = [f"{self.server.name}: {self.command} {self.path}"]
        lines += [f"  {name}: {value}" for name, value in self.headers.items()]
        if body:
            lines.append(f"  ({len(body)} bytes of body)")
        data = ("\n".join(lines) + "\n").encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; charset=utf-8")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer

    def log_message(self, *args):
        """The proxy's access log is what this terminal shows."""


class ServiceServer(ThreadingHTTPServer):
    """A service on 127.0.0.1:`port` (0: any); `start()` serves from a thread that does not keep the process alive."""

    daemon_threads = True

    def __init__(self, name, port):
        self.name = name
        super().__init__(("127.0.0.1", port), Service)

    def start(self):
        threading.Thread(target=self.serve_forever, name=self.name, daemon=True).start()
        return self


def wait_ready(process, address_file):
    """The admin's (host, port) once it answers LIVE; None when gmosn ended or is not ready in time."""
    deadline = time.monotonic() + READY_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        host, _, port = (address_file.read_text() if address_file.exists() else "").strip().rpartition(":")
        if port:
            connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=1)
            try:
                connection.request("GET", "/ready")
                if connection.getresponse().status == 200:
                    return host, int(port)
            except OSError:
                pass
            finally:
                connection.close()
        time.sleep(0.02)
    return None


def introduction(admin, listener="localhost:10000"):
    """What to do next, as text."""
    host = "%s:%d" % admin
    mode = "compiled" if gmosn.COMPILED else "pure Python (no compiled modules: slow)"
    services = ", ".join(f"{name} 127.0.0.1:{port}" for name, port in SERVICES.items())
    return f"""
gmosn {gmosn.__version__} is serving, hot path {mode}
  proxy      http://{listener}
  admin      http://{host}/help
  upstreams  {services}
Try in another terminal:
  curl {listener}/             one of the two services, 80 to 20
  curl {listener}/two/hello    the second one, the prefix taken away
  curl {listener}/about        an answer of the proxy itself
  curl '{host}/stats?usedonly&filter=rq_total'
  curl {host}/clusters
Every request is logged below. Ctrl-C ends everything.
"""


def main(arguments):
    """Runs until gmosn ends; returns its exit status."""
    servers = []
    for name, port in SERVICES.items():
        try:
            servers.append(ServiceServer(name, port).start())
        except OSError as exc:
            print(f"demo: {name} cannot listen on 127.0.0.1:{port}: {exc.strerror}", file=sys.stderr)
            return 1
    with tempfile.TemporaryDirectory(prefix="gmosn-demo-") as folder:
        address_file = Path(folder, "admin")
        process = subprocess.Popen([sys.executable, "-m", "gmosn", "--admin-address-path", str(address_file),
                                    "--file-flush-interval-msec", "100", *arguments])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda got, frame: process.send_signal(got))
        admin = wait_ready(process, address_file)
        if admin is not None:
            print(introduction(admin), flush=True)
        status = process.wait()
    for server in servers:
        server.server_close()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
