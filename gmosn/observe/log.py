"""The application log: spdlog's patterns, Envoy's component names and levels.

`Logs` is made once per process and passed down; `logs.get("upstream")` gives a Logger whose calls cost one comparison while
the level is off. A line is one write(2) to the file, unbuffered: it is there when the process dies. A line that cannot be
written is dropped: the log is never a reason to fail. Standard library only, no threads, no gevent.
"""
import os
import sys
import time

from gmosn import __version__

TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL, OFF = range(7)
LEVEL_NAMES = ("trace", "debug", "info", "warning", "error", "critical", "off")
LEVELS = {name: level for level, name in enumerate(LEVEL_NAMES)} | {"warn": WARNING}
DEFAULT_FORMAT = "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v"

# Envoy 1.40's loggers, in the order in which its admin lists them.
COMPONENTS = tuple("""
a2a admin ai_protocol_manager alternate_protocols_cache aws assert backtrace basic_auth cache_filter client config connection
conn_handler compression credential_injector decompression dns dubbo envoy_bug ext_authz ext_proc rocketmq file filter
forward_proxy geolocation grpc happy_eyeballs hc health_checker http http2 hystrix init io jwt json_rpc kafka key_value_store
lua local_rate_limit main matcher mcp misc mongo multi_connection notification oauth2 quic quic_stream pool rate_limit_quota
rbac rds redis router runtime stats secret sse tap testing thrift tracing upstream udp wasm websocket golang stats_sinks
dynamic_modules ip_tagging
""".split())


def parse_level(text):
    """The level's number; ValueError with Envoy's words. Lower case only, as in Envoy."""
    level = LEVELS.get(text)
    if level is None:
        raise ValueError(f"error: invalid log level specified '{text}'")
    return level


def parse_component_levels(text):
    """"upstream:debug,config:trace" -> {"upstream": 1, "config": 0}; ValueError with Envoy's words."""
    levels = {}
    for entry in text.split(",") if text else ():
        component, colon, level = entry.partition(":")
        if not colon or ":" in level:
            raise ValueError(f"error: component log level not correctly specified '{entry}'")
        number = parse_level(level)
        if component not in COMPONENTS:
            raise ValueError(f"error: invalid component specified '{component}'")
        levels[component] = number
    return levels


class Logger:
    """One component's log. The message is %-formatted with `args` only when it is written."""

    __slots__ = ("name", "level", "_logs")

    def __init__(self, name, level, logs):
        self.name = name
        self.level = level
        self._logs = logs

    def trace(self, message, *args):
        if self.level <= TRACE:
            self._logs.write(self.name, TRACE, message, args)

    def debug(self, message, *args):
        if self.level <= DEBUG:
            self._logs.write(self.name, DEBUG, message, args)

    def info(self, message, *args):
        if self.level <= INFO:
            self._logs.write(self.name, INFO, message, args)

    def warning(self, message, *args):
        if self.level <= WARNING:
            self._logs.write(self.name, WARNING, message, args)

    def error(self, message, *args):
        if self.level <= ERROR:
            self._logs.write(self.name, ERROR, message, args)

    def critical(self, message, *args):
        if self.level <= CRITICAL:
            self._logs.write(self.name, CRITICAL, message, args)


class Logs:
    """All loggers of a process and the file they share.

    `level`: number for all; `components`: {name: level} on top; `pattern`: see Pattern; `escaped`: C-style escapes in the
    whole line; `path`: file to append to (OSError if it cannot be opened), "" = standard error.
    """

    def __init__(self, level=INFO, components=None, pattern=DEFAULT_FORMAT, escaped=False, path=""):
        self._pattern = Pattern(pattern)
        self._escaped = escaped
        self.path = path
        self.fd = _open(path) if path else 2
        levels = components or {}
        self._loggers = {name: Logger(name, levels.get(name, level), self) for name in COMPONENTS}

    @classmethod
    def from_options(cls, options):
        """From the command line's --log-level, --component-log-level, --log-format, --log-format-escaped, --log-path."""
        return cls(parse_level(options.log_level), parse_component_levels(options.component_log_level),
                   options.log_format, options.log_format_escaped, options.log_path)

    def get(self, name):
        """The logger of one of COMPONENTS."""
        return self._loggers[name]

    def levels(self):
        """{name: number} of all components, in COMPONENTS' order."""
        return {name: logger.level for name, logger in self._loggers.items()}

    def set_level(self, level):
        for logger in self._loggers.values():
            logger.level = level

    def set_component_level(self, name, level):
        """KeyError for a name that is not in COMPONENTS."""
        self._loggers[name].level = level

    def reopen(self):
        """Opens the file anew after it was moved away. Keeps the old one when that fails."""
        if self.path:
            try:
                fd = _open(self.path)
            except OSError as exc:
                self.get("main").error("cannot reopen log file '%s': %s", self.path, exc.strerror)
                return
            os.dup2(fd, self.fd, inheritable=False)
            os.close(fd)

    def write(self, name, level, message, args):
        """Writes one line; called by Logger, whose caller's caller is the source location."""
        frame = sys._getframe(2) if self._pattern.needs_location else None
        line = self._pattern.format(name, level, message % args if args else message, time.time(), frame)
        if self._escaped:
            line = c_escape(line)
        try:
            os.write(self.fd, line.encode("utf-8", "backslashreplace") + b"\n")
        except OSError:
            pass                                     # the log's disk is full or its reader is gone: nothing to be done here


def _open(path):
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


class Pattern:
    """A spdlog format: `%` codes with an optional field width (`%8l` right, `%-8l` left, `%=8l` centred, `!` = cut).

    Times are local. `%t` is the process id: a process has one thread here. Envoy's additions: `%_` message with line
    ends escaped, `%j` message as the inside of a JSON string.
    """

    def __init__(self, text):
        self.needs_location = False
        self._parts = []                             # str, or (function of _Record, align, width, cut)
        self._second = -1
        self._local = None
        self._last = 0.0
        position = 0
        while position < len(text):
            percent = text.find("%", position)
            if percent < 0:
                self._parts.append(text[position:])
                break
            if percent > position:
                self._parts.append(text[position:percent])
            position = self._add_code(text, percent + 1)

    def _add_code(self, text, start):
        position, align, width, cut = _field_width(text, start)
        code = text[position:position + 1]
        function = _CODES.get(code, None if code else _nothing)
        if function is None:
            self._parts.append("%" + text[start:position + 1])       # spdlog prints unknown codes as they are
        elif function is not _nothing:
            self.needs_location |= code in "@sg#!"
            self._parts.append((function, align, width, cut))
        return position + 1

    def format(self, name, level, message, now, frame):
        """One line without its end. `now`: seconds since the epoch; `frame`: the caller's frame or None."""
        second = int(now)
        if second != self._second:
            self._second, self._local = second, time.localtime(second)
        elapsed = max(0.0, now - self._last) if self._last else 0.0
        self._last = now
        record = _Record(name, level, message, now, elapsed, self._local, frame)
        out = []
        for part in self._parts:
            if type(part) is str:
                out.append(part)
            else:
                function, align, width, cut = part
                text = function(record)
                out.append(_pad(text, align, width, cut) if width else text)
        return "".join(out)


class _Record:
    __slots__ = ("name", "level", "message", "now", "elapsed", "local", "frame")

    def __init__(self, name, level, message, now, elapsed, local, frame):
        self.name, self.level, self.message = name, level, message
        self.now, self.elapsed, self.local, self.frame = now, elapsed, local, frame


def _field_width(text, position):
    align = ">"
    if text[position:position + 1] in ("-", "="):
        align = "<" if text[position] == "-" else "^"
        position += 1
    start = position
    while text[position:position + 1].isdecimal():
        position += 1
    width = int(text[start:position] or 0)
    cut = text[position:position + 1] == "!" and width > 0
    return position + cut, align, width, cut


def _pad(text, align, width, cut):
    if cut:
        text = text[:width]
    return f"{text:{align}{width}}"


def _fraction(digits):
    scale = 10 ** digits
    return lambda r: f"{int(r.now % 1 * scale):0{digits}}"


def _elapsed(scale):
    return lambda r: str(int(r.elapsed * scale))


def _strftime(directive):
    return lambda r: time.strftime(directive, r.local)


def _offset(r):
    minutes = r.local.tm_gmtoff // 60
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _source(r):
    path = r.frame.f_code.co_filename if r.frame is not None else ""
    cut = path.rfind("/gmosn/")
    return path[cut + 1:] if cut >= 0 else path


def _line(r):
    return str(r.frame.f_lineno) if r.frame is not None else ""


def _json_inside(r):
    import json
    return json.dumps(r.message)[1:-1]


def _nothing(r):
    """Colour marks: we never colour."""
    return ""


_CODES = {code: _strftime("%" + code) for code in "aAbBCYmdHIMSpTDFRXcrx"} | {
    "D": _strftime("%m/%d/%y"), "x": _strftime("%m/%d/%y"), "X": _strftime("%H:%M:%S"), "h": _strftime("%b"),
    "c": _strftime("%a %b %-d %H:%M:%S %Y"), "r": _strftime("%I:%M:%S %p"), "C": _strftime("%y"),
    "v": lambda r: r.message,
    "_": lambda r: r.message.replace("\n", "\\n"),
    "j": _json_inside,
    "n": lambda r: r.name,
    "l": lambda r: LEVEL_NAMES[r.level],
    "L": lambda r: "TDIWECO"[r.level],
    "t": lambda r: str(os.getpid()),
    "P": lambda r: str(os.getpid()),
    "e": _fraction(3), "f": _fraction(6), "F": _fraction(9),
    "u": _elapsed(1e9), "i": _elapsed(1e6), "o": _elapsed(1e3), "O": _elapsed(1),
    "E": lambda r: str(int(r.now)),
    "N": lambda r: __version__,
    "z": _offset,
    "g": _source,
    "s": lambda r: os.path.basename(_source(r)),
    "#": _line,
    "!": lambda r: r.frame.f_code.co_name if r.frame is not None else "",
    "@": lambda r: f"{_source(r)}:{_line(r)}",
    "%": lambda r: "%",
    "^": _nothing, "$": _nothing,
}

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "'": "\\'", "\\": "\\\\"}


def c_escape(line):
    """C-style escapes as Envoy's --log-format-escaped makes them; white space at the end stays."""
    body = line.rstrip()
    out = []
    for char in body:
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif " " <= char <= "~":
            out.append(char)
        else:
            out.extend(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogatepass"))
    return "".join(out) + line[len(body):]
