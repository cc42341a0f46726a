"""A service that stays away: clients stay connected, and what needs nobody else is answered as ever."""

import shutil

import pytest

from clients import Game, http, ws_camera
from hub import build_dir
from ledger import Ledger
from wire import TIME_FACTOR, wait_until

AWAY_MS = 3000


@pytest.fixture
def hub_in(tmp_path, monkeypatch, fresh_hub):
    """A hub whose programs lie in a directory of its own, so that one can be taken away."""
    shutil.copytree(build_dir() / "bin", tmp_path / "bin")
    monkeypatch.setenv("TAGHUB_BUILD", str(tmp_path))
    return lambda **settings: fresh_hub(**settings)


def take_away(hub, tmp_path, service):
    """Ends a service in such a way that it cannot be started. Returns what brings it back."""
    program = tmp_path / "bin" / f"taghub-{service}"
    hidden = program.with_suffix(".away")
    program.rename(hidden)
    old = hub.kill(service)
    wait_until(lambda: hub.pids().get(service) != old, 5, f"{service} is dead")
    return lambda: hidden.rename(program)


@pytest.mark.parametrize("workers", [1, 2])
def test_clients_stay_and_are_answered_while_fanout_is_away(hub_in, tmp_path, workers):
    hub = hub_in(workers=workers, post_deadline_ms=AWAY_MS)
    with Game(hub).identify() as game, ws_camera(hub, "ws", name="porch") as camera, \
            ws_camera(hub, name="idle") as idle:
        camera.report({"tag_id": 1})
        game.recv_tag(1)
        bring_back = take_away(hub, tmp_path, "fanout")
        camera.send_telemetry({"tag_id": 2})
        game.send_json({"event": "ping"})
        game.recv_event("pong")
        idle.send_json({"event": "ping"})
        assert idle.recv()["event"] == "pong"
        with Game(hub, "ws").identify(replay=1) as newcomer, ws_camera(hub, name="new") as late:
            assert newcomer.replay[0]["tag_id"] == 1
            late.send_json({"event": "ping"})
            assert late.recv()["event"] == "pong"
            assert newcomer.latest("porch")[0]["tag_id"] == 1
        assert http(hub, "GET", "/status").status == 200
        poll = http(hub, "GET", "/client_gdevelop_to_server__smartcam_data_get")
        assert poll.status == 503 and poll.json()["error"]
        for _ in range(2):    # each takes as long as fanout is to be away
            post = http(hub, "POST", "/apriltag", [("Authorization", hub.token)],
                        json_body={"tag_id": 3, "camera_name": "post"}, limit_s=10)
            assert post.status == 503 and post.json()["error"]
        game.expect_silence()
        bring_back()
        assert game.recv_event("apriltag_data", limit_s=10)["tag_id"] == 2
        assert camera.recv() == {"event": "apriltag_ack", "status": "received"}
        camera.report({"tag_id": 4})
        # the posts whose senders were told 503 do not come late, behind what they have sent since
        assert game.recv_event("apriltag_data")["tag_id"] == 4


@pytest.mark.parametrize("service", ["fanout", "ingest"])
def test_traffic_outlives_a_service_that_is_away_for_seconds(hub_in, tmp_path, service):
    hub = hub_in(workers=2, post_deadline_ms=AWAY_MS)
    with Ledger(hub) as ledger:
        ledger.progress()
        bring_back = take_away(hub, tmp_path, service)
        post = http(hub, "POST", "/apriltag", [("Authorization", hub.token)],
                    json_body={"tag_id": 3}, limit_s=10)
        assert post.status == 503
        bring_back()
        ledger.progress()
        worst = ledger.reckon()
        ledger.report(f"{service} away", worst)
        assert worst[0] < AWAY_MS / 1000 + 5 * TIME_FACTOR
