"""A hub of the real taghubctl and stand-ins for its services (fake_service.py), for tests of
taghubctl alone. Import the fixtures `base` and `fake_hub` together with `ctl`.
"""

import json
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from hub import Hub, build_dir
from wire import seconds

HERE = Path(__file__).resolve().parent
SERVICES = ["history", "metrics", "fanout", "ingest", "gateway"]    # in the order of starting


class FakeHub(Hub):
    """A hub whose services are stand-ins. It is ready when taghubctl says so."""

    def __init__(self, base, modes=None, **settings):
        self.base = base
        for service, mode in (modes or {}).items():
            self.set_mode(service, mode)
        super().__init__(**settings)

    def _environment(self, bind, overrides):
        return {**super()._environment(bind, overrides), "FAKE_DIR": str(self.base)}

    def is_ready(self):
        return "taghub is ready." in self.log_text()

    def set_mode(self, service, mode):
        (self.base / f"{service}.mode").write_text(mode)

    def events(self, service=None, what=None):
        """What the stand-ins have noted, oldest first."""
        path = self.base / "events"
        text = path.read_text() if path.exists() else ""
        found = [json.loads(line) for line in text.split("\n")[:-1]]    # one may be half written
        return [event for event in found
                if service in (None, event["service"]) and what in (None, event["what"])]

    def starts(self, service):
        return self.events(service, "start")

    def connect(self, service):
        """The pid that answers on a service's socket."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(seconds(10))
            sock.connect(str(self.runtime_dir / f"{service}.sock"))
            return int(sock.makefile().read())

    def run_to_end(self):
        """`taghubctl run` for a start that fails; returns the exit status."""
        self.process = self.spawn("run", *self.args)
        Hub.running.append(self)
        return self.wait_stopped()


@pytest.fixture
def base(tmp_path, monkeypatch):
    """A build directory with the real taghubctl and stand-ins for the services."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    shutil.copy2(build_dir() / "bin" / "taghubctl", bin_dir)
    for service in SERVICES:
        program = bin_dir / f"taghub-{service}"
        shutil.copyfile(HERE / "fake_service.py", program)
        program.chmod(0o755)
    monkeypatch.setenv("TAGHUB_BUILD", str(tmp_path))
    return tmp_path


@pytest.fixture
def fake_hub(base):
    """A factory: fake_hub(modes={"ingest": "exit:1"}, start=False)."""
    made = []

    def make(modes=None, **settings):
        made.append(FakeHub(base, modes, **settings))
        return made[-1]

    yield make
    for hub in made:
        hub.discard()


def ctl(hub, *words, stdin=None):
    """Runs a verb that ends by itself; returns its CompletedProcess with text output."""
    return subprocess.run([str(build_dir() / "bin" / "taghubctl"), *words], cwd=hub.dir,
                          env=hub.environment, input=stdin, capture_output=True, text=True,
                          timeout=seconds(20))
