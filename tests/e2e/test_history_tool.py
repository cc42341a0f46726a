"""taghub-history as a tool: what it tells of a database, with a hub at work on it or without one."""

import contextlib
import csv
import hashlib
import io
import json
import os
import pty
import sqlite3
import subprocess
import time

import pytest

from hub import REPO, build_dir
from kernel import open_files
from wire import seconds, wait_until

SCHEMA = (REPO / "storage" / "schema.sql").read_text()
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 200
SECOND = 1_000_000
T0 = 1_750_000_000 * SECOND + 250_000


class Database:
    """A state_dir with a history.db, and the tool that looks at it."""

    def __init__(self, folder):
        self.folder = folder / "state"
        self.folder.mkdir(0o755)
        self.path = self.folder / "history.db"
        self.environment = {"PATH": os.environ["PATH"], "TAGHUB_CONFIG": "", "TAGHUB_STATE_DIR": str(self.folder),
                            "TAGHUB_RUNTIME_DIR": str(folder / "run"), "TZ": "XYZ-02:00"}
        self.connections = []

    def connect(self):
        """As the hub: the database in WAL mode."""
        db = sqlite3.connect(self.path, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        self.connections.append(db)
        return db

    def make(self, sessions=0):
        db = self.connect()
        db.executescript(SCHEMA)
        db.executemany("INSERT INTO session VALUES (-7, ?, ?, '192.0.2.7', 5100, 'websocket', ?, ?, ?, ?)", [
            (number, f"camera-{number % 3}", T0 + number * SECOND, T0 + (number * 2 + 70) * SECOND,
             None if number % 10 == 9 else T0 + (number * 2 + 70) * SECOND, "none" if number % 10 == 9 else "lost")
            for number in range(sessions)])
        return db

    def close(self):
        while self.connections:
            self.connections.pop().close()

    def view(self, more=""):
        db = sqlite3.connect(self.path)
        os.environ["TZ"] = self.environment["TZ"]
        time.tzset()
        try:
            return [list(row) for row in db.execute(f"SELECT * FROM connection_history {more}")]
        finally:
            db.close()
            del os.environ["TZ"]
            time.tzset()

    def run(self, *words, program="taghub-history", **options):
        return subprocess.run([build_dir() / "bin" / program, *words], env=self.environment, capture_output=True,
                              timeout=seconds(20), **options)

    def tell(self, *words, **options):
        """Its standard output; it must succeed."""
        done = self.run(*words, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refuse(self, status, *words, **options):
        """Its complaint, one line; it must fail in this way."""
        done = self.run(*words, **options)
        assert done.returncode == status and done.stdout == b"", done
        assert done.stderr.count(b"\n") == 1 and done.stderr.startswith(b"taghub-history: "), done.stderr
        return done.stderr.decode()

    def numbers(self, *words):
        """Of the sessions listed, by what tells them apart."""
        rows = json.loads(self.tell("history", "--json", *words))
        return [round(row["connect_timestamp"] - T0 / SECOND) for row in rows]

    def state(self):
        """All files with owner, mode and content."""
        return {path.name: (path.stat().st_uid, path.stat().st_mode, hashlib.sha256(path.read_bytes()).hexdigest())
                for path in self.folder.iterdir()}


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path)
    yield database
    database.close()


def put_photo(db, camera, jpeg=JPEG):
    db.execute("INSERT OR REPLACE INTO photo VALUES (?, ?, 640, 480, ?)", (camera, T0, jpeg))


# history

@pytest.mark.parametrize("program", ["taghub-history", "taghubctl"])
def test_csv_is_the_view(database, program):
    database.make(30)
    text = database.tell("history", "--csv", program=program).decode()
    assert text.endswith("\r\n")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    expected = [["" if value is None else str(value) for value in row] for row in database.view()]
    assert rows[0] == ["camera", "transport", "address", "port", "connect_time", "disconnect_time", "duration_seconds",
                       "duration", "status", "reason"]
    assert sorted(rows[1:]) == sorted(expected)


def test_json_is_the_view_and_timestamps(database):
    database.make(30)
    rows = json.loads(database.tell("history", "--json"))
    assert sorted(str(list(row.values())[:10]) for row in rows) == sorted(map(str, database.view()))
    for row in rows:
        assert list(row)[10:] == ["connect_timestamp", "disconnect_timestamp"]
        assert (row["disconnect_timestamp"] is None) == (row["status"] == "connected")
    assert rows[0]["connect_timestamp"] == T0 / SECOND


def test_which_sessions(database):
    db = database.make(70)
    ended = [number for number in range(70) if number % 10 != 9]
    still_open = list(range(9, 70, 10))
    assert database.numbers("--limit", "0") == ended + still_open
    assert database.numbers() == (ended + still_open)[-50:]
    assert database.numbers("--limit=9") == ended[-2:] + still_open
    assert database.numbers("--camera", "camera-1", "--limit", "4") == [number for number in ended + still_open
                                                                       if number % 3 == 1][-4:]
    assert database.numbers("--camera", "nobody") == []
    now = int(time.time()) * SECOND
    db.execute("UPDATE session SET ended_utc_us = ?, alive_utc_us = ? WHERE number = 5", (now - 3600 * SECOND,) * 2)
    assert database.numbers("--since", "2h") == [5]
    assert database.numbers("--since", "30m") == []
    assert len(database.numbers("--since", "2025-06-15 17:08", "--limit", "0")) == len(
        database.view("WHERE coalesce(disconnect_time, datetime(connect_time, duration_seconds || ' seconds'))"
                      " >= '2025-06-15 17:08:00'"))


def test_table_is_for_people(database):
    db = database.make(3)
    db.execute("UPDATE session SET camera = 'Küche' || char(27) || '[2J' WHERE number = 2")
    lines = database.tell("history").decode().splitlines()
    assert [line.split()[0] for line in lines] == ["CAMERA", "camera-0", "camera-1", r"Küche\x1b[2J"]
    assert len({line.index("192.0.2.7") for line in lines[1:]} | {lines[0].index("ADDRESS")}) == 1


# Beside a hub, and without one

def test_beside_a_writer(database, tmp_path):
    db = database.make(3)
    put_photo(db, "porch")
    db.execute("BEGIN IMMEDIATE")
    db.execute("DELETE FROM session")
    db.execute("DELETE FROM photo")
    assert database.numbers() == [0, 1, 2]
    assert database.tell("photo", "porch", "-") == JPEG
    database.tell("backup", str(tmp_path / "copy"))
    db.execute("COMMIT")
    assert database.numbers() == []


def test_a_stopped_hub_finds_all_as_it_left_it(database, tmp_path):
    put_photo(database.make(3), "porch")
    database.close()
    if os.geteuid() == 0:
        os.chown(database.path, 65534, 65534)
    before = database.state()
    assert list(before) == ["history.db"]
    database.tell("history")
    database.tell("photo", "porch", str(tmp_path / "porch.jpg"))
    database.tell("backup", str(tmp_path / "copy"))
    assert database.state() == before


def test_after_a_crash_the_log_counts(database, tmp_path):
    db = database.make(3)
    (tmp_path / "crash").mkdir()
    crashed = Database(tmp_path / "crash")
    for path in database.folder.iterdir():
        (crashed.folder / path.name).write_bytes(path.read_bytes())
    db.close()
    assert (crashed.folder / "history.db-wal").stat().st_size > 0
    assert crashed.numbers() == [0, 1, 2]


def test_no_database(database):
    assert "does not exist" in database.refuse(1, "history")
    assert "does not exist" in database.refuse(1, "photo", "porch", "-")
    assert "does not exist" in database.refuse(1, "backup", str(database.folder / "copy"))
    assert database.state() == {}
    database.environment["TAGHUB_STATE_DIR"] = str(database.folder / "nowhere")
    assert "does not exist" in database.refuse(1, "history")
    assert database.state() == {}


@pytest.mark.parametrize("content, why", [
    ("PRAGMA application_id = 7; CREATE TABLE t (x)", "another program"),
    (SCHEMA + "PRAGMA user_version = 99", "version 99"),
    (SCHEMA + "PRAGMA user_version = 1", "older version"),
    (None, "not a database"),
])
def test_databases_that_are_not_for_it(database, content, why):
    if content is None:
        database.path.write_bytes(b"rubbish!" * 1000)
    else:
        database.connect().executescript(content)
        database.close()
    before = database.state()
    assert why in database.refuse(1, "history")
    assert database.state() == before


# photo

def test_photo_is_saved_whole_and_told_of(database, tmp_path):
    put_photo(database.make(), "porch")
    target = tmp_path / "porch.jpg"
    target.write_bytes(b"old")
    done = database.run("photo", "porch", str(target), umask=0o027)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode() == f"porch: 640x480, {len(JPEG)} bytes, of 2025-06-15 17:06:40\n"
    assert target.read_bytes() == JPEG and target.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["porch.jpg", "state"]


def test_photo_goes_into_pipes_and_devices(database, tmp_path):
    put_photo(database.make(), "porch")
    assert database.tell("photo", "porch", "-") == JPEG
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    database.tell("photo", "porch", str(fifo))
    assert os.read(reader, 2 * len(JPEG)) == JPEG
    assert fifo.is_fifo()
    os.close(reader)
    master, slave = pty.openpty()
    done = subprocess.run([build_dir() / "bin" / "taghub-history", "photo", "porch", "-"], env=database.environment,
                          stdout=slave, stderr=subprocess.PIPE, timeout=seconds(20))
    assert done.returncode == 1 and b"terminal" in done.stderr
    os.close(master)
    os.close(slave)


def test_photo_that_is_not_there(database, tmp_path):
    db = database.make()
    target = tmp_path / "x.jpg"
    assert "nor of any other camera" in database.refuse(1, "photo", "porch", str(target))
    put_photo(db, "porch")
    put_photo(db, "Küche")
    complaint = database.refuse(1, "photo", "Porch", str(target))
    assert complaint == "taghub-history: there is no picture of Porch; there are pictures of porch, Küche\n"
    assert not target.exists()


def test_photo_that_cannot_be_written(database, tmp_path):
    put_photo(database.make(), "porch")
    assert "No such file" in database.refuse(1, "photo", "porch", str(tmp_path / "nowhere" / "x.jpg"))
    assert "No space left" in database.refuse(1, "photo", "porch", "/dev/full")


# backup

def test_backup_and_going_back(database, tmp_path):
    db = database.make(20)
    copy = tmp_path / "copy.db"
    done = database.run("backup", str(copy))
    assert done.returncode == 0 and done.stderr.decode() == f"{copy}: {copy.stat().st_size} bytes\n"
    assert sqlite3.connect(copy).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert "File exists" in database.refuse(1, "backup", str(copy))
    before = database.tell("history", "--json")
    db.execute("DELETE FROM session")
    assert database.numbers() == []
    database.close()    # the hub is stopped
    database.path.write_bytes(copy.read_bytes())
    for ending in ("-wal", "-shm"):
        (database.folder / f"history.db{ending}").unlink(missing_ok=True)
    assert database.tell("history", "--json") == before
    database.connect().execute("DELETE FROM session WHERE number = 0")    # the hub is back
    assert len(database.numbers("--limit", "0")) == 19


# Command line

@pytest.mark.parametrize("words, status, why", [
    (["hist"], 2, "none of history, photo, backup"),
    (["history", "porch"], 2, "a word too many"),
    (["history", "--json", "--csv"], 2, "not both"),
    (["history", "--limit", "many"], 2, "no number"),
    (["history", "--limit", "-1"], 2, "no number"),
    (["history", "--limit"], 2, "need a value"),
    (["history", "--since", "2025-02-31"], 2, "no time"),
    (["photo", "porch"], 2, "needs a CAMERA and a FILE"),
    (["photo", "porch", "a", "b"], 2, "a word too many"),
    (["backup"], 2, "needs a FILE"),
    (["history", "--frobnicate"], 78, "unknown option"),
    (["history", "--http-port=high"], 78, "http-port"),
])
def test_usage(database, words, status, why):
    database.make()
    assert why in database.refuse(status, *words)


def test_help_and_settings(database):
    text = database.tell("history", "--help").decode()
    for word in ("--camera NAME", "--since WHEN", "backup FILE", "history.db-wal", "--state-dir"):
        assert word in text
    assert database.tell("history", "--version").decode().startswith("taghub-history ")
    database.make(2)
    folder = database.environment.pop("TAGHUB_STATE_DIR")
    assert database.numbers(f"--state-dir={folder}") == [0, 1]


def test_who_holds_the_database_for_a_moment_is_waited_for(database):
    database.make(3)
    database.close()
    holder = sqlite3.connect(database.path, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN IMMEDIATE")    # as a hub that puts its journal in order
    with subprocess.Popen([build_dir() / "bin" / "taghub-history", "history", "--json"], env=database.environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
        wait_until(lambda: tool.poll() is not None or str(database.path) in open_files(tool.pid), 5,
                   "the tool has the file")
        assert tool.poll() is None
        holder.execute("ROLLBACK")
        holder.close()
        out, complaint = tool.communicate(timeout=seconds(20))
    assert tool.returncode == 0, complaint
    assert len(json.loads(out)) == 3


def test_who_holds_it_for_long_is_named(database):
    database.make(1)
    database.close()
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN IMMEDIATE")
        done = database.run("history")
    assert done.returncode == 1 and b"locked" in done.stderr, done.stderr
