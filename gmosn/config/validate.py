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
    """Compiled rules by message type: steps `step(message, path, report)` that always run, and one handler
    `handle(value, path, report)` per field for when it is set; most fields are not."""

    def __init__(self):
        self._compiled = {}
        self._needed = {}

    def run(self, message, path, report):
        compiled = self._compiled.get(message.DESCRIPTOR.full_name)
        if compiled is None:
            compiled = self._compile(message.DESCRIPTOR)
        always, handlers = compiled
        for step in always:
            step(message, path, report)
        if handlers:
            for field, value in message.ListFields():
                handle = handlers.get(field.number)
                if handle is not None:
                    handle(value, (path, field.name), report)

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
        always, handlers = [], {}
        if not checks_disabled(descriptor):
            always.extend(_one_of(oneof) for oneof in descriptor.oneofs if oneof_required(oneof))
            for field in descriptor.fields:
                rules = rules_of(field)
                if field.message_type is not None and field.message_type.GetOptions().map_entry:
                    found = self._map_handlers(field, rules, always)
                elif field.is_repeated:
                    found = self._list_handlers(field, rules, always)
                elif field.message_type is not None:
                    found = self._message_handlers(field, rules, always)
                else:
                    found = _scalar_handlers(field, rules, always)
                found = list(found)
                if found:
                    handlers[field.number] = found[0] if len(found) == 1 else _all_of(found)
        compiled = self._compiled[descriptor.full_name] = (always, handlers)
        return compiled

    def _message_handlers(self, field, rules, always):
        kind = field.message_type
        if rules is not None:
            required = any(getattr(rules, name).required for name in ("message", "duration", "any", "timestamp"))
            if required and field.containing_oneof is None:     # of a oneof's member: only when it is the one set
                always.append(_required(field.name))
            if rules.message.skip:
                return
        if kind.full_name in WRAPPERS:
            check = value_check(kind.fields_by_name["value"], rules)
            if check:
                yield _value(lambda value: check(value.value))
        elif kind.full_name in ("google.protobuf.Duration", "google.protobuf.Timestamp"):
            check = value_check(field, rules)
            if check:
                yield _value(check)
        elif self.needs(kind):
            yield self.run

    def _list_handlers(self, field, rules, always):
        own = rules.repeated if rules is not None else None
        if own is not None and own.min_items:
            always.append(_at_least(field.name, own.min_items, f"value must contain at least {own.min_items} item(s)"))
        if own is not None and own.max_items:
            yield _at_most(own.max_items, f"value must contain no more than {own.max_items} item(s)")
        if own is not None and own.unique:
            yield _unique
        item_rules = own.items if own is not None and own.HasField("items") else None
        check = value_check(_scalar_of(field), item_rules)
        if check and field.message_type is not None and field.message_type.full_name in WRAPPERS:
            yield _items(lambda value: check(value.value))
        elif check:
            yield _items(check)
        skip = item_rules is not None and item_rules.message.skip
        if field.message_type is not None and not skip and self.needs(field.message_type):
            yield self._each

    def _map_handlers(self, field, rules, always):
        own = rules.map if rules is not None else None
        if own is not None and own.min_pairs:
            always.append(_at_least(field.name, own.min_pairs, f"value must contain at least {own.min_pairs} pair(s)"))
        entry = field.message_type.fields_by_name
        if own is not None and own.HasField("keys"):
            check = value_check(entry["key"], own.keys)
            if check:
                yield _map_keys(check)
        kind = entry["value"].message_type
        if own is not None and own.HasField("values"):
            check = value_check(_scalar_of(entry["value"]), own.values)
            if check:
                wrapped = kind is not None and kind.full_name in WRAPPERS
                yield _map_values((lambda value: check(value.value)) if wrapped else check)
        if kind is not None and self.needs(kind):
            yield self._map_each

    def _each(self, values, path, report):
        for index, item in enumerate(values):
            self.run(item, (path, index), report)

    def _map_each(self, values, path, report):
        for key in values:
            self.run(values[key], (path, key), report)


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


def _required(name):
    def step(message, path, report):
        if not message.HasField(name):
            report((path, name), "value is required")
    return step


def _at_least(name, count, words):
    def step(message, path, report):
        if len(getattr(message, name)) < count:
            report((path, name), words)
    return step


def _scalar_handlers(field, rules, always):
    """A scalar without presence is "not set" at its default: that is looked at only if the rules do not allow it."""
    check = value_check(field, rules)
    if not check:
        return
    if not field.has_presence and check(field.default_value):
        name, problem = field.name, check(field.default_value)
        always.append(lambda message, path, report: getattr(message, name) or report((path, name), problem))
    yield _value(check)


def _all_of(handlers):
    def handle(value, path, report):
        for one in handlers:
            one(value, path, report)
    return handle


def _value(check):
    def handle(value, path, report):
        problem = check(value)
        if problem:
            report(path, problem)
    return handle


def _at_most(count, words):
    def handle(values, path, report):
        if len(values) > count:
            report(path, words)
    return handle


def _unique(values, path, report):
    values = list(values)
    if any(value in values[:index] for index, value in enumerate(values)):
        report(path, "repeated value must contain unique items")


def _items(check):
    def handle(values, path, report):
        for index, item in enumerate(values):
            problem = check(item)
            if problem:
                report((path, index), problem)
    return handle


def _map_keys(check):
    def handle(values, path, report):
        for key in values:
            problem = check(key)
            if problem:
                report((path, key), f"key: {problem}")
    return handle


def _map_values(check):
    def handle(values, path, report):
        for key in values:
            problem = check(values[key])
            if problem:
                report((path, key), problem)
    return handle


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
