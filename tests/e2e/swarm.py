"""What a test of load or hostility needs beside its culprits: a witness, a swarm, and measures.

Witness    a healthy camera and game that exchange sightings in a process of their own while the
           test misbehaves; each sighting must come exactly once, in order, and soon.
Swarm      many games in helper processes that read cheaply and check every sequence number.
LoadCamera a camera that sends telemetry and photos by a schedule and counts its acknowledgements.
Measures   counters of the hub, CPU time and memory of its processes, as the kernel tells them.
"""

import json
import multiprocessing
import os
import select
import selectors
import subprocess
import time
from pathlib import Path

from clients import Game, RawWs
from hub import build_dir
from wire import (BINARY, PING, PONG, TEXT, TIME_FACTOR, Deadline, encode_frame, seconds,
                  wait_until)

SLOWEST_EXCHANGE_S = 2     # a witness waits no longer, whatever happens beside it
SEQ_MARK = b'"swarm_seq"'  # the member by which games of a swarm know what they should get
SEQ_BASE = 1000000000      # makes every number ten digits long, so that readers need not search


# Measures


def gateway_counts(hub, interval_ms=10):
    """What the gateway has counted: {"gauges": {}, "totals": {}, "refused": {reason: count}}, and
    "workers", a list of the same per worker. taghubctl looks twice, interval_ms apart."""
    run = subprocess.run([str(build_dir() / "bin" / "taghubctl"), "status", "--json",
                          f"--interval={interval_ms}"], env=hub.environment, capture_output=True,
                         timeout=interval_ms / 1000 + seconds(10))
    services = {service["service"]: service for service in json.loads(run.stdout)["services"]}
    return services["gateway"]


class Counted:
    """The difference that a test makes to the counters:

        counted = Counted(hub)
        ...
        counted.expect(refused={"protocol": 1})      # waits for exactly that, all else untouched
    """

    def __init__(self, hub):
        self._hub = hub
        self._before = gateway_counts(hub)

    def difference(self, kind):
        """{name: increase} of "totals" or "refused", those that rose."""
        now, before = gateway_counts(self._hub)[kind], self._before[kind]
        rise = {name: now[name] - before.get(name, 0) for name in now}
        return {name: count for name, count in rise.items() if count}

    def expect(self, refused=None, totals=None, limit_s=5):
        """Waits until refusals rose by exactly these, and the named totals by exactly these."""
        seen = {}

        def as_expected():
            seen["refused"] = self.difference("refused")
            rises = self.difference("totals")
            seen["totals"] = {name: rises.get(name, 0) for name in totals or {}}
            return ((refused is None or seen["refused"] == refused)
                    and seen["totals"] == (totals or {}))
        try:
            wait_until(as_expected, limit_s, "counters")
        except TimeoutError:
            raise AssertionError(f"counted {seen}, expected {refused} and {totals}") from None


def cpu_s(pid):
    """CPU seconds that a process has used so far, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wakeups(pid):
    """How often a process has gone to sleep so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    raise AssertionError(f"/proc/{pid}/status tells no context switches")


def memory_kib(pid):
    """{"Pss": KiB, "Anonymous": KiB, ...} of a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    pairs = (line.split(":", 1) for line in lines)
    return {name: int(value.split()[0]) for name, value in pairs}


def hub_processes(hub):
    """{name: pid} of every process of a hub: "gateway" a main process, "gateway/0" a worker."""
    found = {"taghubctl": hub.pid}
    for service, pid in hub.pids().items():
        found[service] = pid
        found.update((f"{service}/{at}", worker) for at, worker in enumerate(hub.workers(service)))
    return found


def descriptor_counts(hub):
    """{pid: open descriptors} of the gateway's workers."""
    return {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in hub.workers("gateway")}


def holds_more(hub, held):
    """Whether a gateway worker has more descriptors open than in an earlier descriptor_counts()."""
    return any(count > held[pid] for pid, count in descriptor_counts(hub).items())


def push_until_stuck(sock, blob, quiet_s=0.5):
    """Sends blob again and again, from where it stopped, until the other side has taken nothing
    for quiet_s or ended the connection; returns how many bytes it took."""
    sock.setblocking(False)
    taken = 0
    while select.select([], [sock], [], seconds(quiet_s))[1]:
        try:
            taken += sock.send(blob[taken % len(blob):])
        except BlockingIOError:
            pass
        except OSError:
            break    # it has ended the connection
    return taken


class MemoryBound:
    """Private memory of the gateway's workers, from now on. On a build whose limits are stretched
    it is not judged: a sanitizer keeps hundreds of megabytes of what was freed."""

    def __init__(self, hub):
        self._before = {pid: memory_kib(pid)["Anonymous"] for pid in hub.workers("gateway")}

    def check(self, limit_kib):
        """Fails when a worker has gained more than that."""
        for pid, before_kib in self._before.items():
            gained_kib = memory_kib(pid)["Anonymous"] - before_kib
            assert gained_kib < limit_kib or TIME_FACTOR > 1, f"{gained_kib} KiB more"


class MemoryWatch:
    """Samples the private memory of a hub's processes whenever told to."""

    def __init__(self, hub):
        self.pids = hub_processes(hub)
        self.samples = {name: [] for name in self.pids}

    def sample(self):
        """Notes what each process has now."""
        for name, pid in self.pids.items():
            self.samples[name].append(memory_kib(pid)["Anonymous"])

    def growth_kib(self, since):
        """{name: KiB by which a process's peak from sample `since` on exceeds that of before}."""
        return {name: max(kib[since:]) - max(kib[:since]) for name, kib in self.samples.items()}


def pace(duration_s, interval_s):
    """Yields 0, 1, 2 ... at instants interval_s apart, for duration_s: the clock of a load."""
    begin_s = time.monotonic()
    for at in range(int(duration_s / interval_s)):
        time.sleep(max(0, begin_s + at * interval_s - time.monotonic()))
        yield at


def _keep_only(pipe):
    """In a helper process: closes what it inherited, lest a test's own close goes unnoticed."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != pipe.fileno():
            try:
                os.close(int(name))
            except OSError:
                pass    # the listing's own


class FrameReader:
    """Finds the hub's frames in the bytes of a WebSocket, at little cost each."""

    def __init__(self):
        self._rest = b""

    def take(self, chunk):
        """Whole frames are judged, the rest is kept for the next chunk."""
        data = self._rest + chunk if self._rest else chunk
        at, end = 0, len(data)
        while end - at >= 2:
            length, head = data[at + 1], at + 2
            if length >= 126:
                size = 2 if length == 126 else 8
                if end - head < size:
                    break
                length, head = int.from_bytes(data[head:head + size], "big"), head + size
            if head + length > end:
                break
            self._judge(data, data[at] & 0x0F, head, head + length)
            at = head + length
        self._rest = data[at:]

    def _judge(self, data, opcode, head, end):
        """Called for each frame; its payload is data[head:end]."""
        raise NotImplementedError


# A healthy pair

WINDOW_BYTES = 65536    # so that the floods of others cannot pile up in front of what it waits for


class Inbox(FrameReader):
    """The messages of a WebSocket of the witness. What other cameras send is passed over, and so
    are notices when notices=False."""

    def __init__(self, ws, name, notices=True):
        super().__init__()
        self.sock, self.messages = ws.sock, []
        self._notices = notices
        self._mark = f'"{name}"'.encode()
        self.take(ws.http.buffer)

    def _judge(self, data, opcode, head, end):
        if opcode == PING:
            self.sock.sendall(encode_frame(PONG, data[head:end]))
        elif data.find(b'"apriltag_data"', head, end) < 0 or data.find(self._mark, head, end) >= 0:
            message = json.loads(data[head:end])
            if self._notices or message["event"] != "notice":
                self.messages.append(message)


class Pair:
    """The camera and the game of the witness. Both are read whenever either is awaited, so that
    the game never falls behind."""

    def __init__(self, hub, name, notices):
        self._game_ws = Game(hub, "ws", rcvbuf_bytes=WINDOW_BYTES).identify()
        self._game_ws.drain()    # what the hub remembers of earlier witnesses
        self._camera_ws = RawWs(hub, "http", mask=b"\0\0\0\0")
        self._game = Inbox(self._game_ws, name, notices)
        self._camera = Inbox(self._camera_ws, name)
        self._name = name
        self._ask(self._camera, "connection_success")
        self._ask(self._camera, "identify_success", {"event": "identify", "data": {
            "type": "esp32", "camera_name": name, "auth_token": hub.token}})

    def _ask(self, inbox, event, message=None, limit_s=5):
        """Sends a message, if any, and returns the next one to come, which must be that event."""
        if message is not None:
            inbox.sock.sendall(encode_frame(TEXT, json.dumps(message).encode()))
        deadline = Deadline(limit_s)
        inboxes = {self._game.sock: self._game, self._camera.sock: self._camera}
        while not inbox.messages:
            for sock in select.select(list(inboxes), [], [], deadline.left())[0]:
                chunk = sock.recv(262144)
                assert chunk, "the hub closed a connection"
                inboxes[sock].take(chunk)
        answer = inbox.messages.pop(0)
        assert answer["event"] == event, answer
        return answer

    def exchange(self, number):
        """One sighting from the camera to the game."""
        begin_s = time.monotonic()
        self._ask(self._camera, "apriltag_ack", {
            "event": "apriltag_data", "tag_id": 1, "camera_name": self._name, "number": number})
        message = self._ask(self._game, "apriltag_data")
        assert message["number"] == number, (message, number)
        took_s = time.monotonic() - begin_s
        assert took_s < seconds(SLOWEST_EXCHANGE_S), f"exchange {number} took {took_s:.2f} s"

    def finish(self):
        """Fails when there is anything beyond what was exchanged."""
        for inbox in (self._game, self._camera):
            self._ask(inbox, "pong", {"event": "ping"})
            assert not inbox.messages, inbox.messages
        self._game_ws.abort()
        self._camera_ws.abort()


def _witness_process(hub, name, notices, count, pipe):
    _keep_only(pipe)
    try:
        pair = Pair(hub, name, notices)
        while not pipe.poll():
            pair.exchange(count.value)
            count.value += 1
        pair.finish()
        pipe.send(None)
    except Exception as failure:    # told by whoever waits
        pipe.send(repr(failure))


class Witness:
    """A camera and a game that nothing may disturb, as a context manager. In a process of its own
    it exchanges one sighting after the other. The test fails when one was lost, came twice, out of
    order, or late. Its game keeps up, so it must not be told that anything was dropped, unless the
    test floods it with more than Python can read (flooded=True): then what others sent may be."""

    def __init__(self, hub, name="witness", flooded=False):
        context = multiprocessing.get_context("fork")
        self._count = context.Value("Q", 0)
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_witness_process,
                                        args=(hub, name, not flooded, self._count, theirs),
                                        daemon=True)
        self._process.start()
        theirs.close()

    @property
    def count(self):
        """Exchanges so far."""
        return self._count.value

    def __enter__(self):
        self.wait_exchanges(1)
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.wait_exchanges(1)
                self._pipe.send("stop")
                self._judge()
        finally:
            self._process.kill()
            self._process.join()
            self._pipe.close()

    def _judge(self):
        assert self._pipe.poll(seconds(10)), "the witness does not answer"
        failure = self._pipe.recv()
        assert failure is None, f"the witness was disturbed: {failure}"

    def wait_exchanges(self, count, limit_s=10):
        """Waits until the pair has exchanged so many more."""
        goal = self.count + count
        wait_until(lambda: self.count >= goal or self._pipe.poll(), limit_s, f"{count} exchanges")
        if self._pipe.poll():
            self._judge()


# Many games


class Reader(FrameReader):
    """Takes the hub's bytes of one WebSocket and checks the sequence in them.

    count    messages with a number so far; the next number must be this one
    acks     acknowledgements so far
    faults   what should not have come, as texts
    """

    def __init__(self, sock, rest=b""):
        super().__init__()
        self.sock = sock
        self.count = 0
        self.acks = 0
        self.faults = []
        self.take(rest)

    def _judge(self, data, opcode, head, end):
        mark = data.find(SEQ_MARK, head, end) if opcode == TEXT else -1
        if mark >= 0:
            after = mark + len(SEQ_MARK) + 1
            number = int(data[after:after + 11].strip(b" ,}")) - SEQ_BASE
            if number != self.count:
                self.faults.append(f"number {number} instead of {self.count}")
            self.count = number + 1
        elif opcode == PING:
            self.sock.sendall(encode_frame(PONG, data[head:end]))
        elif data.find(b"apriltag_ack", head, end) >= 0:
            self.acks += 1
        else:
            self.faults.append(f"opcode {opcode}: {data[head:end][:200]!r}")


def _join_games(hub, count, replay):
    readers = []
    for at in range(count):
        game = Game(hub, "ws" if at % 2 else "http").identify(f"swarm {at}", replay)
        game.sock.setblocking(False)
        readers.append(Reader(game.sock, game.http.buffer))
    return readers


def _read_from(reader):
    """Takes what is there; returns False when nothing more will come."""
    try:
        chunk = reader.sock.recv(262144)
    except OSError as error:
        reader.faults.append(repr(error))
        return False
    if not chunk:
        reader.faults.append("the hub closed the connection")
        return False
    reader.take(chunk)
    return True


def _swarm_process(hub, game_count, replay, pipe):
    _keep_only(pipe)
    selector = selectors.DefaultSelector()
    readers = _join_games(hub, game_count, replay)
    for reader in readers:
        selector.register(reader.sock, selectors.EVENT_READ, reader)
    selector.register(pipe, selectors.EVENT_READ)
    pipe.send("joined")
    goal = None
    while goal is None or any(reader.count < goal for reader in readers):
        ready = selector.select(None if goal is None else seconds(10))
        if not ready:
            break    # nothing more comes: the answer tells what is missing
        for key, _ in ready:
            if key.data is None:
                goal = pipe.recv()
                if goal == "leave":
                    return
            elif not _read_from(key.data):
                selector.unregister(key.fileobj)
    pipe.send([(reader.count, reader.faults[:3]) for reader in readers])
    pipe.recv()    # connected until told to leave


class Swarm:
    """Games in helper processes, connected and identified when this returns, with `replay` stored
    broadcasts behind them. A context manager."""

    def __init__(self, hub, game_count, replay=0, process_count=2):
        context = multiprocessing.get_context("fork")
        self._helpers = []
        for at in range(process_count):
            share = game_count // process_count + (at < game_count % process_count)
            ours, theirs = context.Pipe()
            process = context.Process(target=_swarm_process, args=(hub, share, replay, theirs),
                                      daemon=True)
            process.start()
            theirs.close()
            self._helpers.append((process, ours))
        for _, pipe in self._helpers:
            assert self._answer(pipe) == "joined"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process, pipe in self._helpers:
            try:
                pipe.send("leave")
            except OSError:
                pass    # it has failed, and somebody was told
            process.join(seconds(5))
            process.kill()
            pipe.close()

    @staticmethod
    def _answer(pipe, limit_s=30):
        assert pipe.poll(seconds(limit_s)), "no answer from a helper of the swarm"
        return pipe.recv()

    def finish(self, message_count, limit_s=30):
        """Waits until every game has message_count messages, or nothing comes any more; returns
        [(messages in sequence, faults)], one for each game."""
        for _, pipe in self._helpers:
            pipe.send(message_count)
        return [result for _, pipe in self._helpers for result in self._answer(pipe, limit_s)]


class LoadCamera:
    """A camera for load: send_for() paces telemetry and photos by the clock and reads on the way.

    sent, photos    how many it has sent
    acks            acknowledgements received
    late_s          how far behind the schedule it has been at most
    """

    def __init__(self, hub, end="http", name="load"):
        self._ws = RawWs(hub, end, mask=b"\0\0\0\0")
        self._ws.recv_welcome()
        self._ws.send_json({"event": "identify", "data": {
            "type": "esp32", "camera_name": name, "auth_token": hub.token}})
        self._ws.recv_event("identify_success")
        self._reader = Reader(self._ws.sock, self._ws.http.buffer)
        self.sent = self.photos = 0
        self.late_s = 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ws.abort()

    @property
    def acks(self):
        return self._reader.acks

    def _record(self):
        return encode_frame(TEXT, json.dumps({
            "event": "apriltag_data", "tag_id": self.sent % 20, "swarm_seq": SEQ_BASE + self.sent,
            "decision_margin": 61.5, "yaw": -12.4, "pitch": 3.1, "roll": 0.7, "x_cm": 4.2,
            "y_cm": -1.8, "z_cm": 38.5, "range_cm": 38.8, "timestamp": self.sent * 5}).encode())

    def _read_until(self, end_mono_s):
        """Reads until that instant, at least what is there."""
        while True:
            left_s = max(0, end_mono_s - time.monotonic())
            if not select.select([self._ws.sock], [], [], left_s)[0]:
                return
            chunk = self._ws.sock.recv(65536)
            assert chunk, "the hub closed the camera's connection"
            self._reader.take(chunk)
            assert not self._reader.faults, self._reader.faults

    def send_for(self, duration_s, telemetry_per_s, photos_per_s, photo, each_second=lambda: None):
        """Sends for so long. each_second() is called about once a second."""
        frame = encode_frame(BINARY, photo)
        begin_s = time.monotonic()
        telemetry_total = int(duration_s * telemetry_per_s)
        done = {"telemetry": 0, "photo": 0, "second": 0}
        while done["telemetry"] < telemetry_total:
            due = {"telemetry": done["telemetry"] / telemetry_per_s,
                   "photo": done["photo"] / photos_per_s, "second": done["second"]}
            what = min(due, key=due.get)
            self._read_until(begin_s + due[what])
            self.late_s = max(self.late_s, time.monotonic() - begin_s - due[what])
            done[what] += 1
            if what == "second":
                each_second()
            elif what == "photo":
                self._ws.send_bytes(frame)
                self.photos += 1
            else:
                self._ws.send_bytes(self._record())
                self.sent += 1

    def wait_acks(self, limit_s=10):
        """Waits until everything is acknowledged."""
        deadline = Deadline(limit_s)
        while self.acks < self.sent:
            self._read_until(time.monotonic() + min(0.1, deadline.left()))
