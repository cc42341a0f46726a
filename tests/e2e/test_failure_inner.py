"""Killing, hanging and restarting ingest and fanout under load: no acknowledged sighting is lost, none comes twice,
each sender's order stays, and no client is cut. `pytest -s` prints the longest pause of each way to fail.
"""

import os
import signal
from contextlib import ExitStack

import pytest

from ledger import Ledger
from speakers import speakers_on_every_worker
from wire import TIME_FACTOR, wait_until

WORKERS = [1, 2, 4]
HANG_MS = int(400 * TIME_FACTOR)


def gone(pid):
    return not os.path.exists(f"/proc/{pid}")


def kill_every_ingest_worker(hub, ledger):
    for pid in hub.workers("ingest"):
        hub.kill(pid)
        wait_until(lambda p=pid: gone(p), 5, f"{pid} is gone")
        ledger.progress()


def kill_ingest(hub, ledger):
    for _ in range(4):
        old = hub.kill("ingest")
        hub.wait_new_pid("ingest", old)
        ledger.progress()


def kill_fanout(hub, ledger):
    for _ in range(5):
        old = hub.kill("fanout")
        hub.wait_new_pid("fanout", old)
        ledger.progress()


def kill_fanout_again_while_it_recovers(hub, ledger):
    for _ in range(3):
        old = hub.kill("fanout")
        for _ in range(2):
            old = hub.kill(hub.wait_new_pid("fanout", old))
        hub.wait_new_pid("fanout", old)
        ledger.progress()


def restart_both_in_order(hub, ledger):
    for service in ("ingest", "fanout", "ingest", "fanout"):
        old = hub.kill(service, signal.SIGTERM)
        hub.wait_new_pid(service, old)
        ledger.progress()


def hang_an_ingest_worker_until_its_master_ends_it(hub, ledger):
    for _ in range(3):
        pid = hub.kill(hub.workers("ingest")[0], signal.SIGSTOP)
        wait_until(lambda p=pid: gone(p), 10, f"{pid} is killed")
        ledger.progress()


def stop_an_ingest_worker_for_a_moment(hub, ledger):
    for _ in range(4):
        pid = hub.kill(hub.workers("ingest")[-1], signal.SIGSTOP)
        before = len(ledger.senders[-1].sent)
        wait_until(lambda: len(ledger.senders[-1].sent) > before + 8, 5, "a little traffic")
        hub.kill(pid, signal.SIGCONT)
        ledger.progress()


def stop_fanout_for_a_moment(hub, ledger):
    for _ in range(4):
        pid = hub.kill("fanout", signal.SIGSTOP)
        before = len(ledger.senders[-1].sent)
        wait_until(lambda: len(ledger.senders[-1].sent) > before + 40, 5, "some traffic")
        hub.kill(pid, signal.SIGCONT)
        ledger.progress()


def stop_then_kill_fanout(hub, ledger):
    """What the others have written to it meanwhile dies unread."""
    for _ in range(3):
        pid = hub.kill("fanout", signal.SIGSTOP)
        before = len(ledger.senders[-1].sent)
        wait_until(lambda: len(ledger.senders[-1].sent) > before + 20, 5, "some traffic")
        hub.kill(pid)
        hub.wait_new_pid("fanout", pid)
        ledger.progress()


def stop_then_kill_ingest_workers(hub, ledger):
    for pid in hub.workers("ingest"):
        hub.kill(pid, signal.SIGSTOP)
        before = len(ledger.senders[-1].sent)
        wait_until(lambda: len(ledger.senders[-1].sent) > before + 8, 5, "some traffic")
        hub.kill(pid)
        wait_until(lambda p=pid: gone(p), 5, f"{pid} is gone")
        ledger.progress()


FAILURES = [kill_every_ingest_worker, kill_ingest, kill_fanout, kill_fanout_again_while_it_recovers,
            restart_both_in_order, hang_an_ingest_worker_until_its_master_ends_it,
            stop_an_ingest_worker_for_a_moment, stop_fanout_for_a_moment, stop_then_kill_fanout,
            stop_then_kill_ingest_workers]


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("fail", FAILURES, ids=lambda fail: fail.__name__)
def test_no_failure_of_an_inner_service_breaks_the_promise(fresh_hub, workers, fail):
    hub = fresh_hub(workers=workers, worker_hang_ms=HANG_MS)
    with Ledger(hub) as ledger:
        ledger.progress()
        fail(hub, ledger)
        worst = ledger.reckon()
        ledger.report(f"{fail.__name__} workers={workers}", worst)
        assert worst[0] < 5 * TIME_FACTOR


def test_workers_that_nobody_is_connected_to(fresh_hub):
    """They are not woken by the stream. So nobody may have to wait for them, and who comes to one finds everything."""
    hub = fresh_hub(workers=4, worker_hang_ms=HANG_MS)
    with Ledger(hub, senders=(("ws", "http", 60),), ports=("ws",)) as ledger, ExitStack() as stack:
        ledger.progress(records=30)
        for service in ("fanout", "ingest", "fanout"):
            hub.wait_new_pid(service, hub.kill(service))
            ledger.progress(records=30)
        worst = ledger.reckon()
        ledger.report("workers without clients", worst)
        assert worst[0] < 5 * TIME_FACTOR
        newest = len(ledger.senders[0].sent) - 1
        for speaker in speakers_on_every_worker(hub, stack):
            assert speaker.identify(replay=1).replay[0]["n"] == newest


def test_a_hung_fanout_is_replaced_by_its_watchdog(fresh_hub):
    """The supervisor gives it ten seconds, so the pause is long; nothing is lost for that."""
    hub = fresh_hub(workers=2)
    with Ledger(hub) as ledger:
        ledger.progress()
        old = hub.kill("fanout", signal.SIGSTOP)
        hub.wait_new_pid("fanout", old, limit_s=20)
        ledger.progress(limit_s=20)
        worst = ledger.reckon()
        ledger.report("hung fanout workers=2", worst)
        assert worst[0] < 15 * TIME_FACTOR
