"""taghub-history alone: gateway workers and fanout are played by the test, and so is the person at history.db."""

import contextlib
import json
import select
import signal
import sqlite3
import subprocess
import time

import pytest

from bus import CONSTANTS, encode
from hub import build_dir
from solo import Program, photo as photo_fields
from wire import seconds, wait_until

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
