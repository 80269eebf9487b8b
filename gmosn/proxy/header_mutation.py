"""HeaderMutation from `*_headers_to_add` and `*_headers_to_remove`."""
from gmosn.errors import ConfigError
from gmosn.proxy.route import APPEND, OVERWRITE_OR_ADD, HeaderMutation, HeaderOp


def level_mutation(proto, side):
    """The changes that one message (Route, VirtualHost, RouteConfiguration, ClusterWeight) asks for, or None.

    `side`: "request" or "response". Raises ConfigError.
    """
    removes, adds = f"{side}_headers_to_remove", f"{side}_headers_to_add"
    remove, append = [], []
    for index, name in enumerate(getattr(proto, removes)):
        remove.append(_changeable(name, "removed", (removes, index)))
    for index, option in enumerate(getattr(proto, adds)):
        try:
            append.append(header_op(option))
        except ConfigError as exc:
            raise exc.under(adds, index)
    return HeaderMutation(remove, append) if remove or append else None


def header_op(option):
    """A HeaderOp from an envoy.config.core.v3.HeaderValueOption."""
    header, action = option.header, option.append_action
    if option.HasField("append"):
        if action != APPEND:
            raise ConfigError("Both append and append_action are set and it's not allowed", ("append_action",))
        action = APPEND if option.append.value else OVERWRITE_OR_ADD
    if header.value and header.raw_value:
        raise ConfigError("Header value and raw value cannot be set at the same time", ("header", "raw_value"))
    name = _changeable(header.key, "modified", ("header", "key"))
    try:
        value, formatter = compile_header_value(header.value or header.raw_value.decode("latin-1"),
                                                latin_1=not header.value)
    except ConfigError as exc:
        raise exc.under("header", "value")
    return HeaderOp(name, value, formatter, action, option.keep_empty_value)


def compile_header_value(text, latin_1=False):
    """(constant bytes, None) or (None, Formatter) for a header value that may have %OPERATORS%."""
    if "%" not in text:
        return text.encode("latin-1" if latin_1 else "utf-8"), None
    from gmosn.observe.access_log import compile_value
    compiled = compile_value(text)
    return (compiled, None) if isinstance(compiled, bytes) else (None, compiled)


def _changeable(name, verb, path):
    lower = name.lower()
    if lower.startswith(":") or lower == "host":
        raise ConfigError(f":-prefixed or host headers may not be {verb}", path)
    return lower.encode()


def combine(levels, most_specific_wins, weight=None):
    """One chained HeaderMutation of the levels [route, virtual host, route configuration] (HeaderMutation or None each).

    Envoy applies the most specific first, so that the most general wins, unless `most_specific_wins`; `weight`, the
    level of a weighted cluster, comes first either way.
    """
    ordered = [*(levels[::-1] if most_specific_wins else levels)]
    chain = None
    for level in [*ordered[::-1], weight]:           # builds the chain from its end
        if level is not None:
            chain = HeaderMutation(level.remove, level.append, chain)
    return chain
