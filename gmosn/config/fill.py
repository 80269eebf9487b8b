"""Fills protobuf messages from YAML/JSON values: Envoy's leniency, every error of a file, each with its path.

Driven by one plan per message type, made on first use from its descriptor. The same pass notes deprecated fields and
those that gmosn does not implement (support_table.py), because it has to look at every field anyway.
"""
from functools import cache

from google.protobuf.descriptor import FieldDescriptor

from gmosn.config import descriptors
from gmosn.config.scalars import Mismatch, close_matches, converter, describe
from gmosn.config.support_table import DIFFERENT, IMPLEMENTED, REFUSED, built_in, difference, refusal, refused_type
from gmosn.config.well_known import filler
from gmosn.errors import ConfigError

DEPRECATED = "Deprecated field:"
NOT_A_MAPPING = "(unexpected character; expected '{')"   # Envoy's words
SCALAR, MESSAGE, SCALARS, MESSAGES, MAP = range(5)
DEFAULTS = {FieldDescriptor.CPPTYPE_STRING: "", FieldDescriptor.CPPTYPE_BOOL: False,
            FieldDescriptor.CPPTYPE_DOUBLE: 0.0, FieldDescriptor.CPPTYPE_FLOAT: 0.0}     # all others: 0
ANY = "google.protobuf.Any"
TYPED_STRUCTS = frozenset(("xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"))


class Field:
    """What filling needs to know about one field."""

    __slots__ = ("name", "kind", "convert", "key", "target", "oneof", "presence", "default", "flagged", "deprecated",
                 "status", "plan")

    def __init__(self, descriptor, status):
        self.name = descriptor.name
        oneof = descriptor.containing_oneof
        self.oneof = oneof.name if oneof is not None and len(oneof.fields) > 1 else None
        self.convert = self.key = self.target = self.plan = None
        self.presence = descriptor.has_presence
        self.default = b"" if descriptor.type == descriptor.TYPE_BYTES else DEFAULTS.get(descriptor.cpp_type, 0)
        message = descriptor.message_type
        if message is None:
            self.kind = SCALARS if descriptor.is_repeated else SCALAR
            self.convert = converter(descriptor)
        elif message.GetOptions().map_entry:
            self.kind = MAP
            self.key = converter(message.fields_by_name["key"])
            value = message.fields_by_name["value"]
            self.target = value.message_type
            self.convert = converter(value) if self.target is None else None
        else:
            self.kind = MESSAGES if descriptor.is_repeated else MESSAGE
            self.target = message
        self.deprecated = descriptor.GetOptions().deprecated
        self.status = status
        self.flagged = self.deprecated or status != IMPLEMENTED


class Plan:
    """How to fill one message type. `fields`: by snake_case and lowerCamel name."""

    __slots__ = ("name", "fields", "special", "special_takes_mapping")

    def __init__(self, descriptor, table):
        self.name = descriptor.full_name
        self.special, self.special_takes_mapping = filler(descriptor)
        self.fields = {}
        for one in descriptor.fields:
            field = Field(one, table.status(self.name, one.name))
            self.fields[one.json_name] = self.fields[one.name] = field


class Plans:
    """Plans by message type, for one support table. Immutable in effect: a cache of what descriptors say."""

    def __init__(self, table):
        self.table = table
        self._plans = {}

    def of(self, descriptor):
        plan = self._plans.get(descriptor.full_name)
        if plan is None:
            plan = self._plans[descriptor.full_name] = Plan(descriptor, self.table)
        return plan


@cache
def built_in_plans():
    return Plans(built_in())


class Filler:
    """Fills messages and collects what is wrong.

    `errors`: ConfigErrors with paths; `warnings`: (path, text), one per deprecated field; `anys`: (path, message) for
    every message put into an Any, in order, for the rules of validate.py. `allow_unknown`: unknown fields and enum
    names are warnings; `check_support`: refuse what gmosn does not implement.
    """

    def __init__(self, *, allow_unknown=False, check_support=True, plans=None):
        self.errors = []
        self.warnings = []
        self.anys = []
        self._allow_unknown = allow_unknown
        self._warned = set()
        self._muted = not check_support              # inside something refused, only the outermost is reported
        self._plans = plans or built_in_plans()
        self._optional = False                       # inside a filter that says is_optional

    def fill(self, value, message, path=None):
        """Fills `message` from `value`. `path`: linked (parent, key) pairs or None at the root."""
        self._message(self._plans.of(message.DESCRIPTOR), value, message, path)

    def error(self, path, text):
        self.errors.append(ConfigError(text, unlink(path)))

    def _message(self, plan, value, message, path, in_any=False):
        special = plan.special
        if special is not None and (type(value) is not dict or plan.special_takes_mapping):
            try:
                special(value, message)
            except Mismatch as exc:
                self.error(path, str(exc))
            return
        if type(value) is not dict:
            self.error(path, f"expected a mapping ({plan.name}), got {describe(value)} {NOT_A_MAPPING}")
            return
        if plan.name == ANY:
            self._any(value, message, path)
            return
        fields = plan.fields
        self._optional = "is_optional" in fields and (value.get("is_optional") or value.get("isOptional")) is True
        chosen = None
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                if not (in_any and key == "@type"):
                    self._unknown_field(plan, key, path)
                continue
            if item is None and not (field.target is not None and field.target.full_name == "google.protobuf.Value"):
                continue
            if field.oneof is not None:
                if chosen is None:
                    chosen = {}
                first = chosen.setdefault(field.oneof, key)
                if first != key:
                    self.error((path, key), f"'{field.name}' has already been set (either directly or as part of a "
                                            f"oneof): only one of '{first}' and '{key}' may be set")
                    continue
            if field.flagged and self._flagged(plan, field, item, (path, key)):
                self._muted = True
                self._field(field, item, message, (path, field.name))
                self._muted = False
            else:
                self._field(field, item, message, (path, field.name))

    def _field(self, field, value, message, path):
        """Sets one field of `message`."""
        kind = field.kind
        if kind == SCALAR:
            try:
                setattr(message, field.name, field.convert(value))
            except Mismatch as exc:
                self._mismatch(path, exc)
        elif kind == MESSAGE:
            inner = getattr(message, field.name)
            inner.SetInParent()
            self._message(self._plan(field), value, inner, path)
        elif kind == MAP:
            self._map(field, value, getattr(message, field.name), path)
        elif type(value) is not list:                # a lone item where a list is expected
            self._items(field, [value], getattr(message, field.name), path)
        else:
            self._items(field, value, getattr(message, field.name), path)

    def _plan(self, field):
        if field.plan is None:
            field.plan = self._plans.of(field.target)
        return field.plan

    def _items(self, field, values, container, path):
        if field.kind == MESSAGES:
            plan = self._plan(field)
            for index, item in enumerate(values):
                if type(item) is list and plan.special is None:
                    self._items(field, item, container, path)
                    continue
                inner = container.add()
                if item is not None:
                    self._message(plan, item, inner, (path, index))
            return
        convert = field.convert
        for index, item in enumerate(values):
            if type(item) is list:
                self._items(field, item, container, path)
                continue
            try:
                container.append(convert(item) if item is not None else field.default)
            except Mismatch as exc:
                self._mismatch((path, index), exc)

    def _map(self, field, value, container, path):
        if type(value) is not dict:
            self.error(path, f"expected a mapping, got {describe(value)} {NOT_A_MAPPING}")
            return
        for key, item in value.items():
            try:
                name = field.key(key)
                if field.target is None:
                    container[name] = field.convert(item)
                    continue
            except Mismatch as exc:
                self._mismatch((path, key), exc)
                continue
            inner = container[name]
            if item is not None:
                self._message(self._plan(field), item, inner, (path, key))

    def _any(self, value, message, path):
        """A mapping with "@type"; the other keys are the message's fields, or `value` for a well-known type."""
        if not value:
            return
        url = value.get("@type")
        if type(url) is not str:
            self.error(path, 'missing @type: a google.protobuf.Any needs "@type" (only an empty object may go without)'
                       if "@type" not in value else f"@type must be a string, got {describe(url)}")
            return
        host, slash, full_name = url.rpartition("/")
        if not slash or not host:
            self.error((path, "@type"), f"@type must contain at least one / and a nonempty host; got: {url}")
            return
        cls = descriptors.find_class(full_name)
        if cls is None:
            self.error((path, "@type"), unknown_type(url, full_name))
            return
        inner = cls()
        refused = not self._muted and full_name not in TYPED_STRUCTS and not self._plans.table.has_type(full_name)
        if refused:
            if self._optional:                       # Envoy leaves out what it has no implementation of, and so do we
                text = f"{refused_type(full_name)}; it is optional and left out"
                self.warnings.append((unlink((path, "@type")), text))
            else:
                self.error((path, "@type"), refused_type(full_name))
            self._muted = True
        self._inside_any(self._plans.of(cls.DESCRIPTOR), value, inner, path)
        if refused:
            self._muted = False
        message.type_url = url
        message.value = inner.SerializeToString(deterministic=True)
        if not refused:
            self.anys.append((path, inner))

    def _inside_any(self, plan, value, inner, path):
        if plan.special is not None or plan.name == ANY:
            for key in value:
                if key not in ("@type", "value"):
                    self.error((path, key), "fields in a well-known-typed Any must be @type or value")
            if value.get("value") is not None:
                self._message(plan, value["value"], inner, (path, "value"))
        elif plan.name in TYPED_STRUCTS:
            muted, self._muted = self._muted, True   # the wrapper itself needs no entry in the table
            self._message(plan, value, inner, path, True)
            self._muted = muted
            self._typed_struct(value, inner, path)
        else:
            self._message(plan, value, inner, path, True)

    def _typed_struct(self, value, wrapper, path):
        """Checks what a TypedStruct holds; the message keeps the wrapper, unpack() resolves it when it is used."""
        cls = descriptors.find_class(wrapper.type_url.rpartition("/")[2])
        content = value.get("value")
        if cls is None:
            self.error(path, f"Didn't find a registered implementation for type URL: '{wrapper.type_url}'")
        elif type(content) is dict:
            self._any({**content, "@type": f"type.googleapis.com/{cls.DESCRIPTOR.full_name}"},
                      descriptors.message_class(ANY)(), path)

    def _unknown_field(self, plan, key, path):
        names = [name for name, field in plan.fields.items() if name == field.name]
        close = close_matches(key, names, 1)
        hint = f" (did you mean '{close[0]}'?)" if close else ""
        self._unknown((path, key), f"no such field: '{key}' in {plan.name}{hint}")

    def _mismatch(self, path, exc):
        if exc.unknown:
            self._unknown(path, str(exc))
        else:
            self.error(path, str(exc))

    def _unknown(self, path, text):
        if self._allow_unknown:
            self.warnings.append((unlink(path), f"Unknown field: {text}"))
        else:
            self.error(path, text)

    def _flagged(self, plan, field, value, path):
        """Notes a deprecated or not implemented field. True when nothing below it is to be checked for support."""
        name = f"{plan.name}.{field.name}"
        if field.deprecated and name not in self._warned:
            self._warned.add(name)
            self.warnings.append((unlink(path), deprecated(name)))
        if self._muted or field.status == IMPLEMENTED or is_unset(field, value):
            return False
        if field.status == DIFFERENT:
            self.warnings.append((unlink(path), difference(plan.name, field.name)))
        elif field.status == REFUSED:
            self.error(path, refusal(plan.name, field.name))
        return True


def is_unset(field, value):
    """Whether a value given leaves the field as if it were absent."""
    if field.kind == SCALAR and not field.presence:
        try:
            return not field.convert(value)
        except Mismatch:
            return False
    return field.kind in (SCALARS, MESSAGES, MAP) and value in ([], {})


def deprecated(full_name):
    """The warning for a deprecated field, in Envoy's words."""
    return (f"{DEPRECATED} Using deprecated option '{full_name}'. This configuration will be removed from Envoy "
            "soon. Please see https://www.envoyproxy.io/docs/envoy/latest/version_history/version_history for details.")


def unknown_type(url, full_name):
    """The error for an @type that no descriptor has."""
    if ".v2." in full_name or ".api.v2" in full_name:
        hint = " (xDS v2 is not supported: use the v3 type)"
    else:
        close = close_matches(full_name, descriptors.database().messages, 1, 0.8)
        hint = f" (did you mean '{close[0]}'?)" if close else ""
    return f"could not find @type '{url}'{hint}"


def unlink(path):
    """((None, "a"), 0) -> ("a", 0)."""
    out = []
    while path is not None:
        path, key = path
        out.append(key)
    return tuple(reversed(out))
