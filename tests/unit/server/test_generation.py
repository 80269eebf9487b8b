import pytest

from gmosn.config.loader import load_text
from gmosn.server import messages as m
from gmosn.server.generation import bare_bootstrap, contents_of, digest_of, resources_of
from gmosn.xds.registry import CLUSTER, KINDS, LISTENER, Registry, Resource

BOOTSTRAP = """
node: {id: some-node}
static_resources:
  clusters:
  - {name: one, type: STATIC}
  - {name: two, type: STATIC}
"""


@pytest.fixture
def bootstrap():
    return load_text(BOOTSTRAP).message


def registry(bootstrap, version=""):
    made = Registry(lambda snapshot, resources: None)
    made.load([Resource(CLUSTER, cluster.name, cluster, version=version) for cluster in bootstrap.static_resources.clusters])
    return made


def contents(bootstrap, **more):
    return contents_of(registry(bootstrap, **more).snapshot, KINDS, bare_bootstrap(bootstrap), 5, {"one": b"wire"})


def test_a_generation_survives_its_memory_file(bootstrap):
    here = contents(bootstrap)
    there = m.decode(m.encode(here))
    assert there == here
    found = resources_of(there)
    assert [(one.kind, one.name, one.origin) for one in found] == [(CLUSTER, "one", "static"), (CLUSTER, "two", "static")]
    assert found[0].message == bootstrap.static_resources.clusters[0]
    assert there.assignments == {"one": b"wire"} and there.loaded_us == 5


def test_the_bare_bootstrap_has_no_static_resources(bootstrap):
    bare = type(bootstrap).FromString(bare_bootstrap(bootstrap))
    assert bare.node.id == "some-node" and not bare.HasField("static_resources")
    assert bootstrap.HasField("static_resources")


def test_the_digest_says_whether_the_same_is_served(bootstrap):
    before = digest_of(contents(bootstrap))
    assert digest_of(contents(bootstrap, version="2")) == before
    bootstrap.static_resources.clusters[1].connect_timeout.seconds = 9
    assert digest_of(contents(bootstrap)) != before


def test_the_digest_knows_kinds_and_borders_of_names():
    def of(*resources):
        return digest_of(m.Contents(1, 0, b"", [[kind, name, wire, "", "", 0] for kind, name, wire in resources], {}))
    same = {of((CLUSTER, "ab", b"c")), of((CLUSTER, "a", b"bc")), of((LISTENER, "ab", b"c")),
            of((CLUSTER, "ab", b"c"), (CLUSTER, "", b""))}
    assert len(same) == 4
