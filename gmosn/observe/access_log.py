# hot: http1_log
"""Formats of access logs and of header values: %OPERATOR(arguments):length% in text and JSON.

Source: Envoy's documentation, configuration/observability/access_log/usage. A format is compiled once into a list of
operators; what each operator is called and takes is in log_commands.py.
"""
import json
import re

from gmosn.errors import ConfigError
from gmosn.observe.log_commands import operator_for
from gmosn.observe.log_operators import Literal, Operator

DEFAULT_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" '
    '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n')
_COMMAND = re.compile(r"%(?:%|([A-Z][A-Z0-9_]*)(?:\(((?:[^)]|\)(?!%|:\d+%))*)\))?(?::(\d+))?%)")


class Formatter:
    """Turns what is known of a stream into text."""

    def format(self, info):
        """StreamInfo -> bytes. Does not block or raise."""
        raise NotImplementedError


class AccessLog:
    """Where finished streams are written."""

    def log(self, info):
        """StreamInfo of a finished stream. Does not block or raise."""
        raise NotImplementedError


class TextFormatter(Formatter):
    """`text`: a format string. `omit_empty`: operators without a value print nothing instead of "-"."""

    def __init__(self, text, omit_empty=False):
        self.operators = parse(text)
        self.missing = b"" if omit_empty else b"-"

    def format(self, info):
        out: list = []
        operator: Operator
        value: bytes
        for operator in self.operators:
            value = operator.value(info)
            out.append(self.missing if value is None else value)
        return b"".join(out)


class JsonFormatter(Formatter):
    """`structure`: nested dicts and lists whose strings are formats; keys are sorted as Envoy prints them.

    A string that is exactly one operator keeps the operator's type: numbers are not quoted, no value is null (left out with
    `omit_empty`); anything else is a string.
    """

    def __init__(self, structure, omit_empty=False):
        self.parts = []
        _compile_json(structure, self.parts, omit_empty)
        self.parts.append(b"\n")

    def format(self, info):
        out: list = []
        for part in self.parts:
            if isinstance(part, bytes):
                out.append(part)
            else:
                part.render(info, out)
        return b"".join(out)


class JsonMember:
    """`"key":value` of an object; left out when it has no value and `omit_empty` is set."""

    def __init__(self, key, parts, single, omit_empty):
        self.key = key
        self.parts = parts
        self.single = single
        self.omit_empty = omit_empty

    def render(self, info, out):
        if self.single is not None:
            value = self.single.value(info)
            if value is None:
                if self.omit_empty:
                    return
                value = b"null"
            elif not self.single.numeric:
                value = quote(value)
        else:
            value = quote(b"".join([_text(operator.value(info), self.omit_empty) for operator in self.parts]))
        if self.key is not None and out[len(out) - 1] != b"{":
            out.append(b",")
        out.append(self.key + value if self.key is not None else value)


class JsonObject:
    """A nested object or list."""

    def __init__(self, key, opening, members, closing):
        self.key = key
        self.opening = opening
        self.members = members
        self.closing = closing

    def render(self, info, out):
        if self.key is not None:
            if out[len(out) - 1] != b"{":
                out.append(b",")
            out.append(self.key)
        out.append(self.opening)
        for number, member in enumerate(self.members):
            if number and self.opening == b"[":
                out.append(b",")
            member.render(info, out)
        out.append(self.closing)


class JsonConstant:
    """A number, a boolean or null of the format itself."""

    def __init__(self, key, text):
        self.key = key
        self.text = text

    def render(self, info, out):
        if self.key is not None:
            if out[len(out) - 1] != b"{":
                out.append(b",")
            out.append(self.key)
        out.append(self.text)


def _text(value, omit_empty):
    return value if value is not None else b"" if omit_empty else b"-"


def quote(value):
    """bytes -> a JSON string; bytes that are not UTF-8 become escapes, nothing can break out of the line."""
    return json.dumps(value.decode("utf-8", "replace"), ensure_ascii=False).encode()


def _compile_json(structure, parts, omit_empty):
    parts.append(_node(None, structure, omit_empty))


def _node(key, value, omit_empty):
    prefix = json.dumps(key).encode() + b":" if key is not None else None
    if isinstance(value, dict):
        return JsonObject(prefix, b"{", [_node(name, value[name], omit_empty) for name in sorted(value)], b"}")
    if isinstance(value, list):
        return JsonObject(prefix, b"[", [_node(None, item, omit_empty) for item in value], b"]")
    if isinstance(value, str):
        operators = parse(value)
        single = operators[0] if len(operators) == 1 and not isinstance(operators[0], Literal) else None
        return JsonMember(prefix, operators, single, omit_empty)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return JsonConstant(prefix, json.dumps(value).encode())


def parse(text):
    """A format string -> list of Operators. ConfigError in Envoy's words for what is not a format."""
    operators: list = []
    at = 0
    literal: str = ""
    for found in _COMMAND.finditer(text):
        between = text[at:found.start()]
        if "%" in between:
            raise ConfigError(f"Incorrect configuration: {text}. Couldn't find valid command at position "
                              f"{at + between.index('%')}")
        literal += between
        at = found.end()
        name = found.group(1)
        if name is None:
            literal += "%"
            continue
        operator = operator_for(name, found.group(2), int(found.group(3)) if found.group(3) else None)
        if literal:
            operators.append(Literal(literal.encode()))
            literal = ""
        operators.append(operator)
    rest = text[at:]
    if "%" in rest:
        raise ConfigError(f"Incorrect configuration: {text}. Couldn't find valid command at position "
                          f"{at + rest.index('%')}")
    literal += rest
    if literal:
        operators.append(Literal(literal.encode()))
    return operators


def compile_value(text):
    """A header value with operators -> (constant bytes, None) or (None, Formatter); `%%` is one percent sign."""
    operators = parse(text)
    if not operators:
        return b"", None
    if len(operators) == 1 and isinstance(operators[0], Literal):
        return operators[0].value(None), None
    return None, TextFormatter(text, omit_empty=False)
