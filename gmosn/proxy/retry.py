"""Whether and when one stream tries again (Envoy: configuration/http/http_filters/router_filter, x-envoy-retry-on)."""
import random


from gmosn.upstream.limits import RETRIES

# gRPC statuses that a head may carry already (Envoy: x-envoy-retry-grpc-on)
GRPC_NAMES = {b"1": "cancelled", b"4": "deadline-exceeded", b"8": "resource-exhausted", b"13": "internal",
              b"14": "unavailable"}
GATEWAY_ERRORS = frozenset((502, 503, 504))


class Retry:
    """The retry state of one stream. `policy`: retry_policy.RetryPolicy; `limits`: the circuit breakers of the route's
    priority, whose retry limit counts."""

    def __init__(self, policy, request, cluster, limits):
        self.policy = policy
        self.cluster = cluster
        self.limits = limits
        self.left = policy.num_retries
        if policy.request_headers and not any(m.match(request) for m in policy.request_headers):
            self.left = 0

    def on_failure(self, kinds):
        """After a failure without a response; `kinds`: StreamError.retry_on. Waits; True = try again."""
        return bool(self.policy.retry_on & kinds) and self._begin()

    def on_response(self, head):
        """After a response head (ResponseHead) that has not gone downstream. Waits; True = try again."""
        return self._wanted(head) and self._begin()

    def _wanted(self, head):
        status, names = head.status, self.policy.retry_on
        return ("5xx" in names and status >= 500
                or "gateway-error" in names and status in GATEWAY_ERRORS
                or "retriable-4xx" in names and status == 409
                or "retriable-status-codes" in names and status in self.policy.status_codes
                or "retriable-headers" in names and any(m.match(head) for m in self.policy.response_headers)
                or "envoy-ratelimited" in names and head.get(b"x-envoy-ratelimited") is not None
                or GRPC_NAMES.get(head.get(b"grpc-status")) in names)

    def _begin(self):
        """Takes one of the retries that are left and waits the jittered, growing back-off."""
        stats, limits = self.cluster.stats, self.limits
        if self.left <= 0:
            if self.policy.num_retries:
                stats.rq_retry_limit_exceeded.add(1)
            return False
        if not limits.allows(RETRIES):
            stats.rq_retry_overflow.add(1)
            return False
        used = self.policy.num_retries - self.left
        self.left -= 1
        limits.add(RETRIES, 1)
        try:
            stats.rq_retry.add(1)
            stats.rq_retry_backoff_exponential.add(1)
            ceiling = min(self.policy.base_interval_us * (2 ** (used + 1) - 1), self.policy.max_interval_us)
            from gevent import sleep                 # not at the top: validation needs no gevent
            sleep(random.random() * ceiling / 1e6)
        finally:
            limits.add(RETRIES, -1)
        return True
