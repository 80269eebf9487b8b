# hot: validate_big
"""A fast reader for plain block YAML: what tools write, one `key: value` or `- value` a line.

It takes a subset of which there is no doubt and gives up on everything else (flow collections with content, anchors,
tags, block scalars, several lines to a scalar, trailing comments, tabs, anything but ASCII), so that libyaml decides.
The invariant, fuzzed: when it returns a value, libyaml's events give the same one. It takes a fifth of their time: what
a line says, its indentation aside, is remembered, because most lines of a big file are there many times.
"""
import re

import cython

# No ": ", no " #", nothing that starts with an indicator, no space at either end.
_RUN = r"[!-\"$-9;-~]*"
_PLAIN = rf"(?:[A-Za-z0-9_/.~+^$(;<=\\]|-(?=[!-~])){_RUN}(?:(?::(?=[!-~])|(?<=[!-~])#| +(?=[!-\"$-~])){_RUN})*"
_KEY = r"[A-Za-z0-9_][A-Za-z0-9_.\-/]{0,200}"
LINE = re.compile(
    r"((?:- +)*)"                                                        # entries of sequences; no indentation
    rf"(?:(?:({_KEY})|\"([\w@./ \-]+)\"|'([\w@./ \-]+)'):(?: +|$))?"      # a key, plain or quoted
    rf"(?:({_PLAIN})|\"([ !#-\[\]-~]*)\"|'([ -&(-~]*)'|(\[\])|(\{{\}})|(-)?) *\Z",      # a value, or an empty entry
    re.ASCII).match
MAX_LEVELS = 90
NOTHING, NEW_LIST, NEW_DICT = object(), object(), object()


class NotSimple(Exception):
    """The text is beyond this reader."""


def read_block(text, plain_scalar):
    """The value of the document. `plain_scalar`: text of an unquoted scalar -> value. Raises NotSimple."""
    containers: Containers
    known: dict
    said: tuple
    column: cython.Py_ssize_t
    if not text.isascii():
        raise NotSimple
    containers = Containers()
    known = {}
    for line in text.split("\n"):
        stripped = line.lstrip(" ")
        found = known.get(stripped)
        if found is None:
            found = known[stripped] = parse_line(stripped, plain_scalar)
        said = found
        dashes, key, value = said[0], said[1], said[2]
        if value is NEW_LIST:
            value = []
        elif value is NEW_DICT:
            value = {}
        column = len(line) - len(stripped)
        if dashes is not None:
            column = containers.entries(column, dashes)
        if key is not None:
            containers.pair(column, key, value)
        elif value is not NOTHING:
            containers.entry(value)
    if containers.root is NOTHING:
        raise NotSimple
    return containers.root


def parse_line(line, plain_scalar):
    """(dashes or None, key or None, value) of a line without its indentation; NOTHING when no value is on it."""
    match = LINE(line)
    if match is None:
        if line.startswith("#"):
            return None, None, NOTHING
        raise NotSimple
    dashes, key, double, single, plain, text, other, no_list, no_dict, dash = match.groups()
    if key is None:
        key = double if double is not None else single
    if dash:
        if key is not None:
            raise NotSimple
        dashes += "-"
    if plain is not None:
        value = plain_scalar(plain)
    elif text is not None:
        value = text
    elif other is not None:
        value = other
    else:
        value = NEW_LIST if no_list else NEW_DICT if no_dict else NOTHING
    if value is not NOTHING and key is None and not dashes:
        raise NotSimple                              # a scalar on a line of its own
    return dashes or None, key, value


class Containers:
    """The open containers, outermost first. `waiting`: a key or an entry at `waiting_column` has no value yet."""

    def __init__(self):
        self.columns = [-1]
        self.stack = [None]
        self.root = NOTHING
        self.waiting = True                          # at the start: the root itself
        self.waiting_column = -1
        self.key = None                              # of the innermost mapping

    def pair(self, column, key, value):
        """`key: value` at `column`; NOTHING: the value is on the lines that follow, or null."""
        last: cython.Py_ssize_t = len(self.stack) - 1
        container: dict
        innermost = self.stack[last]
        if self.waiting or self.columns[last] != column or type(innermost) is not dict:
            innermost = self._open(column, dict)
        container = innermost
        if value is NOTHING:
            container[key] = None
            self.key = key
            self.waiting = True
            self.waiting_column = column
        else:
            container[key] = value

    def entries(self, column, dashes):
        """The entries that one line begins, "- - "; returns the column after them."""
        place: cython.Py_ssize_t = 0
        size: cython.Py_ssize_t = len(dashes)
        while place < size:
            self._open(column + place, list).append(None)
            self.waiting = True
            self.waiting_column = column + place
            place += 1
            while place < size and dashes[place] == " ":
                place += 1
        return column + place

    def entry(self, value):
        """The value of the entry just begun."""
        container: list = self.stack[len(self.stack) - 1]
        container[len(container) - 1] = value
        self.waiting = False

    def _open(self, column, kind):
        """Makes the container at `column` the innermost: a new one if a value is waited for, else one that is open."""
        columns: list = self.columns
        stack: list = self.stack
        last: cython.Py_ssize_t = len(stack) - 1
        if self.waiting and (column > self.waiting_column or (
                kind is list and column == self.waiting_column and type(stack[last]) is dict)):
            return self._nest(column, kind())
        while columns[last] > column or (columns[last] == column and kind is dict and type(stack[last]) is list):
            columns.pop()
            stack.pop()
            last -= 1
        if columns[last] != column or type(stack[last]) is not kind:
            raise NotSimple
        self.waiting = False
        return stack[last]

    def _nest(self, column, new):
        last: cython.Py_ssize_t = len(self.stack) - 1
        outer = self.stack[last]
        if last >= MAX_LEVELS:
            raise NotSimple
        if outer is None:
            self.root = new
        elif type(outer) is list:
            outer[len(outer) - 1] = new
        else:
            outer[self.key] = new
        self.columns.append(column)
        self.stack.append(new)
        self.waiting = False
        return new
