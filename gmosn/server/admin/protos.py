"""Protos as the admin prints them: JSON with proto field names, secrets blanked, field masks applied."""
from functools import cache

from google.protobuf import any_pb2, field_mask_pb2, json_format

from gmosn.config.descriptors import message_class, pool

PREFIX = "type.googleapis.com/"


def to_json(message, defaults=False):
    """The dict for json.dumps. `defaults`: also what is not set. An Any of a type that we do not know stays opaque."""
    return json_format.MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=pool(),
                                     always_print_fields_with_no_presence=defaults)


def pack(message):
    """An Any of the private pool around `message`."""
    out = message_class("google.protobuf.Any")()
    out.type_url = PREFIX + message.DESCRIPTOR.full_name
    out.value = message.SerializeToString(deterministic=True)
    return out


def unpack_any(value):
    """The message in an Any, or None when its type is unknown."""
    try:
        message = message_class(value.type_url.rpartition("/")[2])()
    except KeyError:
        return None
    message.ParseFromString(value.value)
    return message


def trim(message, mask):
    """Keeps only what the comma-separated mask names. False when the mask does not fit the message."""
    fields = field_mask_pb2.FieldMask()
    fields.FromJsonString("")
    fields.paths.extend(path for path in mask.split(",") if path)
    if not fields.IsValidForDescriptor(message.DESCRIPTOR):
        return False
    kept = type(message)()
    fields.MergeMessage(message, kept)
    message.CopyFrom(kept)
    return True


def trim_resource(message, mask):
    """As trim, for an element of a dump: paths may lead into its one Any, "cluster.name,last_updated"."""
    outer, inner, any_name = [], [], None
    for path in mask.split(","):
        first, _, rest = path.partition(".")
        field = message.DESCRIPTOR.fields_by_name.get(first)
        if _holds_any(field):
            any_name = first
            outer.append(first)
            if rest:
                inner.append(rest)
        else:
            outer.append(path)
    if any_name is not None and inner and message.HasField(any_name):
        held = getattr(message, any_name)
        content = unpack_any(held)
        if content is None or not trim(content, ",".join(inner)):
            return False
        held.value = content.SerializeToString()
    return trim(message, ",".join(outer))


def _holds_any(field):
    return (field is not None and field.message_type is not None and not field.is_repeated
            and field.message_type.full_name == any_pb2.Any.DESCRIPTOR.full_name)


@cache
def _sensitive_fields(full_name):
    """Names of a message type's fields that the API marks as secret."""
    descriptor = message_class(full_name).DESCRIPTOR
    return frozenset(field.name for field in descriptor.fields
                     if _varint(76569463 << 3) in field.GetOptions().SerializeToString())


def _varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def redact(message, secret=False):
    """Blanks every secret inside, also within Any: text and bytes become [redacted], numbers go."""
    if message.DESCRIPTOR.full_name == "google.protobuf.Any":
        content = unpack_any(message)
        if content is not None:
            redact(content, secret)
            message.value = content.SerializeToString(deterministic=True)
        return
    marked = _sensitive_fields(message.DESCRIPTOR.full_name)
    for field, value in message.ListFields():
        hide = secret or field.name in marked
        if field.message_type is not None:
            _redact_messages(field, value, hide)
        elif hide:
            _blank(message, field, value)


def _redact_messages(field, value, hide):
    if not field.is_repeated:
        redact(value, hide)
    elif not field.message_type.GetOptions().map_entry:
        for item in value:
            redact(item, hide)
    elif field.message_type.fields_by_name["value"].message_type is not None:
        for item in value.values():
            redact(item, hide)
    elif hide:
        for key in list(value):
            value[key] = "[redacted]"


def _blank(message, field, value):
    texts = {field.TYPE_STRING: "[redacted]", field.TYPE_BYTES: b"[redacted]"}
    if field.type not in texts:
        message.ClearField(field.name)
    elif field.is_repeated:
        value[:] = [texts[field.type]] * len(value)
    else:
        setattr(message, field.name, texts[field.type])
