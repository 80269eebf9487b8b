"""What the kernel says about processes: CPU time, memory, which core."""
import os
import time
from pathlib import Path

CPUCLOCK_SCHED = 2                                      # <linux/posix-timers.h>: CPU time of a whole process, in ns


def cpu_s(pid):
    """CPU seconds of a process so far, all its threads, exact to the microsecond (/proc/PID/stat counts in 10 ms)."""
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def tree(pid):
    """`pid` and all its living descendants."""
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").iterdir():
            todo += map(int, (task / "children").read_text().split())
    return sorted(found)


def tree_cpu_s(pid):
    """{pid: CPU seconds} of a process tree."""
    return {one: cpu_s(one) for one in tree(pid)}


def spent_s(before, after):
    """CPU seconds between two tree_cpu_s(). AssertionError when a process came or went: that round is worth nothing."""
    assert before.keys() == after.keys(), f"processes changed during the round: {before.keys() ^ after.keys()}"
    return sum(after.values()) - sum(before.values())


def memory_kib(pid):
    """{"Rss": KiB, "Pss": KiB} of one process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines[1:])
    return {name: int(fields[name].split()[0]) for name in ("Rss", "Pss")}


def tree_memory_kib(pid):
    """Sum over a process tree."""
    each = [memory_kib(one) for one in tree(pid)]
    return {name: sum(one[name] for one in each) for name in ("Rss", "Pss")}


def cores():
    """(core for the proxy, core for load and upstream); the same one twice when the machine has only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def on_core(core, command):
    """The command line that runs `command` on one core."""
    return ["taskset", "-c", str(core), *map(str, command)]


def describe():
    """Facts about the machine that belong next to figures."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "?")
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "kernel": os.uname().release,
            "load_average": os.getloadavg()[0]}
