"""Weighted schedules: over any number of picks, each host is within one of its share."""
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gmosn.io.address import Address
from gmosn.upstream.host import Host, HostSet
from gmosn.upstream.load_balancer import LeastRequest, RoundRobin

WEIGHTS = st.lists(st.integers(1, 20), min_size=1, max_size=8)


def make(cls, weights, seed):
    hosts = [Host(Address.parse("10.0.0.1", i + 1)) for i in range(len(weights))]
    for host, weight in zip(hosts, weights, strict=True):
        host.weight = weight
    balancer = cls(seed=seed)
    balancer.on_hosts_changed(HostSet(hosts))
    return balancer


@given(WEIGHTS, st.integers(1, 2**31), st.integers(1, 5))
def test_round_robin_is_exact_over_whole_cycles(weights, seed, cycles):
    balancer = make(RoundRobin, weights, seed)
    found = Counter(balancer.choose(None).address.port for _ in range(cycles * sum(weights)))
    for number, weight in enumerate(weights, 1):
        assert abs(found[number] - cycles * weight) <= 1


@given(WEIGHTS.filter(lambda weights: len(set(weights)) > 1), st.integers(1, 2**31))
def test_idle_weighted_least_request_equals_round_robin(weights, seed):
    first, second = make(LeastRequest, weights, seed), make(RoundRobin, weights, seed)
    for _ in range(3 * len(weights)):
        assert first.choose(None).address.port == second.choose(None).address.port


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=20), st.integers(0, 100))
def test_loads_add_up_to_100(hosts, threshold):
    made = []
    for number, (priority, health) in enumerate(hosts):
        host = Host(Address.parse("10.0.0.1", number + 1))
        host.priority, host.health = priority, health
        made.append(host)
    balancer = RoundRobin(threshold, seed=5)
    balancer.on_hosts_changed(HostSet(made))
    assert sum(healthy + degraded for healthy, degraded in balancer.loads) == 100
    for _ in range(20):
        chosen = balancer.choose(None)
        assert chosen is None or chosen in made
