"""Where in the source text a configuration path is. The text is read again when there is something to report."""
from typing import NamedTuple


class Place(NamedTuple):
    """A position in a source text; lines and columns count from 1, 0 = the text as a whole."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self):
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


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
            found = node.step(step) if node else None
            if found is None:
                return place
            place, node = found
        return place

    def _read_all(self):
        from gmosn.config.yaml_tree import merge, read_tree      # PyYAML takes 25 ms to import
        root = None
        for name, text in self._sources:
            tree = read_tree(name, text)
            if tree is not None:
                root = tree if root is None else merge(root, tree)
        return root
