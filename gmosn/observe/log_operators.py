# hot: http1_log
"""The operators of access-log formats that are evaluated per request. The rest are plain functions behind `Call`."""
import time

import cython

from gmosn.stream_info import RESPONSE_FLAGS
if not cython.compiled:
    from gmosn.ascii import ascii_int

REQUEST, RESPONSE, TRAILERS = 0, 1, 2
(CODE, RECEIVED, SENT, DURATION, REQUEST_DURATION, RESPONSE_DURATION, RESPONSE_TX_DURATION, ATTEMPTS, REQUEST_TX_DURATION,
 ROUNDTRIP) = range(10)
START_TIME = 0


class Operator:
    """One part of a format. `numeric`: the value is a decimal number (typed JSON writes it without quotes)."""

    def value(self, info):
        """The text, or None when there is no value (printed as "-")."""
        raise NotImplementedError


class Literal(Operator):
    """Constant text."""

    def __init__(self, text: bytes):
        self.text = text

    def value(self, info):
        return self.text


class Call(Operator):
    """Any function StreamInfo -> bytes, str, int or None."""

    def __init__(self, function, numeric=False):
        self.function = function
        self.numeric = numeric

    def value(self, info):
        found = self.function(info)
        if found is None or isinstance(found, bytes):
            return found
        if isinstance(found, int):
            return ascii_int(found)
        return str(found).encode("utf-8", "surrogateescape")


class Header(Operator):
    """REQ, RESP, TRAILER: a field, or another one when it is not there; `limit`: at most so many bytes, -1 = all."""

    def __init__(self, where: cython.int, name: bytes, other, limit: cython.Py_ssize_t):
        self.where = where
        self.name = name
        self.other = other
        self.limit = limit

    def value(self, info):
        fields: HeaderMap = None
        found: bytes
        if self.where == REQUEST:
            fields = info.request
        elif self.where == RESPONSE:
            fields = info.response
        else:
            fields = info.response_trailers
        if fields is None:
            return None
        found = fields.get(self.name)
        if found is None and self.other is not None:
            found = fields.get(self.other)
        if found is not None and 0 <= self.limit < len(found):
            found = found[:self.limit]
        return found


class Number(Operator):
    """Counts and durations (ms)."""

    def __init__(self, what: cython.int):
        self.what = what
        self.numeric = True

    def value(self, info):
        what: cython.int = self.what
        if what == CODE:
            return ascii_int(info.status)
        if what == RECEIVED:
            return ascii_int(info.bytes_received)
        if what == SENT:
            return ascii_int(info.bytes_sent)
        if what == DURATION:
            return ascii_int((info.end_us - info.start_us) // 1000) if info.end_us else None
        if what == REQUEST_DURATION:
            return ascii_int((info.request_end_us - info.start_us) // 1000) if info.request_end_us else None
        if what == RESPONSE_DURATION:
            return ascii_int((info.upstream_first_byte_us - info.start_us) // 1000) if info.upstream_first_byte_us else None
        if what == RESPONSE_TX_DURATION:
            if info.upstream_first_byte_us and info.end_us:
                return ascii_int((info.end_us - info.upstream_first_byte_us) // 1000)
            return None
        if what == REQUEST_TX_DURATION:
            return ascii_int((info.upstream_sent_us - info.start_us) // 1000) if info.upstream_sent_us else None
        if what == ATTEMPTS:
            return ascii_int(info.attempts)
        return None


class Flags(Operator):
    """RESPONSE_FLAGS and RESPONSE_FLAGS_LONG: names joined by commas, "-" when none is set."""

    def __init__(self, long_names: cython.bint):
        self.long_names = long_names
        self.known = {}

    def value(self, info):
        if info.flags == 0:
            return None
        text: bytes = self.known.get(info.flags)
        if text is None:
            names = [both[1 if self.long_names else 0] for bit, both in enumerate(RESPONSE_FLAGS) if info.flags >> bit & 1]
            text = self.known[info.flags] = ",".join(names).encode()
        return text


class Time(Operator):
    """START_TIME: strftime with %1f..%9f, %f (fractions) and %s, %s plus digits (epoch). The text of a second is kept.

    `pattern`: (strftime text before the fraction, after it) or None for ISO 8601 with milliseconds; `fraction_digits`:
    0 = no fraction.
    """

    def __init__(self, pattern=None, fraction_digits: cython.int = 3):
        self.pattern = pattern if pattern is not None else ("%Y-%m-%dT%H:%M:%S.", "Z")
        self.fraction_digits = fraction_digits
        self.second = -1
        self.before = self.after = b""

    def value(self, info):
        second: cython.longlong = info.wall_us // 1000000
        micros: cython.longlong = info.wall_us % 1000000
        if second != self.second:
            self._turn(second)
        if self.fraction_digits == 0:
            return self.before
        if self.fraction_digits == 3:
            return self.before + ascii_int(micros // 1000 + 1000)[1:] + self.after
        return self.before + ascii_int(micros + 1000000)[1:].ljust(9, b"0")[:self.fraction_digits] + self.after

    def _turn(self, second):
        moment = time.gmtime(second)
        before, after = self.pattern
        self.second = second
        self.before = time.strftime(before.replace("%s", str(second)), moment).encode()
        self.after = time.strftime(after.replace("%s", str(second)), moment).encode() if after else b""


class UpstreamHost(Operator):
    """UPSTREAM_HOST: the address of the host that was chosen."""

    def value(self, info):
        host = info.upstream_host
        return host.name if host is not None else None


if not cython.compiled:
    Operator.numeric = False
