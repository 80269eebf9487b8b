# hot: http1_get
"""Deadlines of many things for one timer: a wheel of slots that is looked at only when one of them is due.

An entry is looked at at most one slot (16 ms) late. Setting a deadline again does not search for the old one: `look_at`
names the slot that counts, whatever else is found of that entry is dropped.
"""
import sys

import cython

if not cython.compiled:
    from gmosn.clock import now_us

TICK_US = 16_384
SLOTS = 1024                       # 16.8 s; what is further away is looked at and put back


class Entry:
    """Anything with deadlines. `look_at`: the tick of its next look, 0 = none."""

    def on_tick(self, now):
        """Called in the hub at `now` (us), so it must not block; it may switch to a greenlet that waits.

        Returns us until the next look, 0 = forget me.
        """
        return 0


class Wheel:
    """One per hub. `loop`: gevent's loop. An empty wheel has no timer running."""

    def __init__(self, loop):
        self.loop = loop
        self.slots = [None] * SLOTS
        self.timer = loop.timer(0)
        self.tick = now_us() // TICK_US
        self.armed_for = 0
        self.entries = 0
        self.turning = False

    def add(self, entry, in_us):
        """Looks at `entry` in `in_us` from now (at most 16 ms later) instead of when it was to be looked at."""
        now: cython.longlong = now_us()
        tick: cython.longlong = (now + in_us) // TICK_US + 1
        slot: list
        if self.entries == 0 and not self.turning:
            self.tick = now // TICK_US
        if tick <= self.tick:
            tick = self.tick + 1
        elif tick >= self.tick + SLOTS:
            tick = self.tick + SLOTS - 1
        if entry.look_at == tick:
            return
        entry.look_at = tick
        slot = self.slots[tick % SLOTS]
        if slot is None:
            self.slots[tick % SLOTS] = [entry]
        else:
            slot.append(entry)
        self.entries += 1
        if not self.turning and (self.armed_for == 0 or tick < self.armed_for):
            self._arm(tick, now)

    def _arm(self, tick, now):
        wait: cython.longlong = tick * TICK_US - now
        self.timer.close()
        self.timer = self.loop.timer((wait if wait > 0 else 0) / 1e6)
        self.timer.start(self.turn, update=True)
        self.armed_for = tick

    def turn(self):
        """Looks at everything that is due."""
        now: cython.longlong = now_us()
        last: cython.longlong = now // TICK_US
        due: list
        self.armed_for = 0
        self.turning = True
        try:
            if last - self.tick > SLOTS:             # the process was stopped: every slot is due, once
                self.tick = last - SLOTS
            while self.tick < last and self.entries:
                self.tick += 1
                due = self.slots[self.tick % SLOTS]
                if due is not None:
                    self.slots[self.tick % SLOTS] = None
                    self.entries -= len(due)
                    self._look(due, now)
        finally:
            self.turning = False
            self._arm_next()

    def _look(self, due, now):
        entry: Entry
        again: cython.longlong
        for entry in due:
            if entry.look_at > self.tick or entry.look_at == 0:
                continue                             # it was put elsewhere since
            entry.look_at = 0
            try:
                again = entry.on_tick(now)
            except Exception:
                self.loop.handle_error(entry, *sys.exc_info())
                continue
            if again > 0:
                self.add(entry, again)

    def _arm_next(self):
        """Starts the timer for the next slot with something in it."""
        tick: cython.longlong
        now: cython.longlong
        if not self.entries:
            return
        for tick in range(self.tick + 1, self.tick + SLOTS + 1):
            if self.slots[tick % SLOTS] is not None:
                now = now_us()
                self._arm(tick, now)
                return

    def __repr__(self):
        return f"<Wheel {self.entries} entries>"


if not cython.compiled:
    Entry.look_at = 0
