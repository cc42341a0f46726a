"""GET /tags: the newest sighting of every camera and tag."""

from clients import get_json, ws_camera
from endpoints import post_tag

NASTY = '"}]<script>\\'


def tags(hub):
    return {(each["camera"], each["sighting"].get("tag_id")): each
            for each in get_json(hub, "/tags")["tags"]}


def test_nothing_yet(fresh_hub):
    hub = fresh_hub()
    answer = get_json(hub, "/tags")
    assert answer["tags"] == [] and answer["now"] > 1_700_000_000


def test_the_newest_of_each_camera_and_tag(hub):
    with ws_camera(hub, name="porch") as porch, ws_camera(hub, "ws", name="shed") as shed:
        for x_cm in (1, 2, 3):
            porch.report({"tag_id": 7, "x_cm": x_cm, "deep": {"kept": [1, None]}})
            porch.report({"tag_id": 8, "x_cm": -x_cm})
            shed.report({"tag_id": 7, "x_cm": 10 * x_cm})
    told = tags(hub)
    assert {key: each["sighting"]["x_cm"] for key, each in told.items() if key[0] in ("porch", "shed")} == {
        ("porch", 7): 3, ("porch", 8): -3, ("shed", 7): 30}
    assert told["porch", 7]["sighting"]["deep"] == {"kept": [1, None]}
    assert told["porch", 7]["sighting"]["event"] == "apriltag_data"
    assert 0 <= told["porch", 7]["age_seconds"] < 30
    ages = [each["age_seconds"] for each in get_json(hub, "/tags")["tags"]]
    assert ages == sorted(ages, reverse=True)    # oldest first


def test_a_name_is_text(hub):
    assert post_tag(hub, {"tag_id": 1, "camera_name": NASTY}).status == 200
    assert tags(hub)[NASTY, 1]["sighting"]["camera_name"] == NASTY


def test_a_record_without_name_or_tag(hub):
    assert post_tag(hub, {"x_cm": 5}).status == 200
    told = tags(hub)["camera-127.0.0.1", None]
    assert told["sighting"]["x_cm"] == 5


def test_every_worker_knows_them(fresh_hub):
    hub = fresh_hub(workers=4)
    for tag_id in range(20):
        assert post_tag(hub, {"tag_id": tag_id, "camera_name": "c"}).status == 200
        assert ("c", tag_id) in tags(hub)    # whichever worker answers


def test_their_number_is_limited(fresh_hub):
    hub = fresh_hub(workers=1)
    with ws_camera(hub, name="many") as camera:
        for tag_id in range(600):
            camera.send_telemetry({"tag_id": tag_id})
        for _ in range(600):
            camera.recv()
    told = [each["sighting"]["tag_id"] for each in get_json(hub, "/tags")["tags"]]
    assert told == list(range(600 - 512, 600))
