"""libyaml's `get_event` on PyYAML's own parser, for a PyYAML that was built without libyaml."""
from yaml.parser import Parser as EventParser
from yaml.reader import Reader
from yaml.scanner import Scanner


class Parser(Reader, Scanner, EventParser):
    def __init__(self, text):
        Reader.__init__(self, text)
        Scanner.__init__(self)
        EventParser.__init__(self)
