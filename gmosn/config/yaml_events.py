"""All of YAML, by libyaml's event stream driven by hand: 0.2 s for 60,000 lines where CSafeLoader takes 1.5 s."""
import yaml
from yaml import events

from gmosn.config.yaml_reader import YamlProblem, plain_scalar

try:
    from yaml._yaml import CParser as Parser
except ImportError:                                  # PyYAML without libyaml: slower, same events
    from gmosn.config.yaml_pure import Parser

MAX_DEPTH = 100                                      # protobuf's own limit for nested JSON


def read_events(text):
    """As yaml_reader.read_yaml, always by libyaml's events."""
    try:
        return _read(Parser(text))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        context = f" {exc.context}" if exc.context else ""
        raise YamlProblem(f"{exc.problem}{context}", mark.line + 1, mark.column + 1) from None
    except yaml.YAMLError as exc:                    # a character that YAML forbids
        where = getattr(exc, "position", 0) if isinstance(text, str) else 0
        before = text[:where] if isinstance(text, str) else ""
        raise YamlProblem(str(exc).split("\n")[0], before.count("\n") + 1, where - before.rfind("\n")) from None


def _read(parser):
    """Builds the value with an explicit stack; the hot loop of loading, so everything is a local."""
    next_event = parser.get_event
    scalar, mapping, sequence = events.ScalarEvent, events.MappingStartEvent, events.SequenceStartEvent
    ends = (events.MappingEndEvent, events.SequenceEndEvent)
    next_event()                                     # StreamStart
    if type(next_event()) is events.StreamEndEvent:
        return None
    anchors, plain, stack = {}, {}, []
    container, is_mapping, key, have_key = None, False, None, False
    while True:
        event = next_event()
        kind = type(event)
        if kind is scalar:
            text = value = event.value
            if event.implicit[0] if event.tag is None else event.tag != "!":     # unquoted, or tagged
                if text in plain:
                    value = plain[text]
                else:
                    value = plain[text] = plain_scalar(text)
            if event.anchor:
                anchors[event.anchor] = value
        elif kind is mapping or kind is sequence:
            if is_mapping and not have_key:
                raise _problem("a key must be a scalar", event)
            if len(stack) >= MAX_DEPTH:
                raise _problem(f"nested deeper than {MAX_DEPTH} levels", event)
            stack.append((container, is_mapping, key, event.anchor))
            container, is_mapping, have_key = ({}, True, False) if kind is mapping else ([], False, False)
            continue
        elif kind in ends:
            value = container
            container, is_mapping, key, anchor = stack.pop()
            have_key = is_mapping
            if anchor:                               # only now: an alias inside its own anchor is unknown
                anchors[anchor] = value
        elif kind is events.AliasEvent:
            if event.anchor not in anchors:
                raise _problem(f"unknown alias '{event.anchor}'", event)
            value = text = anchors[event.anchor]
        else:                                        # the end of an empty document
            return None
        if container is None:
            return value
        if not is_mapping:
            container.append(value)
        elif have_key:
            container[key] = value
            have_key = False
        else:
            if type(text) is not str:
                raise _problem("a key must be a string", event)
            key, have_key = text, True


def _problem(message, event):
    return YamlProblem(message, event.start_mark.line + 1, event.start_mark.column + 1)
