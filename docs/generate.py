"""`make docs`: fills the generated parts of README.md and docs/configuration.md from the code.

A part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; tests/test_docs.py fails when one is out of date.
"""
import re
from pathlib import Path

from gmosn.config import descriptors, support_table
from gmosn.config.support_table import DIFFERENT, HARMLESS, IMPLEMENTED, REFUSED
from gmosn.extensions import TABLE

ROOT = Path(__file__).resolve().parent.parent
CATEGORIES = {"envoy.filters.network": "network filter", "envoy.filters.http": "HTTP filter",
              "envoy.filters.listener": "listener filter", "envoy.access_loggers": "access log",
              "envoy.filters.http.per_route": "HTTP filter, per route"}


def fields_by_status(full_name):
    """{status: [field names]} of a message, in the order of its definition; deprecated and reserved ones included."""
    found = {IMPLEMENTED: [], HARMLESS: [], DIFFERENT: [], REFUSED: []}
    for field in descriptors.pool().FindMessageTypeByName(full_name).fields:
        found[support_table.built_in().status(full_name, field.name)].append(field.name)
    return found


def short(full_name):
    return full_name.rpartition(".")[2]


def extension_status():
    """A table of the extensions: how many fields of their configuration do what Envoy's documentation says."""
    lines = ["| extension | kind | configuration | fields |", "|---|---|---|---|"]
    for (category, full_name), _ in sorted(TABLE.items()):
        fields = fields_by_status(full_name)
        count, total = len(fields[IMPLEMENTED]) + len(fields[HARMLESS]), sum(map(len, fields.values()))
        text = "all" if count == total else f"{count} of {total}, others are refused by name"
        lines.append(f"| {extension_name(category, full_name)} | {CATEGORIES.get(category, category)} | "
                     f"`{full_name}` | {text} |")
    return "\n".join(lines)


def extension_name(category, full_name):
    """envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy -> tcp_proxy."""
    return next((part for part in reversed(full_name.split(".")[:-1]) if not re.fullmatch(r"v\d+\w*", part)), full_name)


def field_status():
    """One line per message: which fields work, which are accepted without effect, which are refused."""
    lines = []
    for full_name in sorted(support_table.built_in().messages):
        if full_name not in descriptors.database().messages:
            continue
        fields = fields_by_status(full_name)
        parts = ["all fields"] if not any(fields[status] for status in (HARMLESS, DIFFERENT, REFUSED)) else [
            f"{title} {', '.join(f'`{name}`' for name in fields[status])}" for status, title in (
                (IMPLEMENTED, "implemented:"), (HARMLESS, "accepted, nothing to do:"),
                (DIFFERENT, "accepted with a warning, not followed yet:"), (REFUSED, "refused:")) if fields[status]]
        lines.append(f"* **{full_name}**: {'; '.join(parts)}")
    return "\n".join(lines)


PAGES = {"README.md": {"extensions": extension_status},
         "docs/configuration.md": {"extensions": extension_status, "fields": field_status}}


def page_text(page):
    """The page with its generated parts filled anew."""
    text = (ROOT / page).read_text()
    for name, make in PAGES[page].items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        head, found, rest = text.partition(begin)
        if not found or end not in rest:
            raise ValueError(f"{page}: no part {name}")
        text = head + begin + make() + "\n" + end + rest.partition(end)[2]
    return text


def main():
    for page in PAGES:
        path = ROOT / page
        text = page_text(page)
        if text != path.read_text():
            path.write_text(text)
            print(f"wrote {page}")


if __name__ == "__main__":
    main()
