"""Fixtures of the tests in a booted systemd, and the journal in the report of a test that failed."""

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "sim")]

from box import Box, Installed  # noqa: E402  (needs the paths above)

running = []    # for the journal in failure reports


def start_installed():
    if "SYSTEMD_BOX" not in os.environ:
        pytest.skip("SYSTEMD_BOX names no tool that boots a systemd")
    if os.geteuid() != 0:
        pytest.skip("only root can boot a systemd")
    box = Box()
    try:
        hub = Installed(box)
        running.append(hub)
        yield hub
        running.remove(hub)
    finally:
        box.down()


@pytest.fixture(scope="session")
def hub():
    """The installed hub that all tests share; each leaves it running."""
    yield from start_installed()


@pytest.fixture
def fresh_hub():
    """A hub on a machine of the test's own."""
    yield from start_installed()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        report.sections += [("journal", hub.tail()) for hub in running]
