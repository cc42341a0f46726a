"""GET /connection_uptime and /connection_history: sessions of cameras, from the first identify to the end."""

import re
import signal
import sqlite3
import time
from contextlib import closing

import pytest

from clients import (ENDS, Game, RawWs, get_json, http, http_camera, port_of, udp_camera,
                     ws_camera)
from wire import wait_until

NOT_CONNECTED = {"connected": False, "uptime_seconds": 0, "uptime_formatted": "Not connected",
                 "days": 0, "hours": 0, "minutes": 0, "seconds": 0}
FORMAT = "%Y-%m-%d %H:%M:%S"


def uptime(hub):
    return get_json(hub, "/connection_uptime")


def history(hub):
    return get_json(hub, "/connection_history")


def names(hub):
    return [each["camera"] for each in history(hub)["sessions"]]


def open_names(hub):
    return [each["camera"] for each in history(hub)["open_sessions"]]


def wait_ended(hub, *cameras):
    """The ends of connections show a moment later, since nobody is told of them."""
    return wait_until(lambda: set(cameras) <= set(names(hub)) and history(hub), 5, f"{cameras} have ended")


def session(hub, camera):
    return next(each for each in wait_ended(hub, camera)["sessions"] if each["camera"] == camera)


def local(epoch_s):
    return time.strftime(FORMAT, time.localtime(epoch_s))


def test_nothing_yet(fresh_hub):
    begun = time.time()
    hub = fresh_hub()
    assert {key: uptime(hub)[key] for key in NOT_CONNECTED} == NOT_CONNECTED
    told = history(hub)
    assert told["sessions"] == [] and told["total_sessions"] == 0
    started = time.mktime(time.strptime(told["server_start_time"], FORMAT))
    assert begun - 1 <= started <= time.time()


@pytest.mark.parametrize("end", ENDS)
def test_a_session(hub, end):
    name = f"porch-{end}"
    before = time.time()
    with ws_camera(hub, end, name=name) as camera:
        after = time.time()
        told = uptime(hub)    # seen before the reply to identify came
        assert told["connected"] is True and told["camera"] == name
        assert 0 <= told["uptime_seconds"] <= time.time() - before
        assert told["uptime_formatted"] == f"{told['uptime_seconds']}s"
        assert (told["days"], told["hours"], told["minutes"]) == (0, 0, 0)
        assert told["seconds"] == told["uptime_seconds"]
        assert open_names(hub)[-1] == name and name not in names(hub)
        wait_until(lambda: uptime(hub)["uptime_seconds"] > told["uptime_seconds"], 5, "it grows")
        camera.close()
    ended = session(hub, name)
    assert before <= ended["connect_timestamp"] <= after
    assert ended["connect_timestamp"] < ended["disconnect_timestamp"] <= time.time()
    assert ended["connect_time"] == local(ended["connect_timestamp"])
    assert ended["disconnect_time"] == local(ended["disconnect_timestamp"])
    assert ended["duration_seconds"] == int(ended["disconnect_timestamp"] - ended["connect_timestamp"])
    assert ended["duration_formatted"] == f"0m {ended['duration_seconds']}s"
    assert ended["status"] == "disconnected"
    assert (ended["address"], ended["port"], ended["transport"]) == ("127.0.0.1", port_of(hub, end), "websocket")
    assert ended["reason"] == "closed"
    assert uptime(hub)["connected"] is False


def test_the_camera_that_came_last_and_is_still_there(fresh_hub):
    hub = fresh_hub()
    with ws_camera(hub, name="old") as old, ws_camera(hub, "ws", name="new") as new:
        assert uptime(hub)["camera"] == "new"
        new.close()
        wait_until(lambda: uptime(hub).get("camera") == "old", 5, "the other one is still there")
        assert get_json(hub, "/status")["websocket"]["esp32_connected"] is True
        assert names(hub) == ["new"] and open_names(hub) == ["old"]
        old.close()
    wait_ended(hub, "new", "old")
    assert names(hub) == ["new", "old"]    # oldest end first
    assert uptime(hub)["connected"] is False




def end_by_game(hub, camera):
    camera.send_json({"event": "identify", "data": {"type": "gdevelop"}})


def end_by_bad_token(hub, camera):
    camera.send_json({"event": "identify", "data": {"type": "esp32", "auth_token": "wrong"}})


def end_by_violation(hub, camera):
    camera.send_frame(0x3, b"")


@pytest.mark.parametrize("way, reason", (
    (end_by_game, "role"), (end_by_bad_token, "role"), (end_by_violation, "violation")))
def test_ends_of_a_connection_or_of_its_role(hub, way, reason):
    name = f"camera-{way.__name__}"
    with RawWs(hub) as camera:
        camera.recv_welcome()
        camera.send_json({"event": "identify", "data": {
            "type": "esp32", "camera_name": name, "auth_token": hub.token}})
        camera.recv_event("identify_success")
        way(hub, camera)
        assert session(hub, name)["reason"] == reason


def test_a_camera_that_vanishes(hub):
    with ws_camera(hub, name="gone") as camera:
        camera.vanish()
        assert session(hub, "gone")["reason"] == "lost"


def test_a_camera_that_answers_no_ping(fresh_hub):
    hub = fresh_hub(ping_interval_ms=100, pong_deadline_ms=200)
    with RawWs(hub, auto_pong=False) as camera:
        camera.recv_welcome()
        camera.send_json({"event": "identify", "data": {
            "type": "esp32", "camera_name": "dumb", "auth_token": hub.token}})
        assert session(hub, "dumb")["reason"] == "silent"


def test_identifying_again_begins_no_new_session_and_may_rename(hub):
    with ws_camera(hub, name="first name") as camera:
        begun = [each for each in history(hub)["open_sessions"] if each["camera"] == "first name"]
        camera.identify(camera_name="second name")
        assert "first name" not in open_names(hub)
        again, = [each for each in history(hub)["open_sessions"] if each["camera"] == "second name"]
        assert again["connect_timestamp"] == begun[0]["connect_timestamp"]
        camera.close()
    assert session(hub, "second name")["connect_timestamp"] == again["connect_timestamp"]
    assert "first name" not in names(hub)


def test_the_name_of_telemetry_names_the_session(hub):
    with RawWs(hub) as camera:
        camera.recv_welcome()
        camera.send_json({"event": "identify", "data": {
            "type": "esp32", "device": "Waveshare", "auth_token": hub.token}})
        camera.recv_event("identify_success")
        assert "Waveshare" in open_names(hub)
        camera.send_json({"event": "apriltag_data", "tag_id": 1, "camera_name": "from telemetry"})
        camera.recv_event("apriltag_ack")
        assert "from telemetry" in open_names(hub) and "Waveshare" not in open_names(hub)
        camera.close()
    session(hub, "from telemetry")


def test_who_is_no_camera_has_no_session(fresh_hub):
    hub = fresh_hub()
    with Game(hub).identify() as game, RawWs(hub) as refused, RawWs(hub) as nobody:
        refused.recv_welcome()
        refused.send_json({"event": "identify", "data": {"type": "esp32", "auth_token": "wrong"}})
        refused.recv_event("auth_failed")
        nobody.recv_welcome()
        assert uptime(hub)["connected"] is False
        game.close()
    with ws_camera(hub, name="the only one") as camera:
        camera.close()
    wait_ended(hub, "the only one")
    assert names(hub) == ["the only one"]


def test_only_the_newest_twenty(fresh_hub):
    hub = fresh_hub(workers=4)
    for number in range(23):
        with ws_camera(hub, ENDS[number % 2], name=f"camera {number}") as camera:
            camera.close()
        wait_ended(hub, f"camera {number}")
    told = history(hub)
    assert [each["camera"] for each in told["sessions"]] == [f"camera {n}" for n in range(3, 23)]
    assert told["total_sessions"] == len(told["sessions"]) == 20


def test_the_list_outlives_the_hub(fresh_hub):
    hub = fresh_hub()
    with ws_camera(hub, name="before") as camera:
        camera.close()
    before = wait_ended(hub, "before")["sessions"]
    with ws_camera(hub, name="during"):
        stopped_from = time.time()
        hub.process.send_signal(signal.SIGTERM)
        hub.wait_stopped()
        stopped_to = time.time()
    hub.start()
    told = history(hub)
    assert told["sessions"][0] == before[0]
    during = told["sessions"][1]
    assert during["camera"] == "during" and during["reason"] == "hub_stop"
    assert stopped_from <= during["disconnect_timestamp"] <= stopped_to
    assert uptime(hub)["connected"] is False


def test_sessions_of_a_time_without_history_are_in_it_once(fresh_hub):
    hub = fresh_hub(workers=3)
    with ws_camera(hub, name="stays") as stays, ws_camera(hub, name="leaves") as leaves:
        for round_ in range(3):
            old = hub.kill("history")
            if round_ == 1:
                leaves.close()
            with ws_camera(hub, ENDS[round_ % 2], name=f"short {round_}") as short:
                short.close()
            hub.wait_new_pid("history", old)
            hub.wait_ready()
        wait_ended(hub, "leaves", "short 0", "short 1", "short 2")
        assert sorted(names(hub)) == ["leaves", "short 0", "short 1", "short 2"]
        assert open_names(hub) == ["stays"] and uptime(hub)["camera"] == "stays"
        assert {each["reason"] for each in history(hub)["sessions"]} == {"closed"}
        stays.send_json({"event": "ping"})
        assert stays.recv()["event"] == "pong"    # nobody was disconnected
    wait_ended(hub, "stays")
    with closing(sqlite3.connect(f"file:{hub.state_dir}/history.db?mode=ro", uri=True)) as database:
        def count():
            return database.execute(
                "SELECT count(*), count(DISTINCT camera) FROM connection_history WHERE status = 'disconnected'").fetchone()
        wait_until(lambda: count() == (5, 5), 5, f"all are committed, once; now {count()}")


def test_a_gateway_that_dies_leaves_sessions_with_the_last_time_known(fresh_hub):
    hub = fresh_hub(workers=1)
    camera = ws_camera(hub, name="cut")
    assert open_names(hub) == ["cut"]
    hub.kill("gateway")
    killed_at = time.time()
    ended = wait_until(lambda: next((each for each in history_or_nothing(hub) if each["camera"] == "cut"), None),
                       30, "its session is ended")
    assert ended["reason"] == "hub_restart"
    assert ended["connect_timestamp"] <= ended["disconnect_timestamp"] <= killed_at + 1
    camera.vanish()


def history_or_nothing(hub):
    """Also while the gateway is away."""
    try:
        return history(hub)["sessions"]
    except (OSError, AssertionError):
        return []


def test_durations_are_truncated_and_formatted(hub):
    """Longer ones are tested in tests/unit/services/history."""
    with ws_camera(hub, name="two seconds") as camera:
        wait_until(lambda: uptime(hub)["uptime_seconds"] >= 2, 5, "two seconds")
        camera.close()
    ended = session(hub, "two seconds")
    assert ended["duration_seconds"] >= 2
    assert re.fullmatch(r"0m \ds", ended["duration_formatted"])


def test_cameras_by_http_and_udp_have_no_session(hub):
    for camera in (http_camera(hub, name="by post"), udp_camera(hub, name="by datagram")):
        camera.report({"tag_id": 1})
        camera.close()
    assert not {"by post", "by datagram"} & set(names(hub) + open_names(hub))


def test_the_token_is_in_none_of_it(hub):
    for path in ("/connection_uptime", "/connection_history", "/cameras", "/tags", "/metrics", "/", "/video"):
        assert hub.token.encode() not in http(hub, "GET", path).body
    assert hub.token.encode() not in (hub.state_dir / "history.db").read_bytes()
