"""Pages that change something: drain, health, quit, logs and their levels, runtime values."""
from gmosn.observe.log import COMPONENTS, LEVEL_NAMES, LEVELS
from gmosn.server.admin.http_types import OK, AdminResponse, json_response, parse_query

_LOGGING_USAGE = """usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
usage: /logging?group=<group_name>:<level> (change group of loggers)
"""
_RUNTIME_USAGE = """usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN
       or send the parameters as form values
use an empty value to remove a previously added override"""


def drain_listeners(admin, request):
    admin.backend.drain_listeners(request.has("graceful"), request.has("skip_exit"), request.has("inboundonly"))
    return AdminResponse(OK)


def healthcheck_fail(admin, request):
    admin.backend.set_health(False)
    return AdminResponse(OK)


def healthcheck_ok(admin, request):
    admin.backend.set_health(True)
    return AdminResponse(OK)


def quit_server(admin, request):
    admin.backend.quit()
    return AdminResponse(OK)


def reopen_logs(admin, request):
    admin.backend.reopen_logs()
    return AdminResponse(OK)


def logging(admin, request):
    """Query and change of log levels. Parameters: <name>=<level>, paths, level, group."""
    error = ""
    if request.query:
        try:
            levels = _wanted_levels([(name, value) for name, value in request.query
                                     if value or name not in ("paths", "level", "group")])
            if levels:
                admin.backend.set_log_levels(levels)
        except ValueError as exc:
            names = "".join(name + " " for name in LEVEL_NAMES)
            error = f"error: {exc}\n\n{_LOGGING_USAGE}levels: {names}\n"
    lines = "".join(f"  {name}: {LEVEL_NAMES[level]}\n" for name, level in admin.backend.logs.levels().items())
    return AdminResponse(f"{error}active loggers:\n{lines}\n", 400 if error else 200)


def _wanted_levels(query):
    """{component: level}; ValueError with Envoy's words."""
    if not query:
        return {}
    if len(query) != 1:
        raise ValueError("invalid number of parameters")
    name, value = query[0]
    if name == "level":
        return dict.fromkeys(COMPONENTS, _level(value))
    if name == "group":
        raise ValueError("group parameter requires fine-grain logging to be enabled")
    wanted = {}
    if name != "paths":
        wanted[name] = _level(value)
    else:
        for pair in value.split(","):
            component, _, level = pair.partition(":")
            if pair.strip():
                if not component or not level:
                    raise ValueError("empty logger name or empty logger level")
                wanted[component] = _level(level)
    if not set(wanted) <= set(COMPONENTS):
        raise ValueError("unknown logger name")
    return wanted


def _level(text):
    level = LEVELS.get(text)
    if level is None:
        raise ValueError("unknown logger level")
    return level


class Runtime:
    """The layers of layered_runtime with their values as text. `layers`: list of (name, {key: text}); the admin layer's
    values change by POST /runtime_modify."""

    def __init__(self, layered_runtime=None):
        self.layers = []
        self.admin_values = None
        layers = layered_runtime.layers if layered_runtime is not None else ()
        for layer in layers:
            values = {}
            if layer.WhichOneof("layer_specifier") == "static_layer":
                _flatten("", layer.static_layer, values)
            elif layer.WhichOneof("layer_specifier") == "admin_layer":
                self.admin_values = values
            self.layers.append((layer.name, values))

    def modify(self, overrides):
        """{key: text, "" removes}. ValueError when there is no admin layer."""
        if self.admin_values is None:
            raise ValueError("No admin layer specified")
        for key, value in overrides.items():
            if value:
                self.admin_values[key] = value
            else:
                self.admin_values.pop(key, None)

    def entries(self):
        """Key -> list of texts, one per layer, "" where a layer has none; sorted."""
        keys = sorted({key for _, values in self.layers for key in values})
        return {key: [values.get(key, "") for _, values in self.layers] for key in keys}


def _flatten(prefix, struct, out):
    """A Struct as dotted keys; a value that is a FractionalPercent (or empty) stays one entry, as in Envoy."""
    for name, value in struct.fields.items():
        kind = value.WhichOneof("kind")
        key = prefix + name
        if kind == "struct_value":
            fields = value.struct_value.fields
            if set(fields) <= {"numerator", "denominator"}:
                out[key] = "".join(f"{field}: {_scalar(fields[field])}\n" for field in sorted(fields, reverse=True))
            else:
                _flatten(key + ".", value.struct_value, out)
        else:
            out[key] = _scalar(value)


def _scalar(value):
    kind = value.WhichOneof("kind")
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind == "number_value":
        return f"{value.number_value:g}"
    return value.string_value


def runtime(admin, request):
    entries = {key: {"final_value": next((text for text in reversed(texts) if text), ""), "layer_values": texts}
               for key, texts in admin.runtime.entries().items()}
    return json_response({"layers": [name for name, _ in admin.runtime.layers], "entries": entries})


def runtime_modify(admin, request):
    """Parameters from the query, or from a form in the body."""
    pairs = request.query
    if not pairs and request.content_type == "application/x-www-form-urlencoded":
        pairs = parse_query(request.body.decode("utf-8", "replace"))
    if not pairs:
        return AdminResponse(_RUNTIME_USAGE, 400)
    try:
        admin.runtime.modify(dict(pairs))
        admin.backend.set_runtime({key: value or None for key, value in pairs})
    except ValueError as exc:
        return AdminResponse(str(exc), 503)
    return AdminResponse(OK)
