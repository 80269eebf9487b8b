"""The supervisor's listening sockets: one per address and process slot, kept open while a process is replaced, so that
connections which wait in its accept queue are not lost.

Plans are io/bind.py's; here they may have `owner`: "worker" (the default: one socket for each) or "control".
"""
import os
import socket

from gmosn.io.bind import bind_error_text


class BindFailed(Exception):
    """`key`: the plan that failed; the text is Envoy's: cannot bind '1.2.3.4:80': Address already in use."""

    def __init__(self, key, text):
        super().__init__(text)
        self.key = key


class ListenSet:
    """What is bound. The sockets live in the slots (`slot.sockets`), the plans here."""

    def __init__(self, bind):
        """`bind(plan) -> socket`: raises OSError."""
        self._bind = bind
        self.plans = {}

    def bind(self, plans, slots):
        """Binds the plans whose key is new, for every slot they concern; all or nothing: BindFailed.

        Returns {key: [ip, port] or [path]} as bound, for all the given plans.
        """
        fresh = {plan["key"]: plan for plan in plans if plan["key"] not in self.plans}
        try:
            for key, plan in fresh.items():
                self.plans[key] = plan
                for slot in slots:
                    self._fill_one(slot, self.plans[key], slots)
        except BindFailed:
            self._forget(fresh, slots)
            raise
        return {plan["key"]: _bound(plan["key"], slots) for plan in plans}

    def fill(self, slot, slots):
        """Binds again what `slot` lost while it was backing off. BindFailed."""
        for plan in self.plans.values():
            if plan["key"] not in slot.sockets:
                self._fill_one(slot, plan, slots)

    def keep(self, keys, slots):
        """Closes what is not in `keys`. Returns the keys that are gone."""
        gone = [key for key in self.plans if key not in keys]
        self._forget(gone, slots)
        return gone

    def _forget(self, keys, slots):
        for key in list(keys):
            self.plans.pop(key, None)
            for slot in slots:
                slot.close_sockets([key] if key in slot.sockets else ())

    def _fill_one(self, slot, plan, slots):
        if slot.role != plan.get("owner", "worker"):
            return
        key = plan["key"]
        model = next((other.sockets[key] for other in slots if key in other.sockets), None)
        try:
            if model is not None and (not plan.get("reuse_port") or model.family == socket.AF_UNIX):
                slot.sockets[key] = model.dup()      # one accept queue for all
            else:
                sock = slot.sockets[key] = self._bind(plan)
                if sock.family != socket.AF_UNIX:    # port 0 was any port; from now on it is this one
                    self.plans[key] = dict(plan, port=sock.getsockname()[1])
        except OSError as exc:
            raise BindFailed(key, bind_error_text(plan, exc)) from exc


def _bound(key, slots):
    for slot in slots:
        if key in slot.sockets:
            name = slot.sockets[key].getsockname()
            if isinstance(name, tuple):
                return list(name[:2])
            return ["@" + os.fsdecode(name[1:]) if name[:1] in ("\0", b"\0") else os.fsdecode(name)]
    return []
