# hot: http1_get
"""Matchers that many extensions share: strings (envoy.type.matcher.v3) and request or response headers
(envoy.config.route.v3.HeaderMatcher). Immutable after `from_proto`; regular expressions see raw bytes."""
import cython

from gmosn.errors import ConfigError
from gmosn.matching.regex import compile_pattern

EXACT, PREFIX, SUFFIX, CONTAINS, REGEX = range(5)
PRESENT, ABSENT, STRING, RANGE = range(4)
STRING_KINDS = {"exact": EXACT, "prefix": PREFIX, "suffix": SUFFIX, "contains": CONTAINS, "safe_regex": REGEX}
HEADER_STRING_KINDS = {"exact_match": EXACT, "prefix_match": PREFIX, "suffix_match": SUFFIX, "contains_match": CONTAINS}
INT64 = 1 << 63


class StringMatcher:
    """`kind`: EXACT, PREFIX, SUFFIX, CONTAINS (with `value` bytes) or REGEX (with `pattern` str, matched as a whole)."""

    def __init__(self, kind, value=b"", pattern=None, ignore_case=False):
        self.kind = kind
        self.value = value.lower() if ignore_case else value
        self.ignore_case = ignore_case
        self.regex = compile_pattern(pattern) if pattern is not None else None

    @classmethod
    def from_proto(cls, proto):
        """From an envoy.type.matcher.v3.StringMatcher."""
        which = proto.WhichOneof("match_pattern")
        if which is None or which == "custom":
            raise ConfigError(f"string matcher '{which}' is not implemented", (which or "match_pattern",))
        if which == "safe_regex":
            return regex_matcher(proto.safe_regex)
        return cls(STRING_KINDS[which], getattr(proto, which).encode(), ignore_case=proto.ignore_case)

    def match(self, value):
        """True when `value` (bytes) matches."""
        kind: cython.int = self.kind
        if kind == REGEX:
            return self.regex.fullmatch(value) is not None
        if self.ignore_case:
            value = value.lower()
        if kind == EXACT:
            return value == self.value
        if kind == PREFIX:
            return value.startswith(self.value)
        if kind == SUFFIX:
            return value.endswith(self.value)
        return self.value in value


def regex_matcher(proto):
    """A StringMatcher from an envoy.type.matcher.v3.RegexMatcher."""
    try:
        return StringMatcher(REGEX, pattern=proto.regex)
    except ConfigError as exc:
        raise exc.under("safe_regex", "regex")


# Envoy joins the lines of these into one value when they arrive; of any other header each line is a value of its own
JOINED = frozenset((
    b"x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-port accept accept-encoding authorization "
    b"cache-control origin via user-agent content-type x-request-id expect grpc-timeout referer").split())


class HeaderMatcher:
    """One condition on one header. It holds when any line of that name fulfils it (inverted: when none does)."""

    def __init__(self, name, kind, string=None, low=0, high=0, invert=False, missing_as_empty=False):
        """`name`: bytes, lower case; `kind`: PRESENT, ABSENT, STRING (`string`), RANGE (low <= int < high)."""
        self.name = name
        self.kind = kind
        self.string = string
        self.low = low
        self.high = high
        self.invert = invert
        self.missing_as_empty = missing_as_empty
        self.joined = name in JOINED

    @classmethod
    def from_proto(cls, proto):
        """From an envoy.config.route.v3.HeaderMatcher."""
        which = proto.WhichOneof("header_match_specifier") or "present_match"
        options = dict(invert=proto.invert_match, missing_as_empty=proto.treat_missing_header_as_empty)
        name = proto.name.lower().encode()
        if which == "present_match":
            set_false = proto.HasField("present_match") and not proto.present_match
            return cls(name, ABSENT if set_false else PRESENT, **options)
        if which == "range_match":
            return cls(name, RANGE, None, proto.range_match.start, proto.range_match.end, **options)
        if which == "string_match":
            try:
                return cls(name, STRING, StringMatcher.from_proto(proto.string_match), **options)
            except ConfigError as exc:
                raise exc.under("string_match")
        if which == "safe_regex_match":
            try:
                return cls(name, STRING, StringMatcher(REGEX, pattern=proto.safe_regex_match.regex), **options)
            except ConfigError as exc:
                raise exc.under("safe_regex_match", "regex")
        if which == "exact_match" and not proto.exact_match:
            return cls(name, STRING, StringMatcher(PREFIX), **options)       # Envoy: an empty one matches any value
        return cls(name, STRING, StringMatcher(HEADER_STRING_KINDS[which], getattr(proto, which).encode()), **options)

    def match(self, headers):
        """True when the condition holds for this HeaderMap."""
        t: tuple
        value: bytes = None
        found: cython.bint = False
        for t in headers.items:
            if t[0] == self.name:
                found = True
                if self.joined:
                    value = t[1] if value is None else value + b"," + t[1]
                elif self.kind >= STRING and self._holds(t[1]):
                    return not self.invert
        if not found:
            value = headers._special(self.name)
            if value is None and self.missing_as_empty:
                value = b""
            found = value is not None
        if self.kind == PRESENT:
            return found != self.invert
        if self.kind == ABSENT:
            return found == self.invert
        if not found:
            return False
        return (value is not None and self._holds(value)) != self.invert

    def _holds(self, value):
        if self.kind == RANGE:
            return _in_range(value, self.low, self.high)
        return self.string.match(value)


def _in_range(value, low, high):
    """Envoy's absl::SimpleAtoi: an optional sign and digits, nothing else."""
    digits = value.strip()
    if not digits or not digits.lstrip(b"+-").isdigit() or len(digits) > 20:
        return False
    try:
        return low <= int(digits) < high
    except ValueError:
        return False


def match_all(matchers, headers):
    """True when every HeaderMatcher of the list holds."""
    matcher: HeaderMatcher
    for matcher in matchers:
        if not matcher.match(headers):
            return False
    return True
