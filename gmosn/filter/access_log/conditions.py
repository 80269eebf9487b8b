"""AccessLogFilter (config/accesslog/v3) -> a predicate of StreamInfo."""
import random

from gmosn.errors import ConfigError
from gmosn.matching.matchers import HeaderMatcher
from gmosn.observe.log_commands import GRPC_CODES
from gmosn.stream_info import FLAG_BITS

EQ, GE, LE, NE = range(4)
TCP_CONNECTION_END, DOWNSTREAM_END = 3, 6             # envoy.data.accesslog.v3.AccessLogType


def build_condition(proto):
    """An AccessLogFilter as a function StreamInfo -> bool. Raises ConfigError."""
    which = proto.WhichOneof("filter_specifier")
    builder = _BUILDERS.get(which)
    if builder is None:
        raise ConfigError(f"access log filter '{which}' is not implemented", (which,) if which else ())
    try:
        return builder(getattr(proto, which))
    except ConfigError as exc:
        raise exc.under(which)


def _comparison(proto):
    """ComparisonFilter: an operator and a RuntimeUInt32, whose default is what counts."""
    value = proto.value.default_value
    return {EQ: value.__eq__, GE: lambda n: n >= value, LE: lambda n: n <= value, NE: value.__ne__}[proto.op]


def _status_code(proto):
    holds = _comparison(proto.comparison)
    return lambda info: holds(info.status)


def _duration(proto):
    holds = _comparison(proto.comparison)
    return lambda info: holds((info.end_us - info.start_us) // 1000)


def _not_health_check(proto):
    return lambda info: not (info.filter_state and info.filter_state.get("health_check"))


def _runtime(proto):
    """RuntimeFilter: a share of the requests; the default of the runtime key is what counts."""
    whole = (100, 10_000, 1_000_000)[proto.percent_sampled.denominator]
    share = proto.percent_sampled.numerator

    def chosen(info):
        if proto.use_independent_randomness or not info.request_id:
            return random.randrange(whole) < share
        return int(info.request_id[:8], 16) % whole < share if _is_hex(info.request_id[:8]) else share >= whole
    return chosen


def _is_hex(text):
    return len(text) == 8 and not text.translate(None, b"0123456789abcdefABCDEF")


def _and(proto):
    inner = _all(proto.filters)
    return lambda info: all(holds(info) for holds in inner)


def _or(proto):
    inner = _all(proto.filters)
    return lambda info: any(holds(info) for holds in inner)


def _all(protos):
    inner = []
    for index, proto in enumerate(protos):
        try:
            inner.append(build_condition(proto))
        except ConfigError as exc:
            raise exc.under("filters", index)
    return inner


def _header(proto):
    try:
        matcher = HeaderMatcher.from_proto(proto.header)
    except ConfigError as exc:
        raise exc.under("header")
    return lambda info: info.request is not None and matcher.match(info.request)


def _response_flag(proto):
    wanted = 0
    for index, flag in enumerate(proto.flags):
        if flag not in FLAG_BITS:
            raise ConfigError(f"unknown response flag '{flag}'", ("flags", index))
        wanted |= FLAG_BITS[flag]
    if not proto.flags:
        return lambda info: info.flags != 0
    return lambda info: info.flags & wanted != 0


def _grpc_status(proto):
    wanted = set(proto.statuses)

    def holds(info):
        status = None
        for fields in (info.response_trailers, info.response):
            text = fields.get(b"grpc-status") if fields is not None else None
            if status is None and text is not None and text.isdigit():
                status = int(text)
        if status is None:
            status = _grpc_from_http(info.status)
        return (status in wanted) != proto.exclude
    return holds


def _grpc_from_http(status):
    """The gRPC code of a plain HTTP status (gRPC: http-grpc-status-mapping)."""
    names = {400: "Internal", 401: "Unauthenticated", 403: "PermissionDenied", 404: "Unimplemented", 429: "Unavailable",
             502: "Unavailable", 503: "Unavailable", 504: "Unavailable"}
    return GRPC_CODES.index(names.get(status, "Unknown"))


def _metadata(proto):
    keys = [proto.matcher.filter, *(segment.key for segment in proto.matcher.path)]
    value = proto.matcher.value
    kind = value.WhichOneof("match_pattern")
    if kind not in ("present_match", "bool_match", "string_match") or (
            kind == "string_match" and value.string_match.WhichOneof("match_pattern") != "exact"):
        raise ConfigError("only present_match, bool_match and exact string_match are implemented", ("matcher", "value"))
    wanted = {"bool_match": value.bool_match, "string_match": value.string_match.exact}.get(kind)
    missing = not proto.HasField("match_if_key_not_found") or proto.match_if_key_not_found.value

    def holds(info):
        found = info.metadata or {}
        for key in keys:
            if not isinstance(found, dict) or key not in found:
                return missing
            found = found[key]
        same = value.present_match if kind == "present_match" else found == wanted
        return same != proto.matcher.invert
    return holds


def _log_type(proto):
    wanted = set(proto.types)

    def holds(info):
        kind = TCP_CONNECTION_END if info.request is None else DOWNSTREAM_END
        return (kind in wanted) != proto.exclude
    return holds


_BUILDERS = {
    "status_code_filter": _status_code, "duration_filter": _duration, "not_health_check_filter": _not_health_check,
    "runtime_filter": _runtime, "and_filter": _and, "or_filter": _or, "header_filter": _header,
    "response_flag_filter": _response_flag, "grpc_status_filter": _grpc_status, "metadata_filter": _metadata,
    "log_type_filter": _log_type,
}
