"""Trouble with history.db is reported, nothing is overwritten, and nobody else notices: locked, damaged, deleted, full."""

import contextlib
import os
import re
import resource
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from history_alone import SECOND_US, Worker, history, new_history, photo  # noqa: F401  (fixtures)
from wire import wait_until


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
