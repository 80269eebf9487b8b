"""The message inside a google.protobuf.Any, with TypedStructs resolved to the type that they stand for."""
from google.protobuf.message import DecodeError

from gmosn.config import descriptors
from gmosn.config.fill import TYPED_STRUCTS, Filler
from gmosn.config.well_known import struct_to_python
from gmosn.errors import ConfigError, ConfigErrors


class UnpackError(ConfigError):
    """The Any holds a type that nobody knows, or bytes that are not of that type."""


def unpack(any_message):
    """The message in an Any; None when the Any is empty. Raises ConfigError or ConfigErrors.

    It does not apply validate.rules: that has been done for the whole resource before anything is built from it.
    """
    if not any_message.type_url:
        return None
    return _resolve(_parse(any_message))


def _parse(any_message):
    full_name = any_message.type_url.rpartition("/")[2]
    cls = descriptors.find_class(full_name)
    if cls is None:
        raise UnpackError(f"Didn't find a registered implementation for type URL: '{full_name}'")
    try:
        return cls.FromString(any_message.value)
    except DecodeError as exc:
        raise UnpackError(f"Unable to unpack as {full_name}: {exc}") from None


def _resolve(message):
    if message.DESCRIPTOR.full_name not in TYPED_STRUCTS:
        return message
    full_name = message.type_url.rpartition("/")[2]
    cls = descriptors.find_class(full_name)
    if cls is None:
        raise UnpackError(f"Didn't find a registered implementation for type URL: '{full_name}'")
    inner = cls()
    filler = Filler(check_support=False)
    filler.fill(struct_to_python(message.value), inner)
    if filler.errors:
        raise ConfigErrors(filler.errors).under("value")
    return _resolve(inner)
