"""Access logs from configuration (envoy.config.accesslog.v3.AccessLog)."""
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.filter.access_log.conditions import condition_from_proto


def build_access_logs(protos, context):
    """A list of observe.access_log.AccessLog. Raises ConfigErrors with the index of each proto that cannot be used."""
    logs, errors = [], []
    for index, proto in enumerate(protos):
        try:
            logs.append(_build(proto, context))
        except ConfigErrors as exc:
            errors.extend(exc.under(index).errors)
        except ConfigError as exc:
            errors.append(exc.under(index))
    if errors:
        raise ConfigErrors(errors)
    return logs


def _build(proto, context):
    log = context.extensions.build("envoy.access_loggers", proto.name, proto.typed_config, context)
    if proto.HasField("filter"):
        try:
            log.condition = condition_from_proto(proto.filter)
        except ConfigError as exc:
            raise exc.under("filter")
    return log
