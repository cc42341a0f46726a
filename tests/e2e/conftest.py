"""Fixtures of the end-to-end tests, and the hub's log in the report of a test that failed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sim"))

from hub import Hub  # noqa: E402  (needs the path above)

# What goes through libh2o: these files also run under valgrind, which sees misuse of an uninstrumented library. Only on hubs
# that many tests share: one takes many seconds to start there.
VALGRIND_FILES = ("test_ws_", "test_http_", "test_photo", "test_status")


def pytest_configure(config):
    config.addinivalue_line("markers", "valgrind: also run under valgrind")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.name.startswith(VALGRIND_FILES) and "fresh_hub" not in item.fixturenames:
            item.add_marker("valgrind")


@pytest.fixture(scope="module")
def hub():
    """A hub shared by the tests of one file, for tests that leave it as they found it."""
    with Hub() as running:
        yield running


@pytest.fixture
def fresh_hub():
    """A factory of hubs for one test: fresh_hub(workers=4, ping_interval_ms=300)."""
    started = []

    def start(**settings):
        hub = Hub(**settings)
        started.append(hub)
        return hub

    yield start
    failures = []
    for hub in reversed(started):
        if hub in Hub.running:    # else the test has stopped it itself
            try:
                hub.stop()
            except AssertionError as failure:
                failures.append(failure)
    if failures:
        raise failures[0]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for hub in Hub.running:
            report.sections.append((f"log of {hub}", hub.tail()))
