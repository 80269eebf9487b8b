"""Regular expressions of the configuration: RE2 syntax, on bytes read as Latin-1, never slower than linear with google-re2.

Header values may hold any byte, so a pattern must never fail to run (and so fail open) on one that is not UTF-8.
Without google-re2 the pattern is translated for the standard library (gmosn/matching/re2_syntax.py), which refuses what it could
not run safely.
"""
import re

from gmosn.errors import ConfigError
from gmosn.matching.re2_syntax import translate

try:
    import re2
except ImportError:
    re2 = None


def _re2_options(capture):
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.never_capture = not capture
    return options


def compile_pattern(pattern, *, capture=False, linear=True):
    """A compiled pattern with `fullmatch(bytes)` and, with `capture`, `sub(bytes, bytes)`.

    `pattern`: str in RE2 syntax; `linear` False forces the standard library (tests). Raises ConfigError.
    """
    data = pattern.encode()
    if re2 is not None and linear:
        try:
            return re2.compile(data, _re2_options(capture))
        except re2.error as exc:
            reason = exc.args[0] if exc.args else exc
            raise ConfigError(reason.decode() if isinstance(reason, bytes) else str(reason)) from None
    try:
        return re.compile(translate(data))
    except re.error as exc:
        raise ConfigError(f"invalid regex: {exc}") from None


class Substitution:
    """Replaces every match of a pattern (RegexMatchAndSubstitute): `\\1` is a group, `\\0` the match, `\\\\` a backslash."""

    def __init__(self, pattern, substitution):
        """Raises ConfigError when the pattern or the groups of the substitution are wrong."""
        self.pattern = compile_pattern(pattern, capture=True)
        self.parts = _parse_substitution(substitution, self.pattern.groups)

    def apply(self, value):
        """`value` (bytes) with all matches replaced."""
        out, at = [], 0
        for found in self.pattern.finditer(value):
            if found.end() == at and out:        # RE2::GlobalReplace: no empty match right behind another match
                continue
            out.append(value[at:found.start()])
            for part in self.parts:
                out.append(part if isinstance(part, bytes) else found.group(part) or b"")
            at = found.end()
        out.append(value[at:])
        return b"".join(out)

    @classmethod
    def from_proto(cls, proto):
        """From an envoy.type.matcher.v3.RegexMatchAndSubstitute."""
        try:
            return cls(proto.pattern.regex, proto.substitution)
        except ConfigError as exc:
            raise exc.under("pattern", "regex") if not exc.path else exc


def _parse_substitution(text, groups):
    """"a\\1b" -> [b"a", 1, b"b"]."""
    parts, literal, position = [], bytearray(), 0
    data = text.encode()
    while position < len(data):
        byte = data[position:position + 1]
        position += 1
        if byte != b"\\":
            literal += byte
            continue
        escaped = data[position:position + 1]
        position += 1
        if escaped == b"\\":
            literal += escaped
        elif escaped.isdigit():
            group = int(escaped)
            if group > groups:
                raise ConfigError(f"substitution requests group {group}, but the regex has only {groups} groups",
                                  ("substitution",))
            if literal:
                parts.append(bytes(literal))
                literal = bytearray()
            parts.append(group)
        else:
            raise ConfigError(f"invalid substitution {text!r}: a backslash must be followed by a digit or a backslash",
                              ("substitution",))
    if literal:
        parts.append(bytes(literal))
    return parts
