import os
import signal
import sys

import pytest

from gmosn.server.process import MAX_DELAY_S, RestartDelay, Slot, exit_text

REPORTER = """#!{python} -SE
import os, sys
fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd))
blocked = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("SigBlk"))
script = os.path.realpath(__file__)
own = [fd for fd in fds if os.path.realpath("/proc/self/fd/%d" % fd) != script]
with open(os.environ["OUT"], "w") as out:
    print(*sys.argv[1:], file=out)
    print(int(blocked, 16), file=out)
    print(*own, file=out)
"""


def test_a_single_crash_costs_nothing_a_loop_backs_off():
    delay = RestartDelay()
    assert [delay.after(0.5) for _ in range(10)] == [0, 0.25, 0.5, 1, 2, 4, 8, 16, MAX_DELAY_S, MAX_DELAY_S]


def test_a_life_that_lasted_forgives():
    delay = RestartDelay()
    assert [delay.after(life) for life in (0, 0, 10, 0, 0)] == [0, 0.25, 0, 0, 0.25]


def test_exit_text():
    assert exit_text(signal.SIGKILL) == "signal 9 (SIGKILL)"
    assert exit_text(3 << 8) == "exit code 3"


@pytest.mark.parametrize("index, name", [(-1, "control"), (2, "worker 2")])
def test_names(index, name):
    assert Slot(name.split()[0], index, -1).name == name


def test_an_empty_slot_takes_messages_and_signals_in_silence():
    slot = Slot("worker", 0, -1)
    slot.send(None)
    slot.signal(signal.SIGKILL)
    assert slot.pid == 0


def is_inheritable(fd):
    try:
        return os.get_inheritable(fd)
    except OSError:                                  # the listing's own descriptor
        return False


def test_started_process_gets_its_channel_and_blocked_signals(monkeypatch, tmp_path):
    """The child is a stand-in for Python that reports what it was given."""
    script = tmp_path / "python"
    script.write_text(REPORTER.format(python=sys.executable))
    script.chmod(0o755)
    monkeypatch.setenv("OUT", str(tmp_path / "out"))
    monkeypatch.setattr("sys.executable", str(script))
    inherited = {fd for fd in map(int, os.listdir("/proc/self/fd")) if is_inheritable(fd)}
    slot = Slot("worker", 1, -1)
    slot.start(["-c", "x.yaml"])
    _, status = os.waitpid(slot.pid, 0)
    arguments, blocked, fds = (tmp_path / "out").read_text().splitlines()
    assert arguments == "-P -m gmosn --role worker --channel-fd 3 -c x.yaml"
    assert int(blocked) & (1 << signal.SIGTERM - 1)
    assert {int(fd) for fd in fds.split()} == inherited | {3}
    assert slot.lives == 1 and exit_text(status) == "exit code 0"
    assert slot.ended(0.0) == 0.0
    assert slot.pid == 0 and slot.channel is None
