"""Who answers pings stays, however quiet; who does not is dropped."""

import time

import pytest

from clients import ENDS, Closed, http, ws_camera
from hub import Hub
from speakers import Speaker
from wire import PING, PONG, Deadline, seconds, wait_until

pytestmark = pytest.mark.parametrize("end", ENDS)

PING_INTERVAL_MS = 200
PONG_DEADLINE_MS = int(seconds(1000))


@pytest.fixture(scope="module")
def brisk_hub():
    with Hub(ping_interval_ms=PING_INTERVAL_MS, pong_deadline_ms=PONG_DEADLINE_MS) as running:
        yield running


def test_client_that_never_pongs_is_dropped(brisk_hub, end):
    begun_s = time.monotonic()
    with Speaker(brisk_hub, end, auto_pong=False) as ws:
        assert ws.recv_frame().opcode == PING
        with pytest.raises(ConnectionError):    # no pong, no close frame needed: it is gone
            while True:
                ws.recv_frame()
        assert time.monotonic() - begun_s >= (PING_INTERVAL_MS + PONG_DEADLINE_MS) / 1000 - 0.05


def test_camera_that_never_pongs_is_no_longer_counted(fresh_hub, end):
    hub = fresh_hub(ping_interval_ms=PING_INTERVAL_MS, pong_deadline_ms=PONG_DEADLINE_MS)

    def status():
        return http(hub, "GET", "/status").json()["websocket"]
    with Speaker(hub, end, auto_pong=False).identify_camera():
        assert status()["active_connections"] == 1 and status()["esp32_connected"] is True
        wait_until(lambda: status()["active_connections"] == 0, 5, "the silent camera is gone")
        assert status()["esp32_connected"] is False


def test_messages_are_no_pong(brisk_hub, end):
    """Only a pong shows that the other side reads; what it sends may lie in a buffer for long."""
    with Speaker(brisk_hub, end, auto_pong=False) as ws:
        with pytest.raises(OSError):
            while True:
                ws.send_text('{"event": "ping"}')
                while ws.recv_frame().opcode == PING:
                    pass


def test_quiet_client_that_pongs_stays(brisk_hub, end):
    with Speaker(brisk_hub, end) as ws:
        for _ in range(6):    # each answered; together longer than any deadline
            frame = ws.recv_frame()
            assert frame.opcode == PING and len(frame.payload) <= 125
            ws.send_frame(PONG, frame.payload)
        assert ws.ask({"event": "ping"})["event"] == "pong"


def test_quiet_game_still_gets_sightings(brisk_hub, end):
    with Speaker(brisk_hub, end).identify() as game:
        game.drain()
        for _ in range(6):
            frame = game.recv_frame()
            assert frame.opcode == PING
            game.send_frame(PONG, frame.payload)
        with ws_camera(brisk_hub, end, name="late") as camera:
            camera.report({"tag_id": 9})
        game.recv_tag(9)


def test_slow_ponger_stays(brisk_hub, end):
    """A camera answers when its main loop comes round, here after 250 ms."""
    with Speaker(brisk_hub, end) as ws:
        for _ in range(4):
            frame = ws.recv_frame()
            assert frame.opcode == PING
            late = Deadline(0.25)
            with pytest.raises(TimeoutError):    # the pause is part of the client's behaviour
                while True:
                    ws.sock.settimeout(late.left())
                    ws.sock.recv(1)
            ws.send_frame(PONG, frame.payload)
        assert ws.ask({"event": "ping"})["event"] == "pong"


def test_pong_between_fragments_counts(brisk_hub, end):
    with Speaker(brisk_hub, end) as ws:
        ws.send_frame(0x1, b'{"event": ', fin=False)
        for _ in range(5):
            frame = ws.recv_frame()
            assert frame.opcode == PING
            ws.send_frame(PONG, frame.payload)
        ws.send_frame(0x0, b'"ping"}')
        assert ws.recv_json()["event"] == "pong"


def test_pings_do_not_cut_messages(brisk_hub, end):
    with Speaker(brisk_hub, end).identify() as game, \
            ws_camera(brisk_hub, end, name="steady") as camera:
        game.drain()
        number = 0
        while len(game.pings) < 4:
            camera.report({"tag_id": number})
            try:
                game.recv_tag(number)
            except Closed as closed:
                pytest.fail(f"closed: {closed}")
            number += 1


def test_defaults_leave_twenty_seconds(hub, end):
    """With default settings nothing is heard of a ping for a while: the first comes after 20 s."""
    with Speaker(hub, end) as ws:
        ws.expect_silence()
        assert ws.pings == []
