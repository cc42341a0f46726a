"""Connections up to the limits and beyond: who is in is served, who is not waits, nobody spins."""

import signal
import socket
import time
from contextlib import ExitStack, contextmanager

import pytest

from clients import ENDS, Closed, Game, RawHttp, RawWs, http, port_of
from swarm import (Counted, MemoryBound, Witness, cpu_s, descriptor_counts, gateway_counts,
                   holds_more, hub_processes)
from wire import TIME_FACTOR, Deadline, recv_to_end, seconds, tcp_connect, wait_until

CONNECTIONS_MAX = 16
DESCRIPTORS_MAX = 96
NEVER_MS = 3600000


@contextmanager
def nobody_spins(hub, share=0.25):
    """Fails when the gateway uses more than this share of a CPU in the body and a second after."""
    pids = {name: pid for name, pid in hub_processes(hub).items() if "gateway" in name}
    before, begin_s = {name: cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
    yield
    gateway_counts(hub, interval_ms=1000)
    took_s = time.monotonic() - begin_s
    used = {name: (cpu_s(pid) - before[name]) / took_s for name, pid in pids.items()}
    assert max(used.values()) < share * TIME_FACTOR, used


def is_served(connection):
    """Whether the hub answers a request on this connection within a moment."""
    try:
        return connection.request("GET", "/healthz", limit_s=0.3).status == 200
    except (TimeoutError, ConnectionError):
        return False


@pytest.mark.parametrize("end", ENDS)
def test_clients_beyond_the_limit_wait_until_others_leave(fresh_hub, end):
    hub = fresh_hub(workers=1, connections_max_count=CONNECTIONS_MAX,
                    http_request_deadline_ms=NEVER_MS)
    with ExitStack() as stack:
        inside = [stack.enter_context(Game(hub, end)) for _ in range(CONNECTIONS_MAX)]
        outside = [stack.enter_context(RawWs(hub, end, handshake=False))
                   for _ in range(2 * CONNECTIONS_MAX)]
        for ws in outside:
            ws.http.send(ws.request_bytes())
        with nobody_spins(hub):
            for game in inside:
                game.identify()
        assert gateway_counts(hub)["gauges"]["connections"] == CONNECTIONS_MAX
        for ws in outside:
            inside.pop(0).abort()    # each that leaves makes room for one
            ws.recv_handshake()
            ws.recv_welcome()
            inside.append(ws)
        assert gateway_counts(hub)["gauges"]["connections"] == CONNECTIONS_MAX


def test_both_workers_fill_up_and_a_witness_inside_is_not_disturbed(fresh_hub):
    hub = fresh_hub(workers=2, connections_max_count=CONNECTIONS_MAX)
    with Witness(hub) as witness, ExitStack() as stack:
        inside = [stack.enter_context(Game(hub)) for _ in range(2 * CONNECTIONS_MAX - 2)]
        assert gateway_counts(hub)["gauges"]["connections"] == 2 * CONNECTIONS_MAX
        late = stack.enter_context(RawWs(hub, handshake=False))
        late.http.send(late.request_bytes())
        witness.wait_exchanges(50)
        with pytest.raises(TimeoutError):
            late.recv_handshake(limit_s=0.5)
        inside[0].abort()
        late.recv_handshake()


def test_idle_http_connections_of_one_worker_do_not_shut_the_other(fresh_hub):
    hub = fresh_hub(workers=2, connections_max_count=CONNECTIONS_MAX,
                    http_request_deadline_ms=NEVER_MS, worker_hang_ms=60000)

    def held_by_workers():
        return [worker["gauges"]["http_connections"] for worker in gateway_counts(hub)["workers"]]
    other = hub.workers("gateway")[1]
    with ExitStack() as stack:
        hub.kill(other, signal.SIGSTOP)    # so all of these are the first one's
        for _ in range(CONNECTIONS_MAX):
            stack.enter_context(RawHttp(hub))
        wait_until(lambda: held_by_workers() == [CONNECTIONS_MAX, 0], 5, "the first worker is full")
        hub.kill(other, signal.SIGCONT)
        games = [stack.enter_context(Game(hub)) for _ in range(CONNECTIONS_MAX)]
        assert len(games) == CONNECTIONS_MAX


def test_one_address_may_have_so_many_connections_and_others_go_on(fresh_hub):
    limit = 4
    hub = fresh_hub(workers=1, connections_per_address_max_count=limit)
    with Witness(hub), ExitStack() as stack:
        counted = Counted(hub)
        greedy = [stack.enter_context(socket.socket()) for _ in range(20)]
        for sock in greedy:
            sock.bind(("127.0.0.2", 0))
            sock.settimeout(seconds(5))
            sock.connect((hub.host, hub.http_port))
        for sock in greedy[limit:]:
            assert recv_to_end(sock, Deadline(5)) == b""
        counted.expect(refused={"rate": 20 - limit})
        for sock in greedy[:limit]:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200")


def test_a_thousand_connections_come_and_go(fresh_hub):
    hub = fresh_hub()
    with Witness(hub):
        held = descriptor_counts(hub)
        memory = MemoryBound(hub)
        for at in range(4):
            with ExitStack() as stack:
                for _ in range(250):
                    stack.enter_context(tcp_connect(hub.host, port_of(hub, ENDS[at % 2])))
                stack.enter_context(Game(hub)).identify(replay=1).abort()
        wait_until(lambda: not holds_more(hub, held), 5, "all descriptors are free again")
        memory.check(8192)


@pytest.fixture
def few_descriptors(monkeypatch):
    """Hubs started in this test get few descriptors for each process."""
    monkeypatch.setenv("TAGHUB_WRAP", f"prlimit --nofile={DESCRIPTORS_MAX}")


def test_without_descriptors_the_hub_waits_and_does_not_spin(fresh_hub, few_descriptors):
    hub = fresh_hub(http_request_deadline_ms=NEVER_MS)
    with Witness(hub) as witness, ExitStack() as stack:
        flood = [stack.enter_context(tcp_connect(hub.host, hub.http_port))
                 for _ in range(3 * DESCRIPTORS_MAX)]
        wait_until(lambda: gateway_counts(hub)["gauges"]["http_connections"] > DESCRIPTORS_MAX, 5,
                   "the workers have taken what they can")
        witness.wait_exchanges(50)
        # Room is kept for the hub itself: it can still reach a service that starts anew.
        hub.wait_new_pid("ingest", hub.kill("ingest"))
        witness.wait_exchanges(50)
        hub.wait_new_pid("fanout", hub.kill("fanout"))
        witness.wait_exchanges(50)
        late = stack.enter_context(RawHttp(hub))
        assert not is_served(late)
        for sock in flood:
            sock.close()
        reply = late.recv_reply()    # what it asked for above
        assert reply.status == 200


def test_waiting_for_descriptors_costs_next_to_nothing(fresh_hub, few_descriptors):
    hub = fresh_hub(http_request_deadline_ms=NEVER_MS)
    with ExitStack() as stack:
        for _ in range(3 * DESCRIPTORS_MAX):
            stack.enter_context(tcp_connect(hub.host, hub.http_port))
        wait_until(lambda: gateway_counts(hub)["gauges"]["http_connections"] > DESCRIPTORS_MAX, 5,
                   "the workers have taken what they can")
        with nobody_spins(hub, share=0.1):
            pass
    with Game(hub) as game:    # they are gone
        game.identify()


def test_a_closed_client_learns_why(fresh_hub):
    hub = fresh_hub()
    with Game(hub) as game:
        game.send_frame(0x3, b"")
        with pytest.raises(Closed) as closed:
            game.recv_json()
        assert closed.value.code == 1002 and closed.value.reason
    assert http(hub, "GET", "/healthz").status == 200
