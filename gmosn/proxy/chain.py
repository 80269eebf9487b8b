# hot: http1_get
"""An HTTP filter chain, flattened once per configuration generation: a hook that nobody overrides costs nothing."""
from gmosn.filter.api import HttpFilter


def _hooks(name, filters):
    """(bound hook, filter, off by default) of the filters that override the hook `name`."""
    default = getattr(HttpFilter, name)
    return [(getattr(f, name), f, f.disabled) for f in filters if getattr(type(f), name, default) is not default]


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
            if self._disabled(stream, hook):
                continue
            reply = hook[0](stream)
            if reply is not None:
                return reply
        return None

    def on_response(self, stream):
        hook: tuple
        for hook in self.response:
            if self._disabled(stream, hook):
                continue
            hook[0](stream)

    def on_log(self, stream):
        hook: tuple
        for hook in self.logs:
            if not self._disabled(stream, hook):
                hook[0](stream)

    def _disabled(self, stream, hook):
        """Whether this filter is off for this stream: by its route's typed_per_filter_config, else by default."""
        if stream.route is None or stream.route.per_filter is None:
            return hook[2]
        entry = stream.route.per_filter.get(hook[1].name)
        return hook[2] if entry is None else entry.disabled

    def transform(self, hooks, stream, chunks):
        """The iterator `chunks` through body hooks (`request_body` or `response_body`)."""
        for hook in hooks:
            if not self._disabled(stream, hook):
                chunks = hook[0](stream, chunks)
        return iter(chunks)

    def close(self):
        """The configuration generation is gone."""
        for f in self.filters:
            f.close()
