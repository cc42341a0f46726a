"""Pages of other origins: every reply lets them read it, preflights let them ask."""

import pytest

from clients import RawHttp, http
from endpoints import ENDPOINTS, POLL_PATH, POSTERS, picture, post_photo, post_tag

ORIGIN = "http://game.example:8080"


def assert_readable(reply, origin=ORIGIN):
    allowed = reply.get("Access-Control-Allow-Origin")    # fails when it came twice
    assert allowed in ("*", origin), reply.head
    if allowed != "*":
        assert "origin" in reply.get("Vary", "").lower()


def body_for(endpoint):
    return b"{}" if endpoint.method == "POST" else None


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
@pytest.mark.parametrize("origin", (ORIGIN, "null", "https://a.example", "file://"))
def test_the_reply_to_a_foreign_origin(hub, endpoint, origin):
    for method in sorted(endpoint.offered):
        reply = http(hub, method, endpoint.path, [("Origin", origin)], body_for(endpoint),
                     end=endpoint.end)
        assert_readable(reply, origin)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_without_an_origin_nothing_is_said(hub, endpoint):
    reply = http(hub, endpoint.method, endpoint.path, body=body_for(endpoint), end=endpoint.end)
    assert reply.get("Access-Control-Allow-Origin") in (
        (None, "*") if endpoint.path != POLL_PATH else ("*",))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_refusals_are_readable_too(hub, endpoint):
    headers = [("Origin", ORIGIN)]
    reply = http(hub, "DELETE", endpoint.path, headers, end=endpoint.end)
    assert reply.status == 405
    assert_readable(reply)
    reply = http(hub, "GET", endpoint.path.rstrip("/") + "/x/", headers, end=endpoint.end)
    assert reply.status == 404
    assert_readable(reply)


@pytest.mark.parametrize("endpoint", POSTERS, ids=str)
def test_a_body_over_the_limit_is_refused_readably(hub, endpoint):
    with RawHttp(hub, endpoint.end) as connection:
        reply = connection.request("POST", endpoint.path, [
            ("Origin", ORIGIN), ("Content-Length", str(endpoint.body_limit_bytes + 1))])
        assert reply.status == 413
        assert_readable(reply)


def test_good_and_bad_posts_are_readable(hub):
    reply = http(hub, "POST", "/apriltag", [("Origin", ORIGIN), ("Authorization", hub.token)],
                 json_body={"tag_id": 1, "camera_name": "cors"})
    assert reply.status == 200
    assert_readable(reply)
    reply = http(hub, "POST", "/apriltag", [("Origin", ORIGIN)], json_body={"tag_id": 1})
    assert reply.status == 401
    assert_readable(reply)
    assert post_photo(hub, picture(), "cors").status == 200
    reply = http(hub, "GET", "/photo?camera=cors", [("Origin", ORIGIN)])
    assert reply.status == 200
    assert_readable(reply)
    reply = http(hub, "GET", "/photo?camera=unknown", [("Origin", ORIGIN)])
    assert reply.status == 404
    assert_readable(reply)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_options_without_an_origin(hub, endpoint):
    with RawHttp(hub, endpoint.end) as connection:
        reply = connection.request("OPTIONS", endpoint.path)
        assert reply.status == 200 and reply.body == b""
        assert {word.strip() for word in reply.get("Allow").split(",")} == endpoint.offered
        assert connection.request("GET", "/healthz").status == 200


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
@pytest.mark.parametrize("asked", ((), ("content-type",), ("Authorization", "Content-Type"),
                                   ("x-camera-name", "x-anything", "authorization")))
def test_a_preflight(hub, endpoint, asked):
    headers = [("Origin", ORIGIN), ("Access-Control-Request-Method", endpoint.method)]
    if asked:
        headers.append(("Access-Control-Request-Headers", ", ".join(asked)))
    reply = http(hub, "OPTIONS", endpoint.path, headers, end=endpoint.end)
    assert reply.status == 200 and reply.body == b""
    assert reply.get("Allow")
    assert_readable(reply)
    methods = {word.strip() for word in reply.get("Access-Control-Allow-Methods").split(",")}
    assert endpoint.method in methods
    allowed = {word.strip().lower()
               for word in reply.get("Access-Control-Allow-Headers", "").split(",")}
    assert {word.lower() for word in asked} <= allowed


def test_polling_says_what_its_clients_always_got(hub):
    for headers in ((), [("Origin", ORIGIN), ("Access-Control-Request-Method", "GET")]):
        reply = http(hub, "OPTIONS", POLL_PATH, headers)
        assert reply.status == 200 and reply.body == b""
        assert reply.get("Access-Control-Allow-Origin") == "*"
        assert reply.get("Access-Control-Allow-Methods") == "GET, OPTIONS"
        assert reply.get("Access-Control-Allow-Headers") == "Content-Type"
    assert post_tag(hub, {"tag_id": 3}).status == 200
    reply = http(hub, "GET", POLL_PATH)
    assert reply.json()["tag_id"] != -1
    assert reply.get("Access-Control-Allow-Origin") == "*"
