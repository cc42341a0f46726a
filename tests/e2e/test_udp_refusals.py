"""Datagrams that are refused: no answer, no effect, whoever they seem to come from."""

import json

import pytest

from clients import Game, http, udp_camera
from endpoints import POLL_PATH

BAD = (
    b"", b" ", b"\0", b"{", b"tag", b'{"tag_id": 1', b'{"tag_id": 1} x', b"{'tag_id': 1}",
    b'{"tag_id": 01}', b"[]", b"[1]", b"null", b"12", b'"text"', b"true", b'[{"tag_id": 1}]',
    b'{"tag_id": 1, "x_cm": NaN}', b'{"tag_id": 1, "x_cm": -Infinity}',
    b'{"tag_id": 1, "a": [1e999]}', b'{"tag_id": 1, "a": "\xff"}', b'{"tag_id": 1, "\xc3": 1}',
    b'{"tag_id": 1, "a": "\n"}', b'{"tag_id": 1, "a": "\\ud800\\x"}',
    b'{"tag_id": 1, "a": ' + b"[" * 65 + b"]" * 65 + b"}", b'{"tag_id": 1}\0',
    b'{"tag_id": 1, "yaw": 361}', b'{"tag_id": 1, "z_cm": -1e6}',
)
BAD_TAGS = (b"true", b"false", b"[]", b"[1]", b"{}", b'{"a": 1}', b'"' + b"x" * 65 + b'"',
            b'"' + b"x" * 300 + b'"', b'"' + "\u20ac".encode() * 22 + b'"',
            b'"' + b"\\u00e9" * 33 + b'"', b"1" * 300)
BAD_TOKENS = ('"wrong"', '""', "null", "5", "true", "[]", "{}")


@pytest.fixture(scope="module")
def game(hub):
    with Game(hub).identify() as game:
        yield game


def expect_no_effect(hub, game, camera):
    """Nobody was told, neither the sender nor a game nor the queue."""
    camera.expect_no_answer({"tag_id": 777})
    game.recv_tag(777)
    tags = []
    while (tag := http(hub, "GET", POLL_PATH).json()["tag_id"]) != -1:
        tags.append(tag)
    assert tags == [777]


@pytest.mark.parametrize("datagram", BAD)
def test_invalid(hub, game, datagram):
    with udp_camera(hub) as camera:
        camera.send_raw(datagram)
        expect_no_effect(hub, game, camera)


@pytest.mark.parametrize("tag", BAD_TAGS)
def test_a_tag_that_cannot_be_told_back(hub, game, tag):
    with udp_camera(hub) as camera:
        camera.send_raw(b'{"tag_id": ' + tag + b"}")
        expect_no_effect(hub, game, camera)


@pytest.mark.parametrize("token", BAD_TOKENS)
def test_a_wrong_token(hub, game, token):
    with udp_camera(hub) as camera:
        camera.send_raw(f'{{"tag_id": 1, "auth_token": {token}}}'.encode())
        expect_no_effect(hub, game, camera)


def test_tokens_that_are_almost_right(hub, game):
    with udp_camera(hub) as camera:
        for token in (hub.token[:-1], hub.token + "x", hub.token.upper() + "X", " " + hub.token,
                      f"Bearer {hub.token}", hub.token + "\0"):
            camera.send_raw(json.dumps({"tag_id": 1, "auth_token": token}).encode())
        expect_no_effect(hub, game, camera)


def test_the_last_of_two_tokens_counts(hub, game):
    with udp_camera(hub) as camera:
        camera.send_raw(f'{{"tag_id": 1, "auth_token": "{hub.token}", "auth_token": "x"}}'.encode())
        expect_no_effect(hub, game, camera)


def test_the_right_token_is_not_passed_on(hub, game):
    with udp_camera(hub, token=hub.token) as camera:
        camera.report({"tag_id": 8, "deep": {"auth_token": "mine"}})
        message = game.recv_tag(8)
        assert "auth_token" not in message and message["deep"] == {"auth_token": "mine"}
        while http(hub, "GET", POLL_PATH).json()["tag_id"] != -1:
            pass


def test_over_the_limit(hub, game):
    with udp_camera(hub) as camera:
        record = {"tag_id": 1, "filler": ""}
        room = 16384 - len(json.dumps(record))
        for size in (room + 1, room + 10_000, 60_000):
            camera.send_raw(json.dumps({**record, "filler": "x" * size}).encode())
            camera.send_raw(b"x" * size)
        expect_no_effect(hub, game, camera)


def test_good_ones_among_bad_ones(hub, game):
    with udp_camera(hub) as camera:
        for tag_id in range(60):
            camera.send_raw(b"{" if tag_id % 3 else b"\xff" * 100)
            camera.send_telemetry({"tag_id": tag_id})
        for tag_id in range(60):
            assert camera.recv(2)["tag_id"] == tag_id
            game.recv_tag(tag_id)
    while http(hub, "GET", POLL_PATH).json()["tag_id"] != -1:
        pass
