"""Envoy removes a Referer that browsers could not have sent: with user info or fragment, or no URL at all."""
import re

ABSOLUTE = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#\s\x22<>\\^`{|}]+)([/?][^#]*)?")
RELATIVE = re.compile(rb"(?:[!$%&'()*+,\-.0-9;=?@A-Z_a-z~\[\]]*(?:/[!$%&'()*+,\-./0-9:;=?@A-Z_a-z~\[\]]*)?)")


def is_valid_referer(value):
    """True when the value (bytes) may be forwarded."""
    found = ABSOLUTE.fullmatch(value)
    if found is not None:
        return b"@" not in found.group(2)
    return RELATIVE.fullmatch(value) is not None
