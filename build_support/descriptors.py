"""Builds gmosn/config/descriptors.bin: xds-protos' descriptors and our overlay in one compressed, indexed blob.

xds-protos is needed while building only: at run time it would overwrite files of other packages (`opentelemetry`,
`google`, `test`). Its descriptors are read out of its generated modules as text; nothing of it is imported. It comes
from `GMOSN_XDS_PROTOS` (a wheel or a directory), else the installed build requirement, else from pip (a wheel).

Layout, read by gmosn/config/descriptors.py: b"GMDESC1\\n", 4 bytes big-endian length of the index, the index (zlib of:
{"files": [[path, offset, length, [symbols that it defines]]], "messages": [full names]}), then zlib of all
FileDescriptorProtos end to end.
"""
import ast
import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
import zlib
from importlib import metadata
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from build_support.proto_overlay import BuildError, Overlay, symbols_of

HERE = Path(__file__).resolve().parent.parent
TARGET = HERE / "gmosn" / "config" / "descriptors.bin"
OVERLAY = HERE / "gmosn" / "config" / "overlay"
XDS_PROTOS = "xds-protos==1.85.0"
MAGIC = b"GMDESC1\n"
SERIALIZED = re.compile(r"AddSerializedFile\((b'.*')\)")
# v3 of Envoy's own, what it imports, and what annotations need; v2 is left out: Envoy does not know it any more.
WANTED = re.compile(r"envoy/.*/v3(alpha)?/|envoy/annotations/|xds/|udpa/|validate/|google/rpc/status\.proto")


def build(cache=None):
    """Writes `TARGET` unless it is up to date. `cache`: a directory that keeps built blobs by key, or None."""
    kept = cache and Path(cache) / f"descriptors.{source_key()}.bin"
    if kept and kept.exists():
        blob = kept.read_bytes()
    else:
        blob = pack(read_files(find_sources()))
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(blob)
    if not TARGET.exists() or TARGET.read_bytes() != blob:
        TARGET.write_bytes(blob)


def source_key():
    """Hash of what the blob depends on."""
    digest = hashlib.sha256(XDS_PROTOS.encode())
    for path in sorted([*Path(__file__).parent.glob("*.py"), *OVERLAY.rglob("*.proto")]):
        digest.update(path.relative_to(HERE).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def find_sources():
    """{module path: text} of xds-protos' generated modules."""
    given = os.environ.get("GMOSN_XDS_PROTOS")
    if given:
        return read_wheel(given) if given.endswith(".whl") else read_directory(Path(given))
    try:
        installed = metadata.distribution("xds-protos")
    except metadata.PackageNotFoundError:
        return read_wheel(download())
    return {str(path): installed.locate_file(path).read_text() for path in installed.files
            if path.name.endswith("_pb2.py")}


def read_wheel(path):
    with zipfile.ZipFile(path) as wheel:
        return {name: wheel.read(name).decode() for name in wheel.namelist() if name.endswith("_pb2.py")}


def read_directory(path):
    return {str(module): module.read_text() for module in path.rglob("*_pb2.py")}


def download():
    """The wheel, fetched by pip into build/."""
    folder = HERE / "build" / "xds-protos"
    if not any(folder.glob("*.whl")):
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:",
                        "-d", str(folder), XDS_PROTOS], check=True)
    return str(next(folder.glob("*.whl")))


def read_files(sources):
    """{path: FileDescriptorProto} of the wanted files, what they import (but google/protobuf) and the overlay."""
    found = {}
    for text in sources.values():
        match = SERIALIZED.search(text)
        if match:
            file = descriptor_pb2.FileDescriptorProto.FromString(ast.literal_eval(match[1]))
            found[file.name] = file
    if "validate/validate.proto" not in found:
        raise BuildError(f"no descriptors found in {XDS_PROTOS}")
    files = {}
    todo = sorted(name for name in found if WANTED.match(name))
    while todo:
        name = todo.pop()
        if name in found and name not in files:
            files[name] = found[name]
            todo.extend(found[name].dependency)
    overlay = Overlay(files, rules_class(found["validate/validate.proto"]))
    for path in sorted(OVERLAY.rglob("*.proto")):
        overlay.apply(path.relative_to(OVERLAY).as_posix(), path.read_text())
    overlay.finish()
    return files


def rules_class(validate_proto):
    """The message class of validate.FieldRules in a pool of its own."""
    pool = descriptor_pool.DescriptorPool()
    for name in ("descriptor", "duration", "timestamp"):
        module = __import__(f"google.protobuf.{name}_pb2", fromlist=["DESCRIPTOR"])
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.Add(validate_proto)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("validate.FieldRules"))


def pack(files):
    """The blob of {path: FileDescriptorProto}."""
    index, messages, body, offset = [], [], [], 0
    for path, file in sorted(files.items()):
        data = file.SerializeToString(deterministic=True)
        scope = f"{file.package}." if file.package else ""
        messages.extend(name for name, is_enum in symbols_of(file) if not is_enum)
        top = [scope + one.name for one in (*file.message_type, *file.enum_type, *file.extension, *file.service)]
        index.append([path, offset, len(data), top])
        body.append(data)
        offset += len(data)
    head = zlib.compress(json.dumps({"files": index, "messages": sorted(messages)}, separators=(",", ":")).encode(), 9)
    return MAGIC + len(head).to_bytes(4, "big") + head + zlib.compress(b"".join(body), 9)
