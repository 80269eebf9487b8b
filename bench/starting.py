"""What it costs to read a configuration and to start."""
import http.client
import re
import resource
import subprocess
import time

from bench.big_config import write
from bench.machine import cores, on_core
from bench.proxies import OUT, envoy_binary, envoy_command, gmosn_command
from tests.helpers.nginx import free_port
from tests.helpers.source_tree import ROOT


def commands(options):
    """{name: command} of those that can read a bootstrap."""
    found = {"gmosn": gmosn_command()} if "gmosn" in options.proxies else {}
    if "envoy" in options.proxies and envoy_binary():
        found["envoy"] = envoy_command()
    return found


def children_cpu_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def validate_big(upstreams, options):
    """--mode validate of 500 clusters and 2,000 routes"""
    path = OUT / "big.yaml"
    write(path)
    figures = {name: [] for name in commands(options)}
    for number in range(options.rounds + 1):
        for name, command in commands(options).items():
            cpu, start = children_cpu_s(), time.monotonic()
            done = subprocess.run(on_core(cores()[0], [*command, "--mode", "validate", "-c", path]),
                                  capture_output=True, text=True)
            if done.returncode or f"configuration '{path}' OK" not in done.stdout + done.stderr:
                raise RuntimeError(f"{name}: {done.stdout}{done.stderr}")
            if number:
                figures[name].append({"cpu_ms": (children_cpu_s() - cpu) * 1e3,
                                      "wall_ms": (time.monotonic() - start) * 1e3})
    return figures


def start_to_first_request(upstreams, options):
    """process start to first served request, conf/envoy.yaml"""
    text = (ROOT / "conf/envoy.yaml").read_text()
    figures = {name: [] for name in commands(options)}
    for number in range(options.rounds + 1):
        for name, command in commands(options).items():
            port, path = free_port(), OUT / "start.yaml"
            path.write_text(with_ports(text, {"10000": port, "9901": 0, "10001": upstreams.http,
                                              "10002": upstreams.http}))
            start = time.monotonic()
            process = subprocess.Popen([*command, "-c", str(path)], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            try:
                answered = first_answer(process, port)
            finally:
                process.terminate()
                process.wait()
            if number:
                figures[name].append({"wall_ms": (answered - start) * 1e3})
    return figures


def with_ports(text, ports):
    """The configuration with other ports. `ports`: {old as str: new}."""
    return re.sub(r"port_value: (\d+)", lambda match: f"port_value: {ports[match[1]]}", text)


def first_answer(process, port):
    """The time of the first 200."""
    while process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status == 200:
                return time.monotonic()
        except OSError:
            time.sleep(0.002)
        finally:
            connection.close()
    raise RuntimeError(f"exited with {process.returncode}")


WORKLOADS = [validate_big, start_to_first_request]
