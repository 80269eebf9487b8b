# hot: http1_get
"""Choosing a host: priority first, then health or panic, then the policy.

The arithmetic of priorities and the panic threshold is that of Envoy's documentation ("Priority levels", "Degraded
endpoints", "Panic threshold"); weights go through an earliest-deadline-first schedule, as there.
"""
import heapq
import os

import cython

if not cython.compiled:
    from gmosn.upstream.host import Host, HostSet, PriorityLevel

ALL, HEALTHY, DEGRADED = 0, 1, 2         # which hosts of a priority level; index of a level's pickers
PANIC_THRESHOLD = 50                     # per cent, Envoy's default healthy_panic_threshold


class Picker:
    """One list of hosts to choose from and a policy's memory of it.

    `heap`: (deadline, order, host) when weights differ: the host with the earliest deadline is next and comes back
    1/weight later. `index` counts round robin picks when they do not. `localities`: None, or a heap of (deadline,
    order, Picker, weight): which locality is next.
    """

    def __init__(self, hosts, weighted):
        self.hosts = hosts
        self.weighted = weighted
        self.heap = []
        self.localities = None
        self.index = 0
        self.now = 0.0
        self.order = 0


class LoadBalancer:
    """Base of the policies: a policy overrides pick(), and weight_of() if weights change with load."""

    def __init__(self, panic_threshold=PANIC_THRESHOLD, seed=None, locality_weighted=False):
        """`panic_threshold`: per cent; `seed`: int > 0, for tests; `locality_weighted`: localities share the load by
        their weights (locality_weighted_lb_config)."""
        self.panic_threshold = panic_threshold
        self.locality_weighted = locality_weighted
        self.panics = None
        self.state = seed or int.from_bytes(os.urandom(4), "little") | 1
        self.on_hosts_changed(HostSet([]))

    def choose(self, info):
        """The host for a stream, or None when there is none to use. Does not block."""
        picker: Picker = self.only
        if picker is None:
            picker = self._choose_picker()
        if picker is None or not picker.hosts:
            return None
        if picker.localities is not None:
            picker = self._pick_locality(picker)
        return self.pick(picker)

    def on_hosts_changed(self, hosts):
        """Takes a new snapshot; schedules start anew."""
        level: PriorityLevel
        self.hosts = hosts
        self.pickers = []
        for level in hosts.priorities:
            made = [self._picker(level.hosts), self._picker(level.healthy), self._picker(level.degraded)]
            if self.locality_weighted:
                self._split(level, made)
            self.pickers.append(made)
        health, degraded = _availability(hosts)
        self.in_panic = _panic_levels(hosts, health, degraded, self.panic_threshold)
        self.loads = _priority_loads(hosts, health, degraded, all(self.in_panic))
        self.only = None
        if len(hosts.priorities) == 1 and not self.in_panic[0] and self.loads[0][0] == 100:
            self.only = self.pickers[0][HEALTHY]

    def _picker(self, hosts):
        host: Host
        picker: Picker = Picker(hosts, len({host.weight for host in hosts}) > 1)
        picker.index = self.random()
        if picker.weighted:
            for host in hosts:
                picker.order += 1
                heapq.heappush(picker.heap, (1.0 / self.weight_of(host), picker.order, host))
            for _ in range(self.random() % len(hosts)):     # workers must not all start with the same host
                self._pick_scheduled(picker)
        return picker

    def _split(self, level, pickers):
        """Gives the healthy and the degraded picker of a level a schedule of localities, if any has a weight. A
        locality counts with its weight times its availability, overprovisioned; in panic there are no localities."""
        everything = _by_locality(level.hosts)
        picker: Picker
        inner: Picker
        for kind in (HEALTHY, DEGRADED):
            picker = pickers[kind]
            heap = []
            for key, hosts in sorted(_by_locality(picker.hosts).items()):
                ratio = self.hosts.overprovisioning / 100.0 * len(hosts) / len(everything[key])      # 100: C integers
                weight = hosts[0].locality_weight * min(1.0, ratio)
                if weight > 0:
                    inner = self._picker(hosts)
                    picker.order += 1
                    heapq.heappush(heap, (1.0 / weight, picker.order, inner, weight))
            if heap:
                picker.localities = heap
                picker.now = 0.0

    def _pick_locality(self, picker):
        entry: tuple = picker.localities[0]
        weight: cython.double = entry[3]
        at: cython.double = entry[0]
        picker.order += 1
        heapq.heapreplace(picker.localities, (at + 1.0 / weight, picker.order, entry[2], weight))
        return entry[2]

    def _choose_picker(self):
        """Priority by its share of the load, then healthy, degraded or (panic) all hosts of it."""
        n: cython.longlong = self.random() % 100
        level: cython.Py_ssize_t = 0
        share: tuple
        chosen: list
        kind: cython.int = HEALTHY
        for share in self.loads:
            if n < share[0]:
                break
            n -= share[0]
            level += 1
        else:
            kind, level = DEGRADED, 0
            for share in self.loads:
                if n < share[1]:
                    break
                n -= share[1]
                level += 1
            else:
                return None
        if self.in_panic[level]:
            if self.panics is not None:
                self.panics.add(1)
            kind = ALL
        chosen = self.pickers[level]
        return chosen[kind]

    def pick(self, picker):
        """The next host of a non-empty list."""
        raise NotImplementedError

    def weight_of(self, host):
        """The weight with which a host goes back into the schedule; > 0."""
        return host.weight

    def _pick_scheduled(self, picker):
        entry: tuple = picker.heap[0]
        host: Host = entry[2]
        picker.now = entry[0]
        picker.order += 1
        heapq.heapreplace(picker.heap, (picker.now + 1.0 / self.weight_of(host), picker.order, host))
        return host

    def random(self):
        """31 random bits (xorshift32: constants stay below 2**63 so that the compiled form uses C integers)."""
        x: cython.ulonglong = self.state
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        self.state = x
        return x >> 1

    def __repr__(self):
        return f"<{type(self).__name__} {self.hosts!r}>"


class RoundRobin(LoadBalancer):
    """In turn; with weights, smoothly interleaved."""

    def pick(self, picker):
        if picker.weighted:
            return self._pick_scheduled(picker)
        picker.index += 1
        return picker.hosts[picker.index % len(picker.hosts)]


class Random(LoadBalancer):
    """Evenly at random; weights do not count, as in Envoy."""

    def pick(self, picker):
        return picker.hosts[self.random() % len(picker.hosts)]


class LeastRequest(LoadBalancer):
    """Equal weights: the least busy of `choice_count` random hosts (or of all, `full_scan`). Different weights: a
    schedule whose weights are weight / (active + 1) ** active_bias at the time of each pick."""

    def __init__(self, choice_count=2, active_bias=1.0, full_scan=False, panic_threshold=PANIC_THRESHOLD, seed=None,
                 locality_weighted=False):
        self.choice_count = choice_count
        self.active_bias = active_bias
        self.full_scan = full_scan
        LoadBalancer.__init__(self, panic_threshold, seed, locality_weighted)

    def pick(self, picker):
        hosts: list = picker.hosts
        n: cython.Py_ssize_t = len(hosts)
        _i: cython.int
        best: Host
        other: Host
        if picker.weighted:
            return self._pick_scheduled(picker)
        if n == 1:
            return hosts[0]
        if self.full_scan:
            return self._scan(hosts)
        best = hosts[self.random() % n]
        for _i in range(self.choice_count - 1):
            other = hosts[self.random() % n]
            if other.active < best.active:
                best = other
        return best

    def _scan(self, hosts):
        """The least busy of all; among equals a random one."""
        best: Host = None
        host: Host
        equals: cython.ulonglong = 0
        for host in hosts:
            if best is None or host.active < best.active:
                best = host
                equals = 1
            elif host.active == best.active:
                equals += 1
                if self.random() % equals == 0:
                    best = host
        return best

    def weight_of(self, host):
        if host.active == 0 or self.active_bias == 0.0:
            return host.weight
        if self.active_bias == 1.0:
            return host.weight / (host.active + 1.0)
        return host.weight / (host.active + 1.0) ** self.active_bias


def _by_locality(hosts):
    found = {}
    for host in hosts:
        found.setdefault(host.locality_key, []).append(host)
    return found


def _availability(hosts):
    """Per priority level the availability in per cent of healthy and of degraded hosts, overprovisioning counted."""
    health, degraded = [], []
    for level in hosts.priorities:
        count = len(level.hosts)
        health.append(min(100, hosts.overprovisioning * len(level.healthy) // count) if count else 0)
        degraded.append(min(100, hosts.overprovisioning * len(level.degraded) // count) if count else 0)
    return health, degraded


def _panic_levels(hosts, health, degraded, threshold):
    """Which levels send to all their hosts because too few are healthy. None does while all levels together can take
    the whole load."""
    if min(100, sum(health) + sum(degraded)) == 100:
        return [False] * len(hosts.priorities)
    panic = []
    for level in hosts.priorities:
        count = len(level.hosts)
        usable = (100 * len(level.healthy) // count + 100 * len(level.degraded) // count) if count else 0
        panic.append(usable < threshold)
    return panic


def _priority_loads(hosts, health, degraded, total_panic):
    """Per level (per cent of the load for its healthy hosts, for its degraded hosts); they add up to 100."""
    count = len(hosts.priorities)
    if total_panic:                      # health says nothing any more: load goes by the number of hosts
        everything = len(hosts.hosts)
        if not everything:
            return [(100, 0)] + [(0, 0)] * (count - 1)
        shares = [100 * len(level.hosts) // everything for level in hosts.priorities]
        first = next(i for i, level in enumerate(hosts.priorities) if level.hosts)
        shares[first] += 100 - sum(shares)
        return [(share, 0) for share in shares]
    available = min(100, sum(health) + sum(degraded))
    if available == 0:                   # panic is switched off and nothing is usable
        return [(100, 0)] + [(0, 0)] * (count - 1)
    left = 100
    healthy_loads, degraded_loads = [0] * count, [0] * count
    for loads, values in ((healthy_loads, health), (degraded_loads, degraded)):
        for i, value in enumerate(values):
            loads[i] = min(left, value * 100 // available)
            left -= loads[i]
    if left:                             # rounding: to the first level that takes load
        loads = healthy_loads if any(healthy_loads) else degraded_loads
        for i, value in enumerate(loads):
            if value:
                loads[i] += left
                break
    return list(zip(healthy_loads, degraded_loads, strict=True))
