"""AccessLog messages (config/accesslog/v3) -> AccessLogs, each behind its condition."""
from gmosn.errors import ConfigError
from gmosn.filter.access_log.conditions import build_condition
from gmosn.observe.access_log import AccessLog

CATEGORY = "envoy.access_loggers"


class ConditionalLog(AccessLog):
    """Logs the streams for which `condition(info)` holds."""

    def __init__(self, condition, inner):
        self.condition = condition
        self.inner = inner

    def log(self, info):
        if self.condition(info):
            self.inner.log(info)


def build_access_logs(protos, context):
    """A list of AccessLogs in order. Raises ConfigError with a path below the list."""
    logs = []
    for index, proto in enumerate(protos):
        try:
            if proto.WhichOneof("config_type") is None:
                raise ConfigError(f"Didn't find a registered implementation for '{proto.name}' with type URL: ''",
                                  ("typed_config",))
            log = context.extensions.build(CATEGORY, proto.name, proto.typed_config, context)
            if proto.HasField("filter"):
                try:
                    log = ConditionalLog(build_condition(proto.filter), log)
                except ConfigError as exc:
                    raise exc.under("filter")
            logs.append(log)
        except ConfigError as exc:
            raise exc.under(index)
    return logs
