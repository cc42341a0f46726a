"""One program of the hub alone, in a directory of its own, with its neighbours on the bus played by the test.

    with Program("fanout", bus_stall_ms=100) as fanout:
        fanout.start()
        link = fanout.connect("gateway", slot=1)

`Stage` is the gateway with ingest and fanout played: what its workers send and get is in the test's hands.
"""

import os
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

from bus import CONSTANTS, Link, LinkEnded, Service, new_incarnation
from clients import Game
from hub import BUG_PATTERNS, OWN_LIMITS_MS, STOP_LIMIT_S, build_dir, free_ports, processes
from wire import TIME_FACTOR, Deadline, seconds, wait_until


class Program:
    """taghub-<name>. Settings become environment, as for Hub. Has what clients ask of a Hub:
    host, http_port, ws_port, udp_port, token."""

    def __init__(self, name, **settings):
        self.name = name
        self.dir = Path(tempfile.mkdtemp(prefix="ts"))    # short: socket names end at 108 bytes
        self.runtime_dir = self.dir / "run"
        self.runtime_dir.mkdir(mode=0o700)
        self.token = secrets.token_hex(16)
        token_file = self.dir / "token"
        token_file.touch(mode=0o600)
        token_file.write_text(self.token + "\n")
        self.log_file = self.dir / "log"
        self.log_file.touch()
        self.host = "127.0.0.1"
        self.http_port, self.ws_port, self.udp_port = free_ports(self.host)
        ours = {"config": "", "bind": self.host, "http_port": self.http_port,
                "ws_port": self.ws_port, "udp_port": self.udp_port,
                "runtime_dir": self.runtime_dir, "state_dir": self.dir, "token_file": token_file,
                "workers": 1}
        if TIME_FACTOR > 1:
            ours.update((key, int(limit * TIME_FACTOR)) for key, limit in OWN_LIMITS_MS.items())
        self.environment = {key: value for key, value in os.environ.items()
                            if not key.startswith(("TAGHUB_", "LISTEN_", "NOTIFY_", "WATCHDOG_"))}
        self.environment.update((f"TAGHUB_{key.upper()}", str(value))
                                for key, value in {**ours, **settings}.items())
        self.environment["NOTIFY_SOCKET"] = str(self.dir / "notify")
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(self.environment["NOTIFY_SOCKET"])
        self._notify.setblocking(False)
        self.process = None

    def spawn(self):
        """Starts it and returns at once."""
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen([build_dir() / "bin" / f"taghub-{self.name}"],
                                            env=self.environment, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        return self

    def says_ready(self):
        """Whether it has said READY=1 and nobody has asked before."""
        assert self.process.poll() is None, self.log_text()
        while True:
            try:
                if b"READY=1" in self._notify.recv(4096):
                    return True
            except BlockingIOError:
                return False

    def wait_ready(self):
        wait_until(self.says_ready, 15, "READY=1")
        return self

    def start(self):
        """Starts it and returns when it says that it serves."""
        return self.spawn().wait_ready()

    def connect(self, kind, lane="sightings", **identity):
        """A link to it; see bus.Link.connect()."""
        return Link.connect(self.runtime_dir / f"{self.name}.sock", kind, lane, **identity)

    def worker_pids(self):
        """Pids of its workers, ascending, which is the order of their first starts."""
        return sorted(each.pid for each in processes() if each.parent == self.process.pid)

    def log_text(self):
        return self.log_file.read_text(errors="replace")

    def wait_log(self, pattern, limit_s=5):
        return wait_until(lambda: re.search(pattern, self.log_text()), limit_s,
                          f"{pattern} in the log:\n{self.log_text()[-4000:]}")

    def stop(self):
        """Ends it in order and searches its log for bugs and for the token."""
        try:
            if self.process is not None:
                assert self.process.poll() is None, self.log_text()
                self.process.send_signal(signal.SIGTERM)
                assert self.process.wait(seconds(STOP_LIMIT_S)) == 0, self.log_text()
            for pattern in BUG_PATTERNS:
                assert not re.search(pattern, self.log_text()), self.log_text()
            assert self.token not in self.log_text()
        finally:
            self.discard()

    def discard(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._notify.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
        else:
            print(f"log of {self.name}:\n{self.log_text()[-6000:]}")
            self.discard()


def sighting(origin, seq, **changes):
    """The fields of a sighting whose JSON tells its number."""
    fields = {"origin": origin, "seq": seq, "arrived_utc_us": 1_000_000 + seq, "camera": "porch",
              "named": 0, "tag": str(seq % 10),
              "json": f'{{"event": "apriltag_data", "origin": {origin}, "seq": {seq}}}'}
    return {**fields, **changes}


def photo(origin, seq, **changes):
    """The fields of a photo."""
    fields = {"origin": origin, "seq": seq, "arrived_utc_us": 1_000_000 + seq, "width": 8,
              "height": 8, "camera": "porch", "jpeg": b"\xff\xd8\xff\xe0" + b"j" * 60}
    return {**fields, **changes}


def verdict(seq, **changes):
    """The fields of a verdict that says nothing."""
    fields = {"seq": seq, "reject": 0, "http_status": 0, "change": CONSTANTS["CHANGE_KEEP"],
              "replay": CONSTANTS["REPLAY_NOTHING"], "camera": "", "device": "", "reply": b""}
    return {**fields, **changes}


class PlayedWorker:
    """A gateway worker as its neighbours see it: four links, and the fields of what goes by."""

    def __init__(self, stage, slot):
        self.stage, self.slot = stage, slot
        self.ingest = self.ingest_photos = self.fanout = self.fanout_photos = None
        self.seed = []    # of its newest subscription: the messages before seed_end
        self.photo_seed = []

    @property
    def origin(self):
        return self.fanout.peer.incarnation

    def meet_ingest(self):
        """Takes its next links to ingest."""
        self.ingest = self.stage.accept(self.stage.ingest, "sightings", self.slot)
        self.ingest_photos = self.stage.accept(self.stage.ingest, "photos", self.slot)
        return self

    def meet_fanout(self):
        """Takes its next links to fanout and hears its subscription."""
        self.fanout = self.stage.accept(self.stage.fanout, "sightings", self.slot)
        self.fanout_photos = self.stage.accept(self.stage.fanout, "photos", self.slot)
        self.seed = self._hear_subscription(self.fanout)
        self.photo_seed = self._hear_subscription(self.fanout_photos)
        return self

    @staticmethod
    def _hear_subscription(link):
        heard = [link.expect("subscribe")]
        while (message := link.recv()).message != "seed_end":
            heard.append(message)
        return heard

    def give_snapshot(self, messages=()):
        """The snapshot as fanout sends it: [(name, fields)] on the sightings lane."""
        for name, fields in messages:
            self.fanout.send(name, **fields)
        self.fanout.send("seed_end")
        self.fanout_photos.send("seed_end")

    def fence(self):
        """Returns when the worker has handled all that was written on its fanout link."""
        self.stage.fences += 1
        self.fanout.send("command", origin=self.stage.fence_origin, seq=self.stage.fences,
                         camera="nobody's name", event=b"{}", reply=b"{}")
        self.skip_to(self.fanout, "command_done")

    @staticmethod
    def skip_to(link, name, limit_s=5):
        """The next message of this name on a link, past `alive`, which may come at any time."""
        while (message := link.recv(limit_s)).message == "alive":
            pass
        assert message.message == name, message
        return message

    def texts(self, count):
        """The next messages for ingest."""
        return [self.ingest.expect("device_text") for _ in range(count)]

    def no_text(self):
        """Fails when something for ingest is on its way."""
        assert not select.select([self.ingest.sock], [], [], 0)[0], self.ingest.recv()

    def send_back(self, texts, **changes):
        """Texts come back as sightings."""
        for text in texts:
            self.fanout.send("sighting", **sighting(self.origin, text.seq, **changes))

    def settle(self, up_to_seq, slots=None):
        slots = (1 << self.stage.worker_count) - 1 if slots is None else slots
        self.fanout.send("settled", up_to_seq=up_to_seq, slots=slots)

    def judge(self, seq, **changes):
        self.ingest.send("verdict", **verdict(seq, **changes))


class PlayedHistory(threading.Thread):
    """A history that stores every session at once; `.told` has each as it was told last, by number."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.service = Service(path, "history")
        self.told = {}
        self.start()

    def run(self):
        links = {self.service.listener: None}
        try:
            while True:
                for sock in select.select(list(links), [], [])[0]:
                    if links[sock] is None:
                        link = self.service.accept("sightings")
                        links[link.sock] = link
                    else:
                        self._hear(links, links[sock])
        except (OSError, ValueError):
            pass    # closed: the test is over

    def _hear(self, links, link):
        try:
            message = link.recv()
        except LinkEnded:
            del links[link.sock]
            return
        if message.message == "session":
            self.told[message.number] = message
            link.send("session_stored", number=message.number, version=message.version)


class Stage(Program):
    """The gateway, with ingest, fanout and history played by the test; there is no metrics."""

    def __init__(self, workers=1, **settings):
        super().__init__("gateway", gateway_workers=workers, **settings)
        self.worker_count = workers
        self.fence_origin, self.fences = new_incarnation(), 0
        self.ingest = Service(self.runtime_dir / "ingest.sock", "ingest")
        self.fanout = Service(self.runtime_dir / "fanout.sock", "fanout")
        self.history = PlayedHistory(self.runtime_dir / "history.sock")
        self._waiting = []
        self.workers = [PlayedWorker(self, slot) for slot in range(workers)]

    def accept(self, service, lane, slot, limit_s=5):
        """The next link of this worker on this lane."""
        deadline = Deadline(limit_s)
        while True:
            for entry in self._waiting:
                if entry[:2] == (service, lane) and entry[2].peer.slot == slot:
                    self._waiting.remove(entry)
                    return entry[2]
            self._waiting.append((service, lane, service.accept(lane, deadline.left())))

    def begin(self, snapshot=()):
        """Starts it, with all links up and every worker serving."""
        self.spawn()
        for worker in self.workers:
            worker.meet_ingest().meet_fanout().give_snapshot(snapshot)
        self.wait_ready()
        for worker in self.workers:
            worker.fence()
        return self

    def next_text(self):
        """(worker, text): the next message that any worker sends to ingest."""
        by_sock = {worker.ingest.sock: worker for worker in self.workers}
        ready = select.select(list(by_sock), [], [], seconds(5))[0]
        assert ready, f"no text for ingest\n{self.log_text()[-4000:]}"
        worker = by_sock[ready[0]]
        return worker, worker.ingest.expect("device_text")

    def client(self, event, change, answer, end="ws", **more):
        """A WebSocket that has identified; .worker is who serves it."""
        client = Game(self, end)
        client.send_json(event)
        client.worker, text = self.next_text()
        client.worker.judge(text.seq, change=CONSTANTS[change], reply=answer, **more)
        return client

    def camera(self, name="porch", end="ws"):
        client = self.client({"event": "identify", "data": {"type": "esp32"}}, "CHANGE_CAMERA",
                             '{"event": "identify_success", "client_type": "esp32"}', end,
                             camera=name)
        client.recv_event("identify_success")
        return client

    def game(self, end="ws", replay=0):
        """A game; `replay` stored broadcasts are awaited and kept in .replay."""
        client = self.client({"event": "identify"}, "CHANGE_GAME",
                             '{"event": "identify_success", "client_type": "gdevelop"}', end,
                             replay=CONSTANTS["REPLAY_ALL"])
        client.recv_event("identify_success")
        client.replay = [client.recv_json() for _ in range(replay)]
        return client

    def in_background(self, function, *args, **options):
        """Runs a blocking client in a thread; .result() waits for what it returns or raises."""
        outcome = SimpleNamespace(value=None, error=None)

        def run():
            try:
                outcome.value = function(*args, **options)
            except BaseException as error:    # to be raised in the test's own thread
                outcome.error = error

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def result():
            thread.join(seconds(20))
            assert not thread.is_alive(), f"{function} does not return"
            if outcome.error is not None:
                raise outcome.error
            return outcome.value

        return SimpleNamespace(result=result)

    def discard(self):
        super().discard()
        self.ingest.close()
        self.fanout.close()
        self.history.service.close()
