"""The latest telemetry: one stored broadcast per camera, sent again as it was."""

import pytest

from clients import ENDS, TRANSPORTS, camera_on, http_camera, udp_camera
from speakers import Speaker

NO_DATA = {"event": "no_data_available"}

both_ends = pytest.mark.parametrize("end", ENDS)


@both_ends
@pytest.mark.parametrize("data",
                         [{}, {"data": {}}, {"data": {"camera_name": "nobody"}}, {"data": None}])
def test_no_data_available(fresh_hub, end, data):
    hub = fresh_hub(workers=1)
    with Speaker(hub, end) as ws:
        assert ws.ask({"event": "request_latest_data", **data}) == NO_DATA
        assert ws.answers() == []


@both_ends
def test_replay_is_the_broadcast_unchanged(fresh_hub, end):
    hub = fresh_hub()
    with Speaker(hub, end).identify() as live, Speaker(hub, end).identify_camera() as camera:
        camera.send_text('{"event": "apriltag_data", "tag_id": 12, "n": 18446744073709551615, '
                         '"x_cm": 1.10, "e": "\\u00e4", '
                         '"camera_name": "same", "deep": {"a": [1, 2.50, null]}}')
        camera.recv_event("apriltag_ack")
        original = live.recv_message()
        with Speaker(hub, end) as late:
            late.send_json({"event": "identify", "data": {"type": "gdevelop"}})
            assert late.recv_json()["event"] == "identify_success"
            assert late.recv_message() == original
            assert late.answers() == []
            late.send_json({"event": "request_latest_data"})
            assert late.recv_message() == original
            late.send_json({"event": "request_latest_data", "data": {"camera_name": "same"}})
            assert late.recv_message() == original
            assert late.answers() == []


@both_ends
def test_one_per_camera_in_the_order_of_their_timestamps(fresh_hub, end):
    hub = fresh_hub()
    with Speaker(hub, end).identify_camera() as camera, \
            Speaker(hub, end).identify_camera() as other:
        for number, name in enumerate(["c", "a", "b", "a", "d", "c"]):
            (camera if number % 2 else other).report({"tag_id": number, "camera_name": name})
        with Speaker(hub, end).identify(replay=4) as game:
            expected = [("b", 2), ("a", 3), ("d", 4), ("c", 5)]
            assert [(record["camera_name"], record["tag_id"]) for record in game.replay] == expected
            times = [record["server_timestamp"] for record in game.replay]
            assert times == sorted(times) and len(set(times)) == 4
            assert game.latest() == game.replay
            for record in game.replay:
                assert game.latest(record["camera_name"]) == [record]
            assert game.latest("e") == [NO_DATA]


@both_ends
def test_with_one_camera_it_is_one_message(fresh_hub, end):
    hub = fresh_hub()
    with Speaker(hub, end).identify_camera(camera_name="only") as camera:
        for number in range(30):
            camera.report({"tag_id": number})
        with Speaker(hub, end).identify(replay=1) as game:
            assert game.replay[0]["tag_id"] == 29
            assert game.drain() == []


@both_ends
@pytest.mark.parametrize("wish",
                         ['{"camera_name": ""}', '{"camera_name": null}', '{"camera_name": 5}',
                                  '{"camera_name": ["x"]}', "[]", "5", '"one"', "null"])
def test_wish_that_is_no_name_asks_for_all(hub, end, wish):
    with Speaker(hub, end).identify_camera() as camera:
        camera.report({"tag_id": 1, "camera_name": "one"})
        camera.report({"tag_id": 2, "camera_name": "two"})
    with Speaker(hub, end) as ws:
        ws.send_text('{"event": "request_latest_data", "data": %s}' % wish)
        assert [answer["camera_name"] for answer in ws.answers()][-2:] == ["one", "two"]


@both_ends
@pytest.mark.parametrize("name", ["ä", "😀", "a\"b", "a\\b", "a\nb", "x" * 128, " ", "'"])
def test_names_of_any_kind_are_found(hub, end, name):
    with Speaker(hub, end).identify_camera() as camera, Speaker(hub, end) as game:
        camera.report({"tag_id": 9, "camera_name": name})
        [record] = game.latest(name)
        assert record["camera_name"] == name
        escaped = "".join(f"\\u{unit:04x}" for unit in memoryview(name.encode("utf-16-le")).cast("H"))
        game.send_text('{"event": "request_latest_data", "data": {"camera_name": "%s"}}' % escaped)
        assert game.recv_json() == record


@both_ends
def test_every_transport_is_remembered(hub, end):
    with Speaker(hub, end) as game:
        for number, transport in enumerate(TRANSPORTS):
            with camera_on(hub, transport, name=f"by-{transport}") as camera:
                camera.report({"tag_id": number})
            game.drain()
            [record] = game.latest(f"by-{transport}")
            assert record["tag_id"] == number


def test_same_camera_by_several_transports_is_one(hub):
    with Speaker(hub) as game:
        udp_camera(hub, name="roams").report({"tag_id": 1})
        http_camera(hub, name="roams").report({"tag_id": 2})
        [record] = game.latest("roams")
        assert record["tag_id"] == 2


def test_refused_record_is_not_stored(hub):
    with Speaker(hub).identify_camera() as camera, Speaker(hub) as game:
        camera.report({"tag_id": 1, "camera_name": "kept"})
        for bad in ('"x_cm": NaN', '"x_cm": 1e999', '"yaw": 361', '"tag_id": -2', '"z_cm": 1e6',
                    '"x": "\x01"'):
            reply = camera.ask('{"event": "apriltag_data", "camera_name": "kept", %s}' % bad)
            assert reply["event"] == "error" and reply["error"], bad
        [record] = game.latest("kept")
        assert record["tag_id"] == 1


def test_sixty_four_cameras_are_remembered(fresh_hub):
    hub = fresh_hub(cameras_max_count=64)
    with Speaker(hub).identify_camera() as camera:
        for number in range(65):
            camera.report({"tag_id": number, "camera_name": f"cam-{number}"})
    with Speaker(hub).identify(replay=64) as game:
        assert [record["tag_id"] for record in game.replay] == list(range(1, 65))
        assert game.latest("cam-0") == [NO_DATA]


def test_replay_of_more_cameras_than_a_queue_holds(fresh_hub):
    hub = fresh_hub(cameras_max_count=1000, game_queue_messages_count=256)
    with Speaker(hub).identify_camera() as camera:
        for number in range(1000):
            camera.send_json({"event": "apriltag_data", "tag_id": number,
                              "camera_name": f"cam-{number}"})
        for _ in range(1000):
            camera.recv_event("apriltag_ack")
    with Speaker(hub).identify(replay=1000) as game:
        assert [record["tag_id"] for record in game.replay] == list(range(1000))
        assert game.drain() == []
