"""The workloads: each starts the proxies, loads them in turn, round by round, and returns raw figures per round.

A figure is {"cpu_us": CPU microseconds per unit of work, "per_s": units per second, ...}; lower cpu_us is better.
"""
import json
import re
import subprocess
import time
from pathlib import Path

from bench import configs
from bench.machine import cores, memory_kib, on_core, spent_s, tree, tree_cpu_s, tree_memory_kib
from bench.proxies import (
    OUT,
    EnvoyLike,
    envoy_binary,
    envoy_command,
    gmosn_command,
    load_tool,
)
from tests.helpers.nginx import Nginx, free_port

CONNECTIONS = 32
IDLE_CONNECTIONS = 2000
BULK_MIB = 1024
ONE = ("--concurrency", "1")


class LoadFailed(Exception):
    """The load generator saw errors: the round does not count."""


def wrk(port, seconds, script=None, headers=(), path="/"):
    """Closed loop with CONNECTIONS connections. Returns {"requests", "seconds"}."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *(f"-H{header}" for header in headers)]
    if script is not None:
        command += ["-s", script]
    done = subprocess.run(on_core(cores()[1], [*command, f"http://127.0.0.1:{port}{path}"]), capture_output=True,
                          text=True)
    found = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", done.stdout)
    if done.returncode or "Non-2xx" in done.stdout or "Socket errors" in done.stdout or not found:
        raise LoadFailed(done.stdout + done.stderr)
    return {"requests": int(found[1]), "seconds": float(found[2]) * {"ms": 0.001, "s": 1, "m": 60}[found[3]]}


def load(*arguments):
    """Runs bench/load.c; its JSON."""
    done = subprocess.run(on_core(cores()[1], [load_tool(), *arguments]), capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    if result["errors"]:
        raise LoadFailed(f"{arguments}: {result}")
    return result


def measured(pid, run):
    """Runs one load and adds what the process tree of `pid` spent on it."""
    before = tree_cpu_s(pid)
    result = run()
    spent = spent_s(before, tree_cpu_s(pid))
    return {**result, "cpu_us": spent / result["requests"] * 1e6, "per_s": result["requests"] / result["seconds"],
            "busy": spent / result["seconds"]}


def lua_script(name, text):
    path = OUT / f"{name}.lua"
    path.write_text(text)
    return path


def in_rounds(proxies, rounds, run):
    """{name: [figure per round]}: the proxies take turns, after one round each that does not count."""
    figures = {name: [] for name in proxies}
    try:
        for number in range(rounds + 1):
            for name, one in proxies.items():
                figure = measured(one.pid, lambda one=one: run(one))
                if number:
                    figures[name].append(figure)
    finally:
        for one in proxies.values():
            one.stop()
    return figures


def started(config, nginx=None, wanted=("gmosn", "envoy", "nginx")):
    """The wanted proxies by name; `nginx`: function(port) -> http block, or None where there is no equivalent."""
    proxies = {}
    if "gmosn" in wanted:
        proxies["gmosn"] = EnvoyLike(gmosn_command(*ONE), config)
    if "envoy" in wanted and envoy_binary():
        proxies["envoy"] = EnvoyLike(envoy_command(*ONE), config)
    if "nginx" in wanted and nginx is not None:
        port = free_port()
        proxies["nginx"] = Nginx(nginx(port), port, on_core(cores()[0], []))
    return proxies


def http_workload(upstreams, options, run):
    proxies = started(configs.plain(upstreams), lambda port: configs.plain_nginx(upstreams, port), options.proxies)
    return in_rounds(proxies, options.rounds, run)


def keepalive_get(upstreams, options):
    """keep-alive GET, 64-byte body, 32 connections, plain router"""
    return http_workload(upstreams, options, lambda one: wrk(one.port(), options.seconds))


def routes_and_log(upstreams, options):
    """the same with 20 virtual hosts x 50 routes and an access log to a file"""
    script = lua_script("routes", f"""
        local requests, at = {{}}, 0
        for host = 0, {configs.VIRTUAL_HOSTS - 1} do for route = 0, {configs.ROUTES - 1} do
            requests[#requests + 1] = (host * 7 + route * 13) % 1000 .. "|" .. host .. "|" .. route
        end end
        table.sort(requests)
        function init()
            for i, text in ipairs(requests) do
                local host, route = text:match("|(%d+)|(%d+)")
                requests[i] = wrk.format("GET", "/api/v" .. route .. "/x", {{Host = "host" .. host .. ".test"}})
            end
        end
        function request() at = at % #requests + 1 return requests[at] end""")
    logs = {name: OUT / f"access-{name}.log" for name in ("gmosn", "envoy", "nginx")}
    proxies = {}
    for name in logs:
        logs[name].unlink(missing_ok=True)
        proxies |= started(configs.many_routes(upstreams, logs[name]),
                           lambda port, log=logs[name]: configs.many_routes_nginx(upstreams, port, log),
                           [name] if name in options.proxies else [])
    figures = in_rounds(proxies, options.rounds, lambda one: wrk(one.port(), options.seconds, script))
    for name in proxies:
        if not logs[name].stat().st_size:
            raise LoadFailed(f"{name} wrote no access log")
        logs[name].unlink()
    return figures


def post_16k(upstreams, options):
    """POST 16 KiB, 32 connections"""
    script = lua_script("post", 'wrk.method = "POST" wrk.body = string.rep("b", 16384)')
    return http_workload(upstreams, options, lambda one: wrk(one.port(), options.seconds, script))


def get_1m(upstreams, options):
    """GET 1 MiB, 32 connections"""
    return http_workload(upstreams, options, lambda one: wrk(one.port(), options.seconds, path="/mib"))


def new_connection(upstreams, options):
    """a new connection per request"""
    return http_workload(upstreams, options,
                         lambda one: wrk(one.port(), options.seconds, headers=["Connection: close"]))


def tcp_pingpong(upstreams, options):
    """TCP ping-pong, 64 bytes, 32 connections"""
    return in_rounds(started(configs.tcp(upstreams), None, options.proxies), options.rounds,
                     lambda one: load("pingpong", one.port("echo"), CONNECTIONS, options.seconds))


def tcp_bulk(upstreams, options):
    """bulk TCP, one connection"""
    figures = in_rounds(started(configs.tcp(upstreams), None, options.proxies), options.rounds,
                        lambda one: load("bulk", one.port("source"), BULK_MIB))
    for each in figures.values():
        for figure in each:
            figure["cpu_ms"] = figure.pop("cpu_us") * (1 << 30) / 1000       # a unit of work was a byte
            figure["per_s"] /= 1 << 30
    return figures


def p99_at_half_rate(upstreams, options):
    """p99 latency at half of Envoy's maximum rate, open loop"""
    proxies = started(configs.plain(upstreams), lambda port: configs.plain_nginx(upstreams, port), options.proxies)
    anchor = proxies.get("envoy") or next(iter(proxies.values()))
    fastest = max(wrk(anchor.port(), options.seconds)["requests"] / options.seconds for _ in range(2))
    figures = in_rounds(proxies, options.rounds,
                        lambda one: load("paced", one.port(), CONNECTIONS, options.seconds, int(fastest / 2)))
    for each in figures.values():
        for figure in each:
            figure["rate"] = int(fastest / 2)
    return figures


def idle_memory(upstreams, options):
    """memory per idle keep-alive connection after one request"""
    figures = {}
    for _ in range(min(options.rounds, 3)):
        proxies = started(configs.plain(upstreams), lambda port: configs.plain_nginx(upstreams, port), options.proxies)
        try:
            for name, one in proxies.items():
                figures.setdefault(name, []).append(idle_growth(one))
        finally:
            for one in proxies.values():
                one.stop()
    return figures


def idle_growth(one):
    """Memory of the tree before and after IDLE_CONNECTIONS connections made one request each and fell asleep."""
    wrk(one.port(), 1)
    time.sleep(3)
    before = tree_memory_kib(one.pid)
    client = subprocess.Popen(on_core(cores()[1], [load_tool(), "idle", one.port(), IDLE_CONNECTIONS]),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        result = json.loads(client.stdout.readline())
        if result["errors"]:
            raise LoadFailed(result)
        time.sleep(4)                                   # long enough that an idle connection has given up its greenlet
        after = tree_memory_kib(one.pid)
    finally:
        client.communicate()
    return {"kib_per_connection": (after["Rss"] - before["Rss"]) / IDLE_CONNECTIONS, "before": before, "after": after}


def resting_memory(upstreams, options):
    """memory at rest, --concurrency 1"""
    figures = {}
    for _ in range(min(options.rounds, 3)):
        proxies = started(configs.plain(upstreams), None, options.proxies)
        try:
            time.sleep(2)
            for name, one in proxies.items():
                figures.setdefault(name, []).append(resting(one))
        finally:
            for one in proxies.values():
                one.stop()
    return figures


def resting(one):
    """RSS of the worker (of the process itself where there is only one), PSS of the whole tree."""
    each = {pid: memory_kib(pid) for pid in tree(one.pid)}
    worker = [pid for pid in each if "worker" in Path(f"/proc/{pid}/cmdline").read_text()] or [one.pid]
    return {"worker_rss_mib": each[worker[0]]["Rss"] / 1024,
            "tree_pss_mib": sum(memory["Pss"] for memory in each.values()) / 1024}


WORKLOADS = [keepalive_get, routes_and_log, post_16k, get_1m, new_connection, tcp_pingpong, tcp_bulk, p99_at_half_rate,
             idle_memory, resting_memory]
