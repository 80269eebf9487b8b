"""Signals as a queue: handlers do nothing, the signal's number arrives on a descriptor that the owner polls."""
import os
import signal


class SignalQueue:
    """Installs itself for `numbers` in the main thread. `fileno()` is readable when signals wait in `take()`."""

    def __init__(self, numbers):
        self._read_end, self._write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = {number: signal.signal(number, _only_wake) for number in numbers}
        self._wakeup_before = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)

    def fileno(self):
        return self._read_end

    def take(self):
        """Numbers of the signals that came since the last call, in order."""
        try:
            return list(os.read(self._read_end, 4096))
        except BlockingIOError:
            return []

    def close(self):
        """Gives the signals back to whoever had them."""
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read_end)
        os.close(self._write_end)


def _only_wake(number, frame):
    """The wakeup descriptor has the number already."""


HANDLED_BY_SUPERVISOR = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)


def leave_signals_to_supervisor():
    """For its children: terminals and service managers signal whole groups, but only the supervisor decides.

    They were started with these signals blocked. A handler that does nothing, not SIG_IGN: what a filter may execute
    would inherit that.
    """
    for number in HANDLED_BY_SUPERVISOR:
        signal.signal(number, _only_wake)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED_BY_SUPERVISOR)
