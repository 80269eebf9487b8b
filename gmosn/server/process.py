"""One child of the supervisor: how it is started, and when it is started again."""
import os
import signal
import sys

from gmosn.server.channel import Channel, PolledChannel
from gmosn.server.signals import HANDLED_BY_SUPERVISOR

CHANNEL_FD = 3                           # where a child finds its channel to the supervisor
SHORT_LIFE_S = 2.0                       # a process that ends sooner after it became ready did not really live
FIRST_DELAY_S, MAX_DELAY_S = 0.25, 30.0


class RestartDelay:
    """How long to wait before a process is replaced: not at all, until several lives in a row were short.

    One crash must cost less than a second, a crash loop must not cost a core: 0, 0.25, 0.5, 1, 2 ... 30 s.
    """

    def __init__(self):
        self.short_lives = 0

    def after(self, ready_for_s):
        """The delay after a life in which the process was ready for that long (0 = never became ready)."""
        if ready_for_s >= SHORT_LIFE_S:
            self.short_lives = 0
            return 0.0
        self.short_lives += 1
        if self.short_lives == 1:
            return 0.0
        return min(MAX_DELAY_S, FIRST_DELAY_S * 2 ** (self.short_lives - 2))


class Slot:
    """A place for a process: "control" or worker `index` (control: -1). It outlives the processes in it.

    `pid` 0 = empty; `ready_at`: when it became ready, 0 = not yet; `restart_at`: when to fill the slot again, 0 = not
    planned; `kill_at`: when the process gets SIGKILL, 0 = never; `mute`: its end of the channel is closed; `sockets`:
    {key: listening socket} kept for it; `lives`: processes so far; all times on the supervisor's clock.
    """

    def __init__(self, role, index, segment_fd):
        self.role = role
        self.index = index
        self.segment_fd = segment_fd
        self.delay = RestartDelay()
        self.pid = 0
        self.channel = None
        self.ready_at = 0.0
        self.restart_at = 0.0
        self.kill_at = 0.0
        self.mute = False
        self.lives = 0
        self.sockets = {}

    @property
    def name(self):
        return self.role if self.index < 0 else f"{self.role} {self.index}"

    def start(self, argv):
        """Starts a process of this role, with the command line of this one, and a channel to it."""
        ours, theirs = Channel.pair()
        try:
            self.pid = spawn_role(self.role, argv, theirs.fileno())
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.channel = PolledChannel(ours)
        self.lives += 1
        self.ready_at = self.restart_at = self.kill_at = 0.0
        self.mute = False

    def ended(self, now):
        """The process is gone: forgets it and says how long to wait before the next one."""
        wait_s = self.delay.after(now - self.ready_at if self.ready_at else 0.0)
        self.pid = 0
        self.ready_at = self.kill_at = 0.0
        self.channel.close()
        self.channel = None
        return wait_s

    def send(self, message):
        """To the process, if there is one."""
        if self.channel is not None:
            self.channel.send(message)

    def signal(self, number):
        if self.pid:
            try:
                os.kill(self.pid, number)            # not reaped yet, so the number is still its own
            except ProcessLookupError:
                pass

    def close_sockets(self, keys=None):
        """Closes the kept sockets of `keys`, or all."""
        for key in list(self.sockets) if keys is None else keys:
            self.sockets.pop(key).close()

    def __repr__(self):
        return f"<Slot {self.name} pid={self.pid} lives={self.lives} sockets={len(self.sockets)}>"


def spawn_role(role, argv, channel_fd):
    """Executes `python -m gmosn --role ROLE ARGV` with the channel as descriptor 3; nothing else is inherited but
    standard input, output and error. Returns the process id. OSError.

    The child gets this process's module path (-P and PYTHONPATH), so that it runs the same gmosn from any directory.
    """
    command = [sys.executable, "-P", "-m", "gmosn", "--role", role, "--channel-fd", str(CHANNEL_FD), *argv]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path or os.getcwd() for path in sys.path))
    return os.posix_spawn(
        sys.executable, command, environment, file_actions=[(os.POSIX_SPAWN_DUP2, channel_fd, CHANNEL_FD)],
        setsigmask=HANDLED_BY_SUPERVISOR, setsigdef=[signal.SIGCHLD, signal.SIGPIPE])


def exit_text(status):
    """What waitpid said, in words."""
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.Signals(-code).name})"
