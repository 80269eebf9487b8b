import os
import select
import signal

from gmosn.server.signals import HANDLED_BY_SUPERVISOR, SignalQueue, leave_signals_to_supervisor


def test_signals_are_queued_in_order_and_handlers_come_back():
    before = signal.getsignal(signal.SIGUSR1)
    queue = SignalQueue([signal.SIGUSR1, signal.SIGUSR2])
    try:
        assert queue.take() == []
        os.kill(os.getpid(), signal.SIGUSR2)
        assert select.select([queue], [], [], 5)[0]
        os.kill(os.getpid(), signal.SIGUSR1)
        assert queue.take() == [signal.SIGUSR2, signal.SIGUSR1]
        assert queue.take() == []
    finally:
        queue.close()
    assert signal.getsignal(signal.SIGUSR1) is before


def test_children_survive_the_supervisors_signals():
    before = {number: signal.getsignal(number) for number in HANDLED_BY_SUPERVISOR}
    try:
        leave_signals_to_supervisor()
        for number in HANDLED_BY_SUPERVISOR:
            os.kill(os.getpid(), number)
            assert signal.getsignal(number) not in (signal.SIG_IGN, signal.SIG_DFL)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
