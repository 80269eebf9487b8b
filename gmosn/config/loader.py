"""A bootstrap from files and the command line: read, fill, check, merge. Every problem of a file is found in one run.

The order is Envoy's: the kind of a file follows its extension (.yaml .yml .json .pb .pb_text, anything else is JSON);
`--config-yaml` is merged over the file as protobuf does it; then the rules of the protos are applied to the whole.
"""
import json

from google.protobuf import text_format
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from gmosn.config import descriptors, support
from gmosn.config.fill import DEPRECATED, Filler, unlink
from gmosn.config.positions import Place, Positions
from gmosn.config.validate import anys_in, validate
from gmosn.config.yaml_reader import YamlProblem, read_yaml
from gmosn.errors import ConfigError, ConfigErrors, format_path

BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap"
COMMAND_LINE = "--config-yaml"
NO_CONFIG = "At least one of --config-path or --config-yaml or Options::configProto() should be non-empty"


class PlacedError(ConfigError):
    """A ConfigError that knows where it is. Its text is `file:line:col path: problem`."""

    def __init__(self, message, path, place):
        super().__init__(message, path)
        self.place = place

    def __str__(self):
        return placed_text(self.place, self.path, self.message)


class LoadedBootstrap:
    """A bootstrap that is well-formed; nothing has been built from it yet.

    `message`: the Bootstrap; `warnings`: texts, each with its place; `positions`: Positions of the merged sources.
    """

    def __init__(self, message, positions, warnings):
        self.message = message
        self.positions = positions
        self.warnings = warnings

    def placed(self, exc):
        """A ConfigError whose path starts at the bootstrap -> ConfigErrors that name file, line and column."""
        errors = exc.errors if isinstance(exc, ConfigErrors) else [exc]
        return placed_errors(errors, self.positions)


class Source:
    """One text, file or option: its message, and what was wrong with it."""

    def __init__(self, name, text=None):
        self.name = name
        self.positions = Positions([(name, text)] if text is not None else ())
        self.message = descriptors.message_class(BOOTSTRAP)()
        self.anys = []
        self.errors = []                             # ConfigErrors, or PlacedErrors of the parser
        self.warnings = []                           # (path, text)

    @property
    def is_read(self):
        """Whether there is a message at all."""
        return not any(isinstance(error, PlacedError) for error in self.errors)

    def fail(self, message, line=0, column=0):
        self.errors.append(PlacedError(message, (), Place(self.name, line, column)))

    def placed(self):
        return [error if isinstance(error, PlacedError) else place(error, self.positions) for error in self.errors]


def load_bootstrap(options):
    """Reads what `options` name: `config_path`, `config_yaml`, `allow_unknown_static_fields`, `skip_deprecated_logs`.

    Returns a LoadedBootstrap; raises ConfigErrors of PlacedErrors, sorted by place.
    """
    allow_unknown = bool(getattr(options, "allow_unknown_static_fields", False)
                         or getattr(options, "allow_unknown_fields", False))
    sources, texts = [], []
    path, inline = getattr(options, "config_path", "") or "", getattr(options, "config_yaml", "") or ""
    if not path and not inline:
        raise ConfigErrors([ConfigError(NO_CONFIG)])
    if path:
        sources.append(_read_path(path, texts, allow_unknown))
    if inline:
        texts.append((COMMAND_LINE, inline))
        sources.append(_read_text(COMMAND_LINE, inline, read_yaml, allow_unknown))
    if getattr(options, "skip_deprecated_logs", False):
        for source in sources:
            source.warnings = [one for one in source.warnings if not one[1].startswith(DEPRECATED)]
    return _finish(sources, Positions(texts))


def load_text(text, name="<text>", **options):
    """As load_bootstrap, for a YAML text at hand. `options`: `allow_unknown`, `check_support`."""
    return _finish([_read_text(name, text, read_yaml, **options)], Positions([(name, text)]))


def _finish(sources, positions):
    """Merges the sources, applies the rules, raises everything that was found."""
    errors = [error for source in sources for error in source.placed()]
    if all(source.is_read for source in sources):
        errors.extend(_broken_rules(sources, positions))
    if errors:
        raise ConfigErrors(sorted(errors, key=lambda error: error.place))
    message = sources[0].message
    for source in sources[1:]:
        message.MergeFrom(source.message)
    warnings = [placed_text(source.positions.find(path), path, text)
                for source in sources for path, text in source.warnings]
    return LoadedBootstrap(message, positions, warnings)


def _broken_rules(sources, positions):
    """PlacedErrors of the protos' rules, without those that only follow from an error already found."""
    merged = sources[0].message
    if len(sources) > 1:
        merged = descriptors.message_class(BOOTSTRAP)()
        for source in sources:
            merged.MergeFrom(source.message)
    found = [place(error, positions) for error in validate(merged)]
    for source in sources:
        for path, message in source.anys:
            found.extend(place(error, source.positions) for error in validate(message, path))
    wrong = {error.path for source in sources for error in source.errors}
    around = {path[:-1] for path in wrong}
    return [error for error in found if error.path not in around and error.path[:-1] not in around
            and not any(error.path[:length] in wrong for length in range(len(error.path) + 1))]


def _read_path(path, texts, allow_unknown):
    """The Source of a file; text files are added to `texts`."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as exc:
        reason = "" if isinstance(exc, FileNotFoundError) else f" ({exc.strerror})"
        raise ConfigErrors([ConfigError(f"Invalid path: {path}{reason}")]) from None
    if path.endswith(".pb"):
        return _read_binary(path, data, allow_unknown)
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        source = Source(path)
        source.fail(f"not UTF-8: {exc.reason}", data[:exc.start].count(b"\n") + 1, 1)
        return source
    if path.endswith(".pb_text"):
        return _read_text_format(path, text)
    texts.append((path, text))
    return _read_text(path, text, read_yaml if path.endswith((".yaml", ".yml")) else _read_json, allow_unknown)


def _read_json(text):
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as exc:
        raise YamlProblem(f"Unable to parse JSON as proto: {exc.msg}", exc.lineno, exc.colno) from None
    except ValueError as exc:
        raise YamlProblem(f"Unable to parse JSON as proto: {exc}", 1, 1) from None


def _no_constant(name):
    raise ValueError(f"unexpected token {name}")


def _read_text(name, text, read, allow_unknown=False, check_support=True):
    source = Source(name, text)
    try:
        value = read(text)
    except YamlProblem as exc:
        source.fail(str(exc), exc.line, exc.column)
        return source
    if not isinstance(value, (dict, list)):
        found = "nothing" if value is None else repr(value)
        source.fail(f"Unable to convert YAML as JSON: expected a mapping, found {found}", 1, 1)
        return source
    filler = Filler(allow_unknown=allow_unknown, check_support=check_support)
    filler.fill(value, source.message)
    source.errors, source.warnings, source.anys = filler.errors, filler.warnings, filler.anys
    return source


def _read_text_format(path, text):
    source = Source(path)
    try:
        text_format.Parse(text, source.message, descriptor_pool=descriptors.pool())
    except text_format.ParseError as exc:
        line, column = exc.GetLine() or 1, exc.GetColumn() or 1
        source.fail(f"Unable to parse file \"{path}\" as a text protobuf (type {BOOTSTRAP}): {exc}", line, column)
        return source
    _check_message(source, allow_unknown=False)
    return source


def _read_binary(path, data, allow_unknown):
    source = Source(path)
    try:
        source.message.ParseFromString(data)
    except DecodeError:
        source.fail(f"Unable to parse file \"{path}\" as a binary protobuf (type {BOOTSTRAP})")
        return source
    _check_message(source, allow_unknown)
    return source


def _check_message(source, allow_unknown):
    """For sources that come as protobuf: unknown and not implemented fields; the Anys in them."""
    report = support.check(source.message)
    source.errors.extend(report.errors)
    source.warnings.extend(report.warnings)
    source.anys = list(anys_in(source.message, None, []))
    for path, message in [(None, source.message), *source.anys]:
        for where, numbers in unknown_fields(message, path):
            name = message.DESCRIPTOR.full_name
            text = f"Protobuf message (type {name} with unknown field set {numbers}) has unknown fields"
            if allow_unknown:
                source.warnings.append((unlink(where), f"Unknown field: {text}"))
            else:
                source.errors.append(ConfigError(text, unlink(where)))


def unknown_fields(message, path):
    """(path, field numbers as text) of every message, Anys excluded, that carries fields unknown to its type."""
    unknown = UnknownFieldSet(message)
    if len(unknown):
        yield path, "{" + ", ".join(str(field.field_number) for field in unknown) + "}"
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for key in value:
                    yield from unknown_fields(value[key], ((path, field.name), key))
        elif field.is_repeated:
            for index, item in enumerate(value):
                yield from unknown_fields(item, ((path, field.name), index))
        else:
            yield from unknown_fields(value, (path, field.name))


def place(error, positions):
    return PlacedError(error.message, error.path, positions.find(error.path))


def placed_errors(errors, positions):
    return ConfigErrors(sorted((place(error, positions) for error in errors), key=lambda error: error.place))


def placed_text(where, path, text):
    """`file:line:col path: problem`; what is not known is left out."""
    place_text, path_text = str(where) if where and where.source else "", format_path(path)
    if place_text and path_text:
        return f"{place_text} {path_text}: {text}"
    return f"{place_text or path_text}: {text}" if place_text or path_text else text
