#!/usr/bin/python3
"""`make demo`: a hub, two simulated cameras and a game in text mode, until Ctrl-C.

The hub runs from build/bin with its files below build/demo, on its usual ports, or on free ones
where those are taken; TAGHUB_* variables that are set already are respected. Everything started
here ends here, in order: game, cameras, hub.
"""

import argparse
import ctypes
import errno
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wire import Deadline, in_url, recv_some, seconds, tcp_connect

REPO = Path(__file__).resolve().parents[2]
SIM = Path(__file__).resolve().parent
PORTS = {"TAGHUB_HTTP_PORT": 5000, "TAGHUB_WS_PORT": 5100, "TAGHUB_UDP_PORT": 5200}
RUNTIME_DIR_CHARS = 80    # names of Unix sockets end at 108 bytes
START_LIMIT_S = 30
END_LIMIT_S = 10
END_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
PR_SET_PDEATHSIG = 1
NOT_FOR_THE_HUB = ("TAGHUB_BUILD", "TAGHUB_TIME_FACTOR", "TAGHUB_SLOW", "TAGHUB_WRAP")
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class DemoFailed(Exception):
    """Something of the demo ended by itself or never came up."""


def is_free(name, port):
    """Whether the hub could listen on the port."""
    kind = socket.SOCK_DGRAM if name == "TAGHUB_UDP_PORT" else socket.SOCK_STREAM
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            with socket.socket(family, kind) as sock:
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                if kind == socket.SOCK_STREAM:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False    # anything else: no such family here, which is no obstacle
    return True


def choose_port(name, wanted, taken):
    """The wanted port, or the nearest above it that is free and not in `taken`."""
    for port in range(wanted, min(wanted + 1000, 65536)):
        if port not in taken and is_free(name, port):
            return port
    raise DemoFailed(f"no free port from {wanted} on for {name}")


def hub_environment(base):
    """The environment for the hub: what is set counts, except for ports that are taken."""
    home = REPO / "build" / "demo"
    home.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in base.items() if name not in NOT_FOR_THE_HUB}
    runtime_dir = home / "run"
    if len(str(runtime_dir)) > RUNTIME_DIR_CHARS:
        runtime_dir = Path(tempfile.gettempdir()) / f"taghub-demo-{os.getuid()}"
    for name, path in (("TAGHUB_RUNTIME_DIR", runtime_dir), ("TAGHUB_STATE_DIR", home / "state")):
        if name not in environment:
            path.mkdir(mode=0o700, exist_ok=True)
            environment[name] = str(path)
    environment.setdefault("TAGHUB_TOKEN_FILE",
                           str(Path(environment["TAGHUB_STATE_DIR"]) / "token"))
    taken = set()
    for name, usual in PORTS.items():
        wanted = int(environment.get(name) or 0) or usual    # the demo needs all three
        port = choose_port(name, wanted, taken)
        if port != wanted:
            print(f"port {wanted} is in use, the demo takes {port} ({name})")
        taken.add(port)
        environment[name] = str(port)
    return environment


def lan_address():
    """The address by which other machines reach this one; loopback when there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))    # sends nothing, only looks up the route
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


class Demo:
    """The processes of the demo, in the order in which they were started."""

    def __init__(self, options):
        self.options = options
        self.environment = hub_environment(os.environ)
        bind = re.split(r"[,\s]+", self.environment.get("TAGHUB_BIND", "0.0.0.0"))[0]
        self.host = WILDCARDS.get(bind, bind)
        self.public_host = lan_address() if bind in WILDCARDS else bind
        self.http_port = int(self.environment["TAGHUB_HTTP_PORT"])
        self.log_file = REPO / "build" / "demo" / "log"
        self.children = []    # (name, process)

    def start(self, name, words, output=None, environment=None):
        """Starts a program. It has a session of its own, so that Ctrl-C reaches only the demo,
        which then ends the others in order; and it is told to end if the demo dies."""
        libc = ctypes.CDLL(None)

        def in_child():
            signal.pthread_sigmask(signal.SIG_SETMASK, set())
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

        process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=output, start_new_session=True,
                                   preexec_fn=in_child)
        self.children.append((name, process))

    def start_all(self):
        """Hub, cameras, game; returns when all are started. The hub is ready by then."""
        with open(self.log_file, "wb") as log:
            self.start("hub", [str(self.options.hub), "run"], log, self.environment)
            self.await_ready()
            self.start("camera porch", self.camera("ws", "HTTP", "porch", 7), log)
            self.start("camera gate", self.camera("udp", "UDP", "gate", 3), log)
        self.print_urls()
        url = f"ws://{in_url(self.host)}:{self.http_port}/websocket"
        self.start("game", [sys.executable, str(SIM / "game.py"), "--url", url])

    def camera(self, transport, port, name, tag):
        return [sys.executable, str(SIM / "camera.py"), "--transport", transport, "--host",
                self.host, "--port", self.environment[f"TAGHUB_{port}_PORT"], "--name", name,
                "--token-file", self.environment["TAGHUB_TOKEN_FILE"], "--tag", str(tag),
                "--reconnect", "1", "--quiet"]

    def get(self, path):
        """The status of GET path, 0 when there is no answer."""
        try:
            with tcp_connect(self.host, self.http_port, 2) as sock:
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n"
                             "Connection: close\r\n\r\n".encode())
                words = recv_some(sock, 4096, Deadline(2)).split(b" ", 2)
        except OSError:
            return 0
        return int(words[1]) if len(words) == 3 and words[1].isdigit() else 0

    def await_ready(self):
        """Waits until the hub says that it is ready."""
        end_s = time.monotonic() + seconds(START_LIMIT_S)
        while self.get("/readyz") != 200:
            self.check_children()
            if time.monotonic() > end_s:
                raise DemoFailed("the hub is not ready")
            if signal.sigtimedwait(END_SIGNALS, 0.05):
                raise KeyboardInterrupt

    def print_urls(self):
        """Says what to open."""
        host = in_url(self.public_host)
        pages = [path for path in ("/", "/video", "/status") if self.get(path) == 200]
        print("The hub is running, with two simulated cameras and this game. Ctrl-C ends all.")
        for path in (*pages, "/photo"):
            print(f"  http://{host}:{self.http_port}{path}")
        print(f"  games: ws://{host}:{self.http_port}/websocket   "
              f"ws://{host}:{self.environment['TAGHUB_WS_PORT']}/")
        print(f"  camera token: {self.environment['TAGHUB_TOKEN_FILE']}   log: {self.log_file}",
              flush=True)

    def check_children(self):
        """Raises DemoFailed when one of the children has ended; KeyboardInterrupt when the game
        has, in order: its terminal or the reader of its lines is gone."""
        for name, process in self.children:
            if process.poll() is not None:
                if name == "game" and process.returncode == 0:
                    raise KeyboardInterrupt
                raise DemoFailed(f"{name} ended with status {process.returncode}")

    def run(self):
        """Waits for Ctrl-C, the end of --duration or the end of a child, whichever is first."""
        end_s = time.monotonic() + self.options.duration if self.options.duration else None
        while True:
            self.check_children()
            left_s = 3600 if end_s is None else end_s - time.monotonic()
            if left_s <= 0:
                return
            came = signal.sigtimedwait(END_SIGNALS | {signal.SIGCHLD}, left_s)
            if came and came.si_signo in END_SIGNALS:
                return

    def end(self):
        """Ends the children, last started first; returns whether all ended in order."""
        orderly = True
        for name, process in reversed(self.children):
            if process.poll() is None:
                process.terminate()
            try:
                code = process.wait(seconds(END_LIMIT_S))
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            if code != 0:
                print(f"{name} ended with status {code}", file=sys.stderr)
                orderly = False
        return orderly


def main():
    parser = argparse.ArgumentParser(description="A hub with simulated cameras and a game.")
    parser.add_argument("--duration", type=float, default=0, metavar="S",
                        help="end after so many seconds (default: at Ctrl-C)")
    parser.add_argument("--hub", type=Path, default=REPO / "build" / "bin" / "taghubctl",
                        help="the hub's program (default: %(default)s)")
    options = parser.parse_args()
    # Blocked here and fetched by sigtimedwait: a signal at any moment is seen, and only once.
    signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS | {signal.SIGCHLD})
    demo = None
    status = 0
    try:
        demo = Demo(options)
        demo.start_all()
        demo.run()
    except KeyboardInterrupt:
        pass
    except (DemoFailed, OSError) as error:
        status = 1
        print(f"demo: {error}", file=sys.stderr)
        if demo is not None and demo.log_file.exists():
            tail = demo.log_file.read_text(errors="replace").splitlines()[-20:]
            print("\n".join(tail), file=sys.stderr)
    finally:
        if demo is not None and not demo.end():
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
