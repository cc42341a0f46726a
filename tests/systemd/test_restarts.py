"""Restarting, killing and hanging one service under traffic: no client notices an inner one, and no unit another."""

import threading

import pytest

from box import INNER
from clients import http
from ledger import Ledger
from wire import tcp_connect, wait_until

WAYS = {
    "restart": lambda hub, service: hub.systemctl("restart", f"taghub-{service}.service"),
    "kill": lambda hub, service: hub.signal(service, "KILL"),
    "end": lambda hub, service: hub.signal(service, "TERM"),
    "hang": lambda hub, service: hub.signal(service, "STOP"),
}


@pytest.fixture(scope="module")
def hub(hub):
    """The hub with a watchdog that waits for two seconds instead of ten."""
    drop_in = "/run/systemd/system/taghub-.service.d/50-quick.conf"
    assert set(hub.systemctl("show", "--value", "-p", "WatchdogUSec", "taghub-*.service").split()) == {"10s"}
    hub.box.write(drop_in, "[Service]\nWatchdogSec=2s\n")
    hub.systemctl("daemon-reload")
    hub.systemctl("restart", "taghub.target")
    hub.wait_ready()
    yield hub
    hub.box.run("rm", drop_in)
    hub.systemctl("daemon-reload")


def only_changed(before, after, service):
    changed = {name for name in after if after[name] != before[name]}
    assert changed == ({f"taghub-{service}.service"} if service else set()), changed


class Knocker(threading.Thread):
    """Connects to the hub again and again, and counts what becomes of it."""

    def __init__(self, hub):
        super().__init__(daemon=True)
        self.hub, self.leaving = hub, threading.Event()
        self.let_in = self.refused = 0

    def run(self):
        while not self.leaving.wait(0.002):    # ports that were used are used up for a minute
            try:
                tcp_connect(self.hub.host, self.hub.http_port).close()
                self.let_in += 1
            except ConnectionRefusedError:
                self.refused += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.leaving.set()
        self.join()


def test_nobody_notices_that_an_inner_service_is_replaced(hub):
    """The ledger fails for a client that was refused or cut, and for what was lost, doubled or out of order."""
    with Ledger(hub) as ledger:
        ledger.progress()
        for service in INNER:
            for way in ("restart", "kill", "hang"):
                before = hub.starts()
                WAYS[way](hub, service)
                hub.wait_restarted(service, before)
                ledger.progress()
                only_changed(before, hub.starts(), service)
        worst = ledger.reckon()
        ledger.report("restarts, kills and hangs of inner services", worst)
        assert not [sender.unknown for sender in ledger.senders if getattr(sender, "unknown", None)]


def test_nobody_notices_that_the_gateway_is_restarted_or_reloaded(fresh_hub):
    """Connections go to the next process, and the ports stay open; a crash alone is heard of by clients."""
    hub = fresh_hub
    with Ledger(hub) as ledger:
        ledger.progress()
        for words in (["reload", "taghub-gateway.service"], ["restart", "taghub-gateway.service"],
                      ["restart", "taghub.target"]):
            before, workers = hub.starts(), hub.workers("gateway")
            hub.systemctl(*words)
            wait_until(lambda: not set(workers) & set(hub.workers("gateway")), 10, "others are at work")
            ledger.progress()
            if words[1] != "taghub.target":
                only_changed(before, hub.starts(), "gateway" if words[0] == "restart" else None)
        worst = ledger.reckon()
        ledger.report("reload and restarts of the gateway", worst)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_gateway_is_replaced_alone_and_refuses_nobody(hub, way):
    before = hub.starts()
    with Knocker(hub) as knocker:
        way(hub, "gateway")
        hub.wait_restarted("gateway", before)
        hub.wait_ready()
    assert knocker.refused == 0 and knocker.let_in > 0
    only_changed(before, hub.starts(), "gateway")


@pytest.mark.parametrize("service", ["ingest", "gateway"])
def test_a_worker_is_replaced_by_its_master(hub, service):
    before, workers = hub.starts(), hub.workers(service)
    hub.box.run("kill", "-STOP", workers[0])
    wait_until(lambda: workers[0] not in hub.workers(service), 5, "the worker is killed")
    wait_until(lambda: len(hub.workers(service)) == len(workers), 5, "there is another one")
    assert hub.starts() == before


def test_restarts_in_quick_succession_are_no_failure(hub):
    for _ in range(7):    # systemd's own limit is 5 in 10 s
        hub.systemctl("restart", "taghub-metrics.service")
    assert hub.units()["taghub-metrics.socket"]["ActiveState"] == "active"
    wait_until(lambda: http(hub, "GET", "/metrics").status == 200, 5, "metrics answers")


def test_a_service_is_kept_down_by_its_socket(hub):
    hub.systemctl("stop", "taghub-metrics.socket")
    assert hub.units()["taghub-metrics.service"]["ActiveState"] == "inactive"
    assert http(hub, "GET", "/metrics").status == 503
    hub.systemctl("start", "taghub-metrics.service")
    hub.wait_ready()
