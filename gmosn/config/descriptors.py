"""Envoy's (and gmosn's own) message classes, in a private DescriptorPool over one compressed blob.

The pool is private so that no other package's protos can clash with ours and none of ours with theirs. It reads a
file's descriptors when they are first needed: Bootstrap and all it imports take 20 ms. build_support/descriptors.py
makes the blob and describes its layout. google/protobuf/*.proto come from the installed protobuf package.
"""
import importlib
import json
import zlib
from functools import cache

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

BLOB = f"{__file__.rpartition('/')[0]}/descriptors.bin"
MAGIC = b"GMDESC1\n"


class DescriptorsMissing(Exception):
    """descriptors.bin is not there or not one of ours: the package was not built."""


class DescriptorFiles:
    """What DescriptorPool asks for FileDescriptorProtos: a "descriptor database" over the blob."""

    def __init__(self, blob):
        if not blob.startswith(MAGIC):
            raise DescriptorsMissing(f"{BLOB} is not a descriptor set of gmosn (run `make build`)")
        start = len(MAGIC) + 4
        size = int.from_bytes(blob[len(MAGIC):start], "big")
        index = json.loads(zlib.decompress(blob[start:start + size]))
        self._body = zlib.decompress(blob[start + size:])
        self._places = {path: (offset, length) for path, offset, length, _ in index["files"]}
        self._homes = {symbol: path for path, _, _, symbols in index["files"] for symbol in symbols}
        self.messages = frozenset(index["messages"])

    def FindFileByName(self, name):
        place = self._places.get(name)
        if place is None:
            return _well_known(name)
        return descriptor_pb2.FileDescriptorProto.FromString(self._body[place[0]:sum(place)])

    def FindFileContainingSymbol(self, symbol):
        scope = symbol
        while scope:
            path = self._homes.get(scope)
            if path is not None:
                return self.FindFileByName(path)
            scope = scope.rpartition(".")[0]         # a nested message, or a member of something
        if symbol.startswith("google.protobuf."):
            return _well_known(WELL_KNOWN_HOMES.get(symbol.split(".")[2], "google/protobuf/descriptor.proto"))
        raise KeyError(symbol)


WELL_KNOWN_HOMES = {"Any": "google/protobuf/any.proto", "Duration": "google/protobuf/duration.proto",
                    "Timestamp": "google/protobuf/timestamp.proto", "Empty": "google/protobuf/empty.proto",
                    "FieldMask": "google/protobuf/field_mask.proto"}
WELL_KNOWN_HOMES.update(dict.fromkeys(("Struct", "Value", "ListValue", "NullValue"), "google/protobuf/struct.proto"))
WELL_KNOWN_HOMES.update({f"{kind}Value": "google/protobuf/wrappers.proto" for kind in (
    "Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")})


def _well_known(name):
    if not name or not name.startswith("google/protobuf/"):
        raise KeyError(name)
    module = importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    return descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)


@cache
def database():
    """The one DescriptorFiles of the process: immutable once read."""
    try:
        with open(BLOB, "rb") as file:
            return DescriptorFiles(file.read())
    except FileNotFoundError:
        raise DescriptorsMissing(f"{BLOB} is missing: the package was not built (run `make build`)") from None


@cache
def pool():
    """The private DescriptorPool. Message types of it do not mix with those of generated *_pb2 modules."""
    return descriptor_pool.DescriptorPool(database())


@cache
def message_class(full_name):
    """The class of a message such as "envoy.config.bootstrap.v3.Bootstrap"; KeyError when there is none."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(full_name))


def find_class(full_name):
    """As message_class, but None when there is no such message."""
    try:
        return message_class(full_name)
    except KeyError:
        return None
