"""taghub-fanout, the process: the stream that it makes, and what becomes of it when somebody misses a part.

Gateway workers and ingest are played by the test. Invariants A1 to A5 of fanout.c are driven one by one.
"""

import contextlib
import json
import os
import signal
import time

import pytest

from bus import CONSTANTS, LinkEnded, Service, encode, new_incarnation
from solo import Program, photo, sighting
from wire import seconds, wait_until

PATIENT = {"bus_stall_ms": 60000}    # for tests in which somebody does not read on purpose
PAD = "p" * 16000


@pytest.fixture
def new_fanout():
    """A factory of running fanouts."""
    made = []

    def make(**settings):
        made.append(Program("fanout", **settings).start())
        return made[-1]

    yield make
    for fanout in made:
        fanout.stop()


@pytest.fixture
def fanout(new_fanout):
    return new_fanout()


def fence(fanout):
    """Returns when fanout has handled everything that was written to it on links that it reads."""
    fanout.connect("ingest", "photos").close()


class Worker:
    """A gateway worker: its link, and the numbers of what it got."""

    def __init__(self, fanout, slot, origin=None, **subscription):
        self.fanout, self.slot = fanout, slot
        self.origin = origin or new_incarnation()
        self.link = fanout.connect("gateway", slot=slot, incarnation=self.origin)
        self.photos = None
        if subscription:
            self.subscribe(**subscription)

    def subscribe(self, fresh=False, alive=None, seed=()):
        alive = 1 << self.slot if alive is None else alive
        self.link.send("subscribe", fresh=int(fresh), alive=alive)
        for name, fields in seed:
            self.link.send(name, **fields)
        self.link.send("seed_end")
        return self

    def join_photos(self, fresh=False, seed=()):
        self.photos = self.fanout.connect("gateway", "photos", slot=self.slot,
                                          incarnation=self.origin)
        self.photos.send("subscribe", fresh=int(fresh), alive=0)
        for fields in seed:
            self.photos.send("photo", **fields)
        self.photos.send("seed_end")
        return self

    def recv(self, **options):
        return self.link.recv(**options)

    def expect(self, *seqs):
        """The next messages but for reports: sightings of these numbers."""
        for seq in seqs:
            while (message := self.recv()).message == "settled":
                pass
            assert (message.message, message.seq) == ("sighting", seq), message

    def expect_settled(self, up_to_seq, slots):
        """Reports follow up to this one; nothing else comes before it."""
        while True:
            report = self.link.expect("settled", slots=slots)
            assert report.up_to_seq <= up_to_seq, report
            if report.up_to_seq == up_to_seq:
                return

    def expect_silence(self):
        """Nothing is on its way, now that fanout has handled everything."""
        fence(self.fanout)
        self.link.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            got = self.link.sock.recv(65536)
            pytest.fail(f"silence expected, got {got[:200]}")

    def snapshot(self):
        """The messages up to seed_end."""
        messages = []
        while (message := self.recv()).message != "seed_end":
            messages.append(message)
        return messages

    def close(self):
        self.link.close()
        if self.photos is not None:
            self.photos.close()


def tell(link, origin, seqs, **changes):
    """Ingest passes sightings on, in one write."""
    link.send_bytes(b"".join(encode("sighting", **sighting(origin, seq, **changes)) for seq in seqs))


def ask_for_record(link, request):
    link.send("ask", request=request, question=CONSTANTS["QUESTION_POLL"], named=0, camera="",
              hub_started_utc_us=0)


def big(seq):
    return {"json": json.dumps({"seq": seq, "pad": PAD})}


# A1: the gate


def test_nothing_is_read_before_every_living_worker_has_subscribed(fanout):
    with fanout.connect("ingest") as ingest:
        tell(ingest, 77, [1, 2])
        first = Worker(fanout, 0, fresh=False, alive=0b101)
        first.expect_silence()
        Worker(fanout, 1, fresh=False, alive=0b101)    # not the one that is missing
        first.expect_silence()
        third = Worker(fanout, 2, fresh=False, alive=0b101)
        third.expect(1, 2)
        first.expect(1, 2)


def test_nothing_is_read_before_anybody_has_subscribed(fanout):
    with fanout.connect("ingest") as ingest:
        tell(ingest, 77, [1])
        fence(fanout)
        late = Worker(fanout, 0, fresh=True, alive=0)
        assert late.snapshot() == []
        late.expect(1)


def test_the_gate_waits_for_the_dead_only_until_it_hears_of_their_death(fanout):
    with fanout.connect("ingest") as ingest:
        tell(ingest, 77, [1])
        first = Worker(fanout, 0, fresh=False, alive=0b11)
        first.expect_silence()
        first.link.send("alive", slots=0b01)
        first.expect(1)


def test_a_newcomer_waits_for_the_gate_too(fanout):
    """Its snapshot would lack what a worker that has yet to subscribe can tell."""
    newcomer = Worker(fanout, 1, fresh=True, alive=0b01)
    newcomer.expect_silence()
    kept = {"arrived_utc_us": 5, "camera": "porch", "tag": "7", "json": '{"n":5}'}
    Worker(fanout, 0, fresh=False, alive=0b01,
           seed=[("mark", {"origin": 77, "seq": 5}), ("kept", kept)])
    mark, text = newcomer.snapshot()
    assert (mark.message, mark.origin, mark.seq) == ("mark", 77, 5)
    assert (text.message, text.camera, bytes(text.json)) == ("kept", "porch", b'{"n":5}')


def test_a_newcomer_that_serves_without_a_snapshot_is_not_waited_for(fanout):
    """Else it would wait for the gate and the gate for it."""
    with fanout.connect("ingest") as ingest:
        tell(ingest, 77, [1])
        first = Worker(fanout, 0, fresh=False, alive=0b101)
        newcomer = Worker(fanout, 1, fresh=True, alive=0b101)
        newcomer.link.send("alive", slots=0b111)    # it waited too long for slot 2
        first.expect_silence()
        newcomer.link.send("alive", slots=0b011)
        assert newcomer.snapshot() == []
        newcomer.expect(1)
        first.expect(1)


# A5: the snapshot


def test_a_newcomer_gets_a_snapshot_in_one_piece_then_the_stream_without_a_gap(fanout):
    first = Worker(fanout, 0, fresh=True, alive=0b01)
    first.snapshot()
    with fanout.connect("ingest") as ingest:
        newcomers = []
        for base in range(0, 2000, 100):    # the stream runs while they come
            tell(ingest, 77, range(base + 1, base + 101), camera=f"c{base % 700}")
            newcomers.append(Worker(fanout, 1 + len(newcomers), fresh=True, alive=0b01))
        first.expect(*range(1, 2001))
        for newcomer in newcomers:
            marks, newest = {}, {}
            for message in newcomer.snapshot():
                if message.message == "mark":
                    marks[message.origin] = message.seq
                else:
                    assert message.message == "kept", message
                    newest[message.camera] = json.loads(bytes(message.json))["seq"]
            at = marks.get(77, 0)
            assert max(newest.values(), default=0) == at
            assert newest == {f"c{base % 700}": min(base + 100, at)
                              for base in range(0, 2000, 100) if base < at}
            newcomer.expect(*range(at + 1, 2001))


# A4: repeats


def test_repeats_reach_the_workers_but_change_nothing_here(fanout):
    worker = Worker(fanout, 0, fresh=True, alive=0b01)
    worker.snapshot()
    with fanout.connect("ingest") as ingest:
        tell(ingest, 77, [1, 2])
        worker.expect(1, 2)
        tell(ingest, 77, [1, 2, 1])
        worker.expect(1, 2, 1)
        newcomer = Worker(fanout, 1, fresh=True, alive=0b01)
        mark, kept = newcomer.snapshot()
        assert (mark.seq, json.loads(bytes(kept.json))["seq"]) == (2, 2)
        polled = fanout.connect("gateway", slot=5)
        for request in (1, 2, 3):
            ask_for_record(polled, request)
        stamps = [json.loads(bytes(polled.expect("answer", request=request).body))["tag_id"]
                  for request in (1, 2, 3)]
        assert stamps == [0, 0, -1]    # two records without tag_id, then none


def test_what_a_worker_told_of_before_is_a_repeat_too(fanout):
    worker = Worker(fanout, 0, fresh=False, alive=0b01, seed=[("mark", {"origin": 77, "seq": 2})])
    with fanout.connect("ingest") as ingest:
        tell(ingest, 77, [1, 2, 3])
        worker.expect(1, 2, 3)
        Worker(fanout, 1, fresh=True, alive=0b01)
        polled = fanout.connect("gateway", slot=5)
        for request in (1, 2):
            ask_for_record(polled, request)
        records = [json.loads(bytes(polled.expect("answer", http_status=200).body)) for _ in (1, 2)]
        assert [record["tag_id"] for record in records] == [0, -1]


# A3: settling


def test_settled_names_everybody_it_was_written_to(fanout):
    first = Worker(fanout, 0, fresh=True, alive=0)
    first.snapshot()
    second = Worker(fanout, 3, fresh=True, alive=0)
    second.snapshot()
    with fanout.connect("ingest") as ingest:
        tell(ingest, first.origin, [1, 2])
        first.expect(1, 2)
        first.expect_settled(2, slots=0b1001)
        second.expect(1, 2)
        tell(ingest, second.origin, [1])
        second.expect(1)
        second.expect_settled(1, slots=0b1001)
        first.expect(1)
        first.expect_silence()


@contextlib.contextmanager
def reading_at_once(process):
    """On one processor with a sender that gives way to everybody: whoever waits for a write reads it before
    the sender can write again."""
    everywhere = os.sched_getaffinity(0)
    here = {min(everywhere)}
    os.sched_setaffinity(0, here)
    os.sched_setaffinity(process.pid, here)
    os.sched_setscheduler(process.pid, os.SCHED_IDLE, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setaffinity(0, everywhere)


def test_the_report_travels_with_the_delivery(fanout):
    """The messages of a turn are one write, with the report behind what it speaks of."""
    worker = Worker(fanout, 0, fresh=True, alive=0)
    worker.snapshot()
    with fanout.connect("ingest") as ingest, reading_at_once(fanout.process):
        for seq in range(1, 51):
            tell(ingest, worker.origin, [seq])
            worker.link.sock.settimeout(seconds(10))
            got = worker.link.sock.recv(65536)
            delivery = encode("sighting", **sighting(worker.origin, seq))
            report = encode("settled", up_to_seq=seq, slots=0b01)
            assert got == delivery + report, f"{len(got)} of {len(delivery + report)} bytes"


def test_what_one_kernel_has_not_taken_is_not_settled(new_fanout):
    fanout = new_fanout(**PATIENT)
    reader = Worker(fanout, 0, fresh=True, alive=0)
    reader.snapshot()
    sleeper = Worker(fanout, 1, fresh=True, alive=0)
    count = 100
    with fanout.connect("ingest") as ingest:
        for seq in range(1, count + 1):
            tell(ingest, reader.origin, [seq], **big(seq))
        settled, seen = 0, 0
        while seen < count:
            message = reader.recv()
            if message.message == "settled":
                assert message.up_to_seq <= seen    # behind the delivery
                settled = message.up_to_seq
            else:
                seen += 1
        fence(fanout)
        assert settled < count // 2    # some 200 KiB are in the sleeper's socket
        held = Worker(fanout, 2, fresh=True, alive=0)    # a third one changes nothing about it
        held.snapshot()
        sleeper.snapshot()
        sleeper.expect(*range(1, count + 1))
        reader.expect_settled(count, slots=0b111)


def test_a_worker_that_takes_nothing_is_dropped_and_the_stream_begins_anew(new_fanout):
    fanout = new_fanout(bus_stall_ms=100)
    reader = Worker(fanout, 0, fresh=True, alive=0)
    reader.snapshot()
    sleeper = Worker(fanout, 1, fresh=True, alive=0b01)
    sleeper.snapshot()
    reader.link.send("alive", slots=0b11)
    count = 100
    with fanout.connect("ingest") as ingest:
        for seq in range(1, count + 1):
            tell(ingest, reader.origin, [seq], **big(seq))
        settled, seen = 0, 0
        while seen < count:
            message = reader.recv()
            seen += message.message == "sighting"
            settled = getattr(message, "up_to_seq", settled)
        ingest.expect_end()
    messages = sleeper.link.expect_end()    # what its kernel had taken is there
    taken = [one.seq for one in messages if one.message == "sighting"]
    assert taken == list(range(1, len(taken) + 1)) and len(taken) >= settled
    with fanout.connect("ingest") as ingest:
        tell(ingest, reader.origin, range(settled + 1, count + 1))
        reader.expect_silence()    # the gate is shut: nobody has said that slot 1 is dead
        sleeper = Worker(fanout, 1, origin=sleeper.origin, fresh=False, alive=0b11)
        ingest.expect_end()    # it may have missed a part, so all is begun anew
    with fanout.connect("ingest") as ingest:
        tell(ingest, reader.origin, range(settled + 1, count + 1))
        reader.expect(*range(settled + 1, count + 1))
        reader.expect_settled(count, slots=0b11)
        sleeper.expect(*range(settled + 1, count + 1))


# A2: the stream begins anew


def test_losing_a_living_worker_restarts_the_stream(fanout):
    first = Worker(fanout, 0, fresh=True, alive=0)
    first.snapshot()
    second = Worker(fanout, 1, fresh=True, alive=0)
    second.snapshot()
    second.link.send("alive", slots=0b11)
    with fanout.connect("ingest") as ingest, fanout.connect("ingest", slot=1) as other:
        tell(ingest, first.origin, [1])
        first.expect(1)
        first.expect_settled(1, slots=0b11)
        second.close()
        assert ingest.expect_end() == [] and other.expect_end() == []
    with fanout.connect("ingest") as ingest:
        tell(ingest, first.origin, [2])
        first.expect_silence()
        first.link.send("alive", slots=0b01)
        first.expect(2)
        first.expect_settled(2, slots=0b01)


def test_losing_a_worker_that_does_not_serve_yet_is_no_matter(fanout):
    first = Worker(fanout, 0, fresh=True, alive=0)
    first.snapshot()
    first.link.send("alive", slots=0b01)
    newcomer = Worker(fanout, 1, fresh=True, alive=0b01)
    newcomer.snapshot()
    with fanout.connect("ingest") as ingest:
        tell(ingest, first.origin, [1])
        newcomer.expect(1)
        newcomer.close()
        fence(fanout)
        tell(ingest, first.origin, [2])
        first.expect(1, 2)
        first.expect_settled(2, slots=0b01)


@pytest.mark.parametrize("worker_writes_first", [True, False])
def test_nothing_of_the_old_stream_comes_behind_the_restart(fanout, worker_writes_first):
    """A worker comes back in the same instant in which ingest passes something on: it gets that from the
    new stream, after what it has missed, and not before."""
    first = Worker(fanout, 0, fresh=True, alive=0)
    first.snapshot()
    second = Worker(fanout, 1, fresh=True, alive=0)
    second.snapshot()
    with fanout.connect("ingest") as ingest:
        tell(ingest, 77, [1])
        second.expect(1)
        second.close()    # as far as fanout knows it does not serve yet: the stream goes on
        fence(fanout)
        tell(ingest, 77, [2])
        first.expect(1, 2)
        again = Worker(fanout, 1, origin=second.origin)
        os.kill(fanout.process.pid, signal.SIGSTOP)
        steps = [lambda: again.subscribe(fresh=False, alive=0b11), lambda: tell(ingest, 77, [3])]
        for step in steps if worker_writes_first else reversed(steps):
            step()
        os.kill(fanout.process.pid, signal.SIGCONT)
        ingest.expect_end()
    with fanout.connect("ingest") as ingest:
        tell(ingest, 77, [2, 3, 4])
        again.expect(2, 3, 4)


def test_a_report_that_was_due_dies_with_the_stream(new_fanout):
    """Else it would settle what the worker that was dropped has never got."""
    fanout = new_fanout(**PATIENT)
    reader = Worker(fanout, 0, fresh=True, alive=0)
    reader.snapshot()
    sleeper = Worker(fanout, 1, fresh=True, alive=0b01)
    sleeper.snapshot()
    reader.link.send("alive", slots=0b11)
    with fanout.connect("ingest") as ingest:
        for seq in range(1, 51):
            tell(ingest, reader.origin, [seq], **big(seq))
        reader.expect(*range(1, 51))
        sleeper.close()
        ingest.expect_end()
        reader.link.send("alive", slots=0b01)
        fence(fanout)
        reader.link.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                report = reader.link.sock.recv(65536)
                assert encode("settled", up_to_seq=50, slots=0b01) not in report
                assert encode("settled", up_to_seq=50, slots=0b11) not in report


def test_a_gate_that_opens_in_the_turn_of_the_restart_lets_nothing_old_through(fanout):
    first = Worker(fanout, 0, fresh=True, alive=0)
    first.snapshot()
    second = Worker(fanout, 1, fresh=True, alive=0)
    second.snapshot()
    third = Worker(fanout, 2, fresh=True, alive=0)
    third.snapshot()
    first.link.send("alive", slots=0b101)
    with fanout.connect("ingest") as ingest:
        tell(ingest, 77, [1])
        second.expect(1)
        second.close()
        fence(fanout)
        tell(ingest, 77, [2])
        first.expect(1, 2)
        third.close()    # it is alive: the gate is shut, and the stream begun anew
        ingest.expect_end()
    with fanout.connect("ingest") as ingest:
        again = Worker(fanout, 1, origin=second.origin)
        tell(ingest, 77, [3])
        first.expect_silence()
        os.kill(fanout.process.pid, signal.SIGSTOP)
        again.subscribe(fresh=False, alive=0b011)
        first.link.send("alive", slots=0b001)    # handled first, as what came last
        os.kill(fanout.process.pid, signal.SIGCONT)
        ingest.expect_end()
    with fanout.connect("ingest") as ingest:
        tell(ingest, 77, [2, 3, 4])
        again.expect(2, 3, 4)


# Commands


def command(origin, seq, **changes):
    fields = {"origin": origin, "seq": seq, "camera": "", "event": b'{"e":1}', "reply": b'{"r":1}'}
    return {**fields, **changes}


def done(worker, fields, count):
    got = worker.link.expect("command", origin=fields["origin"], seq=fields["seq"])
    assert (bytes(got.event), bytes(got.reply)) == (fields["event"], fields["reply"])
    worker.link.send("command_done", origin=fields["origin"], seq=fields["seq"],
                     cameras_count=count)


def two_workers(fanout):
    first = Worker(fanout, 0, fresh=True, alive=0)
    first.snapshot()
    second = Worker(fanout, 1, fresh=True, alive=0)
    second.snapshot()
    return first, second


def test_the_result_of_a_command_is_the_sum_of_all_workers(fanout):
    first, second = two_workers(fanout)
    with fanout.connect("ingest") as ingest:
        one, other = command(first.origin, 1), command(second.origin, 1)
        ingest.send("command", **one)
        ingest.send("command", **other)
        done(first, one, 2)
        done(first, other, 0)
        first.expect_silence()
        done(second, one, 3)
        result = first.link.expect("command_result", seq=1, cameras_count=5)
        assert bytes(result.reply) == b'{"r":1}'
        done(second, other, 0)
        second.link.expect("command_result", seq=1, cameras_count=0)


def test_an_answer_that_comes_twice_counts_once(fanout):
    first, second = two_workers(fanout)
    with fanout.connect("ingest") as ingest:
        fields = command(first.origin, 1)
        ingest.send("command", **fields)
        done(second, fields, 3)
        second.link.send("command_done", origin=first.origin, seq=1, cameras_count=3)
        fence(fanout)
        done(first, fields, 1)
        first.link.expect("command_result", cameras_count=4)
        first.expect_silence()


def test_a_worker_that_leaves_holds_no_command_up(fanout):
    first, second = two_workers(fanout)
    with fanout.connect("ingest") as ingest:
        fields = command(first.origin, 1)
        ingest.send("command", **fields)
        done(first, fields, 1)
        first.expect_silence()
        second.close()
        first.link.expect("command_result", seq=1, cameras_count=1)


def test_a_command_whose_origin_has_left_is_told_all_the_same(fanout):
    first, second = two_workers(fanout)
    with fanout.connect("ingest") as ingest:
        fields = command(first.origin, 1)
        first.close()
        fence(fanout)
        ingest.send("command", **fields)
        done(second, fields, 1)
        second.expect_silence()


# Photos


def jpeg(mark, size=1 << 20):
    return b"\xff\xd8\xff" + mark.encode() * (size - 3)


def test_a_photo_reaches_everybody_and_is_settled_once(fanout):
    first, second = two_workers(fanout)
    first.join_photos().photos.expect("seed_end")
    second.join_photos().photos.expect("seed_end")
    with fanout.connect("ingest", "photos") as ingest:
        ingest.send("photo", **photo(first.origin, 1))
        first.photos.expect("photo", seq=1)
        first.photos.expect("photo_settled", seq=1)
        second.photos.expect("photo", seq=1)
        third = Worker(fanout, 2, fresh=True, alive=0).join_photos(fresh=True)
        third.photos.expect("photo", seq=1)    # a newcomer's copy settles nothing again
        third.photos.expect("seed_end")
        ingest.send("photo", **photo(first.origin, 2))
        first.photos.expect("photo", seq=2)
        first.photos.expect("photo_settled", seq=2)
        third.photos.expect("photo", seq=2)


def test_a_slow_worker_skips_to_the_newest_photo_of_each_camera(new_fanout):
    fanout = new_fanout(**PATIENT)
    first, second = two_workers(fanout)
    first.join_photos().photos.expect("seed_end")
    second.join_photos().photos.expect("seed_end")
    with fanout.connect("ingest", "photos") as ingest:
        for seq, camera, superseded in ((1, "a", None), (2, "a", None), (3, "b", None),
                                        (4, "a", 2), (5, "a", 4)):
            ingest.send("photo", **photo(first.origin, seq, camera=camera, jpeg=jpeg("j")))
            got = [first.photos.recv() for _ in range(1 if superseded is None else 2)]
            assert {(one.message, one.seq) for one in got} == {("photo", seq)} | (
                set() if superseded is None else {("photo_settled", superseded)})
        assert [second.photos.expect("photo").seq for _ in range(3)] == [1, 5, 3]
        assert [first.photos.expect("photo_settled").seq for _ in range(3)] == [1, 5, 3]


def test_a_worker_that_leaves_settles_what_it_held_up(new_fanout):
    fanout = new_fanout(**PATIENT)
    first, second = two_workers(fanout)
    first.join_photos().photos.expect("seed_end")
    second.join_photos().photos.expect("seed_end")
    with fanout.connect("ingest", "photos") as ingest:
        for seq, camera in ((1, "a"), (2, "b"), (3, "c")):
            ingest.send("photo", **photo(first.origin, seq, camera=camera, jpeg=jpeg("j")))
            assert first.photos.expect("photo").seq == seq
        second.photos.close()
        assert sorted(first.photos.expect("photo_settled").seq for _ in range(3)) == [1, 2, 3]


def test_photos_told_by_workers_are_kept_when_they_are_newer(fanout):
    first = Worker(fanout, 0, fresh=False, alive=0b11)
    second = Worker(fanout, 1, fresh=False, alive=0b11)
    first.join_photos(seed=[photo(77, 5, camera="a"), photo(77, 9, camera="b")])
    second.join_photos(seed=[photo(77, 6, camera="a"), photo(77, 8, camera="b")])
    first.photos.expect("seed_end")
    second.photos.expect("seed_end")
    newcomer = Worker(fanout, 2, fresh=True, alive=0b11).join_photos(fresh=True)
    got = {one.camera: one.seq for one in (newcomer.photos.expect("photo") for _ in range(2))}
    assert got == {"a": 6, "b": 9}
    newcomer.photos.expect("seed_end")


# History


@pytest.fixture
def history(fanout):
    """A history that fanout finds when it looks again."""
    with Service(fanout.runtime_dir / "history.sock", "history") as service:
        yield service


def test_history_is_sent_the_newest_photo_of_each_camera_once_a_second(fanout, history):
    first, _ = two_workers(fanout)
    first.join_photos().photos.expect("seed_end")
    kept = history.accept("photos")
    with fanout.connect("ingest", "photos") as ingest:
        for seq, camera in ((1, "a"), (2, "a"), (3, "b"), (4, "a")):
            ingest.send("photo", **photo(first.origin, seq, camera=camera))
            first.photos.expect("photo", seq=seq)
            first.photos.expect("photo_settled", seq=seq, width=8, height=8)    # history is not waited for
        kept.send("seed_end")
        assert [(one.camera, one.seq) for one in (kept.recv(), kept.recv())] == [("a", 4), ("b", 3)]
        begun_s = time.monotonic()
        for seq in range(5, 50):
            ingest.send("photo", **photo(first.origin, seq, camera="a"))
            first.photos.expect("photo", seq=seq)
            first.photos.expect("photo_settled", seq=seq)
        assert kept.expect("photo", camera="a").seq > 4
        assert time.monotonic() - begun_s > 0.8    # nothing came in between


def test_what_history_kept_reaches_every_worker_once(fanout, history):
    first, second = two_workers(fanout)
    for worker in (first, second):
        worker.join_photos().photos.expect("seed_end")
    kept = history.accept("photos")
    with fanout.connect("ingest", "photos") as ingest:
        ingest.send("photo", **photo(first.origin, 7, camera="ours"))
        for worker in (first, second):
            worker.photos.expect("photo", seq=7)
        first.photos.expect("photo_settled", seq=7)
        kept.send("photo", **photo(99, 1, camera="gone", arrived_utc_us=5))
        kept.send("photo", **photo(99, 2, camera="ours", arrived_utc_us=5))    # older than what is known
        kept.send("seed_end")
        for worker in (first, second):
            worker.photos.expect("photo", camera="gone", seq=1)
        assert kept.expect("photo").camera == "ours"    # and it is not sent its own
        ingest.send("photo", **photo(first.origin, 8, camera="ours"))
        for worker in (first, second):
            worker.photos.expect("photo", seq=8)
    newcomer = Worker(fanout, 2, fresh=True, alive=0b11).join_photos(fresh=True)
    assert {newcomer.photos.expect("photo").camera for _ in range(2)} == {"gone", "ours"}


def test_the_last_photos_reach_history_at_an_orderly_stop(fanout, history):
    first, _ = two_workers(fanout)
    first.join_photos().photos.expect("seed_end")
    kept = history.accept("photos")
    kept.send("seed_end")
    with fanout.connect("ingest", "photos") as ingest:
        ingest.send("photo", **photo(first.origin, 1, camera="a"))
        first.photos.expect("photo", seq=1)
        first.photos.expect("photo_settled", seq=1)
    fanout.process.send_signal(signal.SIGTERM)
    assert kept.expect("photo").camera == "a"
    assert fanout.process.wait(seconds(5)) == 0
    fanout.process = None    # it is stopped


# Who may speak


def test_a_gateway_may_not_pass_sightings_on(fanout):
    worker = Worker(fanout, 0, fresh=True, alive=0)
    worker.snapshot()
    worker.link.send("sighting", **sighting(77, 1))
    with pytest.raises(LinkEnded):
        worker.recv()
    wait_until(lambda: "may not send" in fanout.log_text(), 5, "the reason in the log")
