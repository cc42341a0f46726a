"""Who is camera, who is game, who is neither: identify, refusals, and what a first message makes."""

import json

import pytest

from clients import ENDS, Game, http, ws_camera
from speakers import ACK, Speaker, auth_failed

CAMERA = {"event": "identify_success", "client_type": "esp32"}
GAME = {"event": "identify_success", "client_type": "gdevelop"}

both_ends = pytest.mark.parametrize("end", ENDS)


def identify(**data):
    return {"event": "identify", "data": data}


def expect_role(ws, role, tag_id):
    """Shows a connection's role by what it may do and what it hears. It must have read all replies."""
    if role == "camera":
        assert ws.is_camera()
        return
    assert not ws.is_camera()
    with ws_camera(ws.hub, name=f"for-{tag_id}") as camera:
        camera.report({"tag_id": tag_id})
    if role == "game":
        ws.recv_tag(tag_id)
    else:
        assert ws.answers() == []


# Cameras


def token_cases():
    """name, auth_token (absent: no value), reply"""
    missing, invalid = auth_failed("Missing"), auth_failed("Invalid")
    yield "null", lambda token: None, missing
    yield "empty", lambda token: "", missing
    yield "wrong", lambda token: "wrong", invalid
    yield "one character less", lambda token: token[:-1], invalid
    yield "one character more", lambda token: token + "x", invalid
    yield "another last character", lambda token: token[:-1] + "!", invalid
    yield "another letter case", lambda token: token.swapcase() + "!", invalid
    yield "blank before", lambda token: " " + token, invalid
    yield "blank behind", lambda token: token + " ", invalid
    yield "with a scheme word", lambda token: "Bearer " + token, invalid
    yield "NUL behind", lambda token: token + "\0", invalid
    yield "blank only", lambda token: " ", invalid
    yield "very long", lambda token: "x" * 10000, invalid
    yield "lone surrogate", lambda token: "\ud800", invalid
    yield "number", lambda token: 42, invalid
    yield "true", lambda token: True, invalid
    yield "object", lambda token: {"token": token}, invalid
    yield "array", lambda token: [token], invalid


TOKENS = list(token_cases())


@both_ends
@pytest.mark.parametrize("make,reply", [case[1:] for case in TOKENS],
                         ids=[case[0] for case in TOKENS])
def test_refused_camera(hub, end, make, reply):
    with Speaker(hub, end) as ws:
        assert ws.ask(identify(type="esp32", auth_token=make(hub.token))) == reply
        assert not ws.is_camera()
        assert ws.ask(identify(type="esp32", auth_token=hub.token)) == CAMERA    # it may try again
        assert ws.is_camera()


@both_ends
def test_camera_without_a_token(hub, end):
    with Speaker(hub, end) as ws:
        assert ws.ask(identify(type="esp32")) == auth_failed("Missing")
        assert not ws.is_camera()


@both_ends
@pytest.mark.parametrize("empty", [False, 0, [], {}, 0.0])
def test_empty_token_may_count_as_missing(hub, end, empty):
    with Speaker(hub, end) as ws:
        assert ws.ask(identify(type="esp32", auth_token=empty)) in (auth_failed("Missing"),
                                                                    auth_failed("Invalid"))
        assert not ws.is_camera()


@both_ends
@pytest.mark.parametrize("about", [
    {}, {"device": "Waveshare-ESP32-S3"}, {"camera_name": "garage-cam"},
    {"camera_name": None, "device": 5},
    {"camera_name": ["x"]}, {"camera_name": "x" * 2000}, {"name": "x", "unknown": {"deep": [1]}},
], ids=str)
def test_accepted_camera(hub, end, about):
    with Speaker(hub, end) as ws:
        assert ws.ask(identify(type="esp32", auth_token=hub.token, **about)) == CAMERA
        assert ws.answers() == []    # no replay for cameras
        assert ws.is_camera()


@both_ends
def test_token_may_be_written_with_escapes(hub, end):
    escaped = "".join(f"\\u{ord(char):04x}" for char in hub.token)
    with Speaker(hub, end) as ws:
        text = '{"\\u0065vent": "identi\\u0066y", "data": {"t\\u0079pe": "esp\\u00332", "auth_token": "%s"}}'
        assert ws.ask(text % escaped) == CAMERA
        assert ws.is_camera()


@both_ends
def test_token_beside_data_is_no_token(hub, end):
    with Speaker(hub, end) as ws:
        assert ws.ask({"event": "identify", "auth_token": hub.token,
                       "data": {"type": "esp32"}}) == auth_failed("Missing")


@both_ends
def test_last_of_two_equal_keys_counts(hub, end):
    with Speaker(hub, end) as ws:
        text = '{"event": "ping", "event": "identify", "data": {"type": "gdevelop", "type": "esp32", ' \
               '"auth_token": "wrong", "auth_token": "%s"}}' % hub.token
        assert ws.ask(text) == CAMERA
        assert ws.is_camera()


# Games


GAMES = [
    ("as games do", '{"type": "gdevelop", "name": "Racer"}'),
    ("without a name", '{"type": "gdevelop"}'),
    ("empty data", "{}"),
    ("null type", '{"type": null}'),
    ("another type", '{"type": "unity"}'),
    ("empty type", '{"type": ""}'),
    ("type in upper case", '{"type": "ESP32"}'),
    ("type with a blank", '{"type": "esp32 "}'),
    ("type with a NUL", '{"type": "esp32\\u0000"}'),
    ("type is a number", '{"type": 32}'),
    ("type is a list", '{"type": ["esp32"]}'),
    ("type is an object", '{"type": {"esp32": "esp32"}}'),
    ("a token that nobody asked for", '{"type": "gdevelop", "auth_token": "wrong"}'),
]


@both_ends
@pytest.mark.parametrize("data", [case[1] for case in GAMES], ids=[case[0] for case in GAMES])
def test_game(hub, end, data):
    with Speaker(hub, end) as ws:
        assert ws.ask('{"event": "identify", "data": %s}' % data) == GAME
        ws.drain()
        expect_role(ws, "game", 70)


@both_ends
def test_game_without_data(hub, end):
    with Speaker(hub, end) as ws:
        assert ws.ask({"event": "identify", "type": "esp32", "auth_token": hub.token}) == GAME
        ws.drain()
        expect_role(ws, "game", 71)


@both_ends
@pytest.mark.parametrize("data", ["null", "5", '"esp32"', "[]", "true", '[{"type": "esp32"}]'])
def test_data_of_identify_must_be_an_object(hub, end, data):
    with Speaker(hub, end) as ws:
        reply = ws.ask('{"event": "identify", "data": %s}' % data)
        assert reply["event"] == "error" and reply["error"]
        expect_role(ws, "none", 72)


def test_game_without_telemetry_gets_its_success_and_nothing_more(fresh_hub):
    hub = fresh_hub()
    with Speaker(hub) as ws:
        assert ws.ask(identify(type="gdevelop")) == GAME
        assert ws.answers() == []


# Changing roles


@both_ends
def test_latest_identify_decides(hub, end):
    with Speaker(hub, end).identify_camera() as ws:
        assert ws.is_camera()
        assert ws.ask(identify(type="gdevelop")) == GAME
        ws.drain()
        expect_role(ws, "game", 73)
        assert ws.ask(identify(type="esp32", auth_token=hub.token)) == CAMERA
        assert ws.answers() == []
        assert ws.is_camera()
        with Speaker(hub, end).identify_camera() as other:
            other.report({"tag_id": 74, "camera_name": "other"})
        assert ws.answers() == []    # a camera again: it no longer hears sightings


@both_ends
def test_failed_identify_takes_the_camera_role_away(hub, end):
    with Speaker(hub, end).identify_camera() as ws:
        assert ws.is_camera()
        assert ws.ask(identify(type="esp32", auth_token="wrong")) == auth_failed("Invalid")
        expect_role(ws, "none", 75)
        ws.send_binary(b"\xff\xd8\xff")
        assert ws.recv_json() == auth_failed("Missing")


@both_ends
def test_failed_identify_takes_the_game_role_away(hub, end):
    with Speaker(hub, end).identify() as ws:
        ws.drain()
        assert ws.ask(identify(type="esp32")) == auth_failed("Missing")
        expect_role(ws, "none", 76)


@both_ends
def test_failed_identify_counts_for_what_is_already_on_its_way(hub, end):
    with Speaker(hub, end).identify() as game, Speaker(hub, end).identify_camera() as ws:
        game.drain()
        bad = ws.frame(1, json.dumps(identify(type="esp32", auth_token="x")).encode())
        sighting = ws.frame(1, b'{"event": "apriltag_data", "camera_name": "late", "tag_id": 1}')
        ws.send_bytes(sighting + bad + sighting)
        assert [ws.recv_json() for _ in range(3)] == [ACK, auth_failed("Invalid"),
                                                      auth_failed("Missing")]
        game.recv_tag(1)
        with Speaker(hub, end).identify_camera() as other:
            other.report({"tag_id": 2, "camera_name": "late"})
        game.recv_tag(2)


@both_ends
def test_camera_that_identifies_again_stays_one(fresh_hub, end):
    hub = fresh_hub()
    with Speaker(hub, end).identify_camera() as ws:
        for _ in range(3):
            assert ws.ask(identify(type="esp32", auth_token=hub.token)) == CAMERA
        assert ws.is_camera()
        status = http(hub, "GET", "/status").json()["websocket"]
        assert (status["active_connections"], status["esp32_connected"]) == (1, True)


@both_ends
def test_many_refusals_close_the_connection(fresh_hub, end):
    hub = fresh_hub(auth_failures_max_count=3)
    with Speaker(hub, end) as ws:
        for _ in range(3):
            ws.send_json(identify(type="esp32", auth_token="guess"))
        for _ in range(3):
            assert ws.recv_json() == auth_failed("Invalid")
        ws.expect_close(1008)


@both_ends
def test_a_few_refusals_are_borne(hub, end):
    with Speaker(hub, end) as ws:
        for _ in range(5):
            assert ws.ask(identify(type="esp32", auth_token="typo")) == auth_failed("Invalid")
        assert ws.ask(identify(type="esp32", auth_token=hub.token)) == CAMERA


# Auto-registration


def replies_none(replies):
    assert replies == []


def replies_pong(replies):
    assert [reply["event"] for reply in replies] == ["pong"]


def replies_telemetry(replies):
    assert replies and {reply["event"] for reply in replies} == {"apriltag_data"}


FIRST_MESSAGES = [
    ("ping", '{"event": "ping"}', replies_pong, "game"),
    ("request_latest_data", '{"event": "request_latest_data"}', replies_telemetry, "game"),
    ("event_FromGDevelop", '{"event": "event_FromGDevelop", "data": {"x": 1}}', replies_none,
     "game"),
    ("unknown event", '{"event": "hello"}', replies_none, "game"),
    ("empty event", '{"event": ""}', replies_none, "game"),
    ("absent event", '{"x": 1}', replies_none, "game"),
    ("empty object", "{}", replies_none, "game"),
    ("single quotes", "{'event': 'hello'}", replies_none, "game"),
    ("video_frame", '{"event": "video_frame"}', replies_none, "none"),
    ("identify as game", '{"event": "identify"}', lambda replies: replies_telemetry(replies[1:]),
     "game"),
    ("refused identify", '{"event": "identify", "data": {"type": "esp32"}}',
     lambda replies: [auth_failed("Missing")] == replies, "none"),
    ("telemetry", '{"event": "apriltag_data", "tag_id": 1}',
     lambda replies: [auth_failed("Missing")] == replies, "none"),
]


@both_ends
@pytest.mark.parametrize("text,check,role", [case[1:] for case in FIRST_MESSAGES],
                         ids=[case[0] for case in FIRST_MESSAGES])
def test_first_message_decides(hub, end, text, check, role):
    with Speaker(hub, end).identify_camera() as camera:
        camera.report({"camera_name": "there-is-some", "tag_id": 1})
    with Speaker(hub, end) as ws:
        ws.send_text(text)
        replies = ws.answers()
        assert check(replies) is not False, replies
        expect_role(ws, role, 80)


ERRORS = ["", "nonsense", "[]", "5", '{"event": 5}', '{"event": null}', '{"event": "ping"',
          '{"x": NaN}']


@both_ends
@pytest.mark.parametrize("text", ERRORS)
def test_what_is_not_understood_makes_no_game(hub, end, text):
    with Speaker(hub, end) as ws:
        assert ws.ask(text)["event"] == "error"
        expect_role(ws, "none", 81)


@both_ends
def test_control_frames_and_silence_make_no_game(hub, end):
    with Game(hub, end) as quiet, Game(hub, end) as controlling, \
            ws_camera(hub, end, name="talks") as camera:
        controlling.send_ping(b"x")
        controlling.recv_frame()
        controlling.send_frame(0xA, b"y")
        for number in range(20):
            camera.report({"tag_id": number})
        quiet.expect_silence()
        controlling.expect_silence()


@both_ends
def test_refused_picture_makes_no_game(hub, end):
    with Speaker(hub, end) as ws:
        ws.send_binary(b"\xff\xd8\xff\xe0")
        assert ws.recv_json() == auth_failed("Missing")
        expect_role(ws, "none", 82)


@both_ends
def test_game_by_ping_gets_no_replay_but_what_comes_next(hub, end):
    with Speaker(hub, end) as ws:
        assert ws.ask({"event": "ping"})["event"] == "pong"
        expect_role(ws, "game", 83)


# What the roles may say


@both_ends
@pytest.mark.parametrize("event",
                         ["video_frame", "event_FromGDevelop", "hello", "", "request_latest_data"])
def test_camera_is_not_answered(hub, end, event):
    with Speaker(hub, end).identify_camera() as ws:
        ws.send_json({"event": event, "data": {"x": 1}})
        assert ws.answers() == []
        assert ws.is_camera()


@both_ends
def test_camera_is_not_answered_to_an_absent_event(hub, end):
    with Speaker(hub, end).identify_camera() as ws:
        ws.send_json({"tag_id": 5})
        assert ws.answers() == []
        assert ws.is_camera()


@both_ends
@pytest.mark.parametrize("event",
                         ["video_frame", "event_FromGDevelop", "hello", "", "apriltag_ack",
                          "set_video_interval"])
def test_game_is_not_answered(hub, end, event):
    with Speaker(hub, end).identify() as ws:
        ws.drain()
        ws.send_json({"event": event, "data": {"x": 1}, "interval_ms": 500})
        assert ws.answers() == []
        expect_role(ws, "game", 84)


@both_ends
def test_telemetry_of_a_game_is_refused_and_has_no_effect(hub, end):
    with Speaker(hub, end).identify() as watcher, Speaker(hub, end).identify() as liar:
        watcher.drain()
        liar.drain()
        for record in ({"tag_id": 1}, {"data": {"tag_id": 1}},
                       {"tag_id": 1, "auth_token": hub.token},
                       {"data": {"tag_id": 1, "auth_token": hub.token}}, {"x_cm": "far"}):
            assert liar.ask({"event": "apriltag_data", "camera_name": "liar",
                             **record}) == auth_failed("Missing")
        assert watcher.latest("liar") == [{"event": "no_data_available"}]
        with Speaker(hub, end).identify_camera() as camera:
            camera.report({"tag_id": 85, "camera_name": "honest"})
        for game in (watcher, liar):
            game.recv_tag(85)
