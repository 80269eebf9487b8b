"""Envoy's own file descriptors, read out of its binary: the truth that the overlay is compared with."""
import re

from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

START = re.compile(rb"\n([\x08-\x7f])([a-z0-9_]+/[a-z0-9_./]+\.proto)")
WIRE_STRING = 2
KNOWN = {1: WIRE_STRING, 2: WIRE_STRING, 3: WIRE_STRING, 4: WIRE_STRING, 5: WIRE_STRING, 6: WIRE_STRING, 7: WIRE_STRING,
         8: WIRE_STRING, 9: WIRE_STRING, 10: 0, 11: 0, 12: WIRE_STRING, 14: 0}     # FileDescriptorProto's fields


def read(path):
    """{proto path: FileDescriptorProto} of every serialized descriptor in an executable."""
    with open(path, "rb") as file:
        data = file.read()
    found = {}
    for match in START.finditer(data):
        name = match[2]
        if match[1][0] != len(name):
            name = name[:match[1][0]]
            if not name.endswith(b".proto"):
                continue
        try:
            file = descriptor_pb2.FileDescriptorProto.FromString(data[match.start():_end(data, match.start())])
        except DecodeError:
            continue
        if file.name == name.decode() and file.package:
            found.setdefault(file.name, file)
    return found


def _end(data, position):
    """Where the fields that a FileDescriptorProto may have end; their order in the file is that of protoc."""
    last = 0
    while True:
        start = position
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        order = {12: 12.5, 8: 12}.get(number, number)            # options (8) and syntax (12) come last
        if KNOWN.get(number) != kind or order < last:
            return start
        last = order
        length, position = _varint(data, position)
        if kind == WIRE_STRING:
            position += length


def _varint(data, position):
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128 or shift > 28:
            return value, position
        shift += 7
