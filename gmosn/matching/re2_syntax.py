"""RE2 syntax -> the standard library's `re`, for machines without google-re2.

Only what means the same in both, or can be rewritten so, passes; everything else is a ConfigError. Because `re`
backtracks, an unbounded repeat inside an unbounded repeat (exponential time on hostile input) is refused too.
"""
from gmosn.errors import ConfigError

POSIX_CLASSES = {
    b"alnum": rb"0-9A-Za-z", b"alpha": rb"A-Za-z", b"ascii": rb"\x00-\x7f", b"blank": rb"\t ",
    b"cntrl": rb"\x00-\x1f\x7f", b"digit": rb"0-9", b"graph": rb"!-~", b"lower": rb"a-z", b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~", b"space": rb"\t\n\v\f\r ", b"upper": rb"A-Z", b"word": rb"0-9A-Za-z_",
    b"xdigit": rb"0-9A-Fa-f",
}
SPACE = rb"\t\n\f\r "                       # RE2's \s has no vertical tab
SAME_ESCAPES = frozenset(b"adDwWbBfnrtv")
PLAIN_ESCAPES = frozenset(b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def _refuse(what):
    raise ConfigError(f"invalid regex: {what} (without google-re2)")


class _Translator:
    def __init__(self, pattern):
        self.pattern = pattern
        self.at = 0
        self.out = bytearray()
        self.groups = []                    # per open group: does it hold an unbounded repeat?
        self.atom_repeats = False           # does the atom just read hold an unbounded repeat?

    def peek(self, size=1):
        return self.pattern[self.at:self.at + size]

    def take(self, size=1):
        data = self.peek(size)
        self.at += size
        return data

    def run(self):
        self.groups.append(False)
        while self.at < len(self.pattern):
            byte = self.take()
            if byte == b"\\":
                self.out += self.escape(in_class=False)
                self.atom_repeats = False
            elif byte == b"[":
                self.char_class()
                self.atom_repeats = False
            elif byte == b"(":
                self.open_group()
            elif byte == b")":
                if len(self.groups) == 1:
                    _refuse("unexpected ')'")
                self.out += b")"
                self.atom_repeats = self.groups.pop()
                self.groups[-1] |= self.atom_repeats
            elif byte in b"*+?{":
                self.repeat(byte)
            else:
                self.out += rb"\Z" if byte == b"$" else byte      # without flag m, $ is the very end in RE2
                self.atom_repeats = False
        if len(self.groups) != 1:
            _refuse("missing ')'")
        return bytes(self.out)

    def repeat(self, byte):
        unbounded = byte in b"*+"
        text = byte
        if byte == b"{":
            end = self.pattern.find(b"}", self.at)
            body = self.pattern[self.at:end] if end >= 0 else b""
            low, comma, high = body.partition(b",")
            if not low.isdigit() or (high and not high.isdigit()):
                self.out += rb"\{"           # a literal brace, in both
                self.atom_repeats = False
                return
            if max(int(low), int(high or 0)) > 1000:
                _refuse("invalid repetition size: {" + body.decode() + "}")
            self.at = end + 1
            unbounded = bool(comma and not high)
            text = b"{" + body + b"}"
        if unbounded and self.atom_repeats:
            _refuse("an unbounded repeat inside an unbounded repeat")
        self.out += text
        if self.peek() == b"?":
            self.out += self.take()
        if self.peek() and self.peek() in b"*+?" or self.peek() == b"{" and self.pattern[self.at + 1:self.at + 2].isdigit():
            _refuse("bad repetition operator")
        self.atom_repeats = self.atom_repeats or unbounded
        self.groups[-1] |= unbounded

    def open_group(self):
        self.groups.append(False)
        self.atom_repeats = False
        if self.peek() != b"?":
            self.out += b"("
            return
        if self.peek(3) == b"?P<" or (self.peek(2) == b"?<" and self.peek(3) not in (b"?<=", b"?<!")):
            self.at += 3 if self.peek(3) == b"?P<" else 2
            self.out += b"(?P<"
            return
        end = self.at + 1
        while self.pattern[end:end + 1] and self.pattern[end:end + 1] in b"imsU-":
            end += 1
        flags, stop = self.pattern[self.at + 1:end], self.pattern[end:end + 1]
        if b"U" in flags or b"m" in flags or stop not in (b":", b")") or not stop:
            _refuse(f"invalid perl operator: ({self.peek(3).decode('latin-1')}")
        if stop == b":":
            self.out += b"(?" + flags + b":"
        elif self.out or b"-" in flags or not flags:
            _refuse("flags that start inside the pattern")
        else:
            self.out += b"(?" + flags + b")"
            self.groups.pop()
        self.at = end + 1

    def escape(self, in_class):
        byte = self.take()
        if not byte:
            _refuse("trailing \\")
        if byte[0] in SAME_ESCAPES:
            if in_class and byte in b"bB":
                _refuse(f"invalid escape sequence: \\{byte.decode()}")
            return b"\\" + byte
        if byte == b"s":
            return SPACE if in_class else b"[" + SPACE + b"]"
        if byte == b"S" and not in_class:
            return b"[^" + SPACE + b"]"
        if byte in (b"A", b"z") and not in_class:
            return rb"\A" if byte == b"A" else rb"\Z"
        if byte == b"Q" and not in_class:
            return self.quoted()
        if byte == b"x":
            return self.hex_escape()
        if byte[0] in PLAIN_ESCAPES:
            return b"\\" + byte
        return _refuse(f"invalid escape sequence: \\{byte.decode('latin-1')}")

    def hex_escape(self):
        if self.peek() == b"{":
            end = self.pattern.find(b"}", self.at)
            digits, self.at = self.pattern[self.at + 1:end], end + 1
        else:
            digits = self.take(2)
        try:
            value = int(digits, 16)
        except ValueError:
            value = 256
        if value > 255:
            _refuse("invalid escape sequence: \\x")
        return b"\\x%02x" % value

    def quoted(self):
        end = self.pattern.find(rb"\E", self.at)
        literal = self.pattern[self.at:end if end >= 0 else len(self.pattern)]
        self.at = end + 2 if end >= 0 else len(self.pattern)
        return b"".join(b"\\x%02x" % byte for byte in literal)

    def char_class(self):
        self.out += b"["
        if self.peek() == b"^":
            self.out += self.take()
        first = True
        while True:
            byte = self.take()
            if not byte:
                _refuse("missing closing ]")
            if byte == b"]" and not first:
                self.out += b"]"
                return
            first = False
            if byte == b"[" and self.peek() == b":":
                self.posix_class()
            elif byte == b"\\":
                self.out += self.escape(in_class=True)
            elif byte == b"-":
                self.out += b"-"
            else:
                self.out += b"\\" + byte if byte in b"[]&~|^" else byte

    def posix_class(self):
        end = self.pattern.find(b":]", self.at)
        name = self.pattern[self.at + 1:end] if end >= 0 else b""
        if name not in POSIX_CLASSES:
            _refuse(f"invalid character class range: [:{name.decode('latin-1')}:]")
        self.out += POSIX_CLASSES[name]
        self.at = end + 2


def translate(pattern):
    """A bytes pattern for `re` that means what `pattern` (bytes) means to RE2 on Latin-1. Raises ConfigError."""
    return _Translator(pattern).run()
