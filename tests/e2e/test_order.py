"""The order of things: welcome, replies, replays and broadcasts, and what a reply makes visible."""

import json
from contextlib import ExitStack

import pytest

from clients import ENDS, TRANSPORTS, WELCOME, RawWs, camera_on, http, ws_camera
from hub import Hub
from photo import Show
from speakers import ACK, Speaker, speakers_on_every_worker
from wire import BINARY, TEXT

JPEG = Show((32, 32)).draw("x", 1, (0, 0, 50, 0, 0, 0), 1)


@pytest.fixture(scope="module", params=[1, 2, 4], ids="workers={}".format)
def any_hub(request):
    with Hub(workers=request.param) as running:
        yield running


@pytest.mark.parametrize("end", ENDS)
def test_welcome_before_everything_else(any_hub, end):
    with ws_camera(any_hub, end, name="first") as camera:
        camera.report({"tag_id": 1})
        with RawWs(any_hub, end, handshake=False) as ws:
            ws.send_bytes(ws.request_bytes() + ws.frame(TEXT, b'{"event": "identify"}')
                          + ws.frame(TEXT, b'{"event": "ping"}'))
            ws.recv_handshake()
            assert ws.recv_json() == WELCOME
            assert ws.recv_json() == {"event": "identify_success", "client_type": "gdevelop"}
            events = []
            while not events or events[-1] != "pong":
                events.append(ws.recv_json()["event"])
            assert set(events[:-1]) == {"apriltag_data"}    # the replay, before the next reply


@pytest.mark.parametrize("end", ENDS)
def test_replay_before_broadcasts(any_hub, end):
    """While a camera sends as fast as it may, a newcomer hears success, replay, and then what is newer."""
    with Speaker(any_hub, end).identify_camera() as camera:
        camera.report({"camera_name": "busy", "n": -1})
        total = 0
        for _ in range(20):
            texts = [json.dumps({"event": "apriltag_data", "camera_name": "busy",
                                 "n": total + n}).encode()
                     for n in range(20)]
            total += 20
            camera.send_bytes(b"".join(camera.frame(TEXT, text) for text in texts))
            with Speaker(any_hub, end) as game:
                assert game.ask({"event": "identify"})["event"] == "identify_success"
                stamps, numbers = [], []
                while not numbers or numbers[-1] < total - 1:
                    record = game.recv_event("apriltag_data")
                    if record["camera_name"] == "busy":
                        stamps.append(record["server_timestamp"])
                        numbers.append(record["n"])
                assert stamps == sorted(stamps)
                assert numbers == list(range(numbers[0], total))
            assert [camera.recv_json() for _ in texts] == [ACK] * 20


@pytest.mark.parametrize("end", ENDS)
def test_replies_keep_the_order_of_requests(any_hub, end):
    """Acknowledgements take a longer way than pongs and refusals; pictures another one."""
    messages = [
        (TEXT, b'{"event": "apriltag_data", "tag_id": 1}', "apriltag_ack"),
        (TEXT, b'{"event": "ping"}', "pong"),
        (TEXT, b"nonsense", "error"),
        (BINARY, JPEG, None),
        (BINARY, b"no picture", "error"),
        (TEXT, b'{"event": "apriltag_data", "x_cm": NaN}', "error"),
        (TEXT, b'{"event": "apriltag_data", "tag_id": 2}', "apriltag_ack"),
        (BINARY, b"", None),
        (TEXT, b'{"event": "unknown"}', None),
        (TEXT,
         b'{"event": "identify", "data": {"type": "esp32", "auth_token": "%s"}}' % any_hub.token.encode(),
         "identify_success"),
        (TEXT, b'{"event": "video_frame"}', None),
        (BINARY, b"\xff\xd8", "error"),
        (TEXT, b'{"event": "ping"}', "pong"),
    ] * 20
    with Speaker(any_hub, end).identify_camera(camera_name="orderly") as camera:
        camera.send_bytes(b"".join(camera.frame(opcode, payload) for opcode, payload,
                                   _ in messages))
        expected = [event for _, _, event in messages if event is not None]
        assert [camera.recv_json()["event"] for _ in expected] == expected
        assert camera.answers() == []


@pytest.mark.parametrize("end", ENDS)
def test_replies_to_a_game_keep_the_order_of_requests(any_hub, end):
    with ws_camera(any_hub, end, name="asked") as camera:
        camera.report({"tag_id": 1})
    asks = [({"event": "ping"}, "pong"),
            ({"event": "request_latest_data", "data": {"camera_name": "asked"}}, "apriltag_data"),
            ({"event": "request_latest_data", "data": {"camera_name": "nobody"}},
             "no_data_available"),
            ({"event": "apriltag_data"}, "auth_failed"),
            ({"event": 5}, "error"),
            ({"event": "other"}, None),
            ({"event": "identify", "data": 5}, "error")] * 40
    with Speaker(any_hub, end).identify() as game:
        game.drain()
        game.send_bytes(b"".join(game.frame(TEXT, json.dumps(ask).encode()) for ask, _ in asks))
        expected = [event for _, event in asks if event is not None]
        assert [game.recv_json()["event"] for _ in expected] == expected


@pytest.mark.parametrize("end", ENDS)
def test_roles_change_between_pipelined_messages(any_hub, end):
    camera = json.dumps({"event": "identify",
                         "data": {"type": "esp32", "auth_token": any_hub.token}}).encode()
    sighting = b'{"event": "apriltag_data", "camera_name": "changeling", "tag_id": 1}'
    refused = b'{"event": "identify", "data": {"type": "esp32"}}'
    game = b'{"event": "identify", "data": {"type": "gdevelop"}}'
    ping = b'{"event": "ping"}'
    round_trip = [(camera, "identify_success"), (sighting, "apriltag_ack"),
                  (refused, "auth_failed"),
                  (sighting, "auth_failed"), (camera, "identify_success"),
                  (sighting, "apriltag_ack"),
                  (game, "identify_success"), (ping, "pong"), (sighting, "auth_failed")]
    with Speaker(any_hub, end) as ws:
        ws.send_bytes(b"".join(ws.frame(TEXT, text) for text, _ in round_trip) * 10)
        for text, event in round_trip * 10:
            reply = ws.recv_json()
            while reply["event"] == "apriltag_data":    # the replay, or a broadcast to the game
                assert text in (ping, sighting, camera)
                reply = ws.recv_json()
            assert reply["event"] == event


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_newcomers_see_what_was_acknowledged(any_hub, transport):
    name = f"new-{transport}"
    with camera_on(any_hub, transport, name=name) as camera:
        for number in range(40):
            camera.report({"tag_id": number})
            with Speaker(any_hub, ENDS[number % 2]) as newcomer:
                record = newcomer.ask({"event": "request_latest_data",
                                       "data": {"camera_name": name}})
                assert record["tag_id"] == number


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_games_on_every_worker_see_what_was_acknowledged(any_hub, transport):
    """Games that have long been there: their answer is never older than the acknowledgement, and the
    broadcast of what it shows has come before it."""
    name = f"long-{transport}"
    with ExitStack() as stack:
        games = [speaker.identify() for speaker in speakers_on_every_worker(any_hub, stack)]
        camera = stack.enter_context(camera_on(any_hub, transport, name=name))
        for game in games:
            game.drain()
        for number in range(100):
            camera.report({"tag_id": number})
            game = games[number % len(games)]
            game.send_json({"event": "request_latest_data", "data": {"camera_name": name}})
            assert game.recv_tag(number) == game.recv_tag(number)    # broadcast and answer
            for other in games:
                if other is not game:
                    other.recv_tag(number)


def test_polling_sees_what_was_acknowledged(any_hub):
    with ws_camera(any_hub, name="polled") as camera:
        while http(any_hub, "GET",
                   "/client_gdevelop_to_server__smartcam_data_get").json()["tag_id"] != -1:
            pass
        for number in range(30):
            camera.report({"tag_id": number})
            reply = http(any_hub, "GET", "/client_gdevelop_to_server__smartcam_data_get").json()
            assert reply["tag_id"] == number and reply["camera_name"] == "polled"


def test_role_is_visible_before_the_reply_that_tells_of_it(fresh_hub):
    hub = fresh_hub(workers=4)

    def games():
        return http(hub, "GET", "/status").json()["websocket"]["gdevelop_clients"]
    for number in range(10):
        with Speaker(hub, ENDS[number % 2]) as ws:
            assert games() == 0
            ws.send_json({"event": "identify"})
            ws.recv_event("identify_success")
            assert games() == 1
            ws.close(1000)
        assert games() == 0
