"""The private descriptor pool."""
import subprocess
import sys

import pytest

from gmosn.config import descriptors


def test_bootstrap_is_a_message_class():
    bootstrap = descriptors.message_class("envoy.config.bootstrap.v3.Bootstrap")()
    bootstrap.node.id = "n"
    assert type(bootstrap).FromString(bootstrap.SerializeToString()).node.id == "n"


def test_every_message_of_the_set_loads():
    names = descriptors.database().messages
    assert len(names) > 1400
    for name in names:
        assert descriptors.message_class(name).DESCRIPTOR.full_name == name


def test_well_known_types_keep_their_helpers():
    cluster = descriptors.message_class("envoy.config.cluster.v3.Cluster")()
    cluster.connect_timeout.FromMilliseconds(250)
    assert cluster.connect_timeout.ToMilliseconds() == 250


def test_the_options_of_descriptors_can_be_read_first():
    script = ("from gmosn.config import descriptors\n"
              "print(descriptors.message_class('google.protobuf.FieldOptions').DESCRIPTOR.name)")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "FieldOptions\n"


def test_own_messages_are_there():
    python_filter = descriptors.message_class("gmosn.filters.http.python.v1.PythonFilter")(module="m", name="f")
    python_filter.config["a"] = 1
    assert python_filter.config["a"] == 1


def test_unknown_and_v2_types_are_not():
    assert descriptors.find_class("nope.Nope") is None
    assert descriptors.find_class("envoy.config.filter.network.tcp_proxy.v2.TcpProxy") is None
    with pytest.raises(KeyError):
        descriptors.message_class("envoy.config.bootstrap.v3.Bootstrapp")


def test_an_enum_is_not_a_message():
    assert descriptors.find_class("envoy.config.cluster.v3.Cluster.DiscoveryType") is None


def test_wrong_blob_is_refused():
    with pytest.raises(descriptors.DescriptorsMissing):
        descriptors.DescriptorFiles(b"hello")


def test_the_default_pool_stays_untouched():
    """Another package may bring its own envoy.* protos: importing ours must not claim the names."""
    script = ("from gmosn.config import descriptors; descriptors.message_class('envoy.config.bootstrap.v3.Bootstrap')\n"
              "from google.protobuf import descriptor_pool\n"
              "try: descriptor_pool.Default().FindMessageTypeByName('envoy.config.bootstrap.v3.Bootstrap')\n"
              "except KeyError: print('clean')")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "clean\n"
