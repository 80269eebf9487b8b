"""A YAML text as a tree of values that know their places, for messages (positions.py)."""
import re

import yaml
from yaml import events

from gmosn.config.positions import Place
from gmosn.config.yaml_events import Parser

CAMEL = re.compile(r"([A-Z])")


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

    def step(self, step):
        """(place, node) one step down, or None. Follows Envoy's leniencies: camelCase, a lone item where a list may be,
        and TypedStruct's `value`."""
        children = self.children
        if isinstance(step, int):
            if isinstance(children, list):
                return (children[step].place, children[step]) if step < len(children) else None
            return (self.place, self) if step == 0 else None
        if not isinstance(children, dict):
            return None
        for key in (step, camel(step), snake(step)):
            if key in children:
                mark = self.keys[key]
                return Place(children[key].source, mark.line + 1, mark.column + 1), children[key]
        if "@type" in children and "value" in children:
            return children["value"].step(step)
        return None


def camel(name):
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def snake(name):
    return CAMEL.sub(lambda match: f"_{match[1].lower()}", name)


def read_tree(source, text):
    """The Node of the first document of `text`; None if it has none or does not parse: that error knows its place."""
    try:
        parser = Parser(text)
        parser.get_event()
        if isinstance(parser.get_event(), events.StreamEndEvent):
            return None
        return _read_node(source, parser, parser.get_event(), {})
    except yaml.YAMLError:
        return None


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
