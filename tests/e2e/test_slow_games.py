"""A game that stops reading: the newest value wins, it is told what it missed, and nobody waits."""

import time
from contextlib import ExitStack

import pytest

from clients import ENDS, Closed, Game, ws_camera
from swarm import Counted, MemoryBound, Witness, pace
from wire import TIME_FACTOR, Deadline, wait_until

RCVBUF_BYTES = 4096
NEVER_MS = 3600000
TAGS = 5
PADS = pytest.mark.parametrize("pad", ["x" * 1000, "x" * 8000], ids=["by_number", "by_bytes"])


class Flood:
    """A camera that sends records of several tags as fast as they are acknowledged."""

    def __init__(self, camera, pad):
        self.sent = 0
        self._camera, self._pad = camera, pad

    def send(self, count, witness=None):
        """Sends so many; record n is number n overall, of tag n modulo TAGS. The game of a witness has
        read each batch before the next one, so that it keeps up however little it may run."""
        for at in range(count):
            self._camera.send_telemetry({"tag_id": self.sent % TAGS, "number": self.sent,
                                         "pad": self._pad})
            self.sent += 1
            if at % 32 == 31 or at == count - 1:
                for _ in range(at % 32 + 1):
                    assert self._camera.recv()["event"] == "apriltag_ack"
                if witness is not None:
                    witness.wait_exchanges(1)

    def send_until_dropped(self, counted, witness=None):
        """Sends until queues are full and something was dropped."""
        deadline = Deadline(20)
        while "dropped" not in counted.difference("totals"):
            deadline.left()
            self.send(256, witness)


def check_records(messages, flood):
    """What a game got of the flood: in order, and the newest of each tag at least."""
    records = [m for m in messages if m["event"] == "apriltag_data" and "pad" in m]
    numbers = [record["number"] for record in records]
    assert numbers == sorted(set(numbers)), "not in order, or twice"
    for tag in range(TAGS):
        newest = max(number for number in range(flood.sent - TAGS, flood.sent)
                     if number % TAGS == tag)
        assert newest in numbers, f"the newest record of tag {tag} is missing"


def check_notice(notice):
    assert notice.keys() == {"event", "code", "count"}, notice
    assert notice["code"] == "dropped" and type(notice["count"]) is int and notice["count"] > 0


@pytest.mark.parametrize("end", ENDS)
@PADS
def test_newest_value_wins_and_every_drop_is_told(fresh_hub, end, pad):
    hub = fresh_hub(slow_client_deadline_ms=NEVER_MS)
    with Game(hub, end, rcvbuf_bytes=RCVBUF_BYTES) as game, \
            ws_camera(hub, end, name="fast") as camera:
        game.identify()
        counted, flood = Counted(hub), Flood(camera, pad)
        begin_s = time.monotonic()
        with Witness(hub) as witness:
            flood.send_until_dropped(counted, witness)
            flood.send(1000, witness)
        messages, told, notices = [], 0, 0
        while len(messages) + told < flood.sent + witness.count:
            message = game.recv_json()
            if message["event"] == "notice":
                check_notice(message)
                told += message["count"]
                notices += 1
            else:
                messages.append(message)
        assert len(messages) + told == flood.sent + witness.count
        assert notices <= time.monotonic() - begin_s + 1
        counted.expect(refused={}, totals={"dropped": told, "slow_closed": 0})
        check_records(messages, flood)
        game.expect_silence()
        flood.send(10)    # from here on it is a game like any other
        for number in range(flood.sent - 10, flood.sent):
            assert game.recv_json()["number"] == number


def test_a_full_queue_gives_up_the_same_tag_first(fresh_hub):
    hub = fresh_hub(slow_client_deadline_ms=NEVER_MS)
    with Game(hub, rcvbuf_bytes=RCVBUF_BYTES) as game, ws_camera(hub, name="fast") as camera:
        game.identify()
        counted, flood = Counted(hub), Flood(camera, "x" * 1000)
        camera.report({"tag_id": "rare", "number": -1})
        flood.send_until_dropped(counted)
        camera.report({"tag_id": "rare", "number": -2})
        camera.report({"tag_id": 1, "number": 0, "camera_name": "other"})
        flood.send(2000)
        numbers = []
        while flood.sent - 1 not in numbers:
            message = game.recv_json()
            if message["event"] == "apriltag_data":
                numbers.append(message["number"])
        assert {-1, -2, 0} <= set(numbers), "a rare record gave way to another tag's or camera's"


def test_a_game_that_takes_nothing_is_closed_with_1013(fresh_hub):
    limit_ms = int(1000 * TIME_FACTOR)
    hub = fresh_hub(slow_client_deadline_ms=limit_ms)
    with Game(hub, rcvbuf_bytes=RCVBUF_BYTES) as game, ws_camera(hub, name="fast") as camera:
        game.identify()
        counted, flood = Counted(hub), Flood(camera, "x" * 1000)
        with Witness(hub) as witness:
            begin_s = time.monotonic()
            flood.send_until_dropped(counted, witness)
            counted.expect(refused={}, totals={"slow_closed": 1}, limit_s=10)
            assert time.monotonic() - begin_s >= limit_ms / 1000
            hub.wait_log("slow_client_closed")
            witness.wait_exchanges(10)
        numbers = []
        with pytest.raises(Closed) as closed:    # what was on its way comes whole, then the reason
            while True:
                message = game.recv_json()
                if message["event"] == "apriltag_data" and "pad" in message:
                    numbers.append(message["number"])
        assert closed.value.code == 1013
        assert numbers and numbers == sorted(set(numbers))


def test_a_game_that_reads_slowly_but_steadily_stays(fresh_hub):
    limit_s = 2 * TIME_FACTOR
    hub = fresh_hub(slow_client_deadline_ms=int(limit_s * 1000), ping_interval_ms=NEVER_MS)
    with Game(hub, rcvbuf_bytes=RCVBUF_BYTES) as game, ws_camera(hub, name="fast") as camera:
        game.identify()
        counted, flood = Counted(hub), Flood(camera, "x" * 1000)
        flood.send_until_dropped(counted)
        # Nothing new comes, and the hub's own kernel does not ask for more before a good part of
        # its buffer is free: for longer than the limit nothing leaves the queue.
        for _ in pace(2 * limit_s, limit_s / 20):
            game.recv_message()
            game.recv_message()
        counted.expect(refused={}, totals={"slow_closed": 0})


def test_many_stalled_games_cost_little_and_delay_nobody(fresh_hub):
    hub = fresh_hub(slow_client_deadline_ms=NEVER_MS)
    with ExitStack() as stack, ws_camera(hub, name="fast") as camera:
        counted, flood = Counted(hub), Flood(camera, "x" * 8000)
        flood.send(100)
        memory = MemoryBound(hub)
        for at in range(30):
            game = Game(hub, ENDS[at % 2], rcvbuf_bytes=RCVBUF_BYTES)
            stack.enter_context(game).identify(replay=1)
        with Witness(hub) as witness:
            flood.send_until_dropped(counted, witness)
            flood.send(1000, witness)
            witness.wait_exchanges(10)
        # Every queue is full with its megabyte, but the queues share their frames.
        memory.check(8192)
        wait_until(lambda: counted.difference("totals")["dropped"] > 30 * 500, 5, "all dropped")
