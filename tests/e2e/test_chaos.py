"""Random processes of a hub under load are killed, stopped, hung and renewed, one after the other, and the ledger checks
from outside that nobody noticed: nothing acknowledged is lost, doubled or out of order, no client is cut or refused.

CHAOS_SECONDS bounds it and CHAOS_SEED draws the same failures once more, in the same order and with the same pauses:
`make chaos SECONDS=60 SEED=7`.
"""

import os
import random
import signal
import sqlite3
import time

import pytest

from ledger import Ledger
from wire import TIME_FACTOR, wait_until

WORKERS = (1, 2, 4)
SECONDS = float(os.environ.get("CHAOS_SECONDS", "15"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
INNER = ("ingest", "fanout", "metrics", "history")
HANG_MS = int(400 * TIME_FACTOR)


def gone(pid):
    return not os.path.exists(f"/proc/{pid}")


def some_traffic(ledger, rng):
    """Lets up to a third of a second's records be sent into the failure."""
    sender = ledger.senders[-1]
    enough = len(sender.sent) + rng.randrange(20)
    wait_until(lambda: len(sender.sent) >= enough, 5, "some traffic")


def end_service(hub, ledger, rng, sig):
    service = rng.choice(INNER)
    hub.wait_new_pid(service, hub.kill(service, sig))
    return service


def kill_service(hub, ledger, rng):
    return end_service(hub, ledger, rng, signal.SIGKILL)


def restart_service(hub, ledger, rng):
    return end_service(hub, ledger, rng, signal.SIGTERM)


def kill_worker(hub, ledger, rng):
    pid = hub.kill(rng.choice(hub.workers("ingest")))
    wait_until(lambda: gone(pid), 5, f"{pid} is gone")
    return "ingest"


def hang_worker(hub, ledger, rng):
    """Its master ends it."""
    pid = hub.kill(rng.choice(hub.workers("ingest")), signal.SIGSTOP)
    wait_until(lambda: gone(pid), 10, f"{pid} is killed")
    return "ingest"


def stop_service_for_a_moment(hub, ledger, rng):
    service = rng.choice(INNER)
    pid = hub.kill(service, signal.SIGSTOP)
    some_traffic(ledger, rng)
    hub.kill(pid, signal.SIGCONT)
    return service


def stop_then_kill_service(hub, ledger, rng):
    service = rng.choice(INNER)
    pid = hub.kill(service, signal.SIGSTOP)
    some_traffic(ledger, rng)
    hub.kill(pid)
    hub.wait_new_pid(service, pid)
    return service


def renew_gateway(hub, sig):
    with hub.renewal(sig):
        return "gateway"


def reload_gateway(hub, ledger, rng):
    return renew_gateway(hub, signal.SIGHUP)


def restart_gateway(hub, ledger, rng):
    return renew_gateway(hub, signal.SIGUSR1)


FAILURES = (kill_service, restart_service, kill_worker, hang_worker, stop_service_for_a_moment, stop_then_kill_service,
            reload_gateway, restart_gateway)


def ended_sessions(hub):
    with sqlite3.connect(hub.state_dir / "history.db") as database:
        rows = database.execute("SELECT camera FROM session WHERE end_reason = 'closed' ORDER BY camera")
        return [camera for camera, in rows]


@pytest.mark.parametrize("workers", WORKERS)
def test_chaos(fresh_hub, workers):
    print(f"make chaos SECONDS={SECONDS:g} SEED={SEED}  (workers={workers})")
    rng = random.Random(SEED * 10 + workers)
    hub = fresh_hub(workers=workers, worker_hang_ms=HANG_MS)
    count, end = 0, time.monotonic() + SECONDS / len(WORKERS)
    with Ledger(hub) as ledger:
        ledger.progress()
        while time.monotonic() < end or count < len(FAILURES):
            fail = FAILURES[count] if count < len(FAILURES) else rng.choice(FAILURES)    # each once at least
            service = fail(hub, ledger, rng)
            count += 1
            print(f"{count:4} {fail.__name__} {service}", flush=True)
            ledger.progress(records=rng.randrange(1, 20))
        worst = ledger.reckon()
        ledger.report(f"chaos seed={SEED} workers={workers} failures={count}", worst)
        names = sorted(sender.name for sender in ledger.senders if sender.name.startswith("ws"))
    wait_until(lambda: ended_sessions(hub) == names, 10, f"history has one session of each of {names}")
    hub.stop()
