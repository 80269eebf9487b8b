"""The `validate.rules` of one scalar, compiled: value -> None or what is wrong with it, in Envoy's words."""
import ipaddress
import re

from gmosn.config import descriptors

HEADER_NAME, HEADER_VALUE = 1, 2                     # validate.KnownRegex
# Patterns are compiled on first use: start-up time.
STRICT = {HEADER_NAME: r":?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+\Z", HEADER_VALUE: r"[^\x00-\x08\x0A-\x1F\x7F]*\Z"}
LOOSE = r"[^\x00\x0A\x0D]*\Z"            # also takes the empty string
HOSTNAME = r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?\Z"
URI = r"([A-Za-z][A-Za-z0-9+.\-]*:)?[^\s<>\"{}|\\^`]*\Z"
EMAIL = r".+@.+\Z"
UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z"


def rules_of(field):
    """The validate.FieldRules of a FieldDescriptor, or None."""
    options = field.GetOptions()
    if not options.ByteSize():
        return None
    known = descriptors.message_class("google.protobuf.FieldOptions").FromString(options.SerializeToString())
    extension = descriptors.pool().FindExtensionByName("validate.rules")
    return known.Extensions[extension] if known.HasExtension(extension) else None


def oneof_required(oneof):
    """Whether a OneofDescriptor says that one of its members must be set."""
    options = oneof.GetOptions()
    if not options.ByteSize():
        return False
    known = descriptors.message_class("google.protobuf.OneofOptions").FromString(options.SerializeToString())
    extension = descriptors.pool().FindExtensionByName("validate.required")
    return known.Extensions[extension]


def checks_disabled(descriptor):
    """Whether a message type says `validate.disabled` or `validate.ignored`."""
    options = descriptor.GetOptions()
    if not options.ByteSize():
        return False
    known = descriptors.message_class("google.protobuf.MessageOptions").FromString(options.SerializeToString())
    pool = descriptors.pool()
    return any(known.Extensions[pool.FindExtensionByName(f"validate.{name}")] for name in ("disabled", "ignored"))


def value_check(field, rules):
    """One function value -> None | message for the scalar rules in `rules`; None when there are none.

    `field`: the FieldDescriptor of the scalar (for enums). `rules`: its FieldRules (a wrapper has the scalar's).
    """
    kind = rules.WhichOneof("type") if rules is not None else None
    if kind is None:
        return None
    own = getattr(rules, kind)
    if kind in ("string", "bytes"):
        checks = _text_checks(own)
    elif kind == "enum":
        checks = _enum_checks(own, field.enum_type)
    elif kind == "bool":
        checks = [lambda value, want=own.const: value != want and f"value must equal {str(want).lower()}"] \
            if own.HasField("const") else []
    elif kind in ("duration", "timestamp"):
        checks = _number_checks(own, _as_nanos, _seconds_text)
    elif kind in ("message", "repeated", "map", "any"):
        checks = []
    else:
        checks = _number_checks(own, _same, _number_text)
    if not checks:
        return None
    check = checks[0] if len(checks) == 1 else _all_of(checks)
    if getattr(own, "ignore_empty", False):
        return lambda value: None if not value else check(value)
    return check


def _all_of(checks):
    def check(value):
        for one in checks:
            problem = one(value)
            if problem:
                return problem
        return None
    return check


def _same(value):
    return value


def _as_nanos(value):
    return value.seconds * 1_000_000_000 + value.nanos


def _seconds_text(nanos):
    return f"{nanos / 1e9:g}s"


def _number_text(value):
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _number_checks(own, unit, text):
    """gt, gte, lt, lte (a range when both are there), const, in, not_in. `unit` makes a value comparable."""
    checks = []
    low = next(((name, unit(getattr(own, name))) for name in ("gt", "gte") if own.HasField(name)), None)
    high = next(((name, unit(getattr(own, name))) for name in ("lt", "lte") if own.HasField(name)), None)
    if low:
        name, bound = low
        if name == "gt":
            checks.append(lambda value: unit(value) <= bound and f"value must be greater than {text(bound)}")
        else:
            checks.append(lambda value: unit(value) < bound and f"value must be greater than or equal to {text(bound)}")
    if high:
        limit = high[1]
        if high[0] == "lt":
            checks.append(lambda value: unit(value) >= limit and f"value must be less than {text(limit)}")
        else:
            checks.append(lambda value: unit(value) > limit and f"value must be less than or equal to {text(limit)}")
    if own.HasField("const"):
        wanted = unit(own.const)
        checks.append(lambda value: unit(value) != wanted and f"value must equal {text(wanted)}")
    checks.extend(_membership(own, unit, text))
    return checks


def _membership(own, unit, text):
    allowed = frozenset(unit(one) for one in getattr(own, "in"))
    banned = frozenset(unit(one) for one in own.not_in)
    if allowed:
        names = ", ".join(text(one) for one in sorted(allowed))
        yield lambda value: unit(value) not in allowed and f"value must be in list [{names}]"
    if banned:
        yield lambda value: unit(value) in banned and f"value must not be in list: {text(unit(value))}"


def _enum_checks(own, enum):
    checks = []
    if own.defined_only:
        numbers = frozenset(value.number for value in enum.values)
        checks.append(lambda value: value not in numbers and f"value must be one of the defined enum values: {value}")
    if own.HasField("const"):
        checks.append(lambda value: value != own.const and f"value must equal {own.const}")
    checks.extend(_membership(own, _same, str))
    return checks


def _text_checks(own):
    """Rules of strings (lengths in characters) and bytes."""
    checks = []
    unit = "characters" if own.DESCRIPTOR.name == "StringRules" else "bytes"
    for name, length, words in (("len", len, "value length must be {} " + unit),
                                ("min_len", len, "value length must be at least {} " + unit),
                                ("max_len", len, "value length must be at most {} " + unit),
                                ("len_bytes", _byte_length, "value length must be {} bytes"),
                                ("min_bytes", _byte_length, "value length must be at least {} bytes"),
                                ("max_bytes", _byte_length, "value length must be at most {} bytes")):
        if name in own.DESCRIPTOR.fields_by_name and own.HasField(name):
            checks.append(_length_check(name, length, getattr(own, name), words.format(getattr(own, name))))
    for name in ("const", "prefix", "suffix", "contains", "not_contains", "pattern"):
        if name in own.DESCRIPTOR.fields_by_name and own.HasField(name):
            checks.append(_content_check(name, getattr(own, name)))
    checks.extend(_membership(own, _same, str))
    form = own.WhichOneof("well_known")
    if form is not None:
        checks.append(_form_check(form, own))
    return checks


def _byte_length(value):
    return len(value if isinstance(value, bytes) else value.encode())


def _length_check(name, length, bound, words):
    if name.startswith("min"):
        if bound == 1:
            return lambda value: not value and words
        return lambda value: length(value) < bound and words
    if name.startswith("max"):
        return lambda value: length(value) > bound and words
    return lambda value: length(value) != bound and words


def _content_check(name, wanted):
    if name == "pattern":
        matches = re.compile(wanted).search
        return lambda value: not matches(value) and f'value does not match regex pattern "{wanted}"'
    holds, words = {"const": (lambda value: value == wanted, "must equal"),
                    "prefix": (lambda value: value.startswith(wanted), "does not have prefix"),
                    "suffix": (lambda value: value.endswith(wanted), "does not have suffix"),
                    "contains": (lambda value: wanted in value, "does not contain substring"),
                    "not_contains": (lambda value: wanted not in value, "contains substring")}[name]
    return lambda value: not holds(value) and f"value {words} {wanted!r}"


def _form_check(form, own):
    if form == "well_known_regex":
        matches = re.compile(STRICT[own.well_known_regex] if own.strict else LOOSE).match
        what = "header name" if own.well_known_regex == HEADER_NAME else "header value"
        return lambda value: not matches(value) and f"value does not match regex pattern of an HTTP {what}"
    if form in ("ip", "ipv4", "ipv6"):
        return lambda value: not _is_ip(value, form) and f"value must be a valid {form.replace('ip', 'IP')} address"
    matches = re.compile({"hostname": HOSTNAME, "uri": URI, "uri_ref": URI, "uuid": UUID,
                          "email": EMAIL, "address": HOSTNAME}[form]).match
    if form == "address":
        return lambda value: not (matches(value) or _is_ip(value, "ip")) and "value must be a valid hostname or IP"
    if form == "uri":
        return lambda value: not (matches(value) and ":" in value) and "value must be a valid URI"
    return lambda value: not matches(value) and f"value must be a valid {form}"


def _is_ip(value, form):
    try:
        version = ipaddress.ip_address(value).version
    except ValueError:
        return False
    return form == "ip" or form == f"ipv{version}"
