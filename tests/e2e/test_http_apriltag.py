"""POST /apriltag on both ports: the rows of the contract in their order, and what games get."""

import json
import time

import pytest

from clients import ENDS, Game, RawHttp, http, http_camera, strict_json
from endpoints import TEXT_LIMIT_BYTES, post_tag
from firmware import PostFailed

JSON = ("Content-Type", "application/json")
ACCEPTED = {"status": "received", "event": "apriltag_ack"}
RECORD = {"tag_id": 12, "x_cm": 4.2, "z_cm": 38.5, "timestamp": 734512,
          "camera_name": "garage-cam", "smartcam_ip": "192.0.2.17"}

NOT_TELEMETRY = (
    b"{", b"tag_id=1", b'{"tag_id": 1} x', b'{"tag_id": 1}{"tag_id": 1}', b"{'tag_id': 1}",
    b'{"tag_id": 01}', b'{"tag_id": 1,}', b'{"tag_id": +1}', b'{"a": "\x01"}', b'{"a": "\\x"}',
    b'{"a": "\xff"}', b'{"a": "\xc0\x80"}', b'{"\xed\xa0\x80": 1}', b"\xff\xfe{}",
    b'\xef\xbb\xbf{"tag_id": 1}', b"[1]", b'[{"tag_id": 1}]', b"12", b"-0.5", b'"text"', b'""',
    b"true", b"false", b'{"x_cm": NaN}', b'{"x_cm": Infinity}', b'{"x_cm": -Infinity}',
    b'{"x_cm": 1e999}', b'{"a": {"b": [-1e999]}}', b'{"a": ' + b"[" * 65 + b"]" * 65 + b"}",
    b'{"tag_id": 1}\0', b'{"tag_id": 1')
EMPTY = (b"{}", b"[]", b"null", b" { } ", b"\n[\t]\r\n", b" null ")

ends = pytest.mark.parametrize("end", ENDS)


@pytest.fixture(scope="module")
def game(hub):
    with Game(hub).identify() as game:
        yield game


def post(hub, end, body, token=None):
    headers = [JSON] if token is None else [JSON, ("Authorization", token)]
    return http(hub, "POST", "/apriltag", headers, body, end=end)


def expect_nothing_reached(hub, game):
    """What came before reached nobody: this one is the next."""
    assert post_tag(hub, {"tag_id": 4242, "camera_name": "probe"}).status == 200
    game.recv_tag(4242)


@ends
@pytest.mark.parametrize("body", (json.dumps(RECORD).encode(), b"{", b"{}", b"", b"NaN"))
@pytest.mark.parametrize("forge", (
    lambda token: None, lambda token: "", lambda token: "wrong", lambda token: f"Bearer {token}",
    lambda token: f"Token {token}", lambda token: token[:-1], lambda token: token + "x",
    lambda token: f'"{token}"', lambda token: f"{token},{token}", lambda token: "x" * 4000))
def test_wrong_or_no_token(hub, game, end, body, forge):
    reply = post(hub, end, body, forge(hub.token))
    assert (reply.status, reply.json()) == (401, {"error": "Invalid auth_token"})
    expect_nothing_reached(hub, game)


@ends
def test_a_token_in_the_body_proves_nothing(hub, game, end):
    reply = post(hub, end, json.dumps({"tag_id": 1, "auth_token": hub.token}).encode())
    assert (reply.status, reply.json()) == (401, {"error": "Invalid auth_token"})
    expect_nothing_reached(hub, game)


@ends
@pytest.mark.parametrize("body", NOT_TELEMETRY)
def test_not_telemetry(hub, game, end, body):
    reply = post(hub, end, body, hub.token)
    assert reply.status == 400
    assert isinstance(reply.json()["error"], str) and reply.json()["error"]
    expect_nothing_reached(hub, game)


@ends
@pytest.mark.parametrize("body", EMPTY)
def test_nothing_in_it(hub, game, end, body):
    reply = post(hub, end, body, hub.token)
    assert (reply.status, reply.json()) == (400, {"error": "No JSON body"})
    expect_nothing_reached(hub, game)


@ends
def test_no_body(hub, end):
    reply = post(hub, end, b"", hub.token)
    assert reply.status == 400 and reply.json()["error"]
    reply = http(hub, "POST", "/apriltag", [JSON, ("Authorization", hub.token)], end=end)
    assert reply.status == 400 and reply.json()["error"]


@ends
@pytest.mark.parametrize("field,value", (("yaw", 400), ("x_cm", 1e9), ("tag_id", -5)))
def test_what_no_camera_can_measure(hub, game, end, field, value):
    reply = post(hub, end, json.dumps({"tag_id": 1, field: value}).encode(), hub.token)
    assert reply.status == 400 and field in reply.json()["error"]
    expect_nothing_reached(hub, game)


@ends
def test_accepted(hub, game, end):
    before_s = time.time()
    reply = post(hub, end, json.dumps(RECORD).encode(), hub.token)
    after_s = time.time()
    assert (reply.status, reply.json()) == (200, ACCEPTED)
    assert len(reply.body) <= 64    # all that a camera reads
    message = game.recv_tag(12)
    stamp = message.pop("server_timestamp")
    assert message == {"event": "apriltag_data", **RECORD}
    assert before_s - 0.01 <= stamp <= after_s + 0.01


@ends
@pytest.mark.parametrize("body", (
    b'{"tag_id": 70001, "event": "evil", "server_timestamp": 5, "auth_token": "secret-token"}',
    b'{"tag_id": 70001, "data": {"tag_id": 2}, "":{"":[]}}',
    b'{"tag_id": 70001, "a": 18446744073709551615, "b": -9223372036854775808, "c": 1e-320}',
    b'{"tag_id": 70001, "s": "\\u0000\\u001f\\ud83d\\ude00\\"\\\\ \xf0\x9f\x98\x80"}',
    b'{"tag_id": 1, "x_cm": "far", "tag_id": 70001, "deep": ' + b"[" * 60 + b"]" * 60 + b"}"))
def test_every_other_field_is_passed_on(hub, game, end, body):
    assert post(hub, end, body, hub.token).status == 200
    expected = strict_json(body)
    expected.pop("auth_token", None)
    expected["event"] = "apriltag_data"
    message = game.recv_tag(70001)
    expected["server_timestamp"] = message["server_timestamp"]
    assert message == expected
    assert message["server_timestamp"] > 1_600_000_000


@ends
def test_fifteen_kib_pass(hub, game, end):
    record = {"tag_id": 15, "filler": "\u20ac" * 5000}
    body = json.dumps(record, ensure_ascii=False).encode()
    assert 15_000 < len(body) < TEXT_LIMIT_BYTES
    assert post(hub, end, body, hub.token).status == 200
    assert game.recv_tag(15)["filler"] == record["filler"]


@ends
def test_too_large(hub, game, end):
    body = json.dumps({"tag_id": 1, "filler": "x" * TEXT_LIMIT_BYTES}).encode()
    assert post(hub, end, body, hub.token).status == 413
    expect_nothing_reached(hub, game)


@ends
def test_many_on_one_connection(hub, game, end):
    with RawHttp(hub, end) as connection:
        for tag_id in range(100, 130):
            reply = connection.request("POST", "/apriltag", [JSON, ("Authorization", hub.token)],
                                       json.dumps({"tag_id": tag_id}).encode())
            assert (reply.status, reply.json()) == (200, ACCEPTED)
            if tag_id % 10 == 0:
                assert connection.request("POST", "/apriltag", [JSON], b"{}").status == 401
            game.recv_tag(tag_id)


@ends
def test_sent_ahead_on_one_connection(hub, game, end):
    """Pipelined: answered, and delivered, in their order."""
    with RawHttp(hub, end) as connection:
        for tag_id in range(200, 220):
            body = b"{" if tag_id % 5 == 4 else b'{"tag_id": %d}' % tag_id
            connection.send(b"POST /apriltag HTTP/1.1\r\nHost: hub\r\nAuthorization: %s\r\n"
                            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                            % (hub.token.encode(), len(body), body))
        for tag_id in range(200, 220):
            assert connection.recv_reply().status == (400 if tag_id % 5 == 4 else 200)
    for tag_id in range(200, 220):
        if tag_id % 5 != 4:
            game.recv_tag(tag_id)


@ends
def test_by_an_old_http(hub, game, end):
    body = b'{"tag_id": 10}'
    with RawHttp(hub, end) as connection:
        connection.send(b"POST /apriltag HTTP/1.0\r\nAuthorization: %s\r\nContent-Type: application"
                        b"/json\r\nContent-Length: %d\r\n\r\n%s"
                        % (hub.token.encode(), len(body), body))
        assert connection.recv_reply().json() == ACCEPTED
        assert connection.recv_rest() == b""
    game.recv_tag(10)


@ends
def test_in_single_bytes(hub, game, end):
    body = b'{"tag_id": 11}'
    request = (b"POST /apriltag HTTP/1.1\r\nauthorization:%s\r\ncontent-type:application/json\r\n"
               b"content-length:%d\r\n\r\n%s" % (hub.token.encode(), len(body), body))
    with RawHttp(hub, end) as connection:
        connection.send_pieces([request[at:at + 1] for at in range(len(request) - 1)])
        connection.send(request[-1:])
        assert connection.recv_reply().json() == ACCEPTED
    game.recv_tag(11)


@ends
def test_half_a_post_has_no_effect(hub, game, end):
    with RawHttp(hub, end) as connection:
        connection.send_pieces([b"POST /apriltag HTTP/1.1\r\nAuthorization: %s\r\nContent-Type: "
                                b"application/json\r\nContent-Length: 100\r\n\r\n{\"tag_id\": 1}"
                                % hub.token.encode()])
    expect_nothing_reached(hub, game)


@ends
def test_as_a_camera_posts(hub, game, end):
    with http_camera(hub, end, name="poster") as camera:
        assert camera.report({"tag_id": 20}) == ACCEPTED
        assert game.recv_tag(20)["camera_name"] == "poster"
    with http_camera(hub, end, token="no" * 10) as camera:
        with pytest.raises(PostFailed) as failure:
            camera.report({"tag_id": 21})
        assert failure.value.status == 401
    expect_nothing_reached(hub, game)


@ends
@pytest.mark.parametrize("record,name", (
    ({"camera_name": "porch"}, "porch"), ({}, "camera-127.0.0.1"),
    ({"camera_name": ""}, "camera-127.0.0.1"), ({"camera_name": 5}, "camera-127.0.0.1"),
    ({"camera_name": "n" * 128}, "n" * 128), ({"camera_name": "n" * 129}, "camera-127.0.0.1")))
def test_whose_record_it_is(hub, game, end, record, name):
    record = {"tag_id": 30, "mark": f"{end}-{name}", **record}
    assert post(hub, end, json.dumps(record).encode(), hub.token).status == 200
    message = game.recv_tag(30)
    assert message.get("camera_name") == record.get("camera_name")    # nothing is added
    with Game(hub) as other:
        assert [each["mark"] for each in other.latest(name)] == [record["mark"]]
