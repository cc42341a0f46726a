"""taghub-history, the process: what it acknowledges is in the file, and what it is asked comes from there."""

import contextlib
import os
import re
import select
import signal
import time

import pytest

from bus import LinkEnded
from history_alone import SECOND_US, START_US, Worker, history, new_history, photo  # noqa: F401  (fixtures)
from wire import wait_until

GRACE_S = 10    # that a lost worker has to come back


# Sessions


def test_a_session_is_acknowledged_when_it_is_in_the_file(history):
    worker = Worker(history).tell(1).stored(1)
    assert history.rows() == [{
        "origin": worker.origin, "number": 1, "camera": "cam-1", "address": "192.0.2.7", "port": 5100,
        "transport": "websocket", "identified_utc_us": START_US + SECOND_US, "ended_utc_us": None,
        "end_reason": "none", "alive_utc_us": history.rows()[0]["alive_utc_us"]}]
    worker.tell(1, version=2, ended_s=5, end="silent").stored(1, version=2)
    row, = history.rows()
    assert (row["ended_utc_us"], row["end_reason"]) == (START_US + 6 * SECOND_US, "silent")
    assert row["alive_utc_us"] == row["ended_utc_us"]


def test_what_comes_together_is_written_together(new_history):
    history = new_history(history_commit_ms=200).start()
    worker = Worker(history).tell(*range(1, 201)).tell(*range(1, 101), version=2)
    got = {(one.number, one.version) for one in (worker.link.expect("session_stored") for _ in range(200))}
    assert got == {(number, 2 if number <= 100 else 1) for number in range(1, 201)}
    counters = history.counters()
    assert counters["commits"] <= 2 and counters["sessions_stored"] == 200, counters


def test_a_session_that_is_told_twice_is_one_row(history):
    worker = Worker(history).tell(1, ended_s=3).stored(1)
    worker.tell(1, ended_s=3).stored(1)
    worker.again().tell(1, ended_s=3).stored(1)
    assert len(history.rows()) == 1


def test_sigterm_writes_what_waits(new_history):
    history = new_history(history_commit_ms=10000).start()
    fanout = history.connect("fanout", "photos")
    fanout.expect("seed_end")
    fanout.send("photo", **photo(1, 1))
    worker = Worker(history).tell(1, 2)
    worker.uptime()
    wait_until(lambda: history.counters()["queued_bytes"] > 700, 5, "both wait")
    assert history.rows() == []
    worker.tell(3)    # may still lie in the socket
    history.stop_only()
    assert [row["number"] for row in history.rows()] == [1, 2, 3] and "porch" in history.photos()
    worker.stored(1, 2, 3)
    history.start()


# Questions


def test_the_answers_about_connections(history):
    worker = Worker(history).seed_end()
    assert worker.uptime() == {"connected": False, "uptime_seconds": 0, "uptime_formatted": "Not connected",
                               "days": 0, "hours": 0, "minutes": 0, "seconds": 0}
    began_us = (int(time.time()) - 3600) * SECOND_US
    worker.tell(1, camera="porch", identified_utc_us=began_us).tell(2, ended_s=125)
    uptime = worker.uptime()
    assert uptime["connected"] and uptime["camera"] == "porch" and 3600 <= uptime["uptime_seconds"] < 3700
    assert re.fullmatch(r"1h \dm \d+s", uptime["uptime_formatted"])
    answer = worker.connections()
    ended, = answer["sessions"]
    assert (ended["camera"], ended["duration_seconds"], ended["duration_formatted"], ended["status"],
            ended["reason"]) == ("cam-2", 125, "2m 5s", "disconnected", "closed")
    still, = answer["open_sessions"]
    assert (still["camera"], still["connect_timestamp"]) == ("porch", began_us / SECOND_US)
    assert answer["total_sessions"] == 1


@pytest.mark.parametrize("asker_is_first", [True, False])
def test_an_answer_knows_what_other_workers_wrote_before(history, asker_is_first):
    """The one that is read first may be the one that asks."""
    workers = [Worker(history, 0), Worker(history, 1)]
    asker, teller = workers if asker_is_first else reversed(workers)
    teller.tell(1).stored(1)
    asker.uptime()
    os.kill(history.process.pid, signal.SIGSTOP)
    teller.tell(1, version=2, ended_s=9)
    asker.ask("history")
    os.kill(history.process.pid, signal.SIGCONT)
    assert asker.answer()[1]["sessions"][0]["duration_seconds"] == 9


# Workers that are lost


def test_sessions_that_nobody_claims_end_when_they_were_last_alive(history):
    workers = [Worker(history, slot).tell(slot * 10 + 1, slot * 10 + 2).seed_end() for slot in range(3)]
    for slot, worker in enumerate(workers):
        worker.stored(slot * 10 + 1, slot * 10 + 2)
    alive = {row["number"]: row["alive_utc_us"] for row in history.rows()}
    history.crash()
    for worker in workers:
        worker.close()
    started_s = time.monotonic()
    history.start()

    back = workers[0].again().tell(1).seed_end().stored(1)    # it holds one of its two sessions
    row = history.wait_row(2, end_reason="hub_restart")
    assert row["ended_utc_us"] == alive[2]
    assert back.tell(1).stored(1).uptime()["connected"]
    assert time.monotonic() < started_s + GRACE_S - 2, "too slow to tell the next step from the last"
    assert all(row["ended_utc_us"] is None for row in history.rows("SELECT * FROM session WHERE number > 10"))

    for number in (11, 12, 21, 22):    # of those that do not come
        row = history.wait_row(number, limit_s=GRACE_S + 5, end_reason="hub_restart")
        assert row["ended_utc_us"] == row["alive_utc_us"] == alive[number]
    assert time.monotonic() >= started_s + GRACE_S - 1
    history.wait_row(1, end_reason="none")

    late = workers[1].again().tell(11).seed_end().stored(11)    # it was merely slow
    history.wait_row(11, end_reason="none", ended_utc_us=None)
    late.tell(11, version=2, ended_s=7).stored(11, version=2)
    history.wait_row(11, end_reason="closed")
    history.wait_row(12, end_reason="hub_restart")


def test_the_sessions_of_a_lost_worker_are_over_for_questions_at_once_and_in_the_file_later(history):
    watcher = Worker(history, 1)
    worker = Worker(history).tell(1, 2).seed_end().stored(1, 2)
    assert watcher.uptime()["connected"]
    before_us = int(time.time() * SECOND_US)
    worker.close()
    wait_until(lambda: not watcher.uptime()["connected"], 5, "the loss is noticed")
    after_us = int(time.time() * SECOND_US)
    assert watcher.connections()["open_sessions"] == []
    worker = worker.again().tell(1)
    assert watcher.uptime()["camera"] == "cam-1"
    worker.seed_end().stored(1)
    row = history.wait_row(2, end_reason="hub_restart")
    assert before_us <= row["ended_utc_us"] <= after_us

    worker.close()
    row = history.wait_row(1, limit_s=GRACE_S + 5, end_reason="hub_restart")
    assert after_us <= row["ended_utc_us"] <= int(time.time() * SECOND_US) - (GRACE_S - 1) * SECOND_US


def test_open_sessions_are_known_to_be_alive(history):
    worker = Worker(history).tell(1).seed_end().stored(1)
    before_us = history.wait_row(1)["alive_utc_us"]
    wait_until(lambda: history.wait_row(1)["alive_utc_us"] > before_us + SECOND_US, 8, "a later time")
    worker.tell(1, version=2, ended_s=3).stored(1, version=2)
    history.wait_row(1, alive_utc_us=START_US + 4 * SECOND_US)


# Sessions that go on at another worker


def lasted(history):
    """Every session in the file: the number it began with, its length in seconds or None, and why it ended."""
    return [(row["number"], row["ended_utc_us"] and (row["ended_utc_us"] - row["identified_utc_us"]) / SECOND_US,
             row["end_reason"]) for row in history.rows()]


def test_a_session_that_goes_on_at_another_worker_is_one(history):
    old = Worker(history).tell(1).seed_end().stored(1)
    before, = history.rows()
    old.close()
    new = Worker(history).go_on(40, old.origin, 1).seed_end()
    assert new.stored(40, version=2).uptime()["camera"] == "cam-1"
    still, = new.connections()["open_sessions"]
    assert still["connect_timestamp"] == before["identified_utc_us"] / SECOND_US
    after, = history.rows()
    assert {**after, "alive_utc_us": 0} == {**before, "alive_utc_us": 0}

    wait_until(lambda: history.wait_row(1)["alive_utc_us"] > after["alive_utc_us"] + SECOND_US, 8, "a later time")
    new.go_on(40, old.origin, 1, version=3, ended_s=9).stored(40, version=3)
    assert lasted(history) == [(1, 9, "closed")]
    assert len(new.connections()["sessions"]) == 1 and not new.connections()["open_sessions"]


def test_a_session_is_held_when_the_worker_it_began_at_has_long_gone(history):
    old = Worker(history).tell(1, 2).seed_end().stored(1, 2)
    new = Worker(history).go_on(40, old.origin, 1).seed_end().stored(40, version=2)
    old.close()
    history.wait_row(2, limit_s=GRACE_S + 5, end_reason="hub_restart")
    history.wait_row(1, end_reason="none")
    assert new.uptime()["connected"]
    new.close()
    history.wait_row(1, limit_s=GRACE_S + 5, end_reason="hub_restart")


def test_an_end_that_was_not_stored_is_stored_for_the_heir(new_history):
    history = new_history().start()
    old = Worker(history).tell(1).stored(1)
    with contextlib.closing(history.person("BEGIN EXCLUSIVE")) as person:
        old.tell(1, version=2, ended_s=5)
        old.uptime()
        old.close()
        new = Worker(history).go_on(40, old.origin, 1, version=3, ended_s=5).seed_end()
        assert len(new.connections()["sessions"]) == 1
        person.execute("ROLLBACK")
    new.stored(40, version=3, limit_s=10)
    assert lasted(history) == [(1, 5, "closed")]


@pytest.mark.parametrize("last_words", [{}, {"ended_s": 5}], ids=["open", "ended"])
def test_an_heir_is_understood_by_a_history_that_was_killed_meanwhile(history, last_words):
    old = Worker(history).tell(1, 2).seed_end().stored(1, 2)
    old.tell(1, version=2, **last_words)
    history.crash()
    old.close()
    history.start()
    new = Worker(history).go_on(40, old.origin, 1, version=3, **last_words).seed_end().stored(40, version=3)
    history.wait_row(2, limit_s=GRACE_S + 5, end_reason="hub_restart")    # nobody has gone on with it
    assert lasted(history)[0] == ((1, 5, "closed") if last_words else (1, None, "none"))
    assert new.uptime()["connected"] != bool(last_words)


def test_an_heir_of_an_heir_goes_on_with_the_same(history):
    """Whether history has heard of the one in between or not, and restarted or not."""
    first = Worker(history).tell(1, 2).stored(1, 2)
    first.close()
    Worker(history).go_on(40, first.origin, 1).stored(40, version=2).close()
    history.crash()
    history.start()
    third = Worker(history).go_on(1, first.origin, 1, version=3).go_on(2, first.origin, 2, version=3).seed_end()
    third.stored(1, 2, version=3)
    assert lasted(history) == [(1, None, "none"), (2, None, "none")]
    third.go_on(1, first.origin, 1, version=4, ended_s=5).go_on(2, first.origin, 2, version=4, ended_s=6)
    third.stored(1, 2, version=4)
    assert lasted(history) == [(1, 5, "closed"), (2, 6, "closed")]


def test_last_words_that_are_read_late_do_not_count(history):
    old, new = Worker(history), Worker(history)
    new.go_on(40, old.origin, 1, version=3).stored(40, version=3)
    old.tell(1).tell(1, version=2, ended_s=5)
    old.expect_silence()
    assert new.uptime()["connected"] and lasted(history) == [(1, None, "none")]
    old.close()
    new.go_on(40, old.origin, 1, version=4, ended_s=9).stored(40, version=4)
    assert lasted(history) == [(1, 9, "closed")]


def test_a_guess_gives_way_to_an_heir(history):
    old = Worker(history).tell(1).seed_end().stored(1)
    old.close()
    history.wait_row(1, limit_s=GRACE_S + 5, end_reason="hub_restart")
    new = Worker(history).go_on(40, old.origin, 1).seed_end().stored(40, version=2)
    assert lasted(history) == [(1, None, "none")] and new.uptime()["connected"]


# Pictures


def jpeg(mark, size=60):
    return b"\xff\xd8\xff" + mark.encode() * size


def join_fanout(history):
    """A fanout's link, and the pictures that it was given."""
    link = history.connect("fanout", "photos")
    given = []
    while (message := link.recv()).message != "seed_end":
        given.append(message)
    assert [one.seq for one in given] == list(range(1, len(given) + 1))
    assert all(one.origin == link.peer.incarnation for one in given)
    return link, {one.camera: bytes(one.jpeg) for one in given}


def test_pictures_come_back_after_a_crash(history):
    fanout, given = join_fanout(history)
    assert given == {}
    sent = {f"cam {i}": jpeg(chr(ord("a") + i), 1_000_000 + i) for i in range(8)}
    for seq, (camera, content) in enumerate(sent.items(), 1):
        fanout.send("photo", **photo(9, seq, camera=camera, jpeg=content, width=640, height=480))
    wait_until(lambda: history.photos() == sent, 10, "all pictures in the file")
    history.crash()
    history.start()
    slow = history.connect("fanout", "photos")    # takes nothing yet
    wait_until(lambda: history.counters()["queued_bytes"] > 0, 5, "pictures on their way")
    assert history.counters()["queued_bytes"] < 4_000_000
    assert join_fanout(history)[1] == sent
    got = {}
    while (message := slow.recv()).message != "seed_end":
        got[message.camera] = bytes(message.jpeg)
        assert (message.width, message.height) == (640, 480)
    assert got == sent


def test_of_a_camera_the_newest_picture_is_kept(history):
    fanout, _ = join_fanout(history)
    for seq in range(1, 6):
        fanout.send("photo", **photo(9, seq, camera="a", jpeg=jpeg(str(seq))))
        fanout.send("photo", **photo(9, seq, camera="b", jpeg=jpeg(str(9 - seq))))
    wait_until(lambda: history.photos() == {"a": jpeg("5"), "b": jpeg("4")}, 5, "the newest two")
    assert join_fanout(history)[1] == {"a": jpeg("5"), "b": jpeg("4")}


def test_pictures_wait_for_a_database_and_are_then_given_back(new_history):
    history = new_history().start()
    fanout, _ = join_fanout(history)
    fanout.send("photo", **photo(9, 1, camera="a", jpeg=jpeg("x")))
    wait_until(lambda: history.photos() == {"a": jpeg("x")}, 5, "the picture in the file")
    history.stop_only()
    with contextlib.closing(history.person("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE")):
        history.start()
        waiting = history.connect("fanout", "photos")
        history.wait_log("history_trouble trouble=busy")
        assert Worker(history).connections(503)["error"] == "history is busy"
        assert not select.select([waiting.sock], [], [], 0)[0]
    assert bytes(waiting.expect("photo", camera="a").jpeg) == jpeg("x")
    waiting.expect("seed_end")


def test_pictures_are_not_kept_when_they_are_not_wanted(new_history):
    history = new_history().start()
    fanout, _ = join_fanout(history)
    fanout.send("photo", **photo(9, 1, camera="a"))
    wait_until(lambda: "a" in history.photos(), 5, "the picture in the file")
    history.stop_only()
    history.environment["TAGHUB_HISTORY_PHOTOS"] = "false"
    history.start()
    fanout, given = join_fanout(history)
    assert given == {}
    fanout.send("photo", **photo(9, 2, camera="b"))
    Worker(history).tell(1).stored(1)
    history.stop_only()
    assert list(history.photos()) == ["a"]
    history.start()


def test_a_reader_that_keeps_the_log_from_shrinking_costs_pictures_only(new_history):
    history = new_history(history_wal_max_bytes=4 << 20).start()
    worker = Worker(history)
    fanout, _ = join_fanout(history)
    with contextlib.closing(history.person("BEGIN")) as reader:
        reader.execute("SELECT count(*) FROM session").fetchall()
        seq = 0
        while "wal_too_long" not in history.log_text():
            seq += 1
            fanout.send("photo", **photo(9, seq, jpeg=jpeg(str(seq % 10), 500_000 + seq)))
            worker.tell(seq).stored(seq)
            assert seq < 200
        fanout.send("photo", **photo(9, seq + 1, jpeg=jpeg("n", 1000)))
        worker.tell(seq + 1).stored(seq + 1)
        worker.tell(seq + 2).stored(seq + 2)
        assert history.photos()["porch"] != jpeg("n", 1000)
        assert "<4>history: wal_too_long" in history.log_text()
    history.wait_log("wal_short_again")
    wait_until(lambda: history.photos()["porch"] == jpeg("n", 1000), 5, "the newest picture in the file")
    assert len(re.findall("wal_too_long", history.log_text())) == 1


def test_history_forgets_what_is_old_and_what_is_too_much(new_history):
    history = new_history(history_keep_days=10, history_keep_sessions_count=1000, cameras_max_count=64)
    history.start().stop_only()
    now_us = int(time.time() * SECOND_US)
    day_us = 86400 * SECOND_US
    with contextlib.closing(history.person()) as person:
        for first, count, ended_us in ((1, 700, now_us - 11 * day_us), (1000, 2500, now_us - 9 * day_us)):
            person.execute("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)"
                           " INSERT INTO session SELECT 5, ? + i, 'x', '192.0.2.9', 5000, 'websocket', 1, 1, ? + i,"
                           " 'closed' FROM n", (count, first, ended_us))
        for number in range(70):
            person.execute("INSERT INTO photo VALUES (?, ?, 1, 1, x'ffd8ffe0')",
                           (f"cam {number}", now_us - number))
    history.start()
    wait_until(lambda: history.rows("SELECT count(*) AS n, min(number) AS least FROM session") ==
               [{"n": 1000, "least": 2500}], 10, "the newest thousand")
    wait_until(lambda: history.rows("SELECT count(*) AS n FROM photo") == [{"n": 64}], 5, "64 pictures")
    assert "cam 63" in history.photos() and "cam 64" not in history.photos()


# Who may speak


def test_pictures_from_elsewhere_are_refused(history):
    for kind, lane in (("gateway", "photos"), ("fanout", "sightings")):
        link = history.connect(kind, lane)
        link.send("photo", **photo(1, 1))
        with pytest.raises(LinkEnded):
            link.recv()
    assert Worker(history).uptime()["connected"] is False
