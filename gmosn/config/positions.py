"""Where in the source text a configuration path is. The text is read again when there is something to report."""
import re
from typing import NamedTuple

import yaml
from yaml import events

from gmosn.config.yaml_reader import Parser

CAMEL = re.compile(r"([A-Z])")


class Place(NamedTuple):
    """A position in a source text; lines and columns count from 1, 0 = the text as a whole."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self):
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


class Node:
    """One value of a source text. `children`: dict, list or None for a scalar; `line` and `column` count from 1.

    `keys`: for a mapping, the place of each key: that is where a problem with the whole field is shown.
    """

    __slots__ = ("source", "line", "column", "children", "keys")

    def __init__(self, source, mark, children=None):
        self.source = source
        self.line = mark.line + 1
        self.column = mark.column + 1
        self.children = children
        self.keys = {} if isinstance(children, dict) else None

    @property
    def place(self):
        return Place(self.source, self.line, self.column)


class Positions:
    """The places of one configuration, possibly merged from several texts. Trees are made on the first look-up."""

    def __init__(self, sources=()):
        """`sources`: (name, text) pairs in the order in which they are merged; JSON counts as YAML."""
        self._sources = list(sources)
        self._root = None

    def find(self, path):
        """The Place of the value at `path`, or of the nearest one around it.

        A last path element that names a field (not an index) gives the place of its key.
        """
        if self._root is None:
            self._root = self._read_all()
        node = self._root
        place = node.place if node else Place(self._sources[0][0] if self._sources else "")
        for step in path:
            found = _step(node, step) if node else None
            if found is None:
                return place
            place, node = found
        return place

    def _read_all(self):
        root = None
        for name, text in self._sources:
            try:
                tree = read_tree(name, text)
            except yaml.YAMLError:
                continue                             # the text did not parse: its error carries its own place
            root = tree if root is None else merge(root, tree)
        return root


def _step(node, step):
    """(place, node) one step down, or None. Follows Envoy's leniencies: camelCase, a lone item where a list may be,
    and TypedStruct's `value`."""
    children = node.children
    if isinstance(step, int):
        if isinstance(children, list):
            return (children[step].place, children[step]) if step < len(children) else None
        return (node.place, node) if step == 0 else None
    if not isinstance(children, dict):
        return None
    for key in (step, camel(step), snake(step)):
        if key in children:
            mark = node.keys[key]
            return Place(children[key].source, mark.line + 1, mark.column + 1), children[key]
    if "@type" in children and "value" in children:
        return _step(children["value"], step)
    return None


def camel(name):
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def snake(name):
    return CAMEL.sub(lambda match: f"_{match[1].lower()}", name)


def read_tree(source, text):
    """The Node of the first document of `text`, or None."""
    parser = Parser(text)
    parser.get_event()
    if isinstance(parser.get_event(), events.StreamEndEvent):
        return None
    return _read_node(source, parser, parser.get_event(), {})


def _read_node(source, parser, event, anchors):
    if isinstance(event, events.AliasEvent):
        return anchors.get(event.anchor)
    if isinstance(event, events.MappingStartEvent):
        node = Node(source, event.start_mark, {})
        while not isinstance(key := parser.get_event(), events.MappingEndEvent):
            value = _read_node(source, parser, parser.get_event(), anchors)
            if value is not None and isinstance(key, events.ScalarEvent):
                node.children[key.value] = value
                node.keys[key.value] = key.start_mark
    elif isinstance(event, events.SequenceStartEvent):
        node = Node(source, event.start_mark, [])
        while not isinstance(item := parser.get_event(), events.SequenceEndEvent):
            node.children.append(_read_node(source, parser, item, anchors) or Node(source, item.start_mark))
    else:
        node = Node(source, event.start_mark)
    if getattr(event, "anchor", None):
        anchors[event.anchor] = node
    return node


def merge(first, second):
    """The tree of two texts merged as protos: mappings by key, lists end to end, else the second wins."""
    if second is None:
        return first
    if isinstance(first.children, dict) and isinstance(second.children, dict):
        for key, node in second.children.items():
            match = next((name for name in (key, camel(key), snake(key)) if name in first.children), None)
            if match is None:
                first.children[key], first.keys[key] = node, second.keys[key]
            else:
                merged = merge(first.children[match], node)
                if merged is node:
                    first.keys[match] = second.keys[key]
                first.children[match] = merged
        return first
    if isinstance(first.children, list) and isinstance(second.children, list):
        first.children.extend(second.children)
        return first
    return second
