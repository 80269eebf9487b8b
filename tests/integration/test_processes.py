"""Supervisor, control and workers as real processes: who dies, who is replaced, how the instance starts and ends."""
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.helpers.client import Client, Closed
from tests.helpers.configs import access_log, bootstrap, cluster, direct, hcm, http_to, listener, route
from tests.helpers.proxy import ROOT, RunningProxy, group_members, proxy, with_admin
from tests.helpers.timing import SCALE, eventually, never
from tests.helpers.upstream import HttpUpstream


def answering(**more):
    """A bootstrap that answers by itself."""
    return bootstrap([listener(hcm(direct(body="hello")), **more)])


def gmosn(config, tmp_path, *arguments, **options):
    """A proxy that is expected to end by itself."""
    command = [sys.executable, "-m", "gmosn", "--use-dynamic-base-id", *arguments]
    return RunningProxy(command, with_admin(config), folder=tmp_path, wait_ready=False, **options)


def ended(p):
    """Exit status and log of a proxy that ends by itself; nothing of it is left."""
    status = p.process.wait(20 * SCALE)
    assert list(group_members(p.process.pid)) == []
    return status, p.log()


def ask(port, path="/"):
    with Client(port) as client:
        return client.get(path)


def kill(pid, number=signal.SIGKILL):
    os.kill(pid, number)


def served_by_new_worker(p, gone):
    """Waits until the slot of the worker `gone` has a process again that serves. Seconds that took."""
    start = time.monotonic()
    eventually(lambda: gone not in p.role_pids("worker"))
    return start


class Traffic:
    """New connections, one request each, from a thread, until the end of the `with`."""

    def __init__(self, port, path="/"):
        self.port, self.path = port, path
        self.count, self.failures = 0, []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._stop.is_set():
            self.count += 1
            try:
                assert ask(self.port, self.path).status == 200
            except (OSError, Closed, AssertionError) as exc:
                self.failures.append(repr(exc))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join(10 * SCALE)

    def wait(self, more=20):
        """Until that many more requests were made."""
        goal = self.count + more
        eventually(lambda: self.count >= goal)


# life and death of workers

def test_three_roles_run():
    with proxy(answering(), concurrency=2) as p:
        assert len(p.role_pids("worker")) == 2 and len(p.role_pids("control")) == 1
        assert ask(p.port()).body == b"hello"


def test_a_killed_worker_is_replaced_and_nobody_waits_in_vain():
    with proxy(answering(), concurrency=2) as p:
        port = p.port()
        with Traffic(port) as traffic:
            traffic.wait()
            for _ in range(2):
                victim = p.role_pids("worker")[0]
                started = time.monotonic()
                kill(victim)
                eventually(lambda: len(p.role_pids("worker")) == 2 and victim not in p.role_pids("worker"))
                eventually(lambda: p.counter("gmosn.worker_restarts") and p.admin("/ready").status == 200)
                assert time.monotonic() - started < 5 * SCALE
                traffic.wait()
        # a connection that the dead worker had accepted already is lost with it, one that waits in its queue is not
        assert len(traffic.failures) <= 2
        assert "signal 9 (SIGKILL); starting another now" in p.log()


def test_the_only_worker_is_replaced_within_a_second_and_the_queue_survives():
    with proxy(answering()) as p:
        port = p.port()
        assert ask(port).status == 200
        (victim,) = p.role_pids("worker")
        os.kill(victim, signal.SIGSTOP)
        with Client(port, timeout_s=10) as waiting:      # accepted by the kernel, not by the worker
            waiting.request()
            started = time.monotonic()
            kill(victim)
            assert waiting.response().body == b"hello"
            assert time.monotonic() - started < 1.0 * SCALE


def test_counters_go_on_over_a_workers_death():
    with HttpUpstream() as upstream, proxy(http_to(upstream.port), concurrency=2) as p:
        port = p.port()
        for _ in range(10):
            assert ask(port).status == 200
        p.wait_counter("http.ingress.downstream_rq_total", 10)
        for victim in p.role_pids("worker"):
            kill(victim)
            eventually(lambda gone=victim: gone not in p.role_pids("worker") and len(p.role_pids("worker")) == 2)
        for _ in range(5):
            assert ask(port).status == 200
        p.wait_counter("http.ingress.downstream_rq_total", 15)
        p.wait_counter("cluster.backend.upstream_rq_total", 15)
        p.wait_counter("http.ingress.downstream_cx_active", 0)
        assert p.counter("gmosn.worker_restarts") == 2


def test_gauges_of_a_dead_worker_are_forgotten():
    with proxy(answering()) as p:
        with Client(p.port()) as client:
            assert client.get().status == 200
            p.wait_counter("http.ingress.downstream_cx_active", 1)
            (victim,) = p.role_pids("worker")
            kill(victim)
            p.wait_counter("http.ingress.downstream_cx_active", 0)
        assert ask(p.port()).status == 200


def test_a_crash_loop_backs_off_and_the_others_take_its_share():
    with proxy(answering(), concurrency=2) as p:
        port = p.port()
        survivor = p.role_pids("worker")[1]

        def looping():
            for pid in p.role_pids("worker"):
                if pid != survivor:
                    kill(pid)
            return "starting another in 1 s" in p.log()
        eventually(looping, 20)
        assert p.role_pids("worker") == [survivor]
        for _ in range(20):
            assert ask(port).status == 200               # none of them in a queue that nobody reads
        eventually(lambda: len(p.role_pids("worker")) == 2)
        assert "starting another in 0.25 s" in p.log() and "starting another in 0.5 s" in p.log()


# life and death of control and supervisor

def test_traffic_does_not_notice_that_control_died():
    with proxy(answering(), concurrency=2) as p:
        port = p.port()
        with Client(port) as client, Traffic(port) as traffic:
            assert client.get().status == 200
            workers = p.role_pids("worker")
            (victim,) = p.role_pids("control")
            traffic.wait()
            kill(victim)
            eventually(lambda: p.role_pids("control") not in ([], [victim]))
            eventually(lambda: p.admin("/ready").status == 200)
            traffic.wait()
            assert client.get().status == 200
        assert traffic.failures == []
        assert p.role_pids("worker") == workers


def test_a_new_control_serves_what_was_served_not_what_the_file_says_now():
    with proxy(answering()) as p:
        before = p.admin_json("/config_dump")
        p.config_path.write_text("not a configuration")
        (victim,) = p.role_pids("control")
        kill(victim)
        eventually(lambda: p.role_pids("control") not in ([], [victim]))
        eventually(lambda: p.admin("/ready").status == 200)
        after = p.admin_json("/config_dump")
        assert [c["@type"] for c in before["configs"]] == [c["@type"] for c in after["configs"]]
        assert ask(p.port()).status == 200


def test_a_worker_that_dies_together_with_control_comes_back():
    with proxy(answering()) as p:
        port = p.port()
        for pid in p.role_pids("control") + p.role_pids("worker"):
            kill(pid)
        eventually(lambda: ask(port).body == b"hello")
        eventually(lambda: p.admin("/ready").status == 200)


def test_nobody_outlives_the_supervisor(tmp_path):
    p = gmosn(answering(), tmp_path, leaves_traceback=True)
    p.wait_ready()
    children = list(p.children())
    assert len(children) >= 2
    p.process.kill()
    p.process.wait()
    eventually(lambda: not set(group_members(p.process.pid)) & set(children))


def test_what_the_admin_was_told_survives_its_process():
    with proxy(answering()) as p:
        p.admin("/healthcheck/fail", "POST")
        p.admin("/logging?upstream=debug", "POST")
        for pid in p.role_pids("control") + p.role_pids("worker"):
            kill(pid)
        eventually(lambda: p.admin_json("/server_info")["state"] == "DRAINING")
        assert "upstream: debug" in p.admin_text("/logging", "POST")
        eventually(lambda: ask(p.port()).header(b"connection") == b"close")
        p.admin("/healthcheck/ok", "POST")
        eventually(lambda: p.admin("/ready").status == 200)


# listeners

def test_drained_listeners_refuse():
    with proxy(answering(), concurrency=2) as p:
        port = p.port()
        with Client(port) as client:
            assert client.get().status == 200
            assert p.admin("/drain_listeners", "POST").status == 200
            eventually(lambda: refused(port))
            assert client.get().status == 200            # those that are there go on
        assert p.admin("/ready").status == 200


def test_a_graceful_drain_serves_until_it_is_over():
    with proxy(answering(), "--drain-time-s", "2", "--drain-strategy", "immediate") as p:
        port = p.port()
        assert p.admin("/drain_listeners?graceful", "POST").status == 200
        eventually(lambda: ask(port).header(b"connection") == b"close")
        assert p.admin_json("/server_info")["state"] == "DRAINING"
        eventually(lambda: refused(port), 10)


# the end

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_exit_is_quick_and_0(tmp_path, number):
    p = gmosn(answering(), tmp_path, "--concurrency", "2")
    p.wait_ready()
    with Client(p.port()) as idle:                       # an idle keep-alive connection does not hold it up
        assert idle.get().status == 200
        started = time.monotonic()
        p.process.send_signal(number)
        assert p.process.wait(10 * SCALE) == 0
        assert time.monotonic() - started <= 0.5 * SCALE
        assert idle.sock.recv(1) == b""
    assert list(group_members(p.process.pid)) == []


def slow_upstream(release):
    def handler(exchange):
        if exchange.request.path == b"/slow":
            assert release.wait(20 * SCALE)
        exchange.answer(body=b"done")
    return HttpUpstream(handler)


def test_sigterm_finishes_what_is_in_flight(tmp_path):
    release = threading.Event()
    with slow_upstream(release) as upstream:
        p = gmosn(http_to(upstream.port), tmp_path, "--drain-time-s", "20", "--concurrency", "2")
        p.wait_ready()
        port = p.port()
        clients = [Client(port, timeout_s=30) for _ in range(20)]
        for client in clients:
            client.request("GET", "/slow")
        eventually(lambda: len(upstream.requests) == 20)
        p.process.send_signal(signal.SIGTERM)
        eventually(lambda: p.admin_json("/server_info")["state"] == "DRAINING")
        eventually(lambda: refused(port))
        assert p.process.poll() is None
        release.set()
        for client in clients:
            response = client.response()
            assert (response.status, response.body) == (200, b"done")
            assert response.header(b"connection") == b"close"
            client.close()
        assert ended(p)[0] == 0


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_the_drain_time_is_a_limit(tmp_path):
    release = threading.Event()
    with slow_upstream(release) as upstream:
        p = gmosn(http_to(upstream.port), tmp_path, "--drain-time-s", "1")
        p.wait_ready()
        with Client(p.port()) as client:
            client.request("GET", "/slow")
            eventually(lambda: upstream.requests)
            started = time.monotonic()
            p.process.send_signal(signal.SIGTERM)
            assert ended(p)[0] == 0
            assert 0.9 <= time.monotonic() - started <= 3 * SCALE
        release.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(tmp_path, number):
    release = threading.Event()
    with slow_upstream(release) as upstream:
        p = gmosn(http_to(upstream.port), tmp_path, "--drain-time-s", "60")
        p.wait_ready()
        with Client(p.port()) as client:
            client.request("GET", "/slow")
            eventually(lambda: upstream.requests)
            p.process.send_signal(signal.SIGTERM)
            eventually(lambda: "shutting down server instance" in p.log())
            never(lambda: p.process.poll() is not None)
            started = time.monotonic()
            p.process.send_signal(number)
            assert ended(p)[0] == 0
            assert time.monotonic() - started <= 1 * SCALE
        release.set()


def test_no_request_of_many_is_lost_at_sigterm(tmp_path):
    """Connections that the kernel accepted before the signal are served, too."""
    p = gmosn(answering(), tmp_path, "--concurrency", "2", "--drain-time-s", "10")
    p.wait_ready()
    port = p.port()
    clients = [Client(port, timeout_s=20) for _ in range(200)]
    for client in clients:
        client.request()
    p.process.send_signal(signal.SIGTERM)
    for client in clients:
        assert client.response().body == b"hello"
        client.close()
    assert ended(p)[0] == 0


def test_quitquitquit_ends_it(tmp_path):
    p = gmosn(answering(), tmp_path)
    p.wait_ready()
    assert p.admin("/quitquitquit", "POST").status == 200
    assert ended(p)[0] == 0


def test_a_group_wide_signal_is_the_supervisors_business(tmp_path):
    """As a terminal's Ctrl-C and a service manager's stop send it: to every process."""
    release = threading.Event()
    with slow_upstream(release) as upstream:
        p = gmosn(http_to(upstream.port), tmp_path, "--drain-time-s", "20")
        p.wait_ready()
        with Client(p.port()) as client:
            client.request("GET", "/slow")
            eventually(lambda: upstream.requests)
            os.killpg(p.process.pid, signal.SIGTERM)
            eventually(lambda: "shutting down server instance" in p.log())
            release.set()
            assert client.response().body == b"done"
        assert ended(p)[0] == 0


# other signals

def test_sighup_is_eaten_and_sigusr1_reopens_logs(tmp_path):
    log = tmp_path / "access.log"
    config = bootstrap([listener(hcm(direct(body="x"), access_log=access_log(log, "line\n")))])
    with proxy(config, "--file-flush-interval-msec", "10", "--log-path", str(tmp_path / "app.log")) as p:
        port = p.port()
        assert ask(port).status == 200
        eventually(lambda: log.read_text() == "line\n")
        log.rename(tmp_path / "access.old")
        (tmp_path / "app.log").rename(tmp_path / "app.old")
        p.process.send_signal(signal.SIGHUP)
        eventually(lambda: "caught and eating SIGHUP" in (tmp_path / "app.old").read_text())
        p.process.send_signal(signal.SIGUSR1)
        eventually(log.exists)
        assert ask(port).status == 200
        eventually(lambda: log.read_text() == "line\n")
        assert "Reopening access logs" in (tmp_path / "app.old").read_text()
        assert (tmp_path / "app.log").exists()


# the start

BAD = {"static_resources": {"listeners": [{"name": "l", "adress": {}}]}}


def test_a_bad_configuration_ends_with_1_and_its_place(tmp_path):
    status, log = ended(gmosn(BAD, tmp_path, "--log-level", "off"))
    assert status == 1
    assert f"{tmp_path / 'bootstrap.json'}:6:" in log and "adress" in log


def test_an_unknown_cluster_ends_with_1(tmp_path):
    config = bootstrap([listener(hcm(route("nope")))])
    status, log = ended(gmosn(config, tmp_path))
    assert status == 1 and "unknown cluster 'nope'" in log


@pytest.mark.parametrize("part", ["listener", "admin"])
def test_an_address_in_use_ends_with_1_in_envoys_words(tmp_path, part):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = answering(port=port if part == "listener" else 0)
        if part == "admin":
            config["admin"] = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}
        status, log = ended(gmosn(config, tmp_path, "--concurrency", "2"))
    assert status == 1
    assert f"cannot bind '127.0.0.1:{port}': Address already in use" in log.splitlines()
    if part == "listener":
        assert f"listener 'listener_0' failed to bind or apply socket options: cannot bind '127.0.0.1:{port}'" in log


def test_init_only_ends_with_0_when_everything_is_up(tmp_path):
    status, log = ended(gmosn(answering(), tmp_path, "--mode", "init_only"))
    assert status == 0 and "serving generation 1" in log


def test_validate_needs_no_other_process(tmp_path):
    status, log = ended(gmosn(answering(), tmp_path, "--mode", "validate", "--log-level", "off"))
    assert (status, log) == (0, f"configuration '{tmp_path / 'bootstrap.json'}' OK\n")
    status, log = ended(gmosn(BAD, tmp_path, "--mode", "validate", "--log-level", "off"))
    assert status == 1 and "adress" in log


def test_two_instances_share_a_port_unless_they_have_one_base_id(tmp_path):
    with proxy(answering()) as first:
        port = first.port()
        with proxy(answering(port=port)) as second:
            assert second.port() == port
            assert ask(port).status == 200
        base_id = first.admin_json("/server_info")["command_line_options"]["base_id"]
        command = [sys.executable, "-m", "gmosn", "--base-id", base_id, "-c", str(first.config_path)]
        third = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30 * SCALE)
        assert third.returncode == 1
        assert third.stderr.endswith("id=0, errno=98 (see --base-id option)\n")


def test_it_runs_from_any_directory(tmp_path):
    """A directory with modules that shadow others must not matter to the children."""
    (tmp_path / "gmosn").mkdir()
    (tmp_path / "socket.py").write_text("raise RuntimeError('the wrong module')")
    p = RunningProxy([sys.executable, "-P", "-m", "gmosn", "--use-dynamic-base-id"], with_admin(answering()), folder=tmp_path,
                     wait_ready=False, env={"PYTHONPATH": str(ROOT)})
    try:
        p.wait_ready()
        assert ask(p.port()).status == 200
    finally:
        p.stop()


def test_the_supervisor_stays_small():
    """No gevent, no protobuf, no threads in it."""
    with proxy(answering()) as p:
        maps = open(f"/proc/{p.process.pid}/maps").read()
        assert "gevent" not in maps and "google" not in maps
        assert len(os.listdir(f"/proc/{p.process.pid}/task")) == 1


def test_an_idle_instance_costs_nothing():
    with HttpUpstream() as upstream, proxy(
            bootstrap([listener(hcm(route("c")))], [cluster("c", upstream.port)])) as p:
        assert ask(p.port()).status == 200
        pids = [p.process.pid, *p.children()]
        before, start = cpu_seconds(pids), time.monotonic()
        never(lambda: p.process.poll() is not None, for_s=2)
        share = (cpu_seconds(pids) - before) / (time.monotonic() - start)
        assert share < 0.02


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")
