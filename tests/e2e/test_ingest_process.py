"""taghub-ingest, the process: what happens to messages while fanout comes, goes and stalls.

The test plays both neighbours on the bus, a gateway worker and fanout. What is judged in which way
is tested elsewhere; here it matters where a verdict or a sighting goes, and in which order.
"""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from bus import CONSTANTS, LANES, Link, Service, encode
from hub import BUG_PATTERNS, STOP_LIMIT_S, build_dir
from photo import Show, pad_jpeg
from wire import seconds, wait_until

MIB = 1 << 20
SHORT_QUEUES = {"photo_max_bytes": 65536, "bus_queue_max_bytes": MIB}
EX_CONFIG = 78


class Ingest:
    """The real program alone in a directory of its own. Settings become environment."""

    def __init__(self, token=None, **settings):
        self.dir = Path(tempfile.mkdtemp(prefix="ti"))    # short: socket names end at 108 bytes
        self.runtime_dir = self.dir / "run"
        self.runtime_dir.mkdir(mode=0o700)
        self.token = token or secrets.token_hex(16)
        self.token_file = self.dir / "token"
        self.write_token(self.token)
        self.log_file = self.dir / "log"
        self.path = self.runtime_dir / "ingest.sock"
        self.fanout_path = self.runtime_dir / "fanout.sock"
        ours = {"config": "", "runtime_dir": self.runtime_dir, "state_dir": self.dir,
                "token_file": self.token_file, "ingest_workers": 1, **settings}
        self.environment = {key: value for key, value in os.environ.items()
                            if not key.startswith(("TAGHUB_", "LISTEN_", "NOTIFY_", "WATCHDOG_"))}
        self.environment.update((f"TAGHUB_{key.upper()}", str(value)) for key, value in ours.items())
        self.process = None
        self.accepted = {lane: 0 for lane in LANES}

    def write_token(self, text, mode=0o600):
        """Replaces the token file as an operator's tool does, whole."""
        fresh = self.dir / "token.new"
        fresh.touch(mode=0o600)
        fresh.write_text(text + "\n")
        fresh.chmod(mode)
        fresh.rename(self.token_file)

    def start(self, *args):
        """Starts it and returns when it says that it serves."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            name = os.fspath(self.dir / "notify")
            notify.bind(name)
            self.environment["NOTIFY_SOCKET"] = name
            self.spawn(*args)
            notify.setblocking(False)
            wait_until(lambda: self._says_ready(notify), 15, "READY=1")
        return self

    def _says_ready(self, notify):
        assert self.process.poll() is None, self.log()
        try:
            return b"READY=1" in notify.recv(4096)
        except BlockingIOError:
            return False

    def spawn(self, *args):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen([build_dir() / "bin" / "taghub-ingest", *args],
                                            env=self.environment, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        return self.process

    def gateway(self, lane="sightings", **identity):
        """A link as a gateway worker has it."""
        return Link.connect(self.path, "gateway", lane, **identity)

    def fanout(self):
        """fanout begins to listen; links are accepted with accept()."""
        return Service(self.fanout_path, "fanout")

    def accept(self, fanout, lane="sightings"):
        """The next link to fanout on this lane, once both ends know that it is up."""
        link = fanout.accept(lane)
        self.accepted[lane] += 1
        wait_until(lambda: len(re.findall(f"link_up .*lane={lane}", self.log()))
                   >= self.accepted[lane], 5, "the link is up")
        return link

    def log(self):
        return self.log_file.read_text()

    def wait_log(self, pattern, limit_s=5):
        return wait_until(lambda: re.search(pattern, self.log()), limit_s,
                          f"{pattern} in the log:\n{self.log()}")

    def stop(self):
        """Ends it in order and searches its log for bugs and for secrets."""
        try:
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                assert self.process.wait(seconds(STOP_LIMIT_S)) == 0, self.log()
            for pattern in BUG_PATTERNS:
                assert not re.search(pattern, self.log()), self.log()
            assert self.token not in self.log()
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture
def new_ingest():
    """A factory of prepared, not yet started processes."""
    made = []

    def make(**settings):
        made.append(Ingest(**settings))
        return made[-1]

    yield make
    for ingest in made:
        ingest.stop()


@pytest.fixture
def ingest(new_ingest):
    return new_ingest().start()


def text(seq, what, source="WEBSOCKET", role="CAMERA", authorization=""):
    """Fields of a device_text."""
    return {
        "seq": seq, "source": CONSTANTS[f"SOURCE_{source}"], "role": CONSTANTS[f"ROLE_{role}"],
        "arrived_utc_us": 1750000000123456, "address": "192.0.2.17",
        "fallback_name": "camera-192.0.2.17", "typed": 1, "authorization": authorization,
        "text": json.dumps(what),
    }


def sighting(seq, **more):
    return text(seq, {"event": "apriltag_data", "tag_id": seq, "camera_name": "porch", **more})


def ping(seq):
    return text(seq, {"event": "ping"}, role="GAME")


def identify(seq, token):
    return text(seq, {"event": "identify", "data": {"type": "esp32", "auth_token": token}},
                role="NONE")


def photo(seq, jpeg, source="WEBSOCKET", token=""):
    """Fields of a device_photo."""
    is_websocket = source == "WEBSOCKET"
    return {
        "seq": seq, "source": CONSTANTS[f"SOURCE_{source}"],
        "role": CONSTANTS["ROLE_CAMERA" if is_websocket else "ROLE_NONE"],
        "arrived_utc_us": 1750000000123456, "camera": "porch",
        "authorization": "" if is_websocket else token, "jpeg": jpeg,
    }


@pytest.fixture(scope="module")
def jpeg():
    return Show().draw("porch", 7, (0, 0, 50, 0, 0, 0), 1)


def reject(name):
    return CONSTANTS[f"REJECT_{name}"]


# Where things go


def test_a_sighting_goes_to_fanout_in_the_name_of_the_gateway_worker(ingest):
    with ingest.fanout() as fanout, ingest.gateway(slot=3) as gateway:
        stream = ingest.accept(fanout)
        gateway.send("device_text", **sighting(41, x_cm=4.2))
        seen = stream.expect("sighting", origin=gateway.incarnation, seq=41, camera="porch",
                             named=1, tag="41", arrived_utc_us=1750000000123456)
        assert json.loads(seen.json)["x_cm"] == 4.2
        assert json.loads(seen.json)["server_timestamp"] == 1750000000.123456


def test_each_gateway_gets_its_own_verdicts(ingest):
    with ingest.gateway() as one, ingest.gateway() as other:
        other.send("device_text", **ping(7))
        one.send("device_text", **ping(8))
        assert json.loads(one.expect("verdict", seq=8).reply)["event"] == "pong"
        assert json.loads(other.expect("verdict", seq=7).reply)["event"] == "pong"


def test_a_command_goes_to_fanout(ingest):
    with ingest.fanout() as fanout, ingest.gateway() as gateway:
        stream = ingest.accept(fanout)
        gateway.send("device_text", **text(5, {"interval_ms": 500, "camera": "porch"},
                                           source="HTTP_INTERVAL", role="NONE"))
        command = stream.expect("command", origin=gateway.incarnation, seq=5, camera="porch")
        assert json.loads(command.event) == {"event": "set_video_interval", "interval_ms": 500}


def test_a_picture_goes_to_fanout_on_the_photo_lane(ingest, jpeg):
    with ingest.fanout() as fanout, ingest.gateway("photos") as gateway:
        pictures = ingest.accept(fanout, "photos")
        gateway.send("device_photo", **photo(1, jpeg))
        gateway.send("device_photo", **photo(2, b"no picture"))
        pictures.expect("photo", origin=gateway.incarnation, seq=1, camera="porch", jpeg=jpeg)
        gateway.expect("verdict", seq=2, reject=reject("not_jpeg"))


@pytest.mark.parametrize("lane, name, fields", [
    ("photos", "device_text", ping(1)),
    ("sightings", "device_photo", photo(1, b"\xff\xd8\xff")),
])
def test_a_message_on_the_wrong_lane_ends_the_link(ingest, lane, name, fields):
    with ingest.gateway(lane) as gateway:
        gateway.send(name, **fields)
        assert gateway.expect_end() == []
    ingest.wait_log(r'link_left .*reason="a message on the wrong lane"')


# While fanout is away


def test_without_fanout_verdicts_go_on_and_sightings_wait_for_a_new_beginning(ingest):
    gateway = ingest.gateway()
    gateway.send("device_text", **sighting(1))
    gateway.send("device_text", **identify(2, ingest.token))
    gateway.send("device_text", **sighting(3))
    gateway.send("device_text", **ping(4))
    gateway.expect("verdict", seq=2, change=CONSTANTS["CHANGE_CAMERA"])
    gateway.expect("verdict", seq=4)

    with ingest.fanout() as fanout:
        stream = ingest.accept(fanout)
        gateway.send("device_text", **sighting(5))    # before or after the end: never passed on
        gateway.expect_end()
        with ingest.gateway(incarnation=gateway.incarnation) as again:
            for seq in (1, 3, 5):
                again.send("device_text", **sighting(seq))
            for seq in (1, 3, 5):
                stream.expect("sighting", seq=seq, origin=gateway.incarnation)


def test_a_command_that_was_dropped_taints_the_link_too(ingest):
    with ingest.gateway() as gateway:
        gateway.send("device_text", **text(1, {"interval_ms": 500}, source="HTTP_INTERVAL",
                                           role="NONE"))
        gateway.send("device_text", **ping(2))
        gateway.expect("verdict", seq=2)
        with ingest.fanout() as fanout:
            ingest.accept(fanout)
            gateway.expect_end()


def test_a_link_that_lost_nothing_survives_the_coming_of_fanout(ingest):
    with ingest.gateway() as gateway:
        gateway.send("device_text", **ping(1))
        gateway.expect("verdict", seq=1)
        with ingest.fanout() as fanout:
            stream = ingest.accept(fanout)
            gateway.send("device_text", **sighting(2))
            stream.expect("sighting", seq=2)
            gateway.send("device_text", **ping(3))
            gateway.expect("verdict", seq=3)


def test_a_link_is_tainted_by_the_loss_of_fanout_even_when_all_was_passed_on(ingest):
    with ingest.fanout() as fanout, ingest.gateway() as gateway:
        stream = ingest.accept(fanout)
        gateway.send("device_text", **sighting(1))
        stream.expect("sighting", seq=1)
        stream.close()
        ingest.accept(fanout)
        gateway.expect_end()


def test_the_first_copies_stay_in_order_however_often_fanout_is_lost(ingest):
    """The gateway resends from its oldest unsettled number on each new link, as it has promised;
    fanout counts up the numbers it knows, and must never see one that leaves a gap."""
    known = 0
    sent = 0
    incarnation = 99
    with ingest.fanout() as fanout:
        stream = ingest.accept(fanout)
        for lost_after in (0, 1, 2, 5, 9, 3, 0, 0, 7, 20, 1, 11):
            with ingest.gateway(incarnation=incarnation) as gateway:
                for seq in range(known + 1, sent + 21):
                    gateway.send("device_text", **sighting(seq))
                sent += 20
                for _ in range(lost_after):
                    known = in_order(stream.recv(), known)
                stream.close()
                for seq in range(sent + 1, sent + 6):
                    gateway.send("device_text", **sighting(seq))
                sent += 5
                stream = ingest.accept(fanout)
                gateway.expect_end()
        with ingest.gateway(incarnation=incarnation) as gateway:
            for seq in range(known + 1, sent + 1):
                gateway.send("device_text", **sighting(seq))
            while known < sent:
                known = in_order(stream.recv(), known)


def in_order(seen, known):
    """What is known after this sighting; a gap fails."""
    assert seen.message == "sighting" and seen.seq <= known + 1, (seen, known)
    return max(known, seen.seq)


# Pictures


@pytest.mark.parametrize("source, status", [("WEBSOCKET", 0), ("HTTP_PHOTO", 503)])
def test_without_fanout_a_picture_is_refused(ingest, jpeg, source, status):
    with ingest.gateway("photos") as gateway:
        gateway.send("device_photo", **photo(1, jpeg, source, ingest.token))
        verdict = gateway.expect("verdict", seq=1, reject=reject("unavailable"),
                                 http_status=status)
    if source == "WEBSOCKET":
        assert verdict.reply == b""
    else:
        reply = json.loads(verdict.reply)
        assert reply["status"] == "error" and reply["message"]


def test_a_picture_is_judged_before_it_is_called_unavailable(ingest, jpeg):
    with ingest.gateway("photos") as gateway:
        gateway.send("device_photo", **photo(1, jpeg, "HTTP_PHOTO", "wrong"))
        gateway.expect("verdict", seq=1, reject=reject("auth_invalid"), http_status=401)


def test_pictures_that_fanout_does_not_take_are_bounded(new_ingest, jpeg):
    ingest = new_ingest(photo_max_bytes=MIB, photo_memory_bytes=MIB).start()
    big = pad_jpeg(jpeg, MIB // 2)
    with ingest.fanout() as fanout, ingest.gateway("photos") as gateway:
        pictures = ingest.accept(fanout, "photos")
        count = 12
        for seq in range(1, count + 1):
            gateway.send("device_photo", **photo(seq, big, "HTTP_PHOTO", ingest.token))
        refused = [gateway.expect("verdict", reject=reject("overload"), http_status=503)]
        while refused[-1].seq < count:
            refused.append(gateway.expect("verdict", reject=reject("overload"), http_status=503))
        taken = count - len(refused)
        assert 2 <= taken <= 6    # what fits the limit, one more, and what the kernel holds
        for seq in range(1, taken + 1):
            pictures.expect("photo", seq=seq)
        gateway.send("device_photo", **photo(99, jpeg))
        pictures.expect("photo", seq=99)


def test_pictures_under_way_when_fanout_is_lost_are_given_up(ingest, jpeg):
    with ingest.fanout() as fanout, ingest.gateway("photos") as gateway:
        pictures = ingest.accept(fanout, "photos")
        gateway.send("device_photo", **photo(1, jpeg))
        pictures.expect("photo", seq=1)
        pictures.close()
        assert gateway.expect_end() == []


# Peers that do not read


class Sender(threading.Thread):
    """Writes frames on a link as fast as they are taken."""

    def __init__(self, link, frames):
        super().__init__()
        self.link = link
        self.frames = frames
        self.taken = 0

    def run(self):
        self.link.sock.settimeout(seconds(60))
        try:
            for frame in self.frames:
                self.link.sock.sendall(frame)
                self.taken += 1
        except OSError:
            pass    # the test sees what is missing

    def wait_stalled(self):
        """Waits until nothing more is taken, or everything was."""
        last = []

        def stands_still():
            last.append(self.taken)
            return not self.is_alive() or (len(last) > 30 and last[-30] == last[-1] > 0)

        wait_until(stands_still, 20, "the sender stands still")
        return self.taken


def test_a_fanout_that_does_not_read_stops_the_gateways_and_loses_nothing(new_ingest):
    ingest = new_ingest(**SHORT_QUEUES).start()
    count = 800
    frames = [encode("device_text", **sighting(seq, filler="x" * 8000))
              for seq in range(1, count + 1)]
    with ingest.fanout() as fanout, ingest.gateway() as early:
        stream = ingest.accept(fanout)
        senders = [Sender(early, frames)]
        senders[0].start()
        assert senders[0].wait_stalled() < count / 2
        with ingest.gateway() as late:    # a newcomer has to wait as well, and is not forgotten
            senders.append(Sender(late, frames))
            senders[1].start()
            assert senders[1].wait_stalled() < count / 2
            known = {early.incarnation: 0, late.incarnation: 0}
            while min(known.values()) < count:
                seen = stream.expect("sighting")
                assert seen.seq == known[seen.origin] + 1
                known[seen.origin] = seen.seq
            for sender in senders:
                sender.join()
            late.send("device_text", **ping(2000))
            late.expect("verdict", seq=2000)
        assert "link_down" not in ingest.log()


def test_a_gateway_that_does_not_read_its_verdicts_is_not_read_either(new_ingest):
    ingest = new_ingest(**SHORT_QUEUES).start()
    count = 30000
    with ingest.gateway() as gateway, ingest.gateway() as other:
        sender = Sender(gateway, [encode("device_text", **ping(seq))
                                  for seq in range(1, count + 1)])
        sender.start()
        assert sender.wait_stalled() < count
        other.send("device_text", **ping(1))    # nobody else has to wait
        other.expect("verdict", seq=1)
        for seq in range(1, count + 1):
            gateway.expect("verdict", seq=seq)
        sender.join()


def test_a_gateway_that_dies_while_it_is_not_read_is_forgotten(new_ingest):
    ingest = new_ingest(**SHORT_QUEUES).start()
    with ingest.gateway() as gateway:
        sender = Sender(gateway, [encode("device_text", **ping(seq)) for seq in range(1, 30001)])
        sender.start()
        sender.wait_stalled()
        gateway.sock.shutdown(socket.SHUT_RDWR)
        sender.join()
    ingest.wait_log(r"link_left worker=0 peer=gateway")


# Workers and starting


def test_the_workers_share_the_links_evenly(new_ingest):
    ingest = new_ingest(ingest_workers=2).start()
    links = []
    try:
        for count in range(1, 7):
            links.append(ingest.gateway(slot=count))
            slots = [link.peer.slot for link in links]
            assert abs(slots.count(0) - slots.count(1)) <= 1
            wait_until(lambda: ingest.log().count("link_joined") == count, 5, "it has joined")
    finally:
        for link in links:
            link.close()


@pytest.mark.parametrize("args, code, said", [
    (["--help"], 0, "usage: taghub-ingest"),
    (["--version"], 0, "taghub-ingest "),
    (["--workers=none"], EX_CONFIG, "exit step=config error=--workers"),
    (["--no-such-key=1"], EX_CONFIG, "no-such-key"),
])
def test_command_line(new_ingest, args, code, said):
    ingest = new_ingest()
    assert ingest.spawn(*args).wait(seconds(10)) == code
    assert said in ingest.log()


@pytest.mark.parametrize("content, mode", [
    (None, 0o600),
    ("tooshort", 0o600),
    ("two words of a token", 0o600),
    ("0af38b37c2d14e4fb4", 0o666),
], ids=["missing", "short", "words", "writable_by_everybody"])
def test_a_bad_token_stops_the_start(new_ingest, content, mode):
    ingest = new_ingest()
    if content is None:
        ingest.token_file.unlink()
    else:
        ingest.write_token(content, mode)
    assert ingest.spawn().wait(seconds(10)) == EX_CONFIG
    assert re.fullmatch(r"<3>ingest: exit step=token error=.*\n", ingest.log())
    assert str(ingest.token_file) in ingest.log()
    assert content is None or content not in ingest.log()


# The token file


def is_accepted(gateway, numbers, token):
    seq = next(numbers)
    gateway.send("device_text", **identify(seq, token))
    return gateway.expect("verdict", seq=seq).reject == reject("none")


def test_a_new_token_counts_without_a_restart_and_a_bad_one_changes_nothing(ingest):
    numbers = iter(range(1, 10**6))
    newer = secrets.token_hex(16)
    with ingest.gateway() as gateway:
        assert is_accepted(gateway, numbers, ingest.token)

        ingest.write_token("broken token")
        ingest.wait_log("token_not_renewed")
        assert is_accepted(gateway, numbers, ingest.token)

        ingest.write_token(newer)
        ingest.wait_log("token_renewed")
        assert is_accepted(gateway, numbers, newer)
        assert not is_accepted(gateway, numbers, ingest.token)
    assert ingest.log().count("token_not_renewed") == 1
    assert newer not in ingest.log() and "broken token" not in ingest.log()


def test_a_worker_that_is_started_later_knows_the_newest_token(ingest):
    newer = secrets.token_hex(16)
    ingest.write_token(newer)
    with ingest.gateway() as gateway:
        ingest.wait_log("token_renewed")
        children = Path(f"/proc/{ingest.process.pid}/task/{ingest.process.pid}/children")
        os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
        gateway.expect_end()
    with ingest.gateway() as gateway:
        assert is_accepted(gateway, iter([1]), newer)


# The log


def test_refusals_are_logged_with_reason_but_not_without_end(ingest):
    count = 100
    with ingest.gateway() as gateway:
        for seq in range(1, count + 1):
            gateway.send("device_text", **{**text(seq, {}, role="NONE"), "text": "{bro\nken",
                                           "fallback_name": 'a "name"\n<3>'})
            gateway.expect("verdict", seq=seq, reject=reject("not_json"))
    ingest.wait_log(r"message_refused suppressed=\d+")
    lines = re.findall(r"^<4>ingest: message_refused worker=0 .*$", ingest.log(), re.MULTILINE)
    assert 10 <= len(lines) < count
    assert lines[0].endswith(r'source=websocket reason=not_json camera="a \"name\"\n<3>" '
                             r'address="192.0.2.17"')
