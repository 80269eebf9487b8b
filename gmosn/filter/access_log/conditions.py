"""Which streams are logged: envoy.config.accesslog.v3.AccessLogFilter. Each condition has matches(info) -> bool."""
import random

from gmosn.clock import now_us
from gmosn.errors import ConfigError
from gmosn.matching.matchers import HeaderMatcher, StringMatcher
from gmosn.observe.log_values import access_log_type, grpc_status_code, walk
from gmosn.stream_info import FLAG_BITS

COMPARE = {0: lambda value, limit: value == limit, 1: lambda value, limit: value >= limit,
           2: lambda value, limit: value <= limit, 3: lambda value, limit: value != limit}
DENOMINATORS = {0: 100, 1: 10_000, 2: 1_000_000}
LOG_TYPES = {b"TcpConnectionEnd": 3, b"DownstreamEnd": 6}          # envoy.data.accesslog.v3.AccessLogType


class StatusCode:
    def __init__(self, config):
        self.compare = COMPARE[config.comparison.op]
        self.limit = config.comparison.value.default_value

    def matches(self, info):
        return self.compare(info.status, self.limit)


class Duration(StatusCode):
    """Milliseconds from the stream's begin to its end."""

    def matches(self, info):
        return self.compare(((info.end_us or now_us()) - info.start_us) // 1000, self.limit)


class Always:
    """not_health_check_filter: there is no health check filter that would mark a request."""

    def __init__(self, config):
        pass

    def matches(self, info):
        return True


class Never(Always):
    """traceable_filter: no request is traced."""

    def matches(self, info):
        return False


class Runtime:
    """A share of the requests; the same requests on every proxy that they pass unless use_independent_randomness."""

    def __init__(self, config):
        self.denominator = DENOMINATORS[config.percent_sampled.denominator]
        self.numerator = config.percent_sampled.numerator
        self.independent = config.use_independent_randomness

    def matches(self, info):
        number = None
        if not self.independent and info.request is not None:
            try:
                number = int((info.request.get(b"x-request-id") or b"")[:8], 16)
            except ValueError:
                pass
        if number is None:
            number = random.getrandbits(32)
        return number % self.denominator < self.numerator


class And:
    def __init__(self, config):
        self.conditions = []
        for index, inner in enumerate(config.filters):
            try:
                self.conditions.append(condition_from_proto(inner))
            except ConfigError as exc:
                raise exc.under("filters", index)

    def matches(self, info):
        return all(condition.matches(info) for condition in self.conditions)


class Or(And):
    def matches(self, info):
        return any(condition.matches(info) for condition in self.conditions)


class Header:
    def __init__(self, config):
        try:
            self.matcher = HeaderMatcher.from_proto(config.header)
        except ConfigError as exc:
            raise exc.under("header")

    def matches(self, info):
        return info.request is not None and self.matcher.match(info.request)


class ResponseFlag:
    """Any of the flags, or any flag at all when none is named."""

    def __init__(self, config):
        self.bits = 0
        for index, flag in enumerate(config.flags):
            if flag not in FLAG_BITS:
                raise ConfigError(f"unknown response flag '{flag}'", ("flags", index))
            self.bits |= FLAG_BITS[flag]

    def matches(self, info):
        return bool(info.flags & self.bits) if self.bits else info.flags != 0


class GrpcStatus:
    """By gRPC status; requests that have none count by their HTTP status, as in Envoy."""

    def __init__(self, config):
        self.statuses = frozenset(config.statuses)
        self.exclude = config.exclude

    def matches(self, info):
        code = grpc_status_code(info)
        return ((2 if code is None else code) in self.statuses) != self.exclude


class LogType:
    def __init__(self, config):
        self.types = frozenset(config.types)
        self.exclude = config.exclude

    def matches(self, info):
        return (LOG_TYPES[access_log_type(info)] in self.types) != self.exclude


class Metadata:
    """Dynamic metadata that filters set."""

    def __init__(self, config):
        matcher = config.matcher
        self.keys = [matcher.filter, *(segment.key for segment in matcher.path)]
        self.invert = matcher.invert
        self.if_missing = config.match_if_key_not_found.value if config.HasField("match_if_key_not_found") else True
        try:
            self.test = _value_test(matcher.value)
        except ConfigError as exc:
            raise exc.under("matcher", "value")

    def matches(self, info):
        found = walk(info.metadata, self.keys)
        if found is None:
            return self.if_missing
        return self.test(found) != self.invert


def _value_test(proto):
    """A predicate from an envoy.type.matcher.v3.ValueMatcher."""
    which = proto.WhichOneof("match_pattern")
    if which == "string_match":
        matcher = StringMatcher.from_proto(proto.string_match)
        return lambda value: isinstance(value, str) and matcher.match(value.encode("utf-8", "surrogateescape"))
    if which == "bool_match":
        return lambda value: value is proto.bool_match
    if which == "present_match":
        return lambda value: proto.present_match
    if which == "null_match":
        return lambda value: False
    if which == "double_match":
        bounds = proto.double_match
        if bounds.WhichOneof("match_pattern") == "exact":
            return lambda value: isinstance(value, (int, float)) and value == bounds.exact
        return lambda value: isinstance(value, (int, float)) and bounds.range.start <= value < bounds.range.end
    raise ConfigError(f"{which} is not implemented", (which,))


CONDITIONS = {
    "status_code_filter": StatusCode, "duration_filter": Duration, "not_health_check_filter": Always,
    "traceable_filter": Never, "runtime_filter": Runtime, "and_filter": And, "or_filter": Or, "header_filter": Header,
    "response_flag_filter": ResponseFlag, "grpc_status_filter": GrpcStatus, "log_type_filter": LogType,
    "metadata_filter": Metadata,
}


def condition_from_proto(proto):
    """A condition. Raises ConfigError for what is not implemented."""
    which = proto.WhichOneof("filter_specifier")
    if which is None:
        raise ConfigError("field: \"filter_specifier\", reason: is required")
    if which not in CONDITIONS:
        raise ConfigError(f"{which} is not implemented", (which,))
    try:
        return CONDITIONS[which](getattr(proto, which))
    except ConfigError as exc:
        raise exc.under(which)
