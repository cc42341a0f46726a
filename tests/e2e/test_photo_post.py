"""Pictures posted by cameras: every row of the answers, and what a refusal leaves alone."""

import pytest

from clients import Game, RawHttp, http, http_camera, ws_camera
from endpoints import picture, post_photo
from firmware import PHOTO_PATH, PostFailed
from photo import pad_jpeg

GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00"
UNAUTHORIZED = {"status": "error", "message": "Invalid auth_token"}


def refused(hub, body, status, message, token=None, **options):
    reply = post_photo(hub, body, "refused", token, **options)
    assert reply.status == status
    assert reply.json() == {"status": "error", "message": message}
    assert http(hub, "GET", "/photo?camera=refused").status == 404


@pytest.mark.parametrize("size", (0, 6120, 100_000, 3_000_000))
def test_stored(hub, size):
    jpeg = pad_jpeg(picture(size), size)
    reply = post_photo(hub, jpeg, f"stored-{size}", limit_s=20)
    assert reply.status == 200
    assert reply.json() == {"status": "success", "size": len(jpeg)}
    assert http(hub, "GET", f"/photo?camera=stored-{size}", limit_s=20).body == jpeg


def test_as_a_camera_posts(hub):
    with http_camera(hub, name="poster") as camera:
        for number in range(5):
            jpeg = picture(number)
            assert camera.send_photo(jpeg) == {"status": "success", "size": len(jpeg)}
            assert http(hub, "GET", "/photo?camera=poster").body == jpeg
    with http_camera(hub, name="poster", token="wrong") as camera:
        with pytest.raises(PostFailed) as failure:
            camera.send_photo(picture())
        assert failure.value.status == 401


def test_empty(hub):
    refused(hub, b"", 400, "No data received")


def test_no_body_at_all(hub):
    with RawHttp(hub) as connection:
        reply = connection.request("POST", PHOTO_PATH, [("Authorization", hub.token)])
        assert (reply.status, reply.json()) == (
            400, {"status": "error", "message": "No data received"})
        assert connection.request("GET", "/healthz").status == 200


@pytest.mark.parametrize("body", (
    b"\0", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xd9", GIF, b"x" * 5000,
    picture()[1:], picture()[:100], b"\xff\xd8\xff\xe0\xff\xff" + b"\xff\xc0" * 50,
    b'{"tag_id": 1}'))
def test_not_a_jpeg(hub, body):
    refused(hub, body, 400, "Not a JPEG image")


@pytest.mark.parametrize("body", (picture(), b"", GIF))
@pytest.mark.parametrize("headers", (
    lambda token: [], lambda token: [("Authorization", "")],
    lambda token: [("Authorization", "wrong")],
    lambda token: [("Authorization", f"Bearer {token}")],
    lambda token: [("Authorization", token[:-1])], lambda token: [("Authorization", token + "0")],
    lambda token: [("Authorization", token.upper() + "X")],
    lambda token: [("Authorization", "x" * 5000)], lambda token: [("X-Auth", token)]))
def test_wrong_or_no_token(hub, headers, body):
    reply = http(hub, "POST", PHOTO_PATH, [("X-Camera-Name", "refused"), *headers(hub.token)], body)
    assert (reply.status, reply.json()) == (401, UNAUTHORIZED)
    assert http(hub, "GET", "/photo?camera=refused").status == 404


def test_a_refusal_keeps_the_picture_that_was_there(hub):
    jpeg = picture(1)
    assert post_photo(hub, jpeg, "keeper").status == 200
    assert post_photo(hub, GIF, "keeper").status == 400
    assert post_photo(hub, b"", "keeper").status == 400
    assert post_photo(hub, picture(2), "keeper", token="wrong").status == 401
    assert http(hub, "GET", "/photo?camera=keeper").body == jpeg


@pytest.mark.parametrize("content_type", (None, "image/jpeg", "application/octet-stream",
                                          "application/json"))
def test_the_content_type_of_a_picture_does_not_matter(hub, content_type):
    headers = [("Authorization", hub.token)]
    if content_type:
        headers.append(("Content-Type", content_type))
    assert http(hub, "POST", PHOTO_PATH, headers, picture()).status == 200


@pytest.mark.parametrize("name,known_as", (
    ("plain", "plain"), ("two words", "two%20words"), ("a/b?c=d&e#f", "a%2Fb%3Fc%3Dd%26e%23f"),
    ("100%", "100%25"), ("K\u00fcche".encode().decode("latin-1"), "K%C3%BCche"),
    ("n" * 128, "n" * 128), ("n" * 129, "camera-127.0.0.1"), (None, "camera-127.0.0.1"),
    ("", "camera-127.0.0.1")))
def test_whose_picture_it_is(hub, name, known_as):
    jpeg = picture(len(name or ""))
    assert post_photo(hub, jpeg, name).status == 200
    assert http(hub, "GET", f"/photo?camera={known_as}").body == jpeg


def test_a_picture_is_nothing_to_games_and_cameras(hub):
    with Game(hub).identify() as game, ws_camera(hub) as camera:
        assert post_photo(hub, picture(), "quiet").status == 200
        game.expect_silence()
        camera.poll()
        assert camera.report({"tag_id": 1})["event"] == "apriltag_ack"


def test_several_on_one_connection(hub):
    with RawHttp(hub) as connection:
        bodies = (picture(1), GIF, picture(2), b"", pad_jpeg(picture(3), 90000))
        for number, body in enumerate(bodies):
            reply = connection.request("POST", PHOTO_PATH, [("Authorization", hub.token),
                                                            ("X-Camera-Name", "row")], body)
            assert reply.status == (200 if number % 2 == 0 else 400)
        assert connection.request("GET", "/photo?camera=row").body == body
