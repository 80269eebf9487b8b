# hot: http1_get
"""An HTTP filter chain, flattened once per configuration generation: a hook that nobody overrides costs nothing."""
from gmosn.filter.api import HttpFilter


def _hooks(name, filters):
    """(bound hook, filter) of the filters that override the hook `name`."""
    default = getattr(HttpFilter, name)
    return [(getattr(f, name), f) for f in filters if getattr(type(f), name, default) is not default]


class FilterChain:
    """`filters`: HttpFilter objects in configuration order, the last one terminal.

    Request hooks run in that order; response hooks in reverse, for local replies too, whether or not the filter's request
    hook ran (as Envoy's encoder filters do: a refused request still gets its CORS headers).
    """

    def __init__(self, filters):
        *before, self.terminal = filters
        self.filters = list(filters)
        self.request = _hooks("on_request", before)
        self.request_body = _hooks("on_request_body", before)
        self.response = _hooks("on_response", before[::-1])
        self.response_body = _hooks("on_response_body", before[::-1])
        self.logs = _hooks("on_log", before)

    def on_request(self, stream):
        """The first Response that a filter returns, or None."""
        hook: tuple
        for hook in self.request:
            if stream.route is not None and stream.route.per_filter is not None and self._disabled(stream, hook):
                continue
            reply = hook[0](stream)
            if reply is not None:
                return reply
        return None

    def on_response(self, stream):
        hook: tuple
        for hook in self.response:
            if stream.route is not None and stream.route.per_filter is not None and self._disabled(stream, hook):
                continue
            hook[0](stream)

    def on_log(self, stream):
        hook: tuple
        for hook in self.logs:
            hook[0](stream)

    def _disabled(self, stream, hook):
        """Whether the route switches this filter off (typed_per_filter_config with FilterConfig.disabled)."""
        return getattr(stream.route.per_filter.get(hook[1].name), "disabled", False) is True

    def transform(self, hooks, stream, chunks):
        """The iterator `chunks` through body hooks (`request_body` or `response_body`)."""
        for hook in hooks:
            if stream.route is None or not stream.route.per_filter or not self._disabled(stream, hook):
                chunks = hook[0](stream, chunks)
        return iter(chunks)

    def close(self):
        """The configuration generation is gone."""
        for f in self.filters:
            f.close()
