"""GET /video_fps, /video_stats and /cameras with real pictures. The formulas are tested with a clock of their own in
tests/unit/services/metrics; here it is shown that what arrives is what is counted."""

import io
import math
import statistics
import time
from urllib.parse import quote

import pytest
from PIL import Image

from clients import ENDS, RawHttp, encode_request, get_json, http, ws_camera
from endpoints import picture, post_photo
from firmware import PHOTO_PATH
from photo import pad_jpeg
from wire import wait_until

NOTHING_FPS = {"fps": 0, "target_fps": 0, "interval_ms": 0, "width": 0, "height": 0,
               "resolution": "Unknown"}
NOTHING_STATS = {
    "avg_interval": 0, "min_interval": 0, "max_interval": 0, "jitter": 0, "avg_fps": 0,
    "target_fps": 0, "avg_size": 0, "min_size": 0, "max_size": 0, "avg_processing": 0,
    "max_processing": 0, "total_frames": 0, "dropped_frames": 0, "efficiency": 0,
    "recommendation": "WAITING_FOR_DATA", "current_fps": 0, "width": 0, "height": 0,
    "resolution": "Unknown"}
DECIMALS = {"avg_interval": 3, "min_interval": 3, "max_interval": 3, "jitter": 3, "avg_fps": 3,
            "target_fps": 1, "efficiency": 1, "avg_processing": 2, "max_processing": 2,
            "current_fps": 2}


def query(path, camera):
    return path if camera is None else f"{path}?camera={quote(camera, safe='')}"


def fps(hub, camera=None):
    return get_json(hub, query("/video_fps", camera))


def stats(hub, camera=None):
    return get_json(hub, query("/video_stats", camera))


def part(whole, like):
    return {key: whole[key] for key in like}


def send_some(hub, camera, count, interval_s=0.02, first=0):
    """Posts pictures at about this interval; returns when each was known to have arrived."""
    known = []
    for number in range(first, first + count):
        due = time.monotonic() + interval_s
        assert post_photo(hub, picture(number), camera).status == 200
        known.append(time.monotonic())
        wait_until(lambda: time.monotonic() >= due, 5, "the time of the next picture")
    return known


def test_before_the_first_picture(fresh_hub):
    hub = fresh_hub()
    assert part(fps(hub), NOTHING_FPS) == NOTHING_FPS
    assert part(stats(hub), NOTHING_STATS) == NOTHING_STATS
    assert get_json(hub, "/cameras")["cameras"] == []
    for path in ("/video_fps", "/video_stats"):
        for camera in ("garage-cam", ""):
            reply = http(hub, "GET", query(path, camera))
            assert reply.status == 404 and reply.json()["error"]


def test_one_picture_shows_its_size_only(hub):
    jpeg = picture(1)
    size = dict(zip(("width", "height"), Image.open(io.BytesIO(jpeg)).size))
    size["resolution"] = f"{size['width']}x{size['height']}"
    assert post_photo(hub, jpeg, "once").status == 200
    assert part(fps(hub, "once"), NOTHING_FPS) == {**NOTHING_FPS, **size}
    assert part(stats(hub, "once"), NOTHING_STATS) == {**NOTHING_STATS, **size}


def test_the_numbers_follow_from_the_arrivals(hub):
    known = send_some(hub, "steady", 25)
    told, short = stats(hub, "steady"), fps(hub, "steady")
    intervals = get_json(hub, "/cameras")["cameras"]
    intervals = next(each for each in intervals if each["camera"] == "steady")["intervals"]
    assert len(intervals) == 20
    assert sum(intervals) == pytest.approx(known[-1] - known[-21], abs=0.1)
    assert told["avg_interval"] == pytest.approx(statistics.mean(intervals), abs=0.0015)
    assert told["min_interval"] == min(intervals) and told["max_interval"] == max(intervals)
    assert told["jitter"] == pytest.approx(statistics.pstdev(intervals), abs=0.0015)
    assert told["avg_fps"] == pytest.approx(1 / statistics.mean(intervals), rel=0.01)
    assert told["target_fps"] == pytest.approx(1 / sorted(intervals)[10], rel=0.06)
    assert told["current_fps"] == short["fps"] == pytest.approx(9 / sum(intervals[-9:]), rel=0.02)
    assert short["target_fps"] == told["target_fps"]
    assert short["interval_ms"] == math.trunc(1000 / short["target_fps"])
    assert told["total_frames"] == 25 and told["dropped_frames"] == 0
    sizes = [len(picture(number)) for number in range(5, 25)]
    assert (told["min_size"], told["max_size"]) == (min(sizes), max(sizes))
    assert told["avg_size"] == sum(sizes) // 20
    assert 0 < told["avg_processing"] <= told["max_processing"] < 1000
    assert 0 <= told["efficiency"] <= 100
    for name, decimals in DECIMALS.items():
        assert round(told[name], decimals) == told[name], name
    for name in ("avg_size", "min_size", "max_size", "total_frames", "dropped_frames"):
        assert type(told[name]) is int, name
    assert type(short["interval_ms"]) is int


@pytest.mark.parametrize("end", ENDS)
def test_pictures_of_websockets_and_posts_count_alike(hub, end):
    name = f"both-{end}"
    with ws_camera(hub, end, name=name) as camera:
        for number in range(6):
            camera.send_photo(picture(number))
            assert post_photo(hub, picture(number), name).status == 200
    wait_until(lambda: stats(hub, name)["total_frames"] == 12, 5, "all twelve are counted")
    assert stats(hub, name)["current_fps"] > 0


def test_without_a_name_the_camera_heard_last_is_meant(hub):
    send_some(hub, "first", 3)
    send_some(hub, "second", 2)
    assert stats(hub)["total_frames"] == stats(hub, "second")["total_frames"] == 2
    send_some(hub, "first", 1)
    assert stats(hub)["total_frames"] == stats(hub, "first")["total_frames"] == 4
    assert fps(hub) == fps(hub, "first")


@pytest.mark.parametrize("name", ("a b", "Küche/1", "x&y=z", "<img src=x>", "50%", "日本"))
def test_any_name_can_be_asked_for(hub, name):
    with ws_camera(hub, name=name) as camera:
        camera.send_photo(picture(1))
        camera.report({"tag_id": 1})    # its acknowledgement comes behind the picture
    wait_until(lambda: http(hub, "GET", query("/video_fps", name)).status == 200, 5, "it is known")
    assert name in [each["camera"] for each in get_json(hub, "/cameras")["cameras"]]


def test_a_name_that_is_not_utf8_counts_as_absent(hub):
    request = encode_request("POST", PHOTO_PATH, [("Authorization", hub.token), ("X-Camera-Name", "MARK")],
                             picture(1))
    with RawHttp(hub) as connection:
        connection.send(request.replace(b"MARK", b"caf\xe9"))
        assert connection.recv_reply().status == 200
    assert fps(hub, "camera-127.0.0.1")["width"] > 0
    for path in ("/cameras", "/metrics"):
        http(hub, "GET", path).body.decode("utf-8")


def progressive(size):
    with io.BytesIO() as out:
        Image.new("RGB", size, (10, 90, 30)).save(out, "JPEG", progressive=True)
        return out.getvalue()


def baseline(size):
    with io.BytesIO() as out:
        Image.new("RGB", size, (90, 10, 30)).save(out, "JPEG")
        return out.getvalue()


def with_thumbnail(size, thumbnail_size):
    """A picture whose first FF C0 belongs to the thumbnail in its Exif segment."""
    jpeg, exif = baseline(size), b"Exif\0\0" + baseline(thumbnail_size)
    return jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]


KINDS = {
    "baseline": baseline((320, 240)),
    "progressive": progressive((640, 480)),
    "extended": baseline((160, 120)).replace(b"\xff\xc0", b"\xff\xc1", 1),
    "exif thumbnail": with_thumbnail((400, 300), (64, 48)),
    "fill bytes": baseline((48, 32)).replace(b"\xff\xc0", b"\xff\xff\xff\xc0", 1),
    "cut after its header": baseline((200, 100))[:-40],
    "large": pad_jpeg(baseline((240, 240)), 300_000),
}
SIZES = {"baseline": "320x240", "progressive": "640x480", "extended": "160x120",
         "exif thumbnail": "400x300", "fill bytes": "48x32", "cut after its header": "200x100",
         "large": "240x240"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_is_that_of_the_frame_header(hub, kind):
    assert post_photo(hub, KINDS[kind], f"kind {kind}").status == 200
    for told in (fps(hub, f"kind {kind}"), stats(hub, f"kind {kind}")):
        assert told["resolution"] == SIZES[kind]
        assert f"{told['width']}x{told['height']}" == SIZES[kind]


@pytest.mark.parametrize("jpeg", (b"GIF89a" + b"x" * 100, b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xe0\0\x10JFIF"))
def test_what_is_no_picture_changes_nothing(hub, jpeg):
    send_some(hub, "serious", 3)
    before = stats(hub, "serious")
    assert post_photo(hub, jpeg, "serious").status == 400
    assert stats(hub, "serious") == before


def test_a_configured_target(fresh_hub):
    hub = fresh_hub(video_target_interval_ms=200)
    send_some(hub, "fast", 5, interval_s=0.03)
    told = stats(hub, "fast")
    assert told["target_fps"] == 5.0
    assert told["efficiency"] == pytest.approx(told["avg_fps"] / 5 * 100, rel=0.01)
    assert told["efficiency"] > 100    # not clamped
    assert fps(hub, "fast")["interval_ms"] == 200


def without_times(cameras):
    """What stands still while nothing arrives."""
    return [{key: value for key, value in camera.items() if not key.endswith("age_seconds")}
            for camera in cameras["cameras"]]


def test_a_restart_of_the_service_loses_nothing(fresh_hub):
    hub = fresh_hub(workers=3)
    for round_ in range(3):
        for camera in ("a", "b"):
            send_some(hub, camera, 10, interval_s=0.005, first=round_ * 10)
    before = get_json(hub, "/cameras")
    for _ in range(2):
        old = hub.kill("metrics")
        hub.wait_new_pid("metrics", old)
        hub.wait_ready()
        assert without_times(get_json(hub, "/cameras")) == without_times(before)
    assert stats(hub, "a")["total_frames"] == 30
    send_some(hub, "a", 1)
    assert stats(hub, "a")["total_frames"] == 31


def test_a_worker_of_the_gateway_that_dies_takes_no_counts_along(fresh_hub):
    hub = fresh_hub(workers=2)
    send_some(hub, "kept", 12, interval_s=0.005)
    before = stats(hub, "kept")
    pid = hub.kill(hub.workers("gateway")[0])
    wait_until(lambda: pid not in hub.workers("gateway") and len(hub.workers("gateway")) == 2, 5,
               "another worker")
    hub.wait_ready()
    assert stats(hub, "kept") == before
    send_some(hub, "kept", 12, interval_s=0.005)
    assert stats(hub, "kept")["total_frames"] == 24
