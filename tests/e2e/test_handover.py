"""The gateway begins anew, and nobody in the room notices: every WebSocket stays open, every acknowledged sighting
arrives once and in order, nobody is refused.

"reload" is SIGHUP: the master becomes the program that lies there now. "restart" is SIGUSR1: it ends, and its supervisor
starts another one with the listeners and parked sessions that it has kept.
"""

import json
import signal
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from clients import ENDS, Game, RawHttp, RawWs, get_json, http, port_of, udp_camera, ws_camera
from endpoints import picture, post_photo, post_tag
from firmware import ConnectionClosed
from ledger import Ledger
from photo import pad_jpeg
from swarm import gateway_counts, push_until_stuck
from wire import PING, PONG, TEXT, TIME_FACTOR, seconds, wait_until

WAYS = {"reload": signal.SIGHUP, "restart": signal.SIGUSR1}
BINARY = 0x2

pytestmark = pytest.mark.parametrize("way", WAYS)


def begin_anew(hub, way):
    """Returns when workers that were not there before serve."""
    old_pid = hub.pids()["gateway"]
    with hub.renewal(WAYS[way]):
        pass
    assert (hub.pids()["gateway"] == old_pid) == (way == "reload")


@pytest.mark.parametrize("workers", (1, 2, 4))
def test_traffic_goes_on(fresh_hub, way, workers):
    hub = fresh_hub(workers=workers)
    with Ledger(hub) as ledger:
        ledger.progress()
        for _ in range(3):
            begin_anew(hub, way)
            ledger.progress()
        worst = ledger.reckon()
        ledger.report(f"{way} workers={workers}", worst)
        assert worst[0] < 3 * TIME_FACTOR


def test_every_kind_of_client_stays(fresh_hub, way):
    hub = fresh_hub(workers=2)
    with ExitStack() as stack:
        games = [stack.enter_context(Game(hub, end).identify()) for end in ENDS]
        cameras = [stack.enter_context(ws_camera(hub, end, name=f"cam-{end}")) for end in ENDS]
        nobody = stack.enter_context(RawWs(hub))
        nobody.recv_welcome()
        refused = stack.enter_context(RawWs(hub, "ws"))
        refused.recv_welcome()
        refused.send_json({"event": "identify", "data": {"type": "esp32", "auth_token": "wrong"}})
        refused.recv_event("auth_failed")
        before = get_json(hub, "/status")["websocket"]
        begin_anew(hub, way)
        assert get_json(hub, "/status")["websocket"] == before
        for number, camera in enumerate(cameras):
            assert camera.report({"tag_id": number})["event"] == "apriltag_ack"
            for game in games:
                assert game.recv_tag(number)["camera_name"] == f"cam-{ENDS[number]}"
        nobody.send_json({"event": "ping"})    # it becomes a game by that, as ever
        nobody.recv_event("pong")
        refused.send_json({"event": "apriltag_data", "tag_id": 3})
        refused.recv_event("auth_failed")
        for game in games:
            game.expect_silence()


def test_what_was_half_sent_is_completed(fresh_hub, way):
    hub = fresh_hub(workers=2)
    text = json.dumps({"event": "apriltag_data", "tag_id": 7, "note": "x" * 300})
    with Game(hub).identify() as game, ws_camera(hub, name="slow") as slow, RawWs(hub) as pieces, \
            RawWs(hub, "ws") as fragments:
        for camera in (pieces, fragments):
            camera.recv_welcome()
            camera.send_json({"event": "identify", "data": {
                "type": "esp32", "camera_name": "raw", "auth_token": hub.token}})
            camera.recv_event("identify_success")
        whole = pieces.frame(TEXT, text.encode())
        pieces.send_pieces([whole[:1], whole[1:5], whole[5:100]])
        fragments.send_frame(TEXT, text[:50].encode(), fin=False)
        fragments.send_ping(b"between")
        fragments.recv_frame()
        begin_anew(hub, way)
        pieces.send_bytes(whole[100:])
        pieces.recv_event("apriltag_ack")
        fragments.send_frame(0x0, text[50:].encode())
        fragments.recv_event("apriltag_ack")
        assert [game.recv_tag(7)["note"] for _ in range(2)] == ["x" * 300] * 2
        slow.report({"tag_id": 8})
        game.recv_tag(8)


def test_what_a_paused_client_had_sent_is_read_on(fresh_hub, way):
    """It reads no answers, so the hub has stopped reading: in the middle of what has come already."""
    hub = fresh_hub(workers=2, slow_client_deadline_ms=3600000, pong_deadline_ms=3600000)
    with RawWs(hub, rcvbuf_bytes=32768) as client:
        client.recv_welcome()
        pings = b"".join(client.frame(PING, b"%0125d" % number, mask=b"\0\0\0\0") for number in range(100_000))
        taken = push_until_stuck(client.sock, pings, quiet_s=0.3)
        size = len(pings) // 100_000
        count = -(-taken // size)
        assert 0 < taken < len(pings)
        begin_anew(hub, way)
        client.sock.setblocking(True)
        for number in range(count):
            if number == count // 2:
                client.send_bytes(pings[taken:count * size])
            while (frame := client.recv_frame()).opcode == PING:
                pass
            assert (frame.opcode, frame.payload) == (PONG, b"%0125d" % number)


def test_a_picture_that_is_half_here(fresh_hub, way):
    hub = fresh_hub(workers=2)
    jpeg = pad_jpeg(picture(1), 200_000)
    with RawWs(hub) as camera:
        camera.recv_welcome()
        camera.send_json({"event": "identify", "data": {
            "type": "esp32", "camera_name": "half", "auth_token": hub.token}})
        camera.recv_event("identify_success")
        whole = camera.frame(BINARY, jpeg)
        camera.send_pieces([whole[:100], whole[100:90_000]])
        begin_anew(hub, way)
        camera.send_bytes(whole[90_000:])
        wait_until(lambda: http(hub, "GET", "/photo?camera=half").body == jpeg, 5, "the whole picture is there")


def test_pictures_and_latest_are_known_as_before(fresh_hub, way):
    hub = fresh_hub(workers=2)
    assert post_photo(hub, picture(3), "kept").status == 200
    assert post_tag(hub, {"tag_id": 5, "camera_name": "kept"}).status == 200
    begin_anew(hub, way)
    assert http(hub, "GET", "/photo?camera=kept").body == picture(3)
    with Game(hub).identify(replay=1) as game:
        assert game.replay[0]["tag_id"] == 5


def test_one_session_stays_one_session(fresh_hub, way):
    hub = fresh_hub(workers=2)
    with ws_camera(hub, name="long") as camera, ws_camera(hub, "ws", name="other"):
        begun = get_json(hub, "/connection_history")["open_sessions"]
        for _ in range(2):
            begin_anew(hub, way)
        wait_until(lambda: get_json(hub, "/connection_history")["open_sessions"] and
                   len(get_json(hub, "/connection_history")["open_sessions"]) == 2, 5, "both go on")
        now = get_json(hub, "/connection_history")
        assert {each["camera"]: each["connect_timestamp"] for each in now["open_sessions"]} == {
            each["camera"]: each["connect_timestamp"] for each in begun}
        assert now["sessions"] == []
        camera.close()
        wait_until(lambda: get_json(hub, "/connection_history")["total_sessions"] == 1, 5, "one has ended")
        ended, = get_json(hub, "/connection_history")["sessions"]
        assert ended["camera"] == "long" and ended["reason"] == "closed"
        assert ended["connect_timestamp"] == next(each["connect_timestamp"] for each in begun if each["camera"] == "long")


def test_nobody_is_refused(fresh_hub, way):
    """Connections and posts one after the other, without a pause."""
    hub = fresh_hub(workers=2)
    stop, statuses, failures = threading.Event(), [], []

    def post_on():
        while not stop.is_set():
            try:
                statuses.append(post_tag(hub, {"tag_id": len(statuses)}, limit_s=10).status)
            except OSError as failure:
                failures.append(repr(failure))

    threads = [threading.Thread(target=post_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        seen = len(statuses)
        begin_anew(hub, way)
        wait_until(lambda: len(statuses) > seen + 30, 10, "posts go on")
    stop.set()
    for thread in threads:
        thread.join(seconds(15))
    assert not failures and set(statuses) == {200}, (failures, set(statuses))


def test_datagrams_wait_in_the_socket(fresh_hub, way):
    hub = fresh_hub(workers=2)
    with Game(hub).identify() as game, udp_camera(hub, name="gram") as camera:
        for tag_id in range(3):
            with hub.renewal(WAYS[way]):
                assert camera.report({"tag_id": tag_id})["tag_id"] == tag_id
                game.recv_tag(tag_id)


def test_a_slow_game_keeps_what_waits_for_it(fresh_hub, way):
    hub = fresh_hub(workers=1)
    with Game(hub, rcvbuf_bytes=4096).identify() as slow, ws_camera(hub, name="busy") as camera:
        for tag_id in range(200):
            camera.report({"tag_id": tag_id, "pad": "p" * 3000})
        begin_anew(hub, way)
        camera.report({"tag_id": 200})
        got = []
        while not got or got[-1] != 200:
            message = slow.recv_json()
            if message["event"] == "apriltag_data":
                got.append(message["tag_id"])
        assert got == sorted(set(got)) and len(got) > 100


def test_many_sockets(fresh_hub, way):
    hub = fresh_hub(workers=2)
    with ExitStack() as stack:
        games = [stack.enter_context(Game(hub, ENDS[n % 2]).identify()) for n in range(400)]
        begun = time.monotonic()
        begin_anew(hub, way)
        print(f"{way} of 400 WebSockets: {(time.monotonic() - begun) * 1000:.0f} ms")
        assert post_tag(hub, {"tag_id": 1}).status == 200
        for game in games:
            game.recv_tag(1)
        counts = [worker["gauges"]["connections"] for worker in gateway_counts(hub)["workers"]]
        assert sum(counts) == 400 and min(counts) >= 100, counts


def test_idle_connections_may_be_closed_but_a_request_is_answered(fresh_hub, way):
    hub = fresh_hub(workers=1)
    with RawHttp(hub) as idle, socket.create_connection((hub.host, port_of(hub, "http"))) as late:
        assert idle.request("GET", "/healthz").status == 200
        begin_anew(hub, way)
        late.close()
        assert http(hub, "GET", "/healthz").status == 200


def test_who_waits_for_a_hung_service_is_cut_and_told_and_nobody_else(fresh_hub, way):
    """Its message may have arrived or not: it must not wait for an acknowledgement that nobody will send."""
    hub = fresh_hub(workers=2)
    with Game(hub).identify() as game, ws_camera(hub, name="waits") as waits, ws_camera(hub, name="rests") as rests:
        fanout = hub.kill("fanout", signal.SIGSTOP)
        waits.send_telemetry({"tag_id": 1})
        wait_until(lambda: gateway_counts(hub)["gauges"]["unsettled"] == 1, 5, "the message is on its way")
        with hub.renewal(WAYS[way]) as old_workers:
            with pytest.raises(ConnectionClosed) as closed:
                waits.recv()
            assert closed.value.code == 1012
            wait_until(lambda: not set(hub.workers("gateway")) & old_workers, 10, "the old workers have ended")
            hub.kill(fanout, signal.SIGCONT)
        assert rests.report({"tag_id": 2})["event"] == "apriltag_ack"
        game.recv_tag(2)
