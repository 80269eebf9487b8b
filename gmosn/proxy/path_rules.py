"""What the connection manager does to a request's path before routing: normalize_path, merge_slashes,
path_with_escaped_slashes_action. Works on bytes, query untouched; results equal Envoy's, which uses the URL
canonicalizer of Chromium. All of this is the slow way: request_rules knows most paths are fine as they are."""

ESCAPE = frozenset(range(0x21)) | frozenset(b'"#<>?^`{|}') | {0x7F}
UNESCAPE = frozenset(b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~")
HEX = b"0123456789ABCDEF"
KEEP, REJECT, UNESCAPE_AND_REDIRECT, UNESCAPE_AND_FORWARD = 1, 2, 3, 4   # path_with_escaped_slashes_action
ESCAPED_SLASHES = ((b"%2F", b"/"), (b"%2f", b"/"), (b"%5C", b"\\"), (b"%5c", b"\\"))


def split_path(target):
    """b"/a?b" -> (b"/a", b"?b")."""
    at = target.find(b"?")
    return (target, b"") if at < 0 else (target[:at], target[at:])


def unescape_slashes(path):
    """%2F and %5C become / and \\."""
    for escaped, plain in ESCAPED_SLASHES:
        path = path.replace(escaped, plain)
    return path


def merge_slashes(path):
    """b"//a///b/" -> b"/a/b/". A path of slashes alone becomes b"//", as in Envoy."""
    if b"//" not in path:
        return path
    parts = [part for part in path.split(b"/") if part]
    return (b"/" if path.startswith(b"/") else b"") + b"/".join(parts) + (b"/" if path.endswith(b"/") else b"")


def _escaped(path, at):
    """The byte that `%XX` at `at` stands for, or -1."""
    digits = path[at + 1:at + 3]
    if len(digits) != 2:
        return -1
    try:
        return int(digits, 16) if digits.isalnum() else -1
    except ValueError:
        return -1


def _dot(path, at):
    """How many bytes at `at` are a dot: 1, 3 (%2e) or 0."""
    if path[at:at + 1] == b".":
        return 1
    return 3 if path[at:at + 3].lower() == b"%2e" else 0


def _after_dot(path, at):
    """What a segment that began with a dot is, seen from behind that dot: ("." | ".." | "", bytes to skip).

    A segment ends at a slash, a backslash or the path's end. Parameters belong to it, so that `..;x` is `..`; unlike
    Envoy 1.40, which looks at literal dots behind a literal slash only, this holds for `%2e%2e;x` and behind a
    backslash as well: there Envoy hands `..;x` to the upstream, and servlet containers read that as `..`.
    """
    second = _dot(path, at)
    end = _segment_end(path, at)
    if end is not None:
        return ".", end - at
    if second:
        end = _segment_end(path, at + second)
        if end is not None:
            return "..", end - at
    return "", 0


def _segment_end(path, at):
    """Behind the slash that ends the segment, if nothing but parameters is left of it at `at`; else None."""
    size = len(path)
    if at == size:
        return at
    if path[at] in b"/\\":
        return at + 1
    if path[at] != 0x3B:
        return None
    end = path.find(b"/", at)
    return end + 1 if end >= 0 else size


def canonical_path(path):
    """The normalized path, or None when it must be refused (%00, bytes that are not UTF-8)."""
    out = bytearray()
    at, size, lone = 0, len(path), -1        # lone: where in `out` the last % stands that begins no escape
    while at < size:
        byte = path[at]
        dot = _dot(path, at)
        if dot:
            at += dot + _take_dot(out, path, at + dot)
        elif byte == 0x25:
            value = _escaped(path, at)
            if value == 0:
                return None
            if value in UNESCAPE:
                out.append(value)
                at += 3
                _keep_apart(out, lone, path[at:at + 1])
                continue
            if value < 0:
                lone = len(out)
            take = 3 if value >= 0 else 1
            out += path[at:at + take]
            at += take
        elif byte >= 0x80:
            length = _utf8_length(path, at)
            if not length:
                return None
            out += b"".join(b"%%%02X" % b for b in path[at:at + length])
            at += length
        else:
            out += b"/" if byte == 0x5C else b"%%%02X" % byte if byte in ESCAPE else path[at:at + 1]
            at += 1
    return bytes(out)


def _take_dot(out, path, at):
    """Does in `out` what the dot that ended before `at` means; how much more of `path` it took."""
    if not out.endswith(b"/"):
        out += b"."
        return 0
    kind, skip = _after_dot(path, at)
    if kind == "..":
        del out[max(out.rfind(b"/", 0, len(out) - 1), 0) + 1:]
    elif not kind:
        out += b"."
    return skip


def _keep_apart(out, lone, following):
    """A byte was just unescaped: if it would make a new escape with the lone % before it, that % is escaped itself."""
    tail = bytes(out[lone + 1:]) if lone >= 0 else b""
    if len(tail) == 1:
        tail += following
    if 0 < len(out) - lone - 1 <= 2 and lone >= 0 and len(tail) == 2 and _escaped(b"%" + tail, 0) >= 0:
        out[lone + 1:lone + 1] = b"25"


def _utf8_length(path, at):
    """Bytes of the UTF-8 sequence at `at`, 0 when it is none."""
    for length in (2, 3, 4):
        try:
            path[at:at + length].decode()
        except UnicodeDecodeError:
            continue
        return length if at + length <= len(path) else 0
    return 0
