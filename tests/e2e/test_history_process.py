"""taghub-history, the process: what it acknowledges is in the file, and no trouble with the file is anybody else's.

Gateway workers and fanout are played by the test, and so is the person who locks, damages or deletes history.db.
"""

import contextlib
import json
import os
import re
import resource
import select
import signal
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bus import CONSTANTS, LinkEnded, encode
from hub import build_dir
from solo import Program, photo as photo_fields
from wire import seconds, wait_until

GRACE_S = 10    # that a lost worker has to come back
SECOND_US = 1_000_000
START_US = (int(time.time()) - 86400) * SECOND_US    # when the sessions of the tests began; not so old as to be deleted


class History(Program):
    """taghub-history, with history.db in a folder of its own."""

    def __init__(self, **settings):
        super().__init__("history", **settings)
        self.state_dir = self.dir / "state"
        self.state_dir.mkdir(mode=0o700)
        self.environment["TAGHUB_STATE_DIR"] = str(self.state_dir)

    @property
    def file(self):
        return self.state_dir / "history.db"

    def crash(self):
        self.process.kill()
        self.process.wait()

    def stop_only(self):
        """Ends it in order; it may be started again."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(seconds(5)) == 0, self.log_text()

    def rows(self, sql="SELECT * FROM session ORDER BY number", *values):
        """What stands in the database now, as dictionaries."""
        with contextlib.closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(sql, values)]

    def wait_row(self, number, limit_s=5, **wanted):
        def look():
            try:
                row, = self.rows("SELECT * FROM session WHERE number = ?", number)
            except (ValueError, sqlite3.OperationalError):    # no row, or not even a table
                return None
            return row if wanted.items() <= row.items() else None
        return wait_until(look, limit_s, f"session {number} with {wanted}")

    def photos(self):
        return {row["camera"]: row["jpeg"] for row in self.rows("SELECT * FROM photo")}

    def person(self, *statements):
        """Somebody with the sqlite3 shell; the connection is to be closed."""
        database = sqlite3.connect(self.file, isolation_level=None, timeout=5)
        for statement in statements:
            database.execute(statement)
        return database

    def counters(self):
        """Totals and gauges, as `taghubctl status` shows them."""
        run = subprocess.run([build_dir() / "bin" / "taghubctl", "status", "--json", "--interval=10"],
                             env=self.environment, capture_output=True, check=False)
        service = next(each for each in json.loads(run.stdout)["services"] if each["service"] == "history")
        return {**service["totals"], **service["gauges"]}


def photo(origin, seq, **changes):
    """The fields of a photo of today."""
    return photo_fields(origin, seq, **{"arrived_utc_us": START_US + seq, **changes})


@pytest.fixture
def new_history():
    """A factory of histories, not yet started."""
    made = []

    def make(**settings):
        made.append(History(**settings))
        return made[-1]

    yield make
    for history in made:
        history.stop()


@pytest.fixture
def history(new_history):
    return new_history().start()


class Worker:
    """A gateway worker's link to history."""

    def __init__(self, history, slot=0, origin=None):
        self.history, self.slot = history, slot
        self.link = history.connect("gateway", slot=slot, incarnation=origin)
        self.origin = self.link.incarnation
        self.asked = 0

    def again(self, history=None):
        """The same worker on a new link."""
        return Worker(history or self.history, self.slot, self.origin)

    @staticmethod
    def session(number, version=1, ended_s=None, end=None, **changes):
        """The fields of a session; ended_s seconds after it began."""
        end = end or ("none" if ended_s is None else "closed")
        began_us = changes.pop("identified_utc_us", START_US + number * SECOND_US)
        fields = {"number": number, "version": version, "camera": f"cam-{number}", "address": "192.0.2.7",
                  "port": 5100, "identified_utc_us": began_us,
                  "ended_utc_us": 0 if ended_s is None else began_us + ended_s * SECOND_US,
                  "end": CONSTANTS[f"SESSION_END_{end}"], "heir_of_origin": 0, "heir_of_number": 0}
        return {**fields, **changes}

    def tell(self, *numbers, **changes):
        self.link.send_bytes(b"".join(encode("session", **self.session(number, **changes))
                                      for number in numbers))
        return self

    def go_on(self, number, origin, of, version=2, **changes):
        """Tells of what began as session `of` of another worker, and has the number here."""
        fields = {**self.session(of, version, **changes), "number": number,
                  "heir_of_origin": origin, "heir_of_number": of}
        self.link.send("session", **fields)
        return self

    def seed_end(self):
        self.link.send("seed_end")
        return self

    def stored(self, *numbers, version=1, limit_s=5):
        """These acknowledgements come next, in any order."""
        got = {self.link.expect("session_stored", limit_s, version=version).number for _ in numbers}
        assert got == set(numbers)
        return self

    def ask(self, question):
        self.asked += 1
        self.link.send("ask", request=self.asked, question=CONSTANTS[f"QUESTION_CONNECTION_{question.upper()}"],
                       named=0, camera="", hub_started_utc_us=START_US)

    def answer(self):
        got = self.link.expect("answer", request=self.asked)
        return got.http_status, json.loads(bytes(got.body))

    def skip_to_answer(self):
        """The next answer, past acknowledgements."""
        while (message := self.link.recv()).message != "answer":
            pass
        return json.loads(bytes(message.body))

    def uptime(self):
        self.ask("uptime")
        status, body = self.answer()
        assert status == 200
        return body

    def connections(self, status=200):
        self.ask("history")
        got, body = self.answer()
        assert got == status, body
        return body

    def expect_silence(self):
        """Nothing is on its way now that history has answered something else."""
        self.uptime()
        assert not select.select([self.link.sock], [], [], 0)[0]

    def close(self):
        self.link.close()


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


# Trouble with the file


def test_a_locked_database_delays_acknowledgements_and_nothing_else(history):
    worker = Worker(history).tell(1, ended_s=2).stored(1)
    with contextlib.closing(history.person("BEGIN EXCLUSIVE")) as person:
        worker.tell(2, identified_utc_us=int(time.time() * SECOND_US)).tell(3, ended_s=4)
        history.wait_log(r"history_trouble trouble=busy")
        assert worker.uptime()["camera"] == "cam-2"
        assert [one["camera"] for one in worker.connections()["sessions"]] == ["cam-1", "cam-3"]
        worker.expect_silence()
        person.execute("ROLLBACK")
        worker.stored(2, 3)
    history.wait_log(r"history_recovered after_ms=\d+")
    assert len(re.findall("history_trouble", history.log_text())) == 1
    assert len(history.rows()) == 3


def set_aside(history):
    """The files that were put out of the way, without -wal and -shm."""
    return [path for path in history.state_dir.glob("history.db.corrupt-*")
            if not path.name.endswith(("-wal", "-shm"))]


def test_what_is_no_database_is_set_aside(new_history):
    history = new_history()
    history.file.write_bytes(garbage := b"not a database, but somebody may want it back\n" * 100)
    history.start()
    Worker(history).tell(1).stored(1)
    aside, = set_aside(history)
    assert aside.read_bytes() == garbage
    assert re.search(rf"<3>history: history_set_aside name=\"{re.escape(str(aside))}\"", history.log_text())
    history.wait_log("history_recovered")
    assert len(history.rows()) == 1


def test_a_database_that_is_damaged_while_it_is_used_is_set_aside(history):
    worker = Worker(history).seed_end()
    with contextlib.closing(history.person()) as person:    # more than stays in memory
        person.execute("WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)"
                       " INSERT INTO session SELECT 5, i, 'camera ' || i, '192.0.2.9', 5000, 'websocket', i, i, i,"
                       " 'closed' FROM n")
        person.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    worker.tell(1).stored(1)
    size = history.file.stat().st_size
    with open(history.file, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))

    def damage_is_noticed():
        worker.tell(*range(2, 200), version=next(versions), ended_s=1)
        worker.ask("history")
        worker.skip_to_answer()
        return set_aside(history)

    versions = iter(range(1, 1000))
    aside, = wait_until(damage_is_noticed, 10, "a database that is set aside")
    assert b"\xa5" * 4096 in aside.read_bytes()
    history.wait_log("history_recovered")
    history.wait_row(1, end_reason="none")    # what is open is written again
    assert worker.again().tell(1).stored(1).connections()


@pytest.mark.parametrize("mark", ["PRAGMA application_id = 77", "PRAGMA user_version = 99"],
                         ids=["another program's", "a newer version's"])
def test_what_is_not_ours_is_not_touched(new_history, mark):
    history = new_history()
    if "version" in mark:
        history.start().stop_only()
    with contextlib.closing(history.person("PRAGMA journal_mode = DELETE", "CREATE TABLE theirs (x)", mark)):
        pass
    before = history.file.read_bytes()
    history.start()
    worker = Worker(history).tell(1)
    history.wait_log("<3>history: history_trouble trouble=foreign")
    assert worker.connections(503)["error"] == "history is foreign"
    assert worker.uptime()["connected"]
    worker.expect_silence()
    assert history.file.read_bytes() == before and os.listdir(history.state_dir) == ["history.db"]
    history.file.rename(history.dir / "theirs.db")
    worker.stored(1, limit_s=10)    # it looks again every 5 s


@contextlib.contextmanager
def mounted(folder, *options):
    """Mounts something on a folder for a test, where that is allowed."""
    run = subprocess.run(["mount", *options, folder], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        pytest.skip(f"needs the right to mount: {run.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def full_and_free_again(history, fill, free, sessions_fit):
    worker = Worker(history).tell(1).stored(1)
    fanout = history.connect("fanout", "photos")
    fanout.expect("seed_end")
    fill()
    fanout.send("photo", **photo(1, 1, camera="big", jpeg=b"\xff\xd8\xff" + b"b" * 600_000))
    history.wait_log("<3>history: history_trouble trouble=(full|broken)")
    worker.tell(2, ended_s=4)
    if sessions_fit:
        worker.stored(2)
    assert [one["camera"] for one in worker.connections()["sessions"]] == ["cam-2"]
    assert history.photos() == {}
    free()
    history.wait_log("history_recovered")
    if not sessions_fit:
        worker.stored(2)
    wait_until(lambda: "big" in history.photos(), 5, "the picture in the file")
    assert len(re.findall("history_trouble", history.log_text())) == 1


def test_a_full_disk_is_waited_for(new_history):
    history = new_history()
    filler = history.state_dir / "filler"

    def fill():
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"f" * 4096)

    with mounted(history.state_dir, "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs"):
        history.start()
        full_and_free_again(history, fill, filler.unlink, sessions_fit=False)
        history.stop_only()
    history.start()


def test_a_limit_on_the_size_of_files_is_a_full_disk(history):
    """As the test before, where nothing may be mounted."""
    pid, limits = history.process.pid, resource.prlimit(history.process.pid, resource.RLIMIT_FSIZE)
    full_and_free_again(history, lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (200_000, limits[1])),
                        lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, limits), sessions_fit=True)


def test_a_folder_that_may_not_be_written_is_waited_for(new_history):
    history = new_history()
    with mounted(history.state_dir, "--bind", history.state_dir):
        remount = ["mount", "-o", "remount,bind", history.state_dir]
        subprocess.run([*remount, "-o", "ro"], check=True)
        history.start()
        worker = Worker(history).tell(1)
        history.wait_log("<3>history: history_trouble trouble=read_only")
        assert worker.connections(503)["error"] == "history is read_only"
        worker.expect_silence()
        subprocess.run([*remount, "-o", "rw"], check=True)
        worker.stored(1)
        history.wait_log("history_recovered")
        history.stop_only()
    history.start()


def test_a_folder_that_is_missing_is_made(new_history):
    history = new_history()
    history.environment["TAGHUB_STATE_DIR"] = str(history.state_dir / "below" / "it")
    history.start()
    Worker(history).tell(1).stored(1)
    folder = history.state_dir / "below" / "it"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "history.db").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("pattern", ["history.db*", "history.db", "history.db-wal"])
def test_a_database_that_is_deleted_is_begun_anew(history, pattern):
    worker = Worker(history).tell(1, 2).tell(3, ended_s=1).seed_end().stored(1, 2, 3)
    for path in history.state_dir.glob(pattern):
        path.unlink()
    history.wait_log("history_replaced")
    history.wait_row(1, end_reason="none")
    worker.stored(1, 2)
    worker.tell(2, version=2, ended_s=4).stored(2, version=2)
    history.wait_row(2, end_reason="closed")
    # what the log alone held is saved where there is a database to save it to
    assert [row["number"] for row in history.rows()] == ([1, 2, 3] if pattern == "history.db-wal" else [1, 2])


def test_so_many_sessions_wait_that_gateways_are_not_read(new_history):
    history = new_history(history_queue_max_bytes=1 << 20).start()
    worker = Worker(history)
    fanout = history.connect("fanout", "photos")
    fanout.expect("seed_end")
    count = 6000
    with contextlib.closing(history.person("BEGIN EXCLUSIVE")) as person, ThreadPoolExecutor(1) as pool:
        fanout.send("photo", **photo(1, 1, jpeg=b"\xff\xd8\xff" + b"p" * 500_000))
        fanout.send("photo", **photo(1, 2, camera="other", jpeg=b"\xff\xd8\xff" + b"p" * 600_000))
        wait_until(lambda: history.counters()["photos_dropped"] == 1, 5, "the oldest picture gives way")
        telling = pool.submit(worker.tell, *range(1, count + 1), ended_s=1)    # has to wait, like a gateway
        history.wait_log("queue_full")
        assert history.counters()["photos_dropped"] == 2
        person.execute("ROLLBACK")
        telling.result()
    worker.stored(*range(1, count + 1))
    history.wait_log("queue_short_again")
    assert history.rows("SELECT count(*) AS n FROM session") == [{"n": count}]


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
