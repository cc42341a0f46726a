"""GET /status, /healthz and /readyz."""

import time

import pytest

from clients import ENDS, Game, RawWs, get_json, http, ws_camera
from wire import wait_until


def websocket(hub):
    return get_json(hub, "/status")["websocket"]


def expect(hub, connections, camera, games):
    """Awaits a state that the end of a connection leads to, since nobody tells about that."""
    wanted = {"active_connections": connections, "esp32_connected": camera,
              "gdevelop_clients": games}
    wait_until(lambda: {key: websocket(hub)[key] for key in wanted} == wanted, 5,
               f"/status shows {wanted}")


def test_nothing_yet(hub):
    status = get_json(hub, "/status")
    assert status["server"] == "online"
    assert isinstance(status["protocol"], str) and status["protocol"]
    assert type(status["uptime_seconds"]) is int and status["uptime_seconds"] >= 0
    numbers = status["websocket"]
    assert numbers["active_connections"] == 0 and type(numbers["active_connections"]) is int
    assert numbers["esp32_connected"] is False
    assert numbers["gdevelop_clients"] == 0 and type(numbers["gdevelop_clients"]) is int


def test_the_uptime_counts_seconds(fresh_hub):
    before_s = time.time()
    hub = fresh_hub()
    started_s = time.time()
    first = get_json(hub, "/status")["uptime_seconds"]
    assert first <= time.time() - before_s
    wait_until(lambda: get_json(hub, "/status")["uptime_seconds"] > first, 5, "the uptime grows")
    assert get_json(hub, "/status")["uptime_seconds"] >= int(time.time() - started_s) - 1


@pytest.mark.parametrize("end", ENDS)
def test_every_role_is_counted(hub, end):
    with RawWs(hub, end) as nobody, Game(hub, end).identify() as game:
        nobody.recv_welcome()
        expect(hub, 2, False, 1)
        with ws_camera(hub, end) as camera:
            assert websocket(hub)["esp32_connected"] is True    # seen before the reply came
            expect(hub, 3, True, 1)
            camera.close()
        expect(hub, 2, False, 1)
        game.close()
        expect(hub, 1, False, 0)
        nobody.abort()
    expect(hub, 0, False, 0)


def test_a_role_is_counted_from_its_reply_on(hub):
    for _ in range(10):
        with Game(hub).identify() as game:
            assert websocket(hub)["gdevelop_clients"] == 1
            game.close()
        expect(hub, 0, False, 0)


def test_a_refused_camera_is_none(hub):
    with ws_camera(hub, identify=False, token="wrong" * 4) as camera:
        assert camera.identify()["event"] == "auth_failed"
        expect(hub, 1, False, 0)
        assert camera.identify(auth_token=hub.token)["event"] == "identify_success"
        expect(hub, 1, True, 0)
        assert camera.identify(auth_token="")["event"] == "auth_failed"
        expect(hub, 1, False, 0)
    expect(hub, 0, False, 0)


def test_two_cameras_of_which_one_leaves(hub):
    with ws_camera(hub, "http") as first:
        with ws_camera(hub, "ws") as second:
            expect(hub, 2, True, 0)
            first.vanish()
            expect(hub, 1, True, 0)
            second.report({"tag_id": 1})
            assert websocket(hub)["esp32_connected"] is True
        expect(hub, 0, False, 0)


def test_a_change_of_role_is_counted(hub):
    with Game(hub).identify() as client:
        expect(hub, 1, False, 1)
        client.drain()    # sightings of other tests
        client.send_json({"event": "identify", "data": {"type": "esp32", "auth_token": hub.token}})
        client.recv_event("identify_success")
        expect(hub, 1, True, 0)
        client.identify()
        client.drain()
        expect(hub, 1, False, 1)
    expect(hub, 0, False, 0)


@pytest.mark.parametrize("workers", (1, 4))
def test_counts_are_those_of_all_workers(fresh_hub, workers):
    hub = fresh_hub(workers=workers)
    games = [Game(hub, ENDS[i % 2]).identify() for i in range(12)]
    cameras = [ws_camera(hub, ENDS[i % 2]) for i in range(4)]
    for _ in range(12):
        assert websocket(hub)["active_connections"] == 16
        assert websocket(hub)["gdevelop_clients"] == 12
        assert websocket(hub)["esp32_connected"] is True
    for client in games + cameras:
        client.close()
    expect(hub, 0, False, 0)


@pytest.mark.parametrize("end", ENDS)
def test_health(hub, end):
    assert get_json(hub, "/healthz", end=end)["status"] == "ok"
    ready = get_json(hub, "/readyz", end=end)
    assert ready["ready"] is True
    assert ready["services"] == {"ingest": True, "fanout": True, "metrics": True, "history": True}


def test_no_reply_contains_the_token(hub):
    for path in ("/status", "/healthz", "/readyz", "/photo", "/nothing", "/websocket"):
        reply = http(hub, "GET", path, [("Authorization", hub.token), ("Origin", "http://x")])
        assert hub.token.encode() not in reply.head + reply.body
