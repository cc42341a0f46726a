"""A machine of its own for a test: systemd as its first process, the package installed, a hub running.

Box        the machine, made and driven by the tool that SYSTEMD_BOX names
Installed  the hub in it; clients of ../e2e talk to it, for the box shares the network of this machine
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from clients import http
from hub import build_dir, free_ports
from wire import seconds, wait_until

REPO = Path(__file__).resolve().parents[2]
INNER = ("ingest", "fanout", "metrics", "history")
SERVICES = ("gateway", *INNER)


class Box:
    """up() is done when the object is there; down() leaves nothing."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="taghub-box", dir="/var/tmp")
        self._tool("up", "--root", self.root, "--ttl", "600")
        self.run("rm", "-rf", "/var/lib/taghub", "/etc/taghub")    # of a hub that ran on this machine

    def _tool(self, *words, **how):
        return subprocess.run([os.environ["SYSTEMD_BOX"], *words], text=True, stdin=subprocess.DEVNULL,
                              timeout=seconds(90), **{"check": True, **how})

    def run(self, *words, check=True):
        """Runs a command as root in the box and returns what it wrote, errors too."""
        done = self._tool("exec", "--root", self.root, "--", *words, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert not check or done.returncode == 0, f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}"
        return done.stdout

    def shell(self, script, check=True):
        return self.run("sh", "-c", script, check=check)

    def write(self, path, text):
        """Makes a file, and the folders above it."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / Path(path).name
            file.write_text(text)
            file.chmod(0o644)
            self.push(file, path)

    def push(self, file, path):
        self._tool("push", "--root", self.root, str(file), path)

    def reboot(self):
        self._tool("reboot", "--root", self.root)

    def down(self):
        self._tool("down", "--root", self.root, "--now", check=False)
        shutil.rmtree(self.root, ignore_errors=True)


class Installed:
    """A hub from the package, on free ports, as its administrator sees it."""

    host = "127.0.0.1"

    def __init__(self, box):
        self.box = box
        self.http_port, self.ws_port, self.udp_port = free_ports()
        box.write("/etc/taghub/conf.d/ports.conf", f"bind = {self.host}\nhttp_port = {self.http_port}\n"
                  f"ws_port = {self.ws_port}\nudp_port = {self.udp_port}\n")
        self.install()
        try:
            self.wait_ready(60)    # apart from what is tested: nothing else makes this machine wait
        except TimeoutError as late:
            raise TimeoutError(f"{late}; {self.trouble()}\n{self.tail()}") from None    # the machine is gone soon

    def trouble(self):
        """What is not as it should be, in a line."""
        states = {name: unit["ActiveState"] for name, unit in self.units().items() if unit["ActiveState"] != "active"}
        try:
            reply = http(self, "GET", "/readyz")
            answer = f"{reply.status} {reply.body.decode()}"
        except OSError as failure:
            answer = repr(failure)
        return f"not active: {states or 'none'}; GET /readyz: {answer}"

    def install(self):
        """Installs or upgrades the package that `make deb` has left."""
        package, = build_dir().glob("taghub_*.deb")
        self.box.push(package, "/root/taghub.deb")
        self.box.run("dpkg", "--no-triggers", "--install", "/root/taghub.deb")    # man-db's takes many seconds

    @property
    def token(self):
        return self.box.run("taghubctl", "token", "show").strip()

    def systemctl(self, *words, check=True):
        return self.box.run("systemctl", *words, check=check)

    def units(self):
        """{"taghub-fanout.socket": {property: value}} of all units of the hub, by one question."""
        names = ["taghub.target", *(f"taghub-{name}.service" for name in SERVICES),
                 *(f"taghub-{name}.socket" for name in INNER)]
        text = self.systemctl("show", "-p", "Id,ActiveState,MainPID,InvocationID,ActiveExitTimestampMonotonic,"
                              "InactiveEnterTimestampMonotonic", *names)
        blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
        return {block["Id"]: block for block in blocks}

    def starts(self):
        """{unit: which start of it this is}; what was restarted has another one."""
        return {name: unit["InvocationID"] for name, unit in self.units().items()}

    def pid(self, service):
        pid = self.units()[f"taghub-{service}.service"]["MainPID"]
        assert pid != "0", f"{service} does not run"
        return pid

    def workers(self, service):
        """Process numbers of a service's workers."""
        return self.box.run("pgrep", "-P", self.pid(service), check=False).split()

    def signal(self, service, name):
        """Sends a signal to the main process alone, as a stranger would."""
        self.box.run("kill", f"-{name}", self.pid(service))

    def wait_restarted(self, service, old, limit_s=10):
        """Waits until a service runs in another start than in `old`, the answer of starts()."""
        name = f"taghub-{service}.service"

        def runs_anew():
            unit = self.units()[name]
            return unit["ActiveState"] == "active" and unit["InvocationID"] != old[name]
        wait_until(runs_anew, limit_s, f"{name} is started again")

    def is_ready(self):
        try:
            return http(self, "GET", "/readyz").status == 200
        except OSError:
            return False

    def wait_ready(self, limit_s=15):
        wait_until(self.is_ready, limit_s, "GET /readyz answers 200")

    def journal(self):
        """Every line of the hub's units since the boot, as journald keeps it."""
        lines = self.box.run("journalctl", "--boot", "--unit", "taghub*", "--output", "json", "--no-pager")
        return [json.loads(line) for line in lines.splitlines()]

    def tail(self, lines=60):
        return self.box.run("journalctl", "--boot", "--no-pager", "--lines", str(lines), check=False)
