import json
from types import SimpleNamespace

import pytest

from gmosn.cli import parse
from gmosn.config.bind_plan import bind_plans
from gmosn.config.descriptors import message_class
from gmosn.config.loader import load_text
from gmosn.observe.log import Logs
from gmosn.observe.stats import Segment, Stats
from gmosn.server import messages as m
from gmosn.server.control_backend import ControlBackend, node_of
from gmosn.server.state import ServerState
from gmosn.xds.registry import ASSIGNMENT, CLUSTER, LISTENER, Registry, Rejection, Resource
from tests.helpers.configs import bootstrap, cluster, direct, hcm, listener


class Recorder:
    """Stands for channels: what was sent."""

    def __init__(self):
        self.sent = []

    def send(self, message):
        self.sent.append(message)


@pytest.fixture
def control(tmp_path):
    config = bootstrap([listener(hcm(direct(body="x")))], [cluster("c0", 81)], node={"id": "own", "cluster": "family"})
    message = load_text(json.dumps(config)).message
    registry = Registry(lambda snapshot, resources: None, clock=lambda: 7.0)
    static = message.static_resources
    registry.load([Resource(CLUSTER, "c0", static.clusters[0]), Resource(LISTENER, "listener_0", static.listeners[0])])
    workers = Recorder()
    workers.pids = [11, 12]
    (plan,) = bind_plans(static.listeners[0])
    drains = []
    return SimpleNamespace(
        drains=drains, drain_listeners=lambda *how: drains.append(how),
        options=parse(["-c", "x"]), bootstrap=message, registry=registry, state=ServerState(), stats=Stats(Segment.local()),
        logs=Logs(path=str(tmp_path / "log")), loaded_us=5_000_000, readers=["reader"], workers=workers, channel=Recorder(),
        start=m.Start(-1, 2, 0, supervisor_pid=10), assignments={}, addresses={plan["key"]: ["127.0.0.1", 4711]})


def test_static_resources_as_entries(control):
    backend = ControlBackend(control)
    for kind, name in (("cluster", "c0"), ("listener", "listener_0"), ("route", "local_route")):
        (entry,) = backend.entries(kind)
        assert (entry.name, entry.dynamic, entry.updated_s, entry.state, entry.error) == (name, False, 7.0, "active", None)
    assert backend.entries("secret") == []
    assert backend.entries("route")[0].message.virtual_hosts[0].name == "all"


def test_endpoints_are_those_of_dns_once_they_are_known(control):
    backend = ControlBackend(control)

    def port():
        (entry,) = backend.entries("endpoint")
        assert entry.name == entry.message.cluster_name == "c0"
        return entry.message.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value
    assert port() == 81
    found = message_class(ASSIGNMENT)()
    found.endpoints.add().lb_endpoints.add().endpoint.address.socket_address.port_value = 82
    control.assignments["c0"] = found.SerializeToString()
    assert port() == 82


def test_rejections_are_shown_even_of_what_was_never_accepted(control):
    control.registry.rejections[CLUSTER, "c0"] = Rejection("broken", "2", 9.0)
    control.registry.rejections[CLUSTER, "new"] = Rejection("broken too", "3", 9.5)
    known, unknown = ControlBackend(control).entries("cluster")
    assert known.error == ("broken", "2", 9.0) and known.message is not None
    assert (unknown.name, unknown.message, unknown.error) == ("new", None, ("broken too", "3", 9.5))


def test_addresses_are_those_that_were_bound(control):
    backend = ControlBackend(control)
    assert [str(address) for address in backend.listener_addresses("listener_0")] == ["127.0.0.1:4711"]
    assert backend.listener_addresses("nope") == []


def test_commands_reach_everybody_whom_they_concern(control):
    backend = ControlBackend(control)
    backend.set_health(False)
    assert control.state.health_failed and control.workers.sent == control.channel.sent == [m.SetHealth(True)]
    backend.set_log_levels({"main": 1})
    assert control.logs.get("main").level == 1
    assert control.workers.sent[-1] == control.channel.sent[-1] == m.LogLevels({"main": 1})
    backend.reopen_logs()
    backend.quit()
    assert control.channel.sent[-2:] == [m.ReopenLogs(), m.Quit()]
    backend.drain_listeners(True, False, True)
    assert control.drains == [(True, False, True)]
    control.state.start_drain()
    assert backend.entries("listener")[0].state == "draining"


def test_processes_and_node(control):
    backend = ControlBackend(control)
    assert backend.worker_pids() == [10, 11, 12] and backend.readers() == ["reader"] and backend.loaded_s == 5.0
    assert (backend.node.id, backend.node.cluster, backend.node.user_agent_name) == ("own", "family", "gmosn")
    given = parse(["-c", "x", "--service-node", "n2", "--service-cluster", "c2", "--service-zone", "z2"])
    node = node_of(control.bootstrap, given)
    assert (node.id, node.cluster, node.locality.zone) == ("n2", "c2", "z2")
    assert control.bootstrap.node.id == "own"


def test_not_ready_before_the_workers_are(control):
    backend = ControlBackend(control)
    assert backend.unready_targets() == ["workers"]
    control.state.initialized = True
    assert backend.unready_targets() == []
