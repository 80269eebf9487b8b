"""Circuit breaker counts over workers."""
import os

import pytest

from gmosn.upstream.limits import CONNECTIONS, PENDING, REQUESTS, Limits, LimitTable


@pytest.fixture
def tables():
    """Three workers' views of one table."""
    fd = LimitTable.create(3)
    yield [LimitTable(fd, column) for column in range(3)]
    os.close(fd)


def test_limits_count_over_all_workers(tables):
    limits = [Limits(table, "c", max_requests=3) for table in tables]
    for one in limits:
        assert one.allows(REQUESTS)
        one.add(REQUESTS, 1)
    assert not any(one.allows(REQUESTS) for one in limits)
    assert [one.total(REQUESTS) for one in limits] == [3, 3, 3]
    limits[1].add(REQUESTS, -1)
    assert limits[0].allows(REQUESTS)


def test_kinds_and_clusters_and_priorities_are_apart(tables):
    c, d = Limits(tables[0], "c"), Limits(tables[0], "d")
    high = Limits(tables[0], "c", "high")
    c.add(REQUESTS, 1)
    c.add(PENDING, 2)
    assert (c.total(CONNECTIONS), c.total(REQUESTS), c.total(PENDING)) == (0, 1, 2)
    assert d.total(REQUESTS) == high.total(REQUESTS) == 0


def test_names_get_the_same_row_in_whatever_order_workers_ask(tables):
    rows = [tables[0].row(name) for name in ("a", "b", "c")]
    assert [tables[1].row(name) for name in ("c", "d", "a")] == [rows[2], 3, rows[0]]
    assert tables[0].row("d") == 3


def test_a_new_worker_clears_its_column(tables):
    Limits(tables[0], "c").add(CONNECTIONS, 5)
    Limits(tables[1], "c").add(CONNECTIONS, 7)
    again = LimitTable(os.dup(tables[1].fd), 1)
    assert Limits(again, "c").total(CONNECTIONS) == 5
    again.clear(0)
    assert Limits(again, "c").total(CONNECTIONS) == 0


def test_a_reader_changes_nothing(tables):
    Limits(tables[2], "c").add(REQUESTS, 4)
    reader = LimitTable(tables[0].fd, -1)
    assert reader.total(reader.row("default.c"), REQUESTS) == 4


def test_a_full_table_counts_locally():
    fd = LimitTable.create(1, rows=2)
    table = LimitTable(fd, 0)
    limits = [Limits(table, name, max_requests=1) for name in "abc"]
    os.close(fd)
    limits[2].add(REQUESTS, 1)
    assert [one.allows(REQUESTS) for one in limits] == [True, True, False]


def test_retries():
    limits = Limits(LimitTable.local(), "c", max_retries=1)
    assert limits.retry_start()
    assert not limits.retry_start()
    limits.retry_end()
    assert limits.retry_start()


def test_what_is_not_a_table():
    fd = os.memfd_create("other")
    os.ftruncate(fd, 4096)
    with pytest.raises(ValueError, match="not a limit table"):
        LimitTable(fd, 0)
    os.close(fd)


def test_too_few_columns():
    fd = LimitTable.create(2)
    with pytest.raises(ValueError, match="2 columns"):
        LimitTable(fd, 2)
    os.close(fd)


def test_repr():
    limits = Limits(LimitTable.local(), "c", max_connections=7)
    limits.add(CONNECTIONS, 2)
    assert repr(limits) == "<Limits default: 2/7 connections, 0/1024 pending, 0/1024 requests, 0/3 retries>"
