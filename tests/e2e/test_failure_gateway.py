"""One gateway worker is killed: its own clients are cut, and nobody else loses or gets anything twice."""

import signal

import pytest

from clients import Game, ws_camera
from ledger import Ledger
from wire import TIME_FACTOR, wait_until

SENDERS = (("ws", "http", 20), ("ws", "ws", 20), ("ws", "http", 20), ("ws", "ws", 20),
           ("ws", "http", 20), ("ws", "ws", 20), ("http", "http", 20), ("http", "ws", 20),
           ("udp", None, 40))
PORTS = ("http", "ws") * 7


def owners(hub, ledger):
    """{client: pid of the gateway worker that has its WebSocket}"""
    socks = {reader: reader.game.sock for reader in ledger.readers}
    socks.update((sender, sender.camera.sock) for sender in ledger.senders
                 if sender.name.startswith("ws"))
    return {client: hub.worker_of(sock) for client, sock in socks.items()}


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("workers", [2, 4])
def test_a_killed_gateway_worker_cuts_its_own_clients_and_nobody_else(fresh_hub, workers, sig):
    hub = fresh_hub(workers=workers, worker_hang_ms=int(400 * TIME_FACTOR))
    with Ledger(hub, SENDERS, PORTS, may_cut=True) as ledger:
        ledger.progress(5)
        owner = owners(hub, ledger)
        by_worker = {pid: [client for client in owner if owner[client] == pid]
                     for pid in hub.workers("gateway")}
        victim = min((pid for pid in by_worker if by_worker[pid]), key=lambda pid: len(by_worker[pid]))
        assert len(by_worker[victim]) < len(owner)
        hub.kill(victim, sig)    # a stopped one is killed by its master
        wait_until(lambda: set(ledger.cut()) >= set(by_worker[victim]), 10, "its clients are cut")
        ledger.progress(5)
        with Game(hub).identify() as game, ws_camera(hub, name="late") as camera:
            camera.report({"tag_id": 1})    # the successor serves
            while game.recv_json().get("camera_name") != "late":
                pass
        worst = ledger.reckon()
        assert set(ledger.cut()) == set(by_worker[victim])
        ledger.report(f"gateway worker {sig.name} workers={workers}", worst)
