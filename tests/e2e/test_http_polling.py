"""Polling for games without WebSocket: the newest 50 records, whatever brought them, in order."""

import pytest

from clients import TRANSPORTS, Game, camera_on, http
from endpoints import POLL_PATH, post_tag

EMPTY = {"smartcam_ip": "", "tag_id": -1, "camera_name": "", "yaw": 0, "pitch": 0, "roll": 0,
         "x_cm": 0, "y_cm": 0, "z_cm": 0, "tag_size_percent": 0, "distance_cm": 0, "timestamp": 0,
         "list_remaining": 0}
FULL = {"smartcam_ip": "192.0.2.17", "tag_id": 12, "camera_name": "garage-cam", "yaw": -12.4,
        "pitch": 3.1, "roll": 0.7, "x_cm": 4.2, "y_cm": -1.8, "z_cm": 38.5,
        "tag_size_percent": 7.25, "distance_cm": 39.1}


def take(hub):
    reply = http(hub, "GET", POLL_PATH)
    assert reply.status == 200
    assert reply.get("Access-Control-Allow-Origin") == "*"
    return reply.json()


def take_all(hub):
    records = []
    while (record := take(hub))["tag_id"] != -1:
        records.append(record)
    return records


def test_an_empty_queue(fresh_hub):
    hub = fresh_hub()
    for _ in range(3):
        answer = take(hub)
        assert answer == EMPTY
        for name, value in EMPTY.items():
            assert isinstance(answer[name], type(value)), name


def test_the_fields_of_a_record(hub):
    take_all(hub)
    with Game(hub).identify() as game:
        game.drain()
        record = {**FULL, "timestamp": 734512, "range_cm": 3, "more": [1]}
        assert post_tag(hub, record).status == 200
        stamp = game.recv_tag(12)["server_timestamp"]
    assert take(hub) == {**FULL, "timestamp": stamp}
    assert take(hub) == EMPTY


def test_absent_fields(hub):
    take_all(hub)
    assert post_tag(hub, {"x_cm": 1.5}).status == 200
    record = take(hub)
    stamp = record.pop("timestamp")
    assert stamp > 1_600_000_000
    expected = {**EMPTY, "tag_id": 0, "x_cm": 1.5}
    del expected["timestamp"], expected["list_remaining"]
    assert record == expected


def test_values_are_exact(hub):
    take_all(hub)
    with Game(hub).identify() as game:
        game.drain()
        body = (b'{"tag_id": 1, "x_cm": 0.1, "y_cm": 1e-7, "z_cm": -0.0, "yaw": 359.99999999999994,'
                b' "camera_name": "\\ud83d\\udcf7 \\"K\\u00fcche\\"\\n"}')
        assert http(hub, "POST", "/apriltag", [("Authorization", hub.token), (
            "Content-Type", "application/json")], body).status == 200
        broadcast = game.recv_tag(1)
    record = take(hub)
    for name in ("x_cm", "y_cm", "z_cm", "yaw", "camera_name"):
        assert record[name] == broadcast[name]
    assert record["camera_name"] == "\U0001f4f7 \"K\u00fcche\"\n"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_transport(hub, transport):
    take_all(hub)
    with camera_on(hub, transport, name=f"poll-{transport}") as camera:
        for tag_id in (31, 32, 33):
            camera.report({"tag_id": tag_id})
            record = take(hub)
            assert (record["tag_id"], record["camera_name"]) == (tag_id, f"poll-{transport}")
            assert record["smartcam_ip"] == ("127.0.0.1" if transport == "udp" else "")
    assert take(hub) == EMPTY


@pytest.mark.parametrize("count", (1, 49, 50, 51, 75, 120))
def test_the_newest_fifty_the_oldest_first(hub, count):
    take_all(hub)
    with camera_on(hub, "ws:http", name="row") as camera:
        for tag_id in range(count):
            camera.report({"tag_id": tag_id})
    tags = [record["tag_id"] for record in take_all(hub)]
    assert tags == list(range(max(0, count - 50), count))


def test_taking_and_adding_in_turns(hub):
    """The queue goes round several times and never gives an old record again."""
    take_all(hub)
    next_tag = expected = 0
    with camera_on(hub, "ws:ws", name="turns") as camera:
        for adds, takes in ((60, 20), (20, 45), (3, 8), (50, 50), (7, 7)):
            for _ in range(adds):
                camera.report({"tag_id": next_tag})
                next_tag += 1
            expected = max(expected, next_tag - 50)
            for _ in range(takes):
                assert take(hub)["tag_id"] == expected
                expected += 1
    assert expected == next_tag
    assert take(hub) == EMPTY


@pytest.mark.parametrize("workers", (1, 4))
def test_one_queue_for_all_workers(fresh_hub, workers):
    hub = fresh_hub(workers=workers)
    for tag_id in range(30):
        assert post_tag(hub, {"tag_id": tag_id}, ("http", "ws")[tag_id % 2]).status == 200
    assert [record["tag_id"] for record in take_all(hub)] == list(range(30))


def test_a_head_takes_nothing(hub):
    take_all(hub)
    assert post_tag(hub, {"tag_id": 8}).status == 200
    for _ in range(3):
        reply = http(hub, "HEAD", POLL_PATH)
        assert reply.status == 200
        assert reply.get("Content-Type") == "application/json"
        assert reply.get("Access-Control-Allow-Origin") == "*"
    assert take(hub)["tag_id"] == 8


def test_what_was_refused_is_not_queued(hub):
    take_all(hub)
    assert http(hub, "POST", "/apriltag", [("Authorization", "wrong")],
                json_body={"tag_id": 1}).status == 401
    assert post_tag(hub, {"tag_id": 1, "yaw": 1000}).status == 400
    assert take(hub) == EMPTY


def test_a_poll_takes_nothing_from_games(hub):
    take_all(hub)
    with Game(hub).identify() as game:
        game.drain()
        assert post_tag(hub, {"tag_id": 9, "camera_name": "both"}).status == 200
        assert take(hub)["tag_id"] == 9
        game.recv_tag(9)
        assert game.latest("both")[0]["tag_id"] == 9
