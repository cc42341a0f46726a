"""What a year of sessions costs in history.db: room, and the time of the statements that storage/ runs on it.

    /usr/bin/python3 tests/bench/bench_history.py [--sessions 1000000] [--cameras 64] [--keep FILE]

Schema and statements are those of storage/. Prints key=value lines; `plain` is the same question without our indexes.
"""

import argparse
import pathlib
import random
import re
import sqlite3
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
YEAR_US = 365 * 86400 * 1_000_000
BEGIN_US = 1_750_000_000_000_000
WORKERS, RESTARTS = 4, 50    # gateway workers, and how often in the year they were started
TRIM_ROWS = 500              # as the history service does it at a time


def statements():
    """{name: sql} of statements.def, expanded by the preprocessor."""
    source = ROOT / "storage" / "statements.def"
    text = f'#define STATEMENT(name, sql, meaning) @ name sql\n#include "{source}"\n'
    expanded = subprocess.check_output(["cc", "-E", "-P", "-x", "c", "-"], input=text, text=True)
    rows = (row.split(None, 1) for row in expanded.split("@")[1:])
    return {name: "".join(re.findall(r'"([^"]*)"', sql)) for name, sql in rows}


def sessions(count, cameras):
    """A year in order; of each camera the last one is open."""
    randomness = random.Random(1)
    origins = [[randomness.getrandbits(64) - (1 << 63) for _ in range(WORKERS)] for _ in range(RESTARTS)]
    for number in range(count):
        began = BEGIN_US + number * YEAR_US // count
        ended = began + randomness.randrange(1_000_000, 4 * 3600 * 1_000_000)
        is_open = number >= count - cameras
        camera = f"camera-{randomness.randrange(cameras):03d}"
        origin = origins[number * RESTARTS // count][number % WORKERS]
        yield (origin, number, camera, f"192.168.1.{10 + number % cameras}", 5100, "websocket", began, ended,
               0 if is_open else ended, "none" if is_open else "lost")


def seconds_of(run, times=5):
    """The quickest of some runs."""
    best = None
    for _ in range(times):
        began = time.perf_counter()
        run()
        spent = time.perf_counter() - began
        best = spent if best is None else min(best, spent)
    return best


def plain(sql):
    """The same for SQLite to answer without our indexes: an expression is not in an index."""
    columns, conditions = re.sub(r" INDEXED BY \w+", "", sql).split(" WHERE ")
    return columns + " WHERE " + re.sub(r"\b[a-z]+(_utc_us)?\b(?= (IS NULL|=|>|DESC))", r"+\g<0>", conditions)


def report(key, value):
    print(f"{key}={value}", flush=True)


def report_question(key, db, sql, *values):
    ours = seconds_of(lambda: db.execute(sql, values).fetchall(), times=50)
    theirs = seconds_of(lambda: db.execute(plain(sql), values).fetchall(), times=3)
    report(f"{key}_us", f"{ours * 1e6:.0f}")
    report(f"{key}_plain_us", f"{theirs * 1e6:.0f}")
    report(f"{key}_ratio", f"{theirs / ours:.0f}")


def change(db, sql, *values):
    """In a transaction of its own."""
    db.execute("BEGIN IMMEDIATE")
    db.execute(sql, values)
    db.execute("COMMIT")


def measure(path, count, cameras):
    sql = statements()
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript((ROOT / "storage" / "schema.sql").read_text())
    for name in ("use_wal", "limit_wal", "sync_normal"):
        db.execute(sql[name])
    began = time.perf_counter()
    db.execute("BEGIN")
    db.executemany(sql["put_session"], sessions(count, cameras))
    db.execute("COMMIT")
    report("sessions", count)
    report("fill_s", f"{time.perf_counter() - began:.1f}")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    report("file_bytes", path.stat().st_size)
    report("bytes_per_session", path.stat().st_size // count)
    report_question("newest_20", db, sql["list_ended"], None, 0, 20)
    report_question("camera_20", db, sql["list_ended_of_camera"], "camera-007", 0, 20)
    report_question("open", db, sql["list_open"], None, 0, -1)
    new = list(next(sessions(1, 1)))

    def put_one():
        new[1] += count
        change(db, sql["put_session"], *new)

    report("put_and_commit_us", f"{seconds_of(put_one, times=50) * 1e6:.0f}")
    for key, name, kept in (("trim_nothing", "trim_many_sessions", 2 * count),
                            ("trim_old", "trim_old_sessions", 1 << 62), ("trim_many", "trim_many_sessions", 0)):
        report(f"{key}_us", f"{seconds_of(lambda: change(db, sql[name], kept, TRIM_ROWS)) * 1e6:.0f}")
    report("view_cameras_us", f"{seconds_of(lambda: db.execute('SELECT * FROM cameras').fetchall(), 1) * 1e6:.0f}")
    db.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--cameras", type=int, default=64)
    parser.add_argument("--keep", type=pathlib.Path, help="leave the database there, in a new file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or pathlib.Path(folder) / "history.db"
        if path.exists():
            parser.error(f"{path} exists")
        measure(path, options.sessions, options.cameras)


if __name__ == "__main__":
    main()
