"""A generation as bytes: from control's registry to the workers, and to the control process that replaces a dead
one."""
import hashlib

from gmosn.config.descriptors import message_class
from gmosn.server import messages as m
from gmosn.xds.registry import Resource

BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap"


def bare_bootstrap(bootstrap):
    """The serialized Bootstrap without its static resources, which travel one by one."""
    bare = message_class(BOOTSTRAP)()
    bare.CopyFrom(bootstrap)
    bare.ClearField("static_resources")
    return bare.SerializeToString()


def contents_of(snapshot, kinds, bare, loaded_us, assignments):
    """Contents for a registry's Snapshot. `kinds`: which resources; `bare`: bare_bootstrap(); `assignments`: from
    DNS."""
    resources = [[kind, one.name, one.wire, one.origin, one.version, int(one.updated_s * 1e6)]
                 for kind in kinds for one in snapshot.of(kind)]
    return m.Contents(snapshot.number, loaded_us, bare, resources, dict(assignments))


def resources_of(contents):
    """The registry Resources that a generation was made from."""
    return [Resource(kind, name, message_class(kind).FromString(wire), origin=origin, version=version,
                     updated_s=updated_us / 1e6)
            for kind, name, wire, origin, version, updated_us in contents.resources]


def digest_of(contents):
    """Equal for two generations that are served alike: resources by type, name and bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for kind, name, wire, *_ in contents.resources:
        for part in (kind.encode(), name.encode("utf-8", "surrogateescape"), wire):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
