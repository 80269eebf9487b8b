"""Clusters from short protos, against servers in this hub."""
import gevent
from gevent.server import StreamServer
from google.protobuf import json_format

from gmosn.config.descriptors import message_class, pool
from gmosn.config.unpack import unpack
from gmosn.extensions import extension_table
from gmosn.io.address import Address
from gmosn.io.wheel import Wheel
from gmosn.observe.stats import Segment, Stats
from gmosn.registry import ExtensionRegistry, FactoryContext
from gmosn.stream_info import ConnectionInfo, StreamInfo
from gmosn.upstream.clusters import Clusters

CLUSTER = message_class("envoy.config.cluster.v3.Cluster")
ASSIGNMENT = message_class("envoy.config.endpoint.v3.ClusterLoadAssignment")
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def context(**changes):
    """A FactoryContext as a worker has it, without a server around it."""
    made = FactoryContext(stats=Stats(Segment.local()), wheel=Wheel(gevent.get_hub().loop), unpack=unpack,
                          extensions=ExtensionRegistry(extension_table()))
    made.clusters = Clusters(made)
    return made.replace(**changes)


def load_assignment(*endpoints):
    """ClusterLoadAssignment in JSON. An endpoint: port, (ip, port), "/path" or the whole LbEndpoint as a dict."""
    out = []
    for endpoint in endpoints:
        if isinstance(endpoint, int):
            endpoint = ("127.0.0.1", endpoint)
        if isinstance(endpoint, tuple):
            address, port = endpoint
            endpoint = {"endpoint": {"address": {"socketAddress": {"address": address, "portValue": port}}}}
        elif isinstance(endpoint, str):
            endpoint = {"endpoint": {"address": {"pipe": {"path": endpoint}}}}
        out.append(endpoint)
    return {"clusterName": "c", "endpoints": [{"lbEndpoints": out}]}


def assignment(*endpoints):
    return json_format.ParseDict(load_assignment(*endpoints), ASSIGNMENT())


def cluster_proto(*endpoints, http=None, **fields):
    """A Cluster message named "c"; `http`: HttpProtocolOptions in JSON without @type; `fields`: lowerCamel JSON."""
    fields.setdefault("name", "c")
    fields.setdefault("loadAssignment", load_assignment(*endpoints))
    if http is not None:
        plain = {"@type": f"type.googleapis.com/{HTTP_OPTIONS}", "explicitHttpConfig": {"httpProtocolOptions": {}}}
        fields["typedExtensionProtocolOptions"] = {HTTP_OPTIONS: plain | http}
    return json_format.ParseDict(fields, CLUSTER(), descriptor_pool=pool())


def stream_info():
    address = Address.parse("127.0.0.1", 1)
    return StreamInfo(ConnectionInfo(address, address))


class Sink:
    """A TCP server in this hub that reads and answers nothing; `connections` are its accepted gevent sockets."""

    def __init__(self, address=("127.0.0.1", 0)):
        self.connections = []
        self.server = StreamServer(address, self._keep)
        self.server.start()
        self.port = self.server.server_port if isinstance(address, tuple) else 0

    def _keep(self, sock, peer):
        self.connections.append(sock)
        gevent.sleep(3600)               # sleeps: the server would close the socket when this returns

    def stop(self):
        self.server.stop(timeout=0)
        for sock in self.connections:
            sock.close()
