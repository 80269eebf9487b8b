"""The registry: whole changes or none, the last good snapshot stays."""
import pytest

from gmosn.config.descriptors import message_class
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.xds.registry import CLUSTER, KINDS, LISTENER, SECRET, Registry, Resource


def cluster(name, timeout_s=1, **more):
    message = message_class(CLUSTER)(name=name)
    message.connect_timeout.seconds = timeout_s
    return Resource(CLUSTER, name, message, **more)


def listener(name, **more):
    return Resource(LISTENER, name, message_class(LISTENER)(name=name), **more)


class Check:
    """Records what it was given; refuses what is named bad."""

    def __init__(self):
        self.calls = []

    def __call__(self, snapshot, resources):
        self.calls.append([resource.name for resource in resources])
        errors = [ConfigError("is bad", (*resource.path, "name")) for resource in resources if "bad" in resource.name]
        if errors:
            raise ConfigErrors(errors)


@pytest.fixture
def check():
    return Check()


@pytest.fixture
def registry(check):
    registry = Registry(check, clock=lambda: 1000.0)
    registry.load([listener("l0"), cluster("c0"), cluster("c1")])
    return registry


def names(registry, kind=CLUSTER):
    return [resource.name for resource in registry.snapshot.of(kind)]


def test_static_resources_are_checked_in_the_order_in_which_they_are_needed(registry, check):
    assert check.calls == [["c0", "c1", "l0"]]
    assert registry.snapshot.number == 1
    assert registry.snapshot.get(CLUSTER, "c0").updated_s == 1000.0
    assert registry.snapshot.get(CLUSTER, "c0").is_static
    assert KINDS.index(SECRET) < KINDS.index(CLUSTER) < KINDS.index(LISTENER)


def test_a_load_that_fails_changes_nothing(check):
    registry = Registry(check)
    with pytest.raises(ConfigErrors):
        registry.load([cluster("bad")])
    assert registry.snapshot.number == 0 and names(registry) == []


def test_an_update_makes_the_next_snapshot_and_leaves_the_old_one_alone(registry, check):
    before = registry.snapshot
    after = registry.update(CLUSTER, [cluster("x", origin="cds")], (), "7", "cds")
    assert after is registry.snapshot and after.number == 2
    assert names(registry) == ["c0", "c1", "x"] and [one.name for one in before.of(CLUSTER)] == ["c0", "c1"]
    assert registry.versions == {(CLUSTER, "cds"): "7"}
    assert check.calls[-1] == ["x"]


def test_a_refused_update_keeps_the_last_good_and_says_why(registry):
    registry.update(CLUSTER, [cluster("x", origin="cds")], (), "1", "cds")
    good = registry.snapshot
    with pytest.raises(ConfigErrors):
        registry.update(CLUSTER, [cluster("y", origin="cds", path=("0",)), cluster("bad", origin="cds", path=("1",))],
                        ["x"], "2", "cds")
    assert registry.snapshot is good
    rejection = registry.rejections[CLUSTER, "bad"]
    assert rejection.version == "2" and "is bad" in rejection.text and rejection.at_s == 1000.0
    assert (CLUSTER, "y") not in registry.rejections


def test_a_good_update_clears_the_rejection(registry):
    registry.rejections[CLUSTER, "x"] = object()
    registry.update(CLUSTER, [cluster("x", origin="cds")], (), "3", "cds")
    assert registry.rejections == {}


def test_the_same_again_is_no_new_generation(registry, check):
    registry.update(CLUSTER, [cluster("x", origin="cds")], (), "1", "cds")
    before, checked = registry.snapshot, len(check.calls)
    assert registry.update(CLUSTER, [cluster("x", origin="cds")], ["unknown"], "2", "cds") is before
    assert registry.versions[CLUSTER, "cds"] == "2" and len(check.calls) == checked


def test_only_what_differs_is_checked(registry, check):
    registry.update(CLUSTER, [cluster("x", origin="cds"), cluster("y", origin="cds")], (), "1", "cds")
    registry.update(CLUSTER, [cluster("x", origin="cds"), cluster("y", 2, origin="cds")], (), "2", "cds")
    assert check.calls[-1] == ["y"]


def test_state_of_the_world_removes_what_it_does_not_name(registry):
    registry.replace(CLUSTER, [cluster("x", origin="cds"), cluster("y", origin="cds")], "1", "cds")
    registry.replace(CLUSTER, [cluster("y", origin="cds")], "2", "cds")
    assert names(registry) == ["c0", "c1", "y"]
    registry.replace(CLUSTER, [], "3", "cds")
    assert names(registry) == ["c0", "c1"]


def test_nobody_touches_what_another_one_brought(registry):
    with pytest.raises(ConfigError, match="Cluster 'c0' belongs to static"):
        registry.update(CLUSTER, [cluster("c0", origin="cds")], (), "1", "cds")
    with pytest.raises(ConfigError, match="belongs to static"):
        registry.update(CLUSTER, [], ["c0"], "1", "cds")
    assert names(registry) == ["c0", "c1"]


def test_repr_shows_the_state(registry):
    assert repr(registry.snapshot) == "<Snapshot 1: 2 Cluster, 1 Listener>"
    assert repr(cluster("x", origin="cds", version="7")) == "<Cluster 'x' cds version 7>"
