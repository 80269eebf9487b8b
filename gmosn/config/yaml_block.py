"""A fast reader for plain block YAML: what tools write, one `key: value` or `- value` a line.

It takes a subset of which there is no doubt and gives up on everything else (flow collections with content, anchors,
tags, block scalars, several lines to a scalar, trailing comments, tabs, anything but ASCII), so that libyaml decides.
The invariant, fuzzed: when it returns a value, libyaml's events give the same one. It takes about half their time.
"""
import re

# No ": ", no " #", nothing that starts with an indicator, no space at either end.
_RUN = r"[!-\"$-9;-~]*"
_PLAIN = rf"(?:[A-Za-z0-9_/.~+^$(;<=\\]|-(?=[!-~])){_RUN}(?:(?::(?=[!-~])|(?<=[!-~])#| +(?=[!-\"$-~])){_RUN})*"
_KEY = r"[A-Za-z0-9_][A-Za-z0-9_.\-/]{0,200}"
LINE = re.compile(
    r"( *)((?:- +)*)"                                                    # indentation, entries of sequences
    rf"(?:(?:({_KEY})|\"([\w@./ \-]+)\"|'([\w@./ \-]+)'):(?: +|$))?"      # a key, plain or quoted
    rf"(?:({_PLAIN})|\"([ !#-\[\]-~]*)\"|'([ -&(-~]*)'|(\[\])|(\{{\}})|(-)?) *\Z",      # a value, or an empty entry
    re.ASCII).match
MAX_LEVELS = 90
NOTHING = object()


class NotSimple(Exception):
    """The text is beyond this reader."""


def read_block(text, plain_scalar):
    """The value of the document. `plain_scalar`: text of an unquoted scalar -> value. Raises NotSimple."""
    if not text.isascii():
        raise NotSimple
    containers = _Containers()
    known = {}
    for line in text.split("\n"):
        match = LINE(line)
        if match is None:
            if line.lstrip(" ").startswith("#"):
                continue
            raise NotSimple
        indent, dashes, key, double, single, plain, text, other, no_list, no_dict, dash = match.groups()
        value = NOTHING
        if plain is not None:
            value = known.get(plain, NOTHING)
            if value is NOTHING:
                value = known[plain] = plain_scalar(plain)
        elif text is not None:
            value = text
        elif other is not None:
            value = other
        elif no_list:
            value = []
        elif no_dict:
            value = {}
        column = len(indent)
        if key is None:
            key = double if double is not None else single
        if dash:
            if key is not None:
                raise NotSimple
            dashes += "-"
        if dashes:
            column = containers.entries(column, dashes)
        if key is not None:
            containers.pair(column, key, value)
        elif value is not NOTHING:
            if not dashes:
                raise NotSimple                      # a scalar on a line of its own
            containers.entry(value)
    if containers.root is NOTHING:
        raise NotSimple
    return containers.root


class _Containers:
    """The open containers, outermost first. `waiting`: a key or an entry at `waiting_column` has no value yet."""

    __slots__ = ("columns", "stack", "root", "waiting", "waiting_column", "key")

    def __init__(self):
        self.columns = [-1]
        self.stack = [None]
        self.root = NOTHING
        self.waiting = True                          # at the start: the root itself
        self.waiting_column = -1
        self.key = None                              # of the innermost mapping

    def pair(self, column, key, value):
        """`key: value` at `column`; NOTHING: the value is on the lines that follow, or null."""
        container = self.stack[-1]
        if self.waiting or self.columns[-1] != column or type(container) is not dict:
            container = self._open(column, dict)
        if value is NOTHING:
            container[key] = None
            self.key = key
            self.waiting, self.waiting_column = True, column
        else:
            container[key] = value

    def entries(self, column, dashes):
        """The entries that one line begins, "- - "; returns the column after them."""
        place = 0
        while place < len(dashes):
            self._open(column + place, list).append(None)
            self.waiting, self.waiting_column = True, column + place
            place += 1
            while place < len(dashes) and dashes[place] == " ":
                place += 1
        return column + place

    def entry(self, value):
        """The value of the entry just begun."""
        self.stack[-1][-1] = value
        self.waiting = False

    def _open(self, column, kind):
        """Makes the container at `column` the innermost: a new one if a value is waited for, else one that is open."""
        columns, stack = self.columns, self.stack
        if self.waiting and (column > self.waiting_column or (
                kind is list and column == self.waiting_column and type(stack[-1]) is dict)):
            return self._nest(column, kind())
        while columns[-1] > column or (columns[-1] == column and kind is dict and type(stack[-1]) is list):
            columns.pop()
            stack.pop()
        if columns[-1] != column or type(stack[-1]) is not kind:
            raise NotSimple
        self.waiting = False
        return stack[-1]

    def _nest(self, column, new):
        outer = self.stack[-1]
        if len(self.stack) > MAX_LEVELS:
            raise NotSimple
        if outer is None:
            self.root = new
        elif type(outer) is list:
            outer[-1] = new
        else:
            outer[self.key] = new
        self.columns.append(column)
        self.stack.append(new)
        self.waiting = False
        return new
