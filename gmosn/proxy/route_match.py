"""RouteMatch (config/route/v3) -> proxy.route.RouteMatch."""
from gmosn.errors import ConfigError
from gmosn.matching.matchers import HeaderMatcher, StringMatcher
from gmosn.proxy.route import CONNECT, PATH, PREFIX, REGEX, SEPARATED_PREFIX, QueryMatcher, RouteMatch
from gmosn.matching.regex import compile_pattern

KINDS = {"prefix": PREFIX, "path": PATH, "path_separated_prefix": SEPARATED_PREFIX}
DENOMINATORS = (100, 10_000, 1_000_000)      # envoy.type.v3.FractionalPercent.DenominatorType


def build_match(proto):
    """A RouteMatch from an envoy.config.route.v3.RouteMatch. Raises ConfigError with a path below the match."""
    which = proto.WhichOneof("path_specifier")
    options = dict(headers=_headers(proto.headers), queries=_queries(proto.query_parameters),
                   grpc=proto.HasField("grpc"), **_fraction(proto))
    sensitive = proto.case_sensitive.value if proto.HasField("case_sensitive") else True
    if which in KINDS:
        return RouteMatch(KINDS[which], getattr(proto, which).encode(), case_sensitive=sensitive, **options)
    if which == "safe_regex":
        try:
            return RouteMatch(REGEX, regex=compile_pattern(proto.safe_regex.regex), **options)
        except ConfigError as exc:
            raise exc.under("safe_regex", "regex")
    if which == "connect_matcher":
        return RouteMatch(CONNECT, **options)
    raise ConfigError(f"route match by '{which}' is not implemented", (which or "path_specifier",))


def _headers(protos):
    matchers = []
    for index, proto in enumerate(protos):
        try:
            matchers.append(HeaderMatcher.from_proto(proto))
        except ConfigError as exc:
            raise exc.under("headers", index)
    return matchers


def _queries(protos):
    matchers = []
    for index, proto in enumerate(protos):
        try:
            matchers.append(_query(proto))
        except ConfigError as exc:
            raise exc.under("query_parameters", index)
    return matchers


def _query(proto):
    which = proto.WhichOneof("query_parameter_match_specifier")
    name = proto.name.encode()
    if which != "string_match":
        return QueryMatcher(name, invert=which == "present_match" and not proto.present_match)
    try:
        return QueryMatcher(name, StringMatcher.from_proto(proto.string_match))
    except ConfigError as exc:
        raise exc.under("string_match")


def _fraction(proto):
    """No runtime overrides a fraction here: the default value counts."""
    if not proto.HasField("runtime_fraction"):
        return {}
    fraction = proto.runtime_fraction.default_value
    return dict(numerator=fraction.numerator, denominator=DENOMINATORS[fraction.denominator])
