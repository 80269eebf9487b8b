"""DnsUpdater with a resolver and a clock of its own: what is published when, and what is counted."""
import gevent
import pytest
from gevent.event import Event
from google.protobuf import json_format

from gmosn.config.descriptors import message_class
from gmosn.config.unpack import unpack
from gmosn.observe.stats import Segment, Stats
from gmosn.registry import FactoryContext
from gmosn.upstream.dns import DnsUpdater
from gmosn.upstream.dns_resolver import ResolutionFailed
from tests.helpers.pools import settle

CLUSTER = message_class("envoy.config.cluster.v3.Cluster")


def cluster(kind="STRICT_DNS", names=("a.test",), **fields):
    endpoints = [{"endpoint": {"address": {"socketAddress": {"address": name, "portValue": 80}}}} for name in names]
    return json_format.ParseDict(dict(name="c", type=kind, loadAssignment={
        "clusterName": "x", "endpoints": [{"locality": {"zone": "z"}, "lbEndpoints": endpoints}]}, **fields), CLUSTER())


class World:
    """`answers[name]`: ([ip], ttl) or an exception; time passes with step()."""

    def __init__(self):
        self.answers, self.published, self.waits, self.logged = {}, [], [], []
        self.stats = Stats(Segment.local())
        self.ticks = Event()
        self.updater = DnsUpdater(FactoryContext(unpack=unpack), self._publish, self.stats, sleep=self._sleep,
                                  resolver=lambda options: self, uniform=lambda low, high: high,
                                  log=self.logged.append)

    def _publish(self, name, assignment):
        self.published.append([(e.endpoint.address.socket_address.address, e.endpoint.hostname)
                               for group in assignment.endpoints for e in group.lb_endpoints])

    def resolve(self, name, family):
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _sleep(self, seconds):
        self.waits.append(seconds)
        self.ticks.wait()

    def step(self):
        """Everybody who sleeps wakes up once."""
        ticks, self.ticks = self.ticks, Event()
        ticks.set()
        settle()

    def count(self, name):
        return self.stats.counter("cluster.c." + name).value()


@pytest.fixture
def world(hub_errors):
    made = World()
    yield made
    made.updater.stop()
    settle()


def start(world, *protos):
    world.updater.set_clusters(protos)
    settle()


def test_first_answer_and_change(world):
    world.answers["a.test"] = (["10.0.0.1", "10.0.0.2"], 30)
    start(world, cluster())
    assert world.updater.wait_first(1)
    assert world.published == [[("10.0.0.1", "a.test"), ("10.0.0.2", "a.test")]]
    world.step()
    assert len(world.published) == 1 and world.count("update_no_rebuild") == 1
    world.answers["a.test"] = (["10.0.0.2", "10.0.0.1"], 30)
    world.step()
    assert len(world.published) == 1, "another order is no change"
    world.answers["a.test"] = (["10.0.0.3"], 30)
    world.step()
    assert world.published[1:] == [[("10.0.0.3", "a.test")]]
    assert world.count("update_attempt") == world.count("update_success") == 4
    assert world.count("membership_change") == 2
    assert world.stats.gauge("cluster.c.membership_total").value() == 1


def test_failure_keeps_the_last_good(world):
    world.answers["a.test"] = (["10.0.0.1"], 30)
    start(world, cluster())
    world.answers["a.test"] = ResolutionFailed("server failure")
    for _ in range(3):
        world.step()
    assert world.published == [[("10.0.0.1", "a.test")]]
    assert world.count("update_failure") == 3
    assert world.logged == ["DNS resolution for a.test failed: server failure"]
    world.answers["a.test"] = (["10.0.0.1"], 30)
    world.step()
    assert len(world.published) == 1 and "again" in world.logged[-1]


def test_a_failure_at_the_start_does_not_hold_up_the_start(world):
    world.answers["a.test"] = ResolutionFailed("timeout")
    start(world, cluster())
    assert world.updater.wait_first(1)
    assert world.published == [[]]
    world.answers["a.test"] = (["10.0.0.1"], 30)
    world.step()
    assert world.published[-1] == [("10.0.0.1", "a.test")]


def test_the_first_result_waits_for_all_names(world):
    world.answers["a.test"] = (["10.0.0.1"], 30)
    world.answers["b.test"] = (["10.0.0.2"], 30)
    start(world, cluster(names=["a.test", "b.test", "10.0.0.9"]))
    assert world.published == [[("10.0.0.1", "a.test"), ("10.0.0.2", "b.test"), ("10.0.0.9", "")]]


def test_an_address_of_two_names_counts_once(world):
    world.answers["a.test"] = world.answers["b.test"] = (["10.0.0.1"], 30)
    start(world, cluster(names=["a.test", "b.test"]))
    assert world.published == [[("10.0.0.1", "a.test")]]


def test_empty_answer_empties_strict_dns(world):
    world.answers["a.test"] = (["10.0.0.1"], 30)
    start(world, cluster())
    world.answers["a.test"] = ([], None)
    world.step()
    assert world.published[-1] == []


def test_empty_answer_leaves_logical_dns(world):
    world.answers["a.test"] = (["10.0.0.1", "10.0.0.2"], 30)
    start(world, cluster("LOGICAL_DNS"))
    assert world.published == [[("10.0.0.1", "a.test")]]
    world.answers["a.test"] = ([], None)
    world.step()
    assert len(world.published) == 1 and world.count("update_empty") == 1


def test_refresh_rate_ttl_and_jitter(world):
    world.answers["a.test"] = (["10.0.0.1"], 30)
    start(world, cluster())
    start(world, cluster(dnsRefreshRate="7s"))
    start(world, cluster(dnsRefreshRate="7s", respectDnsTtl=True))
    start(world, cluster(dnsRefreshRate="7s", dnsJitter="2s"))
    assert world.waits == [5.0, 7.0, 30.0, 9.0]


def test_failure_back_off(world):
    world.answers["a.test"] = ResolutionFailed("x")
    start(world, cluster(dnsFailureRefreshRate={"baseInterval": "1s", "maxInterval": "5s"}))
    for _ in range(4):
        world.step()
    assert world.waits == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_cluster_that_stays_the_same_is_not_disturbed(world):
    world.answers["a.test"] = (["10.0.0.1"], 30)
    start(world, cluster())
    start(world, cluster())
    assert world.count("update_attempt") == 1


def test_a_changed_cluster_keeps_its_addresses_until_it_knows_better(world):
    world.answers["a.test"] = (["10.0.0.1"], 30)
    start(world, cluster())
    world.answers["a.test"] = ResolutionFailed("x")
    start(world, cluster(names=["a.test", "10.0.0.7"]))
    assert world.published[-1] == [("10.0.0.1", "a.test"), ("10.0.0.7", "")]


def test_a_removed_cluster_is_not_asked_for(world):
    world.answers["a.test"] = (["10.0.0.1"], 30)
    start(world, cluster())
    start(world)
    world.step()
    assert world.count("update_attempt") == 1 and world.updater.clusters == {}


def test_static_clusters_are_left_alone(world):
    start(world, cluster("STATIC", ["10.0.0.1"]))
    assert world.published == [] and world.updater.wait_first(0.1)


def test_wait_for_warm_on_init_false(world):
    world.answers["a.test"] = (["10.0.0.1"], 30)
    waiting = gevent.event.Event()
    world.resolve = lambda name, family: waiting.wait()
    start(world, cluster(waitForWarmOnInit=False))
    assert world.updater.wait_first(0.05)
    start(world, cluster())
    assert not world.updater.wait_first(0.05)


def test_hostname_of_the_endpoint_wins(world):
    world.answers["a.test"] = (["10.0.0.1"], 30)
    proto = cluster()
    proto.load_assignment.endpoints[0].lb_endpoints[0].endpoint.hostname = "named.test"
    start(world, proto)
    assert world.published == [[("10.0.0.1", "named.test")]]
