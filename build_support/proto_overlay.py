"""Reads gmosn/config/overlay/**.proto and merges it into the descriptors that xds-protos brings.

An overlay file has the path and the package of the file it extends. A message or enum that exists there already gets
the listed fields or values added, anything else is new. So the overlay holds only what is newer than xds-protos, and
gmosn's own messages, in ordinary proto3 syntax. The subset read here: package, import, message, enum, oneof, map,
repeated, optional, and the options `deprecated` and `(validate.rules).<kind> = {...}`; anything else is a BuildError.
"""
import re

from google.protobuf import descriptor_pb2, text_format

SCALARS = {name: getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{name.upper()}") for name in (
    "double", "float", "int32", "int64", "uint32", "uint64", "fixed32", "fixed64", "sfixed32", "sfixed64", "sint32",
    "sint64", "bool", "string", "bytes")}
TOKEN = re.compile(r"""\s*(?://[^\n]*|/\*.*?\*/|("(?:[^"\\]|\\.)*")|([A-Za-z_.][\w.]*|-?\d+)|([{}=;<>,()\[\]:]))""",
                   re.DOTALL)
VALIDATE_RULES = 1071                                # field number of the extension (validate.rules) of FieldOptions


class BuildError(Exception):
    """The overlay cannot be read or does not fit what it extends."""


class Tokens:
    """The words of one overlay file."""

    def __init__(self, text, name):
        self.name = name
        self.words = []
        position = 0
        text = text.rstrip()
        while position < len(text):
            match = TOKEN.match(text, position)
            if match is None:
                raise BuildError(f"{name}: cannot read {text[position:position + 30]!r}")
            position = match.end()
            word = match[1] or match[2] or match[3]
            if word:
                self.words.append(word)
        self.words.reverse()

    def peek(self):
        return self.words[-1] if self.words else ""

    def take(self, expected=None):
        word = self.words.pop() if self.words else "end of file"
        if expected is not None and word != expected:
            raise BuildError(f"{self.name}: expected {expected!r}, found {word!r}")
        return word

    def braces(self):
        """The text of a `{...}` value, as protobuf text format."""
        self.take("{")
        depth, out = 1, []
        while depth:
            word = self.take()
            depth += {"{": 1, "}": -1}.get(word, 0)
            out.append(word)
        return " ".join(out[:-1])


class Overlay:
    """Applies overlay texts to `files`: {path: FileDescriptorProto}, changed in place. Call `finish()` at the end."""

    def __init__(self, files, rules_class):
        self.files = files
        self.rules_class = rules_class               # the class of validate.FieldRules
        self.unresolved = []                         # (FieldDescriptorProto, type name, scope, file)

    def apply(self, path, text):
        tokens = Tokens(text, path)
        file = self.files.get(path)
        if file is None:
            file = self.files[path] = descriptor_pb2.FileDescriptorProto(name=path, syntax="proto3")
        while tokens.peek():
            word = tokens.take()
            if word == "syntax":
                tokens.take("=")
                tokens.take('"proto3"')
                tokens.take(";")
            elif word == "package":
                file.package = tokens.take()
                tokens.take(";")
            elif word == "import":
                imported = tokens.take().strip('"')
                if imported not in file.dependency:
                    file.dependency.append(imported)
                tokens.take(";")
            elif word == "message":
                self._message(tokens, file.message_type, file.package, file)
            elif word == "enum":
                self._enum(tokens, file.enum_type)
            else:
                raise BuildError(f"{path}: {word!r} is not supported here")

    def _message(self, tokens, siblings, scope, file):
        message = by_name(siblings, tokens.take())
        scope = f"{scope}.{message.name}"
        tokens.take("{")
        while tokens.peek() != "}":
            word = tokens.take()
            if word == "message":
                self._message(tokens, message.nested_type, scope, file)
            elif word == "enum":
                self._enum(tokens, message.enum_type)
            elif word == "oneof":
                self._oneof(tokens, message, scope, file)
            elif word == "map":
                self._map(tokens, message, scope, file)
            else:
                self._field(tokens, word, message, scope, file)
        tokens.take("}")

    def _oneof(self, tokens, message, scope, file):
        by_name(message.oneof_decl, name := tokens.take())
        index = [oneof.name for oneof in message.oneof_decl].index(name)
        tokens.take("{")
        while tokens.peek() != "}":
            self._field(tokens, tokens.take(), message, scope, file).oneof_index = index
        tokens.take("}")

    def _map(self, tokens, message, scope, file):
        tokens.take("<")
        key = tokens.take()
        tokens.take(",")
        value = tokens.take()
        tokens.take(">")
        name = tokens.peek()
        entry = message.nested_type.add(name="".join(part.capitalize() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        for number, (label, kind) in enumerate((("key", key), ("value", value)), 1):
            self._typed(entry.field.add(name=label, number=number, label=1), kind, scope, file)
        field = self._field(tokens, f"{scope}.{entry.name}", message, scope, file)
        field.label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED

    def _field(self, tokens, word, message, scope, file):
        field = message.field.add(label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL)
        if word == "repeated":
            field.label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        if word == "optional":
            field.proto3_optional = True
        kind = tokens.take() if word in ("repeated", "optional") else word
        field.name = tokens.take()
        tokens.take("=")
        field.number = int(tokens.take())
        taken = [other.name for other in message.field if other.number == field.number or other.name == field.name]
        if len(taken) > 1:
            raise BuildError(f"{file.name}: {scope}.{field.name} = {field.number} clashes with {taken[0]}")
        if field.proto3_optional:
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")
        self._typed(field, kind, scope, file)
        if tokens.peek() == "[":
            self._options(tokens, field)
        tokens.take(";")
        return field

    def _typed(self, field, kind, scope, file):
        if kind in SCALARS:
            field.type = SCALARS[kind]
        else:
            self.unresolved.append((field, kind, scope, file))

    def _options(self, tokens, field):
        while tokens.take() != "]":                  # "[" the first time, then ","
            if tokens.peek() == "deprecated":
                tokens.take()
                tokens.take("=")
                field.options.deprecated = tokens.take() == "true"
            else:
                for word in ("(", "validate.rules", ")"):
                    tokens.take(word)
                kind = tokens.take().lstrip(".")
                tokens.take("=")
                rules = text_format.Parse(f"{kind} {{ {tokens.braces()} }}", self.rules_class()).SerializeToString()
                raw = varint(VALIDATE_RULES << 3 | 2) + varint(len(rules)) + rules
                field.options.MergeFromString(raw)   # kept as an unknown field and written out again
            if tokens.peek() not in (",", "]"):
                raise BuildError(f"{tokens.name}: expected ',' or ']' after an option of {field.name}")

    def _enum(self, tokens, siblings):
        enum = by_name(siblings, tokens.take())
        tokens.take("{")
        while tokens.peek() != "}":
            value = enum.value.add(name=tokens.take())
            tokens.take("=")
            value.number = int(tokens.take())
            tokens.take(";")
        tokens.take("}")

    def finish(self):
        """Resolves type names from the inside out, as protoc does, and adds the imports that they need."""
        symbols = {}
        for file in self.files.values():
            for name, is_enum in symbols_of(file):
                symbols[name] = (file.name, is_enum)
        for field, kind, scope, file in self.unresolved:
            parts = scope.split(".")
            candidates = [".".join(parts[:end] + [kind]) for end in range(len(parts), -1, -1)]
            found = next((name for name in candidates if name in symbols or name.startswith("google.protobuf.")), None)
            if found is None:
                raise BuildError(f"{file.name}: {scope}.{field.name}: no type {kind!r}")
            home, is_enum = symbols.get(found, (None, False))
            field.type = field.TYPE_ENUM if is_enum else field.TYPE_MESSAGE
            field.type_name = f".{found}"
            if home and home != file.name and home not in file.dependency:
                file.dependency.append(home)


def by_name(siblings, name):
    """The element of a repeated field with that name, added when there is none."""
    for one in siblings:
        if one.name == name:
            return one
    return siblings.add(name=name)


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def symbols_of(file):
    """(full name, is it an enum) of every message and enum of a FileDescriptorProto."""
    def below(scope, messages, enums):
        for enum in enums:
            yield f"{scope}{enum.name}", True
        for message in messages:
            yield f"{scope}{message.name}", False
            yield from below(f"{scope}{message.name}.", message.nested_type, message.enum_type)
    return below(f"{file.package}." if file.package else "", file.message_type, file.enum_type)
