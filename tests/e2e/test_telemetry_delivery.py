"""Each accepted message gives one broadcast per game and one acknowledgement, in order, on every port
and worker; cameras and clients without a role hear nothing."""

import json
from contextlib import ExitStack

import pytest

from clients import ENDS, TRANSPORTS, Closed, camera_on, http_camera, udp_camera
from hub import Hub
from speakers import ACK, Speaker, auth_failed, speakers_on_every_worker

COUNT = 500


@pytest.fixture(scope="module", params=[1, 2, 4], ids="workers={}".format)
def any_hub(request):
    with Hub(workers=request.param) as running:
        yield running


@pytest.fixture
def games(any_hub):
    """Games on both ports and every worker."""
    with ExitStack() as stack:
        opened = [speaker.identify() for speaker in speakers_on_every_worker(any_hub, stack)]
        for game in opened:
            game.drain()
        yield opened


def records(name, numbers):
    return [json.dumps({"event": "apriltag_data", "camera_name": name, "tag_id": number % 50,
                        "n": number}).encode()
            for number in numbers]


def hear(game, count):
    return [game.recv_event("apriltag_data") for _ in range(count)]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_transport_reaches_every_game(any_hub, games, transport):
    with camera_on(any_hub, transport, name=f"all-{transport}") as camera:
        for number in range(5):
            camera.report({"tag_id": number})
    stamps = set()
    for game in games:
        heard = hear(game, 5)
        assert [record["tag_id"] for record in heard] == list(range(5))
        stamps.add(tuple(record["server_timestamp"] for record in heard))
        assert game.answers() == []
    assert len(stamps) == 1, "games saw different timestamps"
    assert list(*stamps) == sorted(*stamps)


@pytest.mark.parametrize("end", ENDS)
def test_pipelined_messages_are_delivered_once_and_in_order(any_hub, games, end):
    with Speaker(any_hub, end).identify_camera() as camera:
        camera.send_bytes(b"".join(camera.frame(1, text) for text in records(f"flood-{end}",
                                                                             range(COUNT))))
        # Games read while the camera's answers wait: nobody's queue fills.
        for game in games:
            assert [record["n"] for record in hear(game, COUNT)] == list(range(COUNT))
        assert [camera.recv_json() for _ in range(COUNT)] == [ACK] * COUNT
        assert camera.answers() == []
    for game in games:
        assert game.answers() == []


def test_cameras_flooding_at_once_each_keep_their_order(any_hub, games):
    """More at once than a game's queue holds; what its socket takes is no reason to drop anything."""
    with ExitStack() as stack:
        cameras = [stack.enter_context(Speaker(any_hub, end)).identify_camera() for end in ENDS * 6]
        for number, camera in enumerate(cameras):
            texts = records(f"flood-{number}", range(60))
            camera.send_bytes(b"".join(camera.frame(1, text) for text in texts))
        for game in games:
            heard = {}
            for record in hear(game, 60 * len(cameras)):
                heard.setdefault(record["camera_name"], []).append(record["n"])
            assert heard == {f"flood-{number}": list(range(60)) for number in range(len(cameras))}
            assert game.answers() == []
        for camera in cameras:
            assert [camera.recv_json() for _ in range(60)] == [ACK] * 60


def test_only_games_hear_telemetry(any_hub, games):
    with ExitStack() as stack:
        cameras = [speaker.identify_camera() for speaker in speakers_on_every_worker(any_hub, stack)]
        strangers = speakers_on_every_worker(any_hub, stack)
        refused = speakers_on_every_worker(any_hub, stack)
        for client in refused:
            client.ask({"event": "identify", "data": {"type": "esp32", "auth_token": "wrong"}})
        cameras[0].report({"tag_id": 1, "camera_name": "secret"})
        for transport in TRANSPORTS:
            with camera_on(any_hub, transport, name="secret") as camera:
                camera.report({"tag_id": 2})
        for game in games:
            assert len(hear(game, 1 + len(TRANSPORTS))) == 6
        for client in [*cameras, *strangers, *refused]:
            assert client.answers() == []


def test_game_that_came_later_misses_nothing(any_hub):
    """What is not in its replay follows it, without a gap and without a double."""
    with Speaker(any_hub).identify_camera() as camera:
        camera.report({"camera_name": "series", "n": 0})
        for begin in range(1, 301, 30):
            numbers = range(begin, begin + 30)
            camera.send_bytes(b"".join(camera.frame(1, text) for text in records("series",
                                                                                 numbers)))
            with Speaker(any_hub, ENDS[begin % 2]) as game:
                game.send_json({"event": "identify"})
                game.recv_event("identify_success")
                heard = []
                while not heard or heard[-1] < begin + 29:
                    record = game.recv_event("apriltag_data")
                    if record["camera_name"] == "series":
                        heard.append(record["n"])
                assert heard == list(range(heard[0], begin + 30)), heard
            assert [camera.recv_json() for _ in numbers] == [ACK] * 30


def test_game_that_vanishes_harms_nobody(any_hub, games):
    with Speaker(any_hub).identify_camera(camera_name="harm") as camera:
        for number in range(10):
            camera.send_json({"event": "apriltag_data", "n": number})
            with Speaker(any_hub, ENDS[number % 2]) as game:
                game.send_json({"event": "identify"})
        assert [camera.recv_json() for _ in range(10)] == [ACK] * 10
    for game in games:
        assert [record["n"] for record in hear(game, 10)] == list(range(10))


def test_refused_messages_between_good_ones(any_hub, games):
    with Speaker(any_hub).identify_camera(camera_name="mixed") as camera:
        texts, expected = [], []
        for number in range(200):
            good = number % 4 != 3
            x_cm = b"1" if good else b"NaN"
            texts.append(b'{"event": "apriltag_data", "n": %d, "x_cm": %s}' % (number, x_cm))
            expected.append("apriltag_ack" if good else "error")
        camera.send_bytes(b"".join(camera.frame(1, text) for text in texts))
        assert [camera.recv_json()["event"] for _ in texts] == expected
    for game in games:
        assert [record["n"] for record in hear(game, 150)] == [n for n in range(200) if n % 4 != 3]
        assert game.answers() == []


def test_strangers_flood_reaches_nobody(any_hub, games):
    with Speaker(any_hub).identify_camera(camera_name="ok") as camera, Speaker(any_hub) as stranger:
        stranger.send_bytes(b"".join(stranger.frame(1, text) for text in records("ok", range(100))))
        assert [stranger.recv_json() for _ in range(100)] == [auth_failed("Missing")] * 100
        camera.report({"n": 7})
    for game in games:
        assert [record["n"] for record in hear(game, 1)] == [7]


def test_same_timestamps_for_all_games_and_in_the_replay(any_hub, games):
    udp_camera(any_hub, name="clock").report({"n": 1})
    http_camera(any_hub, "ws", name="clock").report({"n": 2})
    heard = [hear(game, 2) for game in games]
    assert all(records == heard[0] for records in heard)
    for game in games:
        assert game.latest("clock") == [heard[0][1]]


def test_closed_game_gets_no_more(any_hub):
    with Speaker(any_hub).identify() as game, \
            Speaker(any_hub).identify_camera(camera_name="after") as camera:
        game.drain()
        game.send_close(1000)
        with pytest.raises(Closed):
            game.recv_message()
        camera.report({"n": 1})
        assert game.expect_eof() == b""
