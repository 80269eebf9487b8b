"""RetryPolicy (config/route/v3) as an immutable value. What is acted on is the router's business."""
from gmosn.errors import ConfigError
from gmosn.matching.matchers import HeaderMatcher
from gmosn.proto_values import micros

NAMES = frozenset((
    "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited", "retriable-4xx",
    "refused-stream", "retriable-status-codes", "retriable-headers", "http3-post-connect-failure",
    "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"))


class RetryPolicy:
    """`retry_on`: frozenset of policy names; `num_retries`; times in us (0 = none); `status_codes`: frozenset of int;
    `response_headers`, `request_headers`: lists of HeaderMatcher (any of the first retries, any of the second allows)."""

    __slots__ = ("retry_on", "num_retries", "per_try_timeout_us", "per_try_idle_timeout_us", "status_codes",
                 "base_interval_us", "max_interval_us", "response_headers", "request_headers")

    def __init__(self, retry_on=frozenset(), num_retries=1, per_try_timeout_us=0, per_try_idle_timeout_us=0,
                 status_codes=frozenset(), base_interval_us=25_000, max_interval_us=250_000, response_headers=(),
                 request_headers=()):
        self.retry_on = frozenset(retry_on)
        self.num_retries = num_retries
        self.per_try_timeout_us = per_try_timeout_us
        self.per_try_idle_timeout_us = per_try_idle_timeout_us
        self.status_codes = frozenset(status_codes)
        self.base_interval_us = base_interval_us
        self.max_interval_us = max_interval_us
        self.response_headers = list(response_headers)
        self.request_headers = list(request_headers)

    @classmethod
    def from_proto(cls, proto):
        """From an envoy.config.route.v3.RetryPolicy. Names that Envoy does not know are ignored, as Envoy does."""
        base, most = 25_000, 250_000
        if proto.HasField("retry_back_off"):
            base = max(micros(proto.retry_back_off.base_interval), 1000)
            most = base * 10
            if proto.retry_back_off.HasField("max_interval"):
                most = micros(proto.retry_back_off.max_interval)
                if most < base:
                    raise ConfigError("retry_policy.max_interval must greater than or equal to the base_interval",
                                      ("retry_back_off", "max_interval"))
        return cls((name.strip() for name in proto.retry_on.split(",") if name.strip() in NAMES),
                   proto.num_retries.value if proto.HasField("num_retries") else 1,
                   micros(proto.per_try_timeout), micros(proto.per_try_idle_timeout), proto.retriable_status_codes,
                   base, most, _matchers(proto, "retriable_headers"), _matchers(proto, "retriable_request_headers"))


def _matchers(proto, field):
    matchers = []
    for index, header in enumerate(getattr(proto, field)):
        try:
            matchers.append(HeaderMatcher.from_proto(header))
        except ConfigError as exc:
            raise exc.under(field, index)
    return matchers
