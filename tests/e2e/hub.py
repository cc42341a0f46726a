"""A whole hub of its own for a test: real processes, private directories, free ports.

The hub is `taghubctl run` with everything given by environment. It is ready when GET /readyz says
so, and it must end cleanly: exit code 0, no process left, no sanitizer report and no unexpected
death in its log. Whatever breaks that promise fails the test that used the hub.
"""

import os
import random
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from kernel import open_files, peer_socket
from wire import TIME_FACTOR, Deadline, recv_to_end, seconds, tcp_connect, wait_until

REPO = Path(__file__).resolve().parents[2]
SLOW = os.environ.get("TAGHUB_SLOW") == "1"
START_LIMIT_S = 60 if SLOW else 15
STOP_LIMIT_S = 30 if SLOW else 5

# Found in a log, these fail the test always: our own bugs, seen by an assert or a sanitizer.
BUG_PATTERNS = (
    r"ERROR: AddressSanitizer",
    r"LeakSanitizer",
    r"runtime error:",
    r"Assertion",
    r"stack smashing detected",
    r"==\d+== ERROR SUMMARY: [1-9]",
    r"==\d+==\s+definitely lost: [1-9]",
)

# These fail the test unless it caused them: a process of the hub that ended by itself or hung, in
# a line of level warning or above.
DEATH_PATTERN = re.compile(
    r"<[0-4]>.*?: (?:worker|service|child|process)_(?:died|hangs|hung|killed|crashed|exited)\b"
    r"|<[0-4]>.*?: exit step="
    r"|Segmentation fault|core dumped")

# Limits inside the hub by which it judges its own processes; a slow build needs longer ones.
OWN_LIMITS_MS = {"worker_hang_ms": 1000, "stop_deadline_ms": 4000, "bus_stall_ms": 500}


def build_dir():
    """Where the programs under test were built."""
    return Path(os.environ.get("TAGHUB_BUILD", REPO / "build")).resolve()


def free_ports(host="127.0.0.1"):
    """(http, ws, udp) ports that nobody uses now. They lie below the range from which the kernel
    takes ports for outgoing connections, so no client can take one before the hub does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = []
    try:
        while len(held) < 3:
            kind = socket.SOCK_DGRAM if len(held) == 2 else socket.SOCK_STREAM
            sock = socket.socket(family, kind)
            held.append(sock)
            try:
                sock.bind((host, random.SystemRandom().randrange(10000, 32000)))
            except OSError:
                held.pop().close()
        return tuple(sock.getsockname()[1] for sock in held)
    finally:
        for sock in held:
            sock.close()


class Process:
    """A line of the process table, read from /proc."""

    def __init__(self, pid):
        self.pid = pid
        stat = Path(f"/proc/{pid}/stat").read_text()
        self.name, rest = stat[stat.index("(") + 1:].rsplit(")", 1)
        self.state, parent, _, session = rest.split()[:4]
        self.parent, self.session = int(parent), int(session)

    @property
    def service(self):
        """"gateway" for taghub-gateway, also when a tool such as valgrind runs it; else None."""
        words = [self.name]
        try:
            words += Path(f"/proc/{self.pid}/cmdline").read_text(errors="replace").split("\0")
        except OSError:
            pass
        for word in words:
            match = re.fullmatch(r"taghub-(\w+).*", os.path.basename(word.split(" ")[0]))
            if match:
                return match[1]
        return None


def processes():
    """Every process that is not a zombie."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                process = Process(int(entry))
            except (OSError, ValueError):
                continue    # ended while we looked
            if process.state not in "ZX":
                found.append(process)
    return found


class Hub:
    """`taghubctl run` in a directory of its own.

    Overrides become environment: workers=4 sets TAGHUB_WORKERS=4, ping_interval_ms=300 sets
    TAGHUB_PING_INTERVAL_MS=300; None removes a variable; booleans become true and false.
    No configuration file is read unless config= names one.

    bind          addresses to listen on; clients take the first, or what is assigned to `host`
    token         the camera token (a random one when not given)
    args          further arguments of `taghubctl run`
    allow_deaths  processes of the hub may end by themselves; kill() sets it as well
    allow_bugs    do not search the log for sanitizer reports and failed asserts
    start         False only prepares directory, token and environment; call start() later

    Public: host, http_port, ws_port, udp_port, token, dir, runtime_dir, state_dir, token_file,
    log_file, environment, pid.
    """

    running = []    # for the log tails in failure reports

    def __init__(self, *, bind="127.0.0.1", token=None, args=(), allow_deaths=False,
                 allow_bugs=False, start=True, **overrides):
        first = re.split(r"[,\s]+", bind)[0]
        self.host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(first, first)
        self.token = token or secrets.token_hex(16)
        self.args = list(args)
        self.allow_deaths = allow_deaths
        self.allow_bugs = allow_bugs
        self.process = None
        self.dir = Path(tempfile.mkdtemp(prefix="th"))    # short: socket names end at 108 bytes
        self.runtime_dir = self.dir / "run"
        self.state_dir = self.dir / "state"
        self.token_file = self.dir / "token"
        self.log_file = self.dir / "log"
        self.runtime_dir.mkdir(mode=0o700)
        self.state_dir.mkdir(mode=0o700)
        self.token_file.touch(mode=0o600)
        self.token_file.write_text(self.token + "\n")
        self.log_file.touch()
        self.environment = self._environment(bind, overrides)
        self.http_port, self.ws_port, self.udp_port = (
            int(self.environment[f"TAGHUB_{name}_PORT"]) for name in ("HTTP", "WS", "UDP"))
        if start:
            try:
                self.start()
            except BaseException:
                self.discard()
                raise

    def _environment(self, bind, overrides):
        env = {key: value for key, value in os.environ.items()
               if not key.startswith(("TAGHUB_", "LISTEN_", "NOTIFY_", "WATCHDOG_"))}
        http_port, ws_port, udp_port = free_ports(self.host)
        ours = {
            "bind": bind,
            "http_port": http_port,
            "ws_port": ws_port,
            "udp_port": udp_port,
            "runtime_dir": self.runtime_dir,
            "state_dir": self.state_dir,
            "token_file": self.token_file,
            "workers": 2,
            "config": "",
        }
        if TIME_FACTOR > 1:
            ours.update((key, min(int(limit * TIME_FACTOR), 20000))
                        for key, limit in OWN_LIMITS_MS.items())
        for key, value in {**ours, **overrides}.items():
            if value is not None:
                text = str(value).lower() if isinstance(value, bool) else str(value)
                env["TAGHUB_" + key.upper()] = text
        return env

    def __repr__(self):
        return f"<Hub {self.dir} http={self.http_port} ws={self.ws_port} udp={self.udp_port}>"

    # Life

    @property
    def pid(self):
        """Process id of taghubctl."""
        return self.process.pid

    def spawn(self, *words):
        """Starts taghubctl with these words in the hub's environment, output in its log. start()
        is what tests usually want; this one does not wait."""
        wrap = shlex.split(os.environ.get("TAGHUB_WRAP", ""))
        with open(self.log_file, "ab") as log:
            return subprocess.Popen(
                [*wrap, str(build_dir() / "bin" / "taghubctl"), *words], cwd=self.dir,
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)

    def start(self):
        """Starts the hub and returns once it is ready for clients."""
        self.process = self.spawn("run", *self.args)
        if self not in Hub.running:    # a second start in the same directory
            Hub.running.append(self)
        wait_until(self._is_ready, START_LIMIT_S, "GET /readyz answers 200")
        return self

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(
                f"taghubctl ended with {self.process.returncode} while starting:\n{self.tail()}")
        return self.is_ready()

    def is_ready(self):
        """Whether GET /readyz answers 200 now (without an HTTP port: whether 5100 answers)."""
        try:
            with tcp_connect(self.host, self.http_port or self.ws_port) as sock:
                sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
                reply = recv_to_end(sock, Deadline(5))
        except OSError:
            return False
        return reply.startswith(b"HTTP/1.1 200" if self.http_port else b"HTTP/1.1 ")

    def wait_ready(self, limit_s=15):
        """Waits until the hub is ready (again), for instance after kill()."""
        wait_until(self.is_ready, limit_s, "GET /readyz answers 200")

    def stop(self, sig=signal.SIGTERM):
        """Ends the hub by a signal to taghubctl and checks everything a stop promises."""
        try:
            self.process.send_signal(sig)
            code = self.wait_stopped()
            self.check_log()    # first, for it may tell why the exit code is what it is
            assert code == 0, f"taghubctl exit code {code} after {sig!r}\n{self.tail()}"
        finally:
            self.discard()

    def wait_stopped(self):
        """Waits for taghubctl to end and returns its exit code; fails when a process remains."""
        try:
            code = self.process.wait(seconds(STOP_LIMIT_S))
        except subprocess.TimeoutExpired:
            names = [f"{p.name}[{p.pid}]" for p in self.descendants()]
            raise AssertionError(f"not stopped within {seconds(STOP_LIMIT_S):g} s, alive: "
                                 f"{names}\n{self.tail()}") from None
        left = [f"{p.name}[{p.pid}]" for p in self.descendants()]
        assert not left, f"processes left after the stop: {left}\n{self.tail()}"
        return code

    def wait_gone(self, limit_s=5):
        """Waits until no process of this hub lives, for tests that kill taghubctl itself."""
        wait_until(lambda: self.process.poll() is not None and not self.descendants(), limit_s,
                   f"no process of {self} lives")

    def discard(self):
        """Removes all traces without judging them: processes first, then the directory."""
        if self.process is not None:
            for process in self.descendants():
                try:
                    os.kill(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()
        if self in Hub.running:
            Hub.running.remove(self)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process is None:
            self.discard()
        elif kind is None:
            self.stop()
        else:
            print(f"log of {self}:\n{self.tail()}")    # before it goes; the body's failure counts
            self.discard()

    # Processes

    def descendants(self):
        """Every living process that this hub started, found by session and by environment, so
        that orphans count too; taghubctl itself is among them while it lives."""
        mark = f"TAGHUB_RUNTIME_DIR={self.environment.get('TAGHUB_RUNTIME_DIR')}".encode()
        found = []
        for process in processes():
            if process.session != self.process.pid:
                try:
                    if mark not in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                        continue
                except OSError:
                    continue
            found.append(process)
        return found

    def pids(self):
        """{service: pid} of the main processes, which are the direct children of taghubctl."""
        return {process.service: process.pid for process in processes()
                if process.parent == self.pid and process.service}

    def workers(self, service):
        """Pids of a prefork service's workers, ascending."""
        master = self.pids().get(service)
        return sorted(process.pid for process in processes() if process.parent == master)

    def worker_of(self, sock):
        """The pid of the gateway worker that has the other end of a client's connection."""
        link = f"socket:[{peer_socket(sock).inode}]"
        return next(pid for pid in self.workers("gateway") if link in open_files(pid))

    def kill(self, service, sig=signal.SIGKILL):
        """Sends a signal to a service's main process, or to the worker when service is a pid;
        returns the pid. Deaths in the log are expected from here on."""
        pid = service if isinstance(service, int) else self.pids()[service]
        self.allow_deaths = True
        os.kill(pid, sig)
        return pid

    def wait_new_pid(self, service, old_pid, limit_s=15):
        """Waits until the service's main process is another one than old_pid; returns its pid."""
        def new_pid():
            pid = self.pids().get(service)
            return pid if pid != old_pid else None
        return wait_until(new_pid, limit_s, f"a new {service} instead of {old_pid}")

    @contextmanager
    def renewal(self, sig):
        """Has the gateway begin anew by a signal; gives the set of the old workers' pids. Left when workers
        serve that were not there before: until then the old ones may still answer, also that they are ready."""
        old_workers = set(self.workers("gateway"))
        os.kill(self.pids()["gateway"], sig)
        yield old_workers

        def is_new():
            workers = set(self.workers("gateway"))
            return workers and not workers & old_workers and self.is_ready()

        wait_until(is_new, 15, "another generation of workers")

    # Log

    def log_text(self):
        """All that the hub has written to stdout and stderr."""
        return self.log_file.read_text(errors="replace")

    def wait_log(self, pattern, limit_s=5):
        """Waits until the log matches a regular expression; returns the match."""
        return wait_until(lambda: re.search(pattern, self.log_text()), limit_s,
                          f"log line {pattern!r}")

    def tail(self, lines=60):
        """The last lines of the log, for failure reports."""
        return "\n".join(self.log_text().splitlines()[-lines:])

    def check_log(self):
        """Fails when the log shows a bug, a death that nobody expected, or the token."""
        text = self.log_text()
        for line in text.splitlines():
            bug = next((p for p in BUG_PATTERNS if re.search(p, line)), None)
            assert self.allow_bugs or bug is None, f"the log shows a bug: {line}\n{text[-8000:]}"
            assert self.allow_deaths or not DEATH_PATTERN.search(line), (
                f"a process of the hub died: {line}\n{self.tail()}")
        assert self.token not in text, "the token is in the log"
