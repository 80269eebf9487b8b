# hot: http1_get
"""Decimal text of integers, as bytes."""
import cython

SMALL = [b"%d" % _n for _n in range(1000)]


def ascii_int(n):
    """-12 -> b"-12". Small numbers (statuses, milliseconds) are shared objects."""
    if 0 <= n < 1000:
        return SMALL[n]
    if not cython.compiled or n < 0:
        return b"%d" % n
    buf: cython.char[24]
    i: cython.int = 24
    while n:
        i -= 1
        buf[i] = 48 + n % 10
        n //= 10
    return PyBytes_FromStringAndSize(buf + i, 24 - i)
