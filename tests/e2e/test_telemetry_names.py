"""Which camera a record belongs to: its own name, else that of its connection."""

import pytest

from clients import ENDS, http_camera, ws_camera
from speakers import ACK, Speaker

NO_DATA = [{"event": "no_data_available"}]
BY_ADDRESS = "camera-127.0.0.1"

both_ends = pytest.mark.parametrize("end", ENDS)


@pytest.fixture
def asker(hub):
    """asker(name) is the tag that the hub remembers of a camera, None when it knows no such camera."""
    with Speaker(hub) as ws:
        ws.ask({"event": "ping"})

        def tag_of(name):
            ws.drain()
            [record] = ws.latest(name)
            return record.get("tag_id")

        yield tag_of


@both_ends
def test_own_name_comes_first(hub, end, asker):
    with Speaker(hub, end).identify_camera(camera_name="n1-conn", device="n1-device") as camera:
        camera.report({"tag_id": 1, "camera_name": "n1-own"})
        assert asker("n1-own") == 1 and asker("n1-conn") is None


@both_ends
def test_name_of_identify_is_next(hub, end, asker):
    with Speaker(hub, end).identify_camera(camera_name="n2-conn", device="n2-device") as camera:
        camera.report({"tag_id": 1, "camera_name": "n2-own"})
        camera.report({"tag_id": 2})
        assert asker("n2-conn") == 2 and asker("n2-own") == 1 and asker("n2-device") is None


@both_ends
def test_name_of_the_latest_telemetry_is_next(hub, end, asker):
    with Speaker(hub, end).identify_camera(device=f"n3-device-{end}") as camera:
        camera.report({"tag_id": 1, "camera_name": "n3-first"})
        camera.report({"tag_id": 2, "camera_name": "n3-second"})
        camera.report({"tag_id": 3})
        assert asker("n3-second") == 3 and asker("n3-first") == 1 and asker(f"n3-device-{end}") is None


@both_ends
def test_device_is_next(hub, end, asker):
    with Speaker(hub, end).identify_camera(device="n4-device") as camera:
        camera.report({"tag_id": 4})
        assert asker("n4-device") == 4


@both_ends
def test_address_is_last(hub, end, asker):
    with Speaker(hub, end).identify_camera() as camera:
        camera.report({"tag_id": 50 + len(end)})
        assert asker(BY_ADDRESS) == 50 + len(end)


@both_ends
def test_names_follow_records_sent_in_one_go(hub, end, asker):
    """No acknowledgement in between: the connection's name is still that of the record before."""
    name = f"n5-{end}"
    with Speaker(hub, end).identify_camera(device="n5-device") as camera:
        texts = [b'{"event": "apriltag_data", "tag_id": 1, "camera_name": "%s"}' % name.encode(),
                 b'{"event": "apriltag_data", "tag_id": 2}',
                 b'{"event": "apriltag_data", "tag_id": 3, "camera_name": "%s-b"}' % name.encode(),
                 b'{"event": "apriltag_data", "tag_id": 4}'] * 20
        camera.send_bytes(b"".join(camera.frame(1, text) for text in texts))
        assert [camera.recv_json() for _ in texts] == [ACK] * len(texts)
        assert asker(name) == 2 and asker(f"{name}-b") == 4 and asker("n5-device") is None


@both_ends
def test_identifying_again_renames(hub, end, asker):
    with Speaker(hub, end).identify_camera(camera_name="n6-a", device="n6-x") as camera:
        camera.report({"tag_id": 1})
        camera.identify_camera(camera_name="n6-b")
        camera.report({"tag_id": 2})
        assert asker("n6-a") == 1 and asker("n6-b") == 2
        camera.identify_camera(device="n6-device")
        camera.report({"tag_id": 3})
        assert asker("n6-device") == 3 and asker("n6-b") == 2


@both_ends
@pytest.mark.parametrize("bad", ["", "x" * 129, "ä" * 65, None, 5, True, ["n"], {"n": 1}],
                         ids=lambda bad: str(bad)[:12])
def test_name_that_is_none_counts_as_absent(hub, end, asker, bad):
    with Speaker(hub, end).identify_camera(camera_name=bad, device="n7-device") as camera:
        camera.report({"tag_id": 1, "camera_name": bad})
        assert asker("n7-device") == 1
    with Speaker(hub, end).identify_camera(camera_name="n7-conn", device=bad) as camera:
        camera.report({"tag_id": 2, "camera_name": bad})
        assert asker("n7-conn") == 2
    with Speaker(hub, end).identify_camera(camera_name=bad, device=bad) as camera:
        camera.report({"tag_id": 3, "camera_name": bad})
        assert asker(BY_ADDRESS) == 3


@both_ends
@pytest.mark.parametrize("good", ["x" * 128, "ä" * 64, "😀" * 32, " ", "0", "null", "a/b?c=d&e"],
                         ids=lambda good: good[:12])
def test_names_of_up_to_128_bytes(hub, end, asker, good):
    with Speaker(hub, end).identify_camera(camera_name=good) as camera:
        camera.report({"tag_id": 6})
        assert asker(good) == 6


@both_ends
def test_name_inside_nested_data(hub, end, asker):
    with Speaker(hub, end).identify_camera() as camera:
        camera.report({"camera_name": "n8-outer", "data": {"camera_name": "n8-inner", "tag_id": 1}})
        assert asker("n8-inner") == 1 and asker("n8-outer") is None
        camera.report({"camera_name": "n8-outer", "data": {"tag_id": 2}})
        assert asker("n8-inner") == 2 and asker("n8-outer") is None


@both_ends
def test_broadcast_does_not_gain_a_name(hub, end):
    with Speaker(hub, end).identify() as game, \
            Speaker(hub, end).identify_camera(camera_name="n9") as camera:
        game.drain()
        camera.report({"tag_id": 1})
        assert "camera_name" not in game.recv_tag(1)


@both_ends
def test_two_cameras_with_one_name_are_one_to_the_hub(hub, end, asker):
    with Speaker(hub, end).identify() as game, ws_camera(hub, end, name="n10") as one, \
            ws_camera(hub, end, name="n10") as two:
        game.drain()
        one.report({"tag_id": 1})
        two.report({"tag_id": 2})
        game.recv_tag(1)
        game.recv_tag(2)
        assert asker("n10") == 2
        one.report({"tag_id": 1})
        assert asker("n10") == 1


@both_ends
def test_posted_telemetry_falls_back_to_the_address(hub, end, asker):
    http_camera(hub, end).report({"tag_id": 60 + len(end)})
    assert asker(BY_ADDRESS) == 60 + len(end)


def test_connection_name_of_a_record_that_was_refused_does_not_count(hub, asker):
    with Speaker(hub).identify_camera(device="n11-device") as camera:
        assert camera.ask('{"event": "apriltag_data", "camera_name": "n11-bad", "x": NaN}')["event"] == "error"
        camera.report({"tag_id": 1})
        assert asker("n11-device") == 1
