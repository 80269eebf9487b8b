"""Soak: after many mixed requests the worker's memory, descriptors and greenlets are where they were.

`make soak` sends a million (GMOSN_SOAK_REQUESTS for more); an ordinary run some thousands, enough for a leak to
show.
"""
import os
import shutil
import subprocess
import threading

import pytest

from tests.helpers.census import PYTHON_FILTER, descriptors, rss_kib, worker
from tests.helpers.configs import access_log, bootstrap, cluster, direct, hcm, http_filter, listener, route, router
from tests.helpers.nginx import Nginx, free_port, nginx_binary
from tests.helpers.proxy import proxy
from tests.helpers.timing import eventually

FULL = bool(os.environ.get("GMOSN_SOAK"))
REQUESTS = int(os.environ.get("GMOSN_SOAK_REQUESTS", 1_000_000 if FULL else 12_000))
ROUND_S = 5 if FULL else 1
SLOPE_KIB_PER_MILLION = 1024
MIXED = """
local at, requests = 0, {}
function init()
    local body = string.rep("b", 4000)
    requests = {
        wrk.format("GET", "/one"), wrk.format("POST", "/two", {}, body), wrk.format("GET", "/direct"),
        wrk.format("GET", "/one?query=1", {["X-Custom"] = string.rep("v", 500), ["Cookie"] = "a=b"}),
        wrk.format("GET", "/large"), wrk.format("GET", "/no-such-route/"),
        wrk.format("PUT", "/two", {["Transfer-Encoding"] = "chunked"}, "4\\r\\nwiki\\r\\n0\\r\\n\\r\\n"),
        wrk.format("GET", "/one", {["Connection"] = "close"}),
    }
    -- wrk adds a content-length to every body: a request must not have both
    requests[7] = requests[7]:gsub("Content%-Length: %d+\\r\\n", "")
end
function request() at = at % #requests + 1 return requests[at] end
"""


@pytest.mark.timeout(3600 if FULL else 120)
def test_soak(tmp_path):
    if shutil.which("wrk") is None or nginx_binary() is None:
        pytest.skip("wrk or nginx is not installed: no load, no upstream that is fast enough")
    port = free_port()
    upstream = Nginx(f"""access_log off; server {{ listen 127.0.0.1:{port}; root {tmp_path};
        location / {{ return 200 "fine"; }} location = /large {{ default_type text/plain; }} }}""", port)
    (tmp_path / "large").write_bytes(b"L" * 300_000)
    script = tmp_path / "mixed.lua"
    script.write_text(MIXED)
    filters = [http_filter("census", PYTHON_FILTER, module="tests.helpers.census", name="GreenletCount"), router()]
    routes = [direct(404, "no", "/no-such-route/"), direct(200, "direct", "/direct"), route("backend")]
    config = bootstrap([listener(hcm(*routes, filters=filters, access_log=access_log(tmp_path / "log")))],
                       [cluster("backend", port)])
    try:
        with proxy(config) as running:
            check_soak(running, script)
    finally:
        upstream.stop()


def check_soak(running, script):
    """Loads in rounds, notes (requests so far, RSS) after each, and checks what is left at the end."""
    points, pid, stop = [], worker(running), threading.Event()
    vanishing = threading.Thread(target=vanish_again_and_again, args=(running, stop), daemon=True)
    load(running, script, ROUND_S)
    settle(running)
    base = census(running)
    vanishing.start()
    while (done := running.counter("http.ingress.downstream_rq_total")) < REQUESTS:
        points.append((done, rss_kib(pid)))
        load(running, script, ROUND_S)
    stop.set()
    vanishing.join()
    settle(running)
    points.append((running.counter("http.ingress.downstream_rq_total"), rss_kib(pid)))
    after, stats = census(running), running.stats()
    steady = points[len(points) // 5:]
    growth = steady[-1][1] - steady[0][1]
    print(f"{points[-1][0]} requests: RSS {points[0][1]} -> {points[-1][1]} KiB, after warm-up {growth} KiB in "
          f"{steady[-1][0] - steady[0][0]} requests = {slope(steady):.0f} KiB per million; "
          f"descriptors {base[0]} -> {after[0]}, greenlets {base[1]} -> {after[1]}")
    assert stats["http.ingress.downstream_rq_5xx"] == 0
    assert after[0] <= base[0] and after[1] <= base[1]
    assert worker(running) == pid
    if FULL:
        assert slope(steady) <= SLOPE_KIB_PER_MILLION
    else:
        assert growth <= 4096


def load(running, script, seconds):
    done = subprocess.run(["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{running.port()}/"],
                          capture_output=True, text=True, check=True)
    assert "Socket errors" not in done.stdout, done.stdout


def vanish_again_and_again(running, stop):
    """Clients that reset in the middle of a large response, all the time that the load runs."""
    while not stop.wait(0.02):
        with running.client() as client:
            client.send(b"GET /large HTTP/1.1\r\nHost: test\r\n\r\n")
            client.read_until(b"\r\n\r\n")
            client.abort()


def settle(running):
    """Until no request and no connection but the pool's is left."""
    eventually(lambda: running.counter("http.ingress.downstream_cx_active") == 0, 10)


def census(running):
    """(descriptors but those of pooled connections, greenlets) of the worker while one client asks."""
    with running.client() as client:
        greenlets = int(client.get("/census").body)
        return descriptors(worker(running)) - running.counter("cluster.backend.upstream_cx_active"), greenlets


def slope(points):
    """Least squares: KiB per million requests."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread * 1e6 if spread else 0.0
