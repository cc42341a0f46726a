"""GET /photo: the newest picture as it came, of every camera or of one."""

import signal
import socket
import sqlite3
import time
from contextlib import closing
from urllib.parse import quote

import pytest

from clients import ENDS, RawHttp, encode_request, get_json, http, ws_camera
from endpoints import picture, post_photo
from photo import pad_jpeg
from wire import wait_until

HEADERS = {
    "Content-Type": "image/jpeg",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Expires": "0",
    "X-Content-Type-Options": "nosniff",
}


def photo(hub, camera=None, method="GET"):
    query = "" if camera is None else "?camera=" + quote(camera, safe="")
    return http(hub, method, "/photo" + query, limit_s=10)


def age_s(reply):
    text = reply.get("X-Frame-Age")
    whole, point, tenth = text[:-1].partition(".")
    assert text.endswith("s") and point and whole.isdigit() and len(tenth) == 1, text
    return float(text[:-1])


def test_before_the_first_one(fresh_hub):
    hub = fresh_hub()
    for camera in (None, "garage-cam", ""):
        reply = photo(hub, camera)
        assert reply.status == 404
        assert 0 < len(reply.body) < 200 and not reply.body.startswith(b"\xff\xd8")
        assert reply.get("Content-Type").startswith("text/plain")


@pytest.mark.parametrize("method", ("GET", "HEAD"))
@pytest.mark.parametrize("query", ("", "?camera=looked-at", "?t=1750000000",
                                   "?t=1&camera=looked-at", "?camera=looked-at&t=1",
                                   "?camera=looked%2dat", "?cameras=x", "?xcamera=x"))
def test_the_headers(hub, method, query):
    jpeg = pad_jpeg(picture(), 50_000)
    assert post_photo(hub, jpeg, "looked-at").status == 200
    reply = http(hub, method, "/photo" + query)
    assert reply.status == 200
    for name, value in HEADERS.items():
        assert reply.all(name) == [value]
    assert 0 <= age_s(reply) < 5
    assert reply.get("Content-Length") == str(len(jpeg))
    assert reply.body == (jpeg if method == "GET" else b"")


def test_the_age_grows(hub):
    assert post_photo(hub, picture(), "old").status == 200
    posted_s = time.monotonic()
    assert age_s(photo(hub, "old")) < 5
    reply = wait_until(lambda: (r := photo(hub, "old")) and age_s(r) >= 1.0 and r, 10, "1 s of age")
    passed_s = time.monotonic() - posted_s
    assert passed_s - 1 < age_s(reply) <= passed_s + 0.15


@pytest.mark.parametrize("name", (
    "garage-cam", "two words", "a+b", "a&b=c", "100%", "../../x",
    "K\u00fcche", "\u0411\u0430\u043d\u044f",
    "\U0001f4f7", "a\"b'c<d>", "?", "#", ";", "n" * 128))
def test_one_camera(hub, name):
    others = picture(1)
    jpeg = picture(2)
    with ws_camera(hub, name=name) as camera:
        camera.send_photo(jpeg)
        wait_until(lambda: photo(hub, name).status == 200, 5, "the picture is there")
        assert post_photo(hub, others, "other").status == 200
        assert photo(hub, name).body == jpeg
        assert photo(hub, "other").body == others
        assert photo(hub).body == others


@pytest.mark.parametrize("query", (
    "camera=unknown", "camera=", "camera=%00", "camera=Looked-at", "camera=looked", "camera=%",
    "camera=%zz", "camera=%4", "camera=looked-at%20", "camera=" + "x" * 1000, "camera=%ff%fe",
    "t=1&camera=unknown"))
def test_an_unknown_camera(hub, query):
    assert post_photo(hub, picture(), "looked-at").status == 200
    for method in ("GET", "HEAD"):
        assert http(hub, method, "/photo?" + query).status == 404


def test_without_a_name_the_newest_of_all(hub):
    for number in range(6):
        jpeg = picture(number)
        assert post_photo(hub, jpeg, ("first", "second")[number % 2]).status == 200
        assert photo(hub).body == jpeg
    assert photo(hub, "first").body == picture(4)
    assert photo(hub, "second").body == picture(5)


@pytest.mark.parametrize("end", ENDS)
def test_a_picture_by_websocket(hub, end):
    jpeg = pad_jpeg(picture(9), 70_001)
    with ws_camera(hub, end, name=f"live-{end}") as camera:
        camera.send_photo(picture(8))
        camera.send_photo(jpeg)
        wait_until(lambda: photo(hub, f"live-{end}").body == jpeg, 5, "the second picture shows")
    # it outlives its camera; nobody acknowledges it, so the other worker may be a moment behind
    wait_until(lambda: photo(hub, f"live-{end}").body == jpeg, 5, "the picture is still there")


@pytest.mark.parametrize("workers", (1, 2, 4))
def test_seen_by_every_worker_right_after_the_answer(fresh_hub, workers):
    hub = fresh_hub(workers=workers)
    for number in range(15):
        jpeg = pad_jpeg(picture(number), 2000 + number * 20_000)
        assert post_photo(hub, jpeg, "now").status == 200
        for _ in range(2 * workers):    # each on a new connection, so at any worker
            assert photo(hub).body == jpeg
            assert photo(hub, "now").body == jpeg


def test_a_slow_reader_gets_the_picture_whole(hub):
    jpeg = pad_jpeg(picture(3), 3_000_000)
    assert post_photo(hub, jpeg, "big", limit_s=20).status == 200
    with RawHttp(hub, rcvbuf_bytes=4096) as slow:
        slow.send(encode_request("GET", "/photo?camera=big"))
        assert slow.sock.recv(1, socket.MSG_PEEK) == b"H"    # the reply has begun
        assert post_photo(hub, picture(4), "big").status == 200
        assert photo(hub, "big").body == picture(4)
        assert slow.recv_reply(limit_s=20).body == jpeg


def photos(hub):
    return {each["camera"]: each for each in get_json(hub, "/photos")["photos"]}


def test_the_list_of_those_there_are(fresh_hub):
    hub = fresh_hub(workers=3)
    assert photos(hub) == {}
    jpegs = {name: picture(number) for number, name in enumerate(("left", "right", '"<b>'))}
    for name, jpeg in jpegs.items():
        assert post_photo(hub, jpeg, name).status == 200
        assert name in photos(hub)    # at whichever worker
    for name, told in photos(hub).items():
        assert told["bytes"] == len(jpegs[name]) and 0 <= told["age_seconds"] < 30
        assert told["width"] > 0 and told["height"] > 0
    assert list(photos(hub)) == list(jpegs)    # oldest first


@pytest.mark.parametrize("sig", (signal.SIGTERM, signal.SIGKILL))
def test_the_newest_of_each_camera_is_there_again_after_a_restart_of_everything(fresh_hub, sig):
    hub = fresh_hub(workers=2)
    for number in range(5):
        for name in ("left", "right"):
            assert post_photo(hub, picture(number), name).status == 200
    if sig == signal.SIGKILL:    # nobody is asked: what was committed is there
        with closing(sqlite3.connect(f"file:{hub.state_dir}/history.db?mode=ro", uri=True)) as database:
            wait_until(lambda: dict(database.execute("SELECT camera, jpeg FROM latest_photos")) == {
                "left": picture(4), "right": picture(4)}, 5, "both are committed")
    hub.process.send_signal(sig)
    hub.wait_gone()
    hub.start()
    for name in ("left", "right"):
        wait_until(lambda: photo(hub, name).body == picture(4), 5, f"the picture of {name} is back")
    assert post_photo(hub, picture(9), "left").status == 200
    assert photo(hub).body == photo(hub, "left").body == picture(9)


def test_pictures_are_not_kept_when_that_is_the_wish(fresh_hub):
    hub = fresh_hub(history_photos=False)
    assert post_photo(hub, picture(1), "private").status == 200
    hub.process.send_signal(signal.SIGTERM)
    hub.wait_stopped()
    hub.start()
    assert photo(hub, "private").status == 404
    assert b"JFIF" not in (hub.state_dir / "history.db").read_bytes()
