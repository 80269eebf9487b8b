"""Applies the `validate.rules` of Envoy's protos to a message: all violations, each with its path.

A message type's rules are compiled once into a list of steps; types without any rule below them cost nothing. As in
Envoy a google.protobuf.Any is opaque here: what is inside is checked on its own (`validate_deep`).
"""
from functools import cache

from gmosn.config.fill import ANY, unlink
from gmosn.config.rules import checks_disabled, oneof_required, rules_of, value_check
from gmosn.config.unpack import UnpackError, unpack
from gmosn.errors import ConfigError, ConfigErrors

WRAPPERS = frozenset(f"google.protobuf.{kind}Value" for kind in (
    "Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"))


class Validators:
    """Compiled steps by message type; `step(message, path, report)`."""

    def __init__(self):
        self._steps = {}
        self._needed = {}

    def run(self, message, path, report):
        for step in self.steps(message.DESCRIPTOR):
            step(message, path, report)

    def steps(self, descriptor):
        name = descriptor.full_name
        found = self._steps.get(name)
        if found is None:
            found = self._steps[name] = [] if checks_disabled(descriptor) else list(self._compile(descriptor))
        return found

    def needs(self, descriptor):
        """Whether a type or anything below it has rules. Types that contain themselves count as needing a look."""
        name = descriptor.full_name
        if name not in self._needed:
            self._needed[name] = True                # while a cycle is being followed
            self._needed[name] = not name.startswith("google.protobuf.") and (
                any(oneof_required(oneof) for oneof in descriptor.oneofs)
                or any(rules_of(field) is not None for field in descriptor.fields)
                or any(self.needs(_value_type(field)) for field in descriptor.fields if _value_type(field) is not None))
        return self._needed[name]

    def _compile(self, descriptor):
        for oneof in descriptor.oneofs:
            if oneof_required(oneof):
                yield _one_of(oneof)
        for field in descriptor.fields:
            rules = rules_of(field)
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                yield from self._map_steps(field, rules)
            elif field.is_repeated:
                yield from self._list_steps(field, rules)
            elif field.message_type is not None:
                yield from self._message_steps(field, rules)
            else:
                check = value_check(field, rules)
                if check:
                    yield _scalar(field, check)

    def _message_steps(self, field, rules):
        kind = field.message_type
        if rules is not None:
            required = any(getattr(rules, kind).required for kind in ("message", "duration", "any", "timestamp"))
            if required and field.containing_oneof is None:     # of a oneof's member: only when it is the one set
                yield _required(field)
            if rules.message.skip:
                return
        if kind.full_name in WRAPPERS:
            check = value_check(kind.fields_by_name["value"], rules)
            if check:
                yield _present(field, lambda value: check(value.value))
        elif kind.full_name in ("google.protobuf.Duration", "google.protobuf.Timestamp"):
            check = value_check(field, rules)
            if check:
                yield _present(field, check)
        elif self.needs(kind):
            yield _inside(field, self)

    def _list_steps(self, field, rules):
        name = field.name
        own = rules.repeated if rules is not None else None
        if own is not None and own.min_items:
            yield _at_least(name, own.min_items, f"value must contain at least {own.min_items} item(s)")
        if own is not None and own.max_items:
            yield _at_most(name, own.max_items, f"value must contain no more than {own.max_items} item(s)")
        if own is not None and own.unique:
            yield _unique(name)
        item_rules = own.items if own is not None and own.HasField("items") else None
        check = value_check(_scalar_of(field), item_rules)
        if check and field.message_type is not None and field.message_type.full_name in WRAPPERS:
            yield _items(name, lambda value: check(value.value))
        elif check:
            yield _items(name, check)
        skip = item_rules is not None and item_rules.message.skip
        if field.message_type is not None and not skip and self.needs(field.message_type):
            yield _each(name, self)

    def _map_steps(self, field, rules):
        name = field.name
        own = rules.map if rules is not None else None
        if own is not None and own.min_pairs:
            yield _at_least(name, own.min_pairs, f"value must contain at least {own.min_pairs} pair(s)")
        entry = field.message_type.fields_by_name
        if own is not None and own.HasField("keys"):
            check = value_check(entry["key"], own.keys)
            if check:
                yield _map_keys(name, check)
        kind = entry["value"].message_type
        if own is not None and own.HasField("values"):
            check = value_check(_scalar_of(entry["value"]), own.values)
            if check:
                wrapped = kind is not None and kind.full_name in WRAPPERS
                yield _map_values(name, (lambda value: check(value.value)) if wrapped else check)
        if kind is not None and self.needs(kind):
            yield _map_each(name, self)


def _value_type(field):
    """The message type that a field leads to, through map entries; None for scalars."""
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return kind.fields_by_name["value"].message_type
    return kind


def _scalar_of(field):
    kind = field.message_type
    return kind.fields_by_name["value"] if kind is not None and kind.full_name in WRAPPERS else field


def _one_of(oneof):
    name = oneof.name
    words = f"{name}: one of {', '.join(field.name for field in oneof.fields)} is required"

    def step(message, path, report):
        if message.WhichOneof(name) is None:
            report(path, words)
    return step


def _scalar(field, check):
    name = field.name
    if field.has_presence:                           # a member of a oneof: its rules hold only while it is set
        return _present(field, check)

    def step(message, path, report):
        problem = check(getattr(message, name))
        if problem:
            report((path, name), problem)
    return step


def _at_least(name, count, words):
    def step(message, path, report):
        if len(getattr(message, name)) < count:
            report((path, name), words)
    return step


def _at_most(name, count, words):
    def step(message, path, report):
        if len(getattr(message, name)) > count:
            report((path, name), words)
    return step


def _required(field):
    name = field.name

    def step(message, path, report):
        if not message.HasField(name):
            report((path, name), "value is required")
    return step


def _present(field, check):
    name = field.name

    def step(message, path, report):
        if message.HasField(name):
            problem = check(getattr(message, name))
            if problem:
                report((path, name), problem)
    return step


def _inside(field, validators):
    name, steps = field.name, None

    def step(message, path, report):
        nonlocal steps
        if message.HasField(name):
            if steps is None:                        # not before: types may contain themselves
                steps = validators.steps(field.message_type)
            inner, path = getattr(message, name), (path, name)
            for one in steps:
                one(inner, path, report)
    return step


def _each(name, validators):
    def step(message, path, report):
        values = getattr(message, name)
        if values:
            steps = validators.steps(values[0].DESCRIPTOR)
            path = (path, name)
            for index, item in enumerate(values):
                here = (path, index)
                for one in steps:
                    one(item, here, report)
    return step


def _items(name, check):
    def step(message, path, report):
        for index, item in enumerate(getattr(message, name)):
            problem = check(item)
            if problem:
                report(((path, name), index), problem)
    return step


def _unique(name):
    def step(message, path, report):
        values = list(getattr(message, name))
        if any(value in values[:index] for index, value in enumerate(values)):
            report((path, name), "repeated value must contain unique items")
    return step


def _map_keys(name, check):
    def step(message, path, report):
        for key in getattr(message, name):
            problem = check(key)
            if problem:
                report(((path, name), key), f"key: {problem}")
    return step


def _map_values(name, check):
    def step(message, path, report):
        values = getattr(message, name)
        for key in values:
            problem = check(values[key])
            if problem:
                report(((path, name), key), problem)
    return step


def _map_each(name, validators):
    def step(message, path, report):
        values = getattr(message, name)
        for key in values:
            validators.run(values[key], ((path, name), key), report)
    return step


@cache
def validators():
    """The process' compiled rules: a cache of what the descriptors say."""
    return Validators()


def validate(message, path=None, report=None):
    """Applies the rules to one message, Anys excluded. `path`: linked pairs. Returns the ConfigErrors found as a list.

    `report(path, text)`, when given, is called instead.
    """
    found = []
    validators().run(message, path, report or (lambda where, text: found.append(ConfigError(text, unlink(where)))))
    return found


def validate_deep(message):
    """As validate, and the same for what is inside every Any: for resources that come as bytes."""
    found = validate(message)
    for path, inner in anys_in(message, None, found):
        found.extend(validate(inner, path))
    return found


def anys_in(message, path, problems):
    """(path, inner message) of every Any in a message, outer ones first; what cannot be unpacked goes to `problems`."""
    if message.DESCRIPTOR.full_name == ANY:
        try:
            inner = unpack(message)
        except ConfigErrors as exc:
            problems.extend(exc.under(*unlink(path)).errors)
        except UnpackError as exc:
            problems.append(exc.under(*unlink(path)))
        else:
            if inner is not None:
                yield path, inner
                yield from anys_in(inner, path, problems)
        return
    for field, value in message.ListFields():
        kind = _value_type(field)
        if kind is None or (kind.full_name.startswith("google.protobuf.") and kind.full_name != ANY):
            continue
        if field.message_type.GetOptions().map_entry:
            for key in value:
                yield from anys_in(value[key], ((path, field.name), key), problems)
        elif field.is_repeated:
            for index, item in enumerate(value):
                yield from anys_in(item, ((path, field.name), index), problems)
        else:
            yield from anys_in(value, (path, field.name), problems)
