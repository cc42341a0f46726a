"""The judge of scrapes finds what Prometheus' own tool would find."""

import pytest

from promlint import Scrape

GOOD = """\
# HELP a_total What it is.
# TYPE a_total counter
a_total{k="v"} 1
a_total{k="a\\"b\\\\c\\nd"} 2
# HELP wait_seconds What it is.
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.1"} 1
wait_seconds_bucket{le="+Inf"} 3
wait_seconds_sum 2.5
wait_seconds_count 3
"""


def test_a_good_scrape():
    scrape = Scrape(GOOD)
    assert scrape.problems() == []
    assert scrape.value("a_total", k='a"b\\c\nd') == 2
    assert scrape.value("a_total", k="w") is None
    assert scrape.sum("a_total") == 3
    assert scrape.names == {"a_total", "wait_seconds_bucket", "wait_seconds_sum", "wait_seconds_count"}


@pytest.mark.parametrize("old, new, problem", [
    ("count 3\n", "count 3", "the last line does not end"),
    ("# HELP a_total What it is.\n", "", "a_total: does not begin with HELP"),
    ("a_total What it is.", "a_total", "a_total: no help"),
    ("total counter", "total gauge", "a_total: a gauge, by its name something else"),
    ("a_total", "a", "a: a counter, by its name something else"),
    ("a_total", "aB_total", "aB_total: not in snake case"),
    ("a_total", "a_ms_total", "a_ms_total: ms is not a base unit"),
    ("a_total", "a_milliseconds_total", "a_milliseconds_total: milliseconds is not a base unit"),
    ("a_total", "a_counter_total", "a_counter_total: the type stands in the name"),
    ('k="v"', 'k="\\v"', 'no sample: a_total{k="\\v"} 1'),
    ('k="v"', 'le="1"', "a_total: le outside of a histogram"),
    ('{k="v"} 1', '{k="v"} -1', "a_total: a total below 0"),
    ("wait_seconds_sum 2.5\n", "", "wait_seconds: series without buckets, sum or count"),
    ('le="+Inf"', 'le="5"', "wait_seconds: bounds (0.1, 5.0)"),
    ('le="0.1"} 1', 'le="0.1"} 4', "wait_seconds: buckets do not add up: (4.0, 3.0)"),
    ("count 3", "count 4", "wait_seconds: count is not the last bucket"),
    ("wait_seconds_count 3\n", 'wait_seconds_count 3\na_total{k="w"} 1\n', "a_total: not in one piece"),
])
def test_a_bad_scrape(old, new, problem):
    assert old in GOOD
    assert problem in Scrape(GOOD.replace(old, new)).problems()


def test_a_series_that_comes_twice():
    with pytest.raises(ValueError, match="twice: a_total"):
        Scrape(GOOD.replace('k="a\\"b\\\\c\\nd"', 'k="v"'))
