"""JSON bodies must be announced as JSON; JSON replies are, without parameters."""

import pytest

from clients import Game, RawHttp, http, strict_json
from endpoints import INTERVAL_PATH, POLL_PATH, post_tag

RIGHT = ("application/json", "Application/JSON", "application/json; charset=utf-8",
         "application/json;charset=UTF-8", "application/json ;x=y")
WRONG = (None, "", "text/plain", "application/jsonp", "application/json-seq", "application/jso",
         "text/json", "application/x-www-form-urlencoded", "image/jpeg", "x application/json")


def post(hub, path, body, content_type, token=None, end="http"):
    headers = [("Authorization", token)] if token else []
    if content_type is not None:
        headers.append(("Content-Type", content_type))
    return http(hub, "POST", path, headers, body, end=end)


@pytest.mark.parametrize("end", ("http", "ws"))
@pytest.mark.parametrize("content_type", RIGHT)
def test_telemetry_announced_as_json(hub, end, content_type):
    assert post(hub, "/apriltag", b'{"tag_id": 1}', content_type, hub.token, end).status == 200


@pytest.mark.parametrize("end", ("http", "ws"))
@pytest.mark.parametrize("content_type", WRONG)
def test_telemetry_announced_as_something_else(hub, end, content_type):
    with Game(hub).identify() as game:
        game.drain()
        reply = post(hub, "/apriltag", b'{"tag_id": 2}', content_type, hub.token, end)
        assert reply.status == 415
        assert reply.json()["error"]
        assert post(hub, "/apriltag", b"{", content_type, hub.token, end).status == 415
        reply = post(hub, "/apriltag", b'{"tag_id": 2}', content_type, "wrong", end)
        assert (reply.status, reply.json()) == (401, {"error": "Invalid auth_token"})
        assert post_tag(hub, {"tag_id": 3}).status == 200
        game.recv_tag(3)    # and nothing of tag 2


@pytest.mark.parametrize("content_type", RIGHT)
def test_an_interval_announced_as_json(hub, content_type):
    assert post(hub, INTERVAL_PATH, b"{}", content_type).status == 503    # no camera is there


@pytest.mark.parametrize("content_type", WRONG)
def test_an_interval_announced_as_something_else(hub, content_type):
    for body in (b"{}", b'{"interval_ms": 1}', b"{"):
        reply = post(hub, INTERVAL_PATH, body, content_type)
        assert reply.status == 415
        assert reply.json()["status"] == "error" and reply.json()["message"]


def test_json_replies_say_just_that(hub):
    for method, path in (("GET", "/status"), ("GET", "/healthz"), ("GET", "/readyz"),
                         ("GET", POLL_PATH), ("POST", "/apriltag"), ("POST", INTERVAL_PATH)):
        with RawHttp(hub) as connection:
            reply = connection.request(method, path, body=b"{}" if method == "POST" else None)
            assert reply.all("Content-Type") == ["application/json"], path
            assert isinstance(strict_json(reply.body), dict)
