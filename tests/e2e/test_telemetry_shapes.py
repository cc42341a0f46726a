"""Flat and nested telemetry, the members that belong to the hub, and values no camera can measure."""

import json
import time

import pytest

from clients import ENDS
from speakers import ACK, Speaker

both_ends = pytest.mark.parametrize("end", ENDS)


@pytest.fixture(params=ENDS)
def pair(request, hub):
    """A game and a camera on one port: pair(text) sends it and returns the broadcast without its
    server_timestamp, which was checked, and without the name that the connection lent."""
    with Speaker(hub, request.param).identify() as game, \
            Speaker(hub, request.param).identify_camera(camera_name="shapes") as camera:
        game.drain()

        def carry(text):
            before = time.time()
            assert camera.ask(text) == ACK
            message = game.recv_message()
            assert hub.token not in message
            pairs = json.loads(message, object_pairs_hook=lambda members: members)
            names = [name for name, _ in pairs]
            for name in ("event", "server_timestamp"):
                assert names.count(name) == 1, message
            assert "auth_token" not in names
            record = json.loads(message)
            assert record.pop("event") == "apriltag_data"
            assert before - 0.002 <= record.pop("server_timestamp") <= time.time() + 0.002
            return record

        yield carry


def test_flat(pair):
    assert pair('{"event": "apriltag_data", "tag_id": 12, "yaw": -12.4}') == {"tag_id": 12,
                                                                              "yaw": -12.4}


def test_nothing_but_the_event(pair):
    assert pair('{"event": "apriltag_data"}') == {}


def test_nested_becomes_flat(pair):
    assert pair('{"event": "apriltag_data", "data": {"tag_id": 12, "x_cm": 4.2, "deep": {"a": 1}}}') == {
        "tag_id": 12, "x_cm": 4.2, "deep": {"a": 1}}


def test_members_beside_nested_data_are_dropped(pair):
    text = '{"x_cm": 1, "event": "apriltag_data", "camera_name": "outer", "data": {"tag_id": 12}, "y_cm": 2}'
    assert pair(text) == {"tag_id": 12}


def test_empty_nested_data(pair):
    assert pair('{"event": "apriltag_data", "tag_id": 1, "data": {}}') == {}


def test_data_inside_nested_data_is_a_field(pair):
    assert pair('{"event": "apriltag_data", "data": {"data": {"tag_id": 1}, "tag_id": 2}}') == {
        "data": {"tag_id": 1}, "tag_id": 2}


@pytest.mark.parametrize("data", [None, 5, "text", [], [{"tag_id": 1}], True, ""], ids=json.dumps)
def test_data_that_is_no_object_is_a_field(pair, data):
    assert pair('{"event": "apriltag_data", "tag_id": 3, "data": %s}' % json.dumps(data)) == {"tag_id": 3, "data": data}


def test_last_data_decides_the_shape(pair):
    assert pair('{"event": "apriltag_data", "tag_id": 1, "data": 5, "data": {"tag_id": 2}}') == {"tag_id": 2}
    assert pair('{"event": "apriltag_data", "tag_id": 1, "data": {"tag_id": 2}, "data": 5}') == {"tag_id": 1, "data": 5}


@pytest.mark.parametrize("event", ['"other"', "5", "null", '{"a": 1}', '"identify"'])
def test_event_inside_nested_data_is_replaced(pair, event):
    assert pair('{"event": "apriltag_data", "data": {"event": %s, "tag_id": 4}}' % event) == {"tag_id": 4}


@pytest.mark.parametrize("stamp", ["1", "1e3", '"yesterday"', "null", "[]", '{"a": 1}'])
def test_server_timestamp_is_replaced(pair, stamp):
    assert pair('{"event": "apriltag_data", "server_timestamp": %s, "tag_id": 5}' % stamp) == {"tag_id": 5}
    assert pair('{"event": "apriltag_data", "data": {"server_timestamp": %s, "tag_id": 5}}' % stamp) == {"tag_id": 5}


@pytest.mark.parametrize("token", ["own", "wrong", None, 5, ["x"], ""], ids=str)
def test_auth_token_is_removed(pair, hub, token):
    value = json.dumps(hub.token if token == "own" else token)
    assert pair('{"event": "apriltag_data", "auth_token": %s, "tag_id": 6}' % value) == {"tag_id": 6}
    assert pair('{"event": "apriltag_data", "data": {"auth_token": %s, "tag_id": 6}}' % value) == {"tag_id": 6}


def test_reserved_keys_with_escapes_are_recognized(pair):
    text = '{"\\u0065vent": "apriltag_data", "auth\\u005ftoken": "x", "server\\u005Ftimestamp": 1, "tag_id": 7}'
    assert pair(text) == {"tag_id": 7}


def test_reserved_keys_twice(pair):
    text = '{"event": "nonsense", "event": "apriltag_data", "auth_token": 1, "auth_token": 2, "server_timestamp": 1, ' \
           '"server_timestamp": 2, "tag_id": 8}'
    assert pair(text) == {"tag_id": 8}


def test_reserved_names_inside_values_are_kept(pair):
    deep = {"event": "x", "auth_token": "not the secret", "server_timestamp": 1}
    assert pair('{"event": "apriltag_data", "x": %s}' % json.dumps(deep)) == {"x": deep}


def test_smartcam_ip_is_forwarded_as_sent(pair):
    assert pair('{"event": "apriltag_data", "smartcam_ip": "192.0.2.17"}') == {"smartcam_ip": "192.0.2.17"}
    assert pair('{"event": "apriltag_data", "smartcam_ip": 5}') == {"smartcam_ip": 5}


def test_camera_timestamp_is_not_a_time_of_day(pair):
    assert pair('{"event": "apriltag_data", "timestamp": 4294967295}') == {"timestamp": 4294967295}


# Values


@pytest.mark.parametrize("field,value", [
    ("tag_id", 0), ("tag_id", 65535), ("yaw", -360), ("yaw", 360), ("pitch", 360.0),
    ("roll", -359.9),
    ("x_cm", -100000), ("x_cm", 100000), ("y_cm", 100000.0), ("z_cm", -100000),
    ("range_cm", 100000),
    ("distance_cm", 100000), ("decision_margin", 1e9), ("tag_size_percent", 1000),
    ("timestamp", -1)])
def test_generous_ranges(pair, field, value):
    assert pair(json.dumps({"event": "apriltag_data", field: value})) == {field: value}


@pytest.mark.parametrize("field",
                         ["tag_id", "yaw", "x_cm", "range_cm", "decision_margin", "timestamp",
                          "camera_name"])
@pytest.mark.parametrize("value", ["far", None, True, [1], {"cm": 4}, "", 1.5], ids=json.dumps)
def test_unexpected_type_is_forwarded_or_refused(hub, field, value):
    """All or nothing: acknowledged and unchanged, or an error and no trace."""
    with Speaker(hub).identify_camera(camera_name="types") as camera, Speaker(hub).identify() as game:
        game.drain()
        reply = camera.ask({"event": "apriltag_data", "mark": 1, field: value})
        if reply == ACK:
            assert game.recv_json()[field] == value
        else:
            assert reply["event"] == "error" and field in reply["error"]
        camera.report({"mark": 2})
        assert game.recv_json()["mark"] == 2


@both_ends
@pytest.mark.parametrize("field,value",
                         [("tag_id", -5), ("yaw", 1e300), ("pitch", -361), ("x_cm", 1e10),
                          ("z_cm", -1e10)])
def test_what_no_camera_can_measure_names_field_and_range(hub, end, field, value):
    with Speaker(hub, end).identify_camera(camera_name="ranges") as camera, \
            Speaker(hub, end).identify() as game:
        game.drain()
        reply = camera.ask({"event": "apriltag_data", field: value})
        assert reply["event"] == "error" and field in reply["error"] and ".." in reply["error"]
        camera.report({"mark": 3})
        assert game.recv_json()["mark"] == 3
