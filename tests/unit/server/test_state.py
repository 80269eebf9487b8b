from gmosn.server.state import ServerState


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_names():
    state = ServerState()
    assert state.name == "INITIALIZING"
    state.initialized = True
    assert state.name == "LIVE" and not state.should_close()
    state.health_failed = True
    assert state.name == "DRAINING" and state.should_close()
    state.health_failed = False
    state.start_drain()
    assert state.name == "DRAINING" and repr(state) == "<ServerState DRAINING>"


def test_a_gradual_drain_closes_more_and_more():
    clock = Clock()
    state = ServerState(drain_time_s=10, clock=clock)
    state.start_drain()
    shares = []
    for second in (0, 5, 10):
        clock.now = 100 + second
        shares.append(sum(state.should_close() for _ in range(1000)))
    assert shares[0] == 0 and 400 < shares[1] < 600 and shares[2] == 1000


def test_a_second_drain_does_not_start_over():
    clock = Clock()
    state = ServerState(drain_time_s=10, clock=clock)
    state.start_drain()
    clock.now = 110
    state.start_drain()
    assert state.should_close()


def test_immediate_and_exiting_close_every_time():
    state = ServerState(gradual=False)
    state.start_drain()
    assert all(state.should_close() for _ in range(100))
    state = ServerState()
    state.start_drain(exiting=True)
    assert all(state.should_close() for _ in range(100))
