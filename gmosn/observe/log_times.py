"""Points in time of a stream, for START_TIME, EMIT_TIME and COMMON_DURATION."""
import re
import time

from gmosn.errors import ConfigError
from gmosn.observe.log_operators import Call, Time

# COMMON_DURATION's names (Envoy: access log command operators) -> attributes of StreamInfo
DURATIONS = {"DS_RX_BEG": "start_us", "DS_RX_END": "request_end_us", "US_TX_BEG": "upstream_start_us",
             "US_TX_END": "upstream_sent_us", "US_RX_BEG": "upstream_first_byte_us", "US_RX_END": "upstream_end_us",
             "DS_TX_BEG": "response_start_us", "DS_TX_END": "end_us"}
_FRACTION = re.compile(r"%([1-9]?)f|%([369])s|%E([1-9*])S|%E([1-9*])f")


def time_operator(name, argument):
    """%START_TIME(format)%, %EMIT_TIME(format)%: strftime plus %1f..%9f, %f (fraction), %s (epoch), %3s %6s %9s (epoch
    in ms, us, ns). No argument: ISO 8601 with milliseconds. ConfigError for what is not a time format."""
    if name == "EMIT_TIME":
        start = _start_time(argument)
        return Call(lambda info: start.value(_Now()))
    return _start_time(argument)


class _Now:
    """Stands for a StreamInfo whose stream starts now."""

    def __init__(self):
        self.wall_us = time.time_ns() // 1000


def _start_time(argument):
    if not argument:
        return Time()
    if "\n" in argument:
        raise ConfigError("Invalid header configuration. Format string contains newline.")
    found = list(_FRACTION.finditer(argument))
    if not found:
        return Time((argument, ""), 0)
    if len(found) == 1 and found[0].group(2) is None:
        digits = _digits(found[0])
        before, after = argument[:found[0].start()], argument[found[0].end():]
        if found[0].group(3):
            before += "%S."
        return Time((before, after), digits)
    return Call(lambda info: _render(argument, info.wall_us))


def _digits(match):
    given = match.group(1) or match.group(3) or match.group(4) or "9"
    return 9 if given == "*" else int(given)


def _render(text, wall_us):
    """The general case: several fractions, or an epoch with a unit."""
    second, micros = divmod(wall_us, 1_000_000)

    def fraction(match):
        if match.group(2):
            digits = int(match.group(2))
            return f"{second}{micros * 1000:09d}"[:len(str(second)) + digits]
        shown = f"{micros * 1000:09d}"[:_digits(match)]
        return f"%S.{shown}" if match.group(3) else shown
    text = _FRACTION.sub(fraction, text).replace("%s", str(second))
    return time.strftime(text, time.gmtime(second)).encode()
