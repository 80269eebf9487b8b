"""Refuses set fields and extension types that gmosn does not implement, in a message and every Any inside it.

What it implements is gmosn/config/supported_fields.txt (support_table.py). YAML and JSON are checked while they are
filled in (fill.py); this walk is for what comes as protobuf: .pb files and xDS resources.
"""
from gmosn.config.support_table import DIFFERENT, IMPLEMENTED, REFUSED, built_in, difference, refusal, refused_type
from gmosn.config.unpack import UnpackError, unpack
from gmosn.errors import ConfigError, ConfigErrors


class Report:
    """What a walk over a message found. `errors`: ConfigErrors; `warnings`: (path, text)."""

    def __init__(self):
        self.errors = []
        self.warnings = []


def check(message, table=None, path=()):
    """Walks a message and every Any in it. Returns a Report; never raises."""
    report = Report()
    _walk(message, table or built_in(), tuple(path), report)
    return report


def _walk(message, table, path, report):
    descriptor = message.DESCRIPTOR
    name = descriptor.full_name
    if name == "google.protobuf.Any":
        _walk_any(message, table, path, report)
        return
    if name.startswith("google.protobuf."):
        return
    for field, value in message.ListFields():
        status = table.status(name, field.name)
        here = (*path, field.name)
        if status == REFUSED:
            report.errors.append(ConfigError(refusal(name, field.name), here))
            continue
        if status == DIFFERENT:
            report.warnings.append((here, difference(name, field.name)))
        if field.message_type is None or status != IMPLEMENTED:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for key in value:
                    _walk(value[key], table, (*here, str(key)), report)
        elif field.is_repeated:
            for index, item in enumerate(value):
                _walk(item, table, (*here, index), report)
        else:
            _walk(value, table, here, report)


def _walk_any(any_message, table, path, report):
    try:
        message = unpack(any_message)
    except ConfigErrors as exc:                      # what a TypedStruct holds does not fit its type
        report.errors.extend(exc.under(*path).errors)
        return
    except UnpackError as exc:
        report.errors.append(exc.under(*path))
        return
    if message is None:
        return
    if table.has_type(message.DESCRIPTOR.full_name):
        _walk(message, table, path, report)
    else:
        report.errors.append(ConfigError(refused_type(message.DESCRIPTOR.full_name), path))
