"""Route tables and requests for unit tests, without a proxy around them."""
from google.protobuf import json_format

from gmosn.config.descriptors import message_class, pool
from gmosn.headers import RequestHead
from gmosn.proxy.route import RouteTable
from gmosn.registry import ExtensionRegistry, FactoryContext
from gmosn.upstream.cluster import ClusterSlot

ROUTE_CONFIGURATION = "envoy.config.route.v3.RouteConfiguration"


class KnownClusters:
    """Clusters by name alone: every name in `names` exists."""

    def __init__(self, names):
        self.names = set(names)
        self.slots = {}

    def get(self, name):
        return name if name in self.names else None

    def slot(self, name):
        if name not in self.slots:
            self.slots[name] = ClusterSlot(name)
        return self.slots[name]


def unpack(any_config):
    """The message in a google.protobuf.Any, of the private pool."""
    full_name = any_config.type_url.rpartition("/")[2]
    return message_class(full_name).FromString(any_config.value)


def context(clusters=("c0", "c1", "c2"), table=None, **more):
    return FactoryContext(clusters=KnownClusters(clusters), extensions=ExtensionRegistry(table or {}), unpack=unpack,
                          validating=True, **more)


def message(full_name, values):
    """A message of the private pool from a dict in JSON form."""
    return json_format.ParseDict(values, message_class(full_name)(), descriptor_pool=pool())


def table(*virtual_hosts, clusters=("c0", "c1", "c2"), extensions=None, **fields):
    """A RouteTable of VirtualHost dicts."""
    proto = message(ROUTE_CONFIGURATION, {"name": "local", "virtual_hosts": list(virtual_hosts), **fields})
    return RouteTable.from_proto(proto, context(clusters, extensions))


def host(*routes, name="vh", domains=("*",), **fields):
    return {"name": name, "domains": list(domains), "routes": list(routes), **fields}


def to(cluster, match="/", **fields):
    """A Route dict to a cluster; `match`: a prefix or a RouteMatch dict; `fields`: of the RouteAction."""
    return {"match": {"prefix": match} if isinstance(match, str) else match, "route": {"cluster": cluster, **fields}}


def request(path="/", authority="example.com", method="GET", scheme="http", **headers):
    """A RequestHead; keywords are headers with "_" for "-"."""
    head = RequestHead()
    head.method, head.authority, head.scheme = method.encode(), authority.encode(), scheme.encode()
    head.path = path.encode("latin-1") if path is not None else None
    if "x_forwarded_proto" not in headers:
        head.set(b"x-forwarded-proto", scheme.encode())
    for name, value in headers.items():
        for one in value if isinstance(value, list) else [value]:
            head.add(name.replace("_", "-").encode(), one.encode("latin-1"))
    return head
