"""Fixtures of the browser tests: a hub, a browser and simulated cameras."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "sim")]

from browser import Browser  # noqa: E402  (all of these need the path above)
from clients import ws_camera  # noqa: E402
from hub import Hub  # noqa: E402
from photo import Show  # noqa: E402


@pytest.fixture(scope="module")
def hub():
    """A hub shared by the tests of one file; each uses its own camera names."""
    with Hub() as running:
        yield running


@pytest.fixture
def fresh_hub():
    """A hub of the test's own, which it may stop and from which it may take parts."""
    with Hub() as running:
        yield running


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """One browser for the tests of a file."""
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium):
    """The file's browser; whatever its console complains about fails the test, unless `bearable` says otherwise."""
    chromium.bearable = []
    yield chromium
    complaints = chromium.complaints()
    chromium.leave()
    chromium.complaints()    # of what leaving interrupted
    assert not complaints, complaints


@contextlib.contextmanager
def start_program(program, *options):
    """A program of tests/sim/ that goes on by itself."""
    process = subprocess.Popen([sys.executable, str(TESTS / "sim" / program), *map(str, options)],
                               stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def start_camera(hub, name, *options):
    """A simulated camera that goes on by itself: start_camera(hub, "porch", "--fps", 2)."""
    return start_program("camera.py", "--host", hub.host, "--port", hub.http_port, "--token-file", hub.token_file,
                         "--name", name, *options)


def start_game(hub):
    """A game that reads what comes."""
    return start_program("game.py", "--url", f"ws://{hub.host}:{hub.ws_port}/")


@pytest.fixture(scope="module")
def busy_hub(hub):
    """A hub at work: two cameras, a game, and a camera that has left."""
    with start_camera(hub, "garage-cam"), start_camera(hub, "porch", "--fps", 2, "--tag", 12, "--size", "320x240"), \
            start_game(hub):
        ws_camera(hub, name="visitor").close()
        yield hub


@pytest.fixture
def run_camera():
    """start_camera() until the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda *words: stack.enter_context(start_camera(*words))


@pytest.fixture
def draw():
    """Makes pictures: draw("porch", 3) is the camera's third one, draw("porch", size=(320, 240)) a wide one."""
    def make(name, number=1, size=(240, 240)):
        return Show(size).draw(name, 7, (0, 0, 40, 10, 0, 0), number)
    return make


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        report.sections += [(f"log of {hub}", hub.tail()) for hub in Hub.running]
