"""Balancers: distributions against their definitions, priorities and panic against Envoy's documented tables."""
from collections import Counter

import pytest

from gmosn.io.address import Address
from gmosn.observe.stats import Segment, Stats
from gmosn.upstream.host import DEGRADED, HEALTHY, UNHEALTHY, Host, HostSet
from gmosn.upstream.load_balancer import LeastRequest, Random, RoundRobin

ROUNDS = 20_000


def host(number, weight=1, priority=0, health=HEALTHY, active=0):
    made = Host(Address.parse("10.0.0.1", number))
    made.weight, made.priority, made.health, made.active = weight, priority, health, active
    return made


def balancer(cls, hosts, **options):
    made = cls(seed=7, **options)
    made.on_hosts_changed(HostSet(hosts))
    return made


def picks(made, count=ROUNDS):
    return Counter(made.choose(None).address.port for _ in range(count))


def level(healthy, degraded=0, unhealthy=0, priority=0):
    states = [HEALTHY] * healthy + [DEGRADED] * degraded + [UNHEALTHY] * unhealthy
    return [host(1000 * priority + i + 1, priority=priority, health=state) for i, state in enumerate(states)]


@pytest.mark.parametrize("cls", [RoundRobin, LeastRequest, Random])
def test_no_hosts(cls):
    assert cls().choose(None) is None


@pytest.mark.parametrize("cls", [RoundRobin, LeastRequest, Random])
def test_one_host(cls):
    assert picks(balancer(cls, [host(1)]), 10) == {1: 10}


def test_round_robin_takes_turns():
    made = balancer(RoundRobin, [host(1), host(2), host(3)])
    order = [made.choose(None).address.port for _ in range(9)]
    assert order[:3] == order[3:6] == order[6:] and sorted(order[:3]) == [1, 2, 3]


def test_round_robin_weights_are_exact_over_a_cycle():
    made = balancer(RoundRobin, [host(1, 1), host(2, 2), host(3, 5)])
    assert picks(made, 800) == {1: 100, 2: 200, 3: 500}


def test_round_robin_interleaves_weights():
    made = balancer(RoundRobin, [host(1, 1), host(2, 9)])
    order = "".join(str(made.choose(None).address.port) for _ in range(40))
    assert "11" not in order and order.count("1") == 4


def test_round_robin_starts_anywhere():
    hosts = [host(number) for number in range(1, 9)]
    starts = set()
    for seed in range(1, 200):
        made = RoundRobin(seed=seed)
        made.on_hosts_changed(HostSet(hosts))
        starts.add(made.choose(None).address.port)
    assert starts == set(range(1, 9))


def test_random_is_even_and_ignores_weights():
    found = picks(balancer(Random, [host(1, 1), host(2, 100), host(3, 1), host(4, 1)]))
    assert all(abs(count - ROUNDS / 4) < ROUNDS * 0.02 for count in found.values())


def test_least_request_prefers_the_less_busy_of_two():
    """With one busy host of n, it is taken only when both choices fall on it: 1 / n**2."""
    found = picks(balancer(LeastRequest, [host(1, active=9), host(2), host(3), host(4)]))
    assert abs(found[1] - ROUNDS / 16) < ROUNDS * 0.01


def test_least_request_with_more_choices():
    found = picks(balancer(LeastRequest, [host(1, active=9), host(2)], choice_count=4))
    assert abs(found[1] - ROUNDS / 16) < ROUNDS * 0.01


def test_least_request_full_scan_takes_the_least_busy_and_spreads_equals():
    found = picks(balancer(LeastRequest, [host(1, active=1), host(2), host(3), host(4)], full_scan=True))
    assert 1 not in found and all(abs(found[port] - ROUNDS / 3) < ROUNDS * 0.02 for port in (2, 3, 4))


def test_weighted_least_request_idle_hosts_follow_weights():
    found = picks(balancer(LeastRequest, [host(1, 1), host(2, 3)]), 4000)
    assert found == {1: 1000, 2: 3000}


@pytest.mark.parametrize(("bias", "share"), [(1.0, 1 / 4), (0.0, 2 / 3), (2.0, 1 / 13)])
def test_weighted_least_request_bias(bias, share):
    """Weights 2 and 1, the heavier one with 5 active: 2 / 6**bias against 1."""
    found = picks(balancer(LeastRequest, [host(1, 2, active=5), host(2, 1)], active_bias=bias))
    expected = (2 / 6 ** bias) / (2 / 6 ** bias + 1)
    assert abs(found[1] / ROUNDS - expected) < 0.01
    assert share == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize(("p0", "p1", "loads"), [
    # (healthy of 100 per level) -> share of each level; from Envoy's "Priority levels", factor 1.4
    (100, 100, [100, 0]), (72, 100, [100, 0]), (71, 100, [99, 1]), (50, 100, [70, 30]), (25, 100, [35, 65]),
    (25, 25, [50, 50]), (0, 100, [0, 100]),
])
def test_priority_loads(p0, p1, loads):
    hosts = level(p0, unhealthy=100 - p0) + level(p1, unhealthy=100 - p1, priority=1)
    made = balancer(RoundRobin, hosts)
    assert [share for share, _ in made.loads] == loads


def test_total_panic_goes_by_the_number_of_hosts():
    made = balancer(RoundRobin, level(1, unhealthy=9) + level(0, unhealthy=30, priority=1))
    assert made.in_panic == [True, True]
    assert [share for share, _ in made.loads] == [25, 75]
    found = picks(made)
    assert sum(count for port, count in found.items() if port < 1000) == pytest.approx(ROUNDS / 4, rel=0.05)
    assert len(found) == 40, "in panic unhealthy hosts are used too"


def test_no_panic_while_the_levels_together_suffice():
    """Envoy: a level below the threshold does not panic when another one can take the whole load."""
    made = balancer(RoundRobin, level(1, unhealthy=9) + level(10, priority=1))
    assert made.in_panic == [False, False]
    assert [share for share, _ in made.loads] == [14, 86]
    assert all(port == 1 or port > 1000 for port in picks(made, 1000))


def test_panic_threshold():
    healthy_half = level(5, unhealthy=5)
    assert balancer(RoundRobin, healthy_half).in_panic == [False]
    assert set(picks(balancer(RoundRobin, healthy_half), 100)) == {1, 2, 3, 4, 5}
    below = level(4, unhealthy=6)
    assert len(picks(balancer(RoundRobin, below), 100)) == 10
    assert len(picks(balancer(RoundRobin, below, panic_threshold=30), 100)) == 4


def test_panic_switched_off_and_nothing_healthy():
    made = balancer(RoundRobin, level(0, unhealthy=3), panic_threshold=0)
    assert made.choose(None) is None


def test_panic_is_counted():
    made = balancer(RoundRobin, level(0, unhealthy=3))
    made.panics = Stats(Segment.local()).counter("cluster.c.lb_healthy_panic")
    made.choose(None)
    assert made.panics.value() == 1


def test_degraded_hosts_take_what_healthy_ones_cannot():
    made = balancer(RoundRobin, level(5, degraded=5))
    assert made.loads == [(70, 30)]
    found = picks(made)
    assert sum(found[port] for port in range(1, 6)) == pytest.approx(0.7 * ROUNDS, rel=0.03)


def test_degraded_hosts_rest_while_healthy_ones_suffice():
    assert set(picks(balancer(RoundRobin, level(8, degraded=2)), 1000)) == set(range(1, 9))


def test_overprovisioning_factor():
    hosts = HostSet(level(80, unhealthy=20) + level(10, priority=1), overprovisioning=100)
    made = RoundRobin()
    made.on_hosts_changed(hosts)
    assert [share for share, _ in made.loads] == [80, 20]


def test_new_hosts_are_taken_over():
    made = balancer(RoundRobin, [host(1)])
    made.on_hosts_changed(HostSet([host(2), host(3)]))
    assert set(picks(made, 10)) == {2, 3}


def locality(name, weight, healthy, unhealthy=0):
    made = level(healthy, unhealthy=unhealthy, priority=0)
    for number, one in enumerate(made):
        one.address = Address.parse("10.0.0.1", 1000 * name + number)
        one.locality_key, one.locality_weight = str(name), weight
    return made


@pytest.mark.parametrize("cls", [RoundRobin, LeastRequest, Random])
def test_localities_share_by_weight(cls):
    made = balancer(cls, locality(1, 1, 5) + locality(2, 3, 1) + locality(3, 0, 1), locality_weighted=True)
    found = picks(made, 4000)
    assert sum(count for port, count in found.items() if port < 2000) == 1000
    assert found[2000] == 3000


def test_a_locality_counts_with_its_availability():
    """Half of the second one is gone: 1.4 * 0.5 of its weight is left."""
    made = balancer(RoundRobin, locality(1, 10, 4) + locality(2, 10, 2, unhealthy=2), locality_weighted=True)
    found = picks(made, 17_000)
    assert sum(count for port, count in found.items() if port < 2000) == pytest.approx(10_000, abs=2)


def test_without_weights_localities_do_not_matter():
    made = balancer(RoundRobin, locality(1, 0, 3) + locality(2, 0, 1), locality_weighted=True)
    assert picks(made, 400) == {1000: 100, 1001: 100, 1002: 100, 2000: 100}


def test_in_panic_localities_do_not_matter():
    hosts = locality(1, 1, 1, unhealthy=4) + locality(2, 99, 0, unhealthy=5)
    made = balancer(RoundRobin, hosts, locality_weighted=True)
    assert len(picks(made, 100)) == 10
