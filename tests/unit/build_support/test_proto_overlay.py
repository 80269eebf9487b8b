"""The reader of overlay .proto files, used when the package is built."""
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from build_support.descriptors import rules_class
from build_support.proto_overlay import BuildError, Overlay, varint
from gmosn.config import descriptors

def merged(text, path="base.proto"):
    base = descriptor_pb2.FileDescriptorProto(name="base.proto", package="base", syntax="proto3")
    files = {"base.proto": base}
    message = base.message_type.add(name="Old")
    message.field.add(name="kept", number=1, type=9, label=1)
    overlay = Overlay(files, rules_class(descriptors.database().FindFileByName("validate/validate.proto")))
    overlay.apply(path, text)
    overlay.finish()
    return files


def test_fields_are_added_to_a_message_that_exists():
    files = merged("message Old { repeated New more = 2; message Inner { Kind kind = 1; } Inner inner = 3; }\n"
                   "message New { map<string, Old.Inner> by_name = 1; oneof one { string a = 2; uint32 b = 3; } }\n"
                   "enum Kind { NONE = 0; SOME = 1; }")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(files["base.proto"])
    old = message_factory.GetMessageClass(pool.FindMessageTypeByName("base.Old"))
    message = old(kept="k", more=[{"by_name": {"x": {"kind": 1}}, "b": 4}], inner={"kind": "SOME"})
    assert message.more[0].WhichOneof("one") == "b"
    assert message.more[0].by_name["x"].kind == message.inner.kind == 1


def test_rules_and_deprecation_become_options():
    files = merged('message Old { string s = 2 [deprecated = true, '
                   '(validate.rules).string = {min_len: 3, in: ["abc"]}]; }')
    options = files["base.proto"].message_type[0].field[1].options
    assert options.deprecated
    known = descriptors.message_class("google.protobuf.FieldOptions").FromString(options.SerializeToString())
    rules = known.Extensions[descriptors.pool().FindExtensionByName("validate.rules")]
    assert rules.string.min_len == 3 and list(getattr(rules.string, "in")) == ["abc"]


def test_a_type_of_another_file_adds_the_import():
    files = merged('package other; message User { base.Old old = 1; }', "other.proto")
    assert list(files["other.proto"].dependency) == ["base.proto"]


@pytest.mark.parametrize("text", [
    "message Old { string s = 1; }", "message Old { Nope n = 5; }", "service X {}", "message Old { string s 5; }",
    "message Old { string s = 5 [json_name = \"x\"]; }", "$"])
def test_what_does_not_fit_is_an_error(text):
    with pytest.raises(BuildError):
        merged(text)


def test_varint():
    assert varint(300) == b"\xac\x02"
