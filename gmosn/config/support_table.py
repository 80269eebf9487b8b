"""The table of configuration fields that gmosn implements; gmosn/config/support.py applies it to messages.

The table is gmosn/config/supported_fields.txt, one message per line, sorted: `full.proto.Name: field ~field ?field`.
* a plain name: implemented;
* `~name`: accepted, it changes no behaviour (the line's comment says why);
* `?name`: accepted with a warning, because Envoy's users have it everywhere and gmosn does something else for now;
* `*`: every field.
Below a `~` or `?` field nothing is checked. A message without a line has no usable field. A type inside a
google.protobuf.Any must have a line, else the extension is refused. google.protobuf.* needs none.
Lines starting with `#` are comments, and so is what follows ` # `.
"""
from functools import cache

TABLE = f"{__file__.rpartition('/')[0]}/supported_fields.txt"
REFUSED, IMPLEMENTED, HARMLESS, DIFFERENT = range(4)
MARKS = {"~": HARMLESS, "?": DIFFERENT}


class SupportTable:
    """The parsed table. `messages`: {full name: {field: status}}, the field "*" standing for all others."""

    def __init__(self, text):
        self.messages = {}
        for line in text.splitlines():
            line = line.partition("#")[0].strip()
            if line:
                name, _, fields = line.partition(":")
                status = self.messages.setdefault(name.strip(), {})
                for field in fields.split():
                    status[field.lstrip("~?")] = MARKS.get(field[0], IMPLEMENTED)

    def status(self, message, field):
        """REFUSED, IMPLEMENTED, HARMLESS or DIFFERENT for a field of a message's full name."""
        if message.startswith("google.protobuf."):
            return IMPLEMENTED
        fields = self.messages.get(message, {})
        return fields.get(field, fields.get("*", REFUSED))

    def has_type(self, message):
        """Whether a message may stand in a google.protobuf.Any."""
        return message in self.messages or message.startswith("google.protobuf.")


@cache
def built_in():
    """The table that comes with gmosn."""
    with open(TABLE, encoding="utf-8") as file:
        return SupportTable(file.read())


def refusal(message_name, field):
    """The text of the error for a field that gmosn does not implement."""
    return f"gmosn does not implement the field '{field}' of {message_name}"


def refused_type(full_name):
    """The text of the error for an extension that gmosn does not implement."""
    return f"gmosn does not implement the extension type '{full_name}'"


def difference(message_name, field):
    """The text of the warning for a field that gmosn accepts and does not follow."""
    return f"gmosn ignores the field '{field}' of {message_name} for now"
