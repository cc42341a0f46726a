"""The hub as a client library of somebody else's sees it: python3-websockets, with its defaults."""

import asyncio
import json

import pytest
import websockets

from clients import ENDS, WELCOME, path_of, port_of
from photo import Show, pad_jpeg
from wire import in_url, seconds

pytestmark = pytest.mark.parametrize("end", ENDS)

JPEG = pad_jpeg(Show((32, 32)).draw("x", 1, (0, 0, 50, 0, 0, 0), 1), 500000)
ACK = {"event": "apriltag_ack", "status": "received"}


def run(scenario, limit_s=20):
    """Runs a scenario with a deadline."""
    return asyncio.run(asyncio.wait_for(scenario, seconds(limit_s)))


def connect(hub, end, **options):
    """A connection; proxies of the environment play no part in this version."""
    return websockets.connect(f"ws://{in_url(hub.host)}:{port_of(hub, end)}{path_of(end)}",
                              **options)


async def hear(ws):
    return json.loads(await ws.recv())


async def ask(ws, **message):
    await ws.send(json.dumps(message))
    return await hear(ws)


async def become_camera(hub, ws, **about):
    assert await hear(ws) == WELCOME
    reply = await ask(ws, event="identify",
                      data={"type": "esp32", "auth_token": hub.token, **about})
    assert reply == {"event": "identify_success", "client_type": "esp32"}
    return ws


async def become_game(ws):
    """Becomes a game and passes over the replay."""
    assert await hear(ws) == WELCOME
    assert await ask(ws, event="identify", data={"type": "gdevelop"}) == {
        "event": "identify_success", "client_type": "gdevelop"}
    await ws.send(json.dumps({"event": "ping"}))
    while (await hear(ws))["event"] != "pong":
        pass
    return ws


@pytest.mark.parametrize("options", [
    {}, {"compression": None}, {"origin": "http://foreign.example"},
    {"subprotocols": ["chat", "arduino"]},
    {"user_agent_header": None}, {"extra_headers": {"Cookie": "a=b"}}], ids=str)
def test_connects_with_whatever_it_offers(hub, end, options):
    async def scenario():
        async with connect(hub, end, **options) as ws:
            assert ws.subprotocol is None and ws.extensions == []
            assert await hear(ws) == WELCOME
            assert (await ask(ws, event="ping"))["event"] == "pong"
    run(scenario())


def test_camera_and_games(hub, end):
    async def scenario():
        async with connect(hub, end) as one, connect(hub, end) as two, connect(hub, end) as camera:
            await become_game(one)
            await become_game(two)
            await become_camera(hub, camera, camera_name=f"library-{end}")
            for number in range(300):
                await camera.send(json.dumps({"event": "apriltag_data", "tag_id": number,
                                              "x_cm": number / 8}))
            for number in range(300):
                assert await hear(camera) == ACK
            for game in (one, two):
                for number in range(300):
                    record = await hear(game)
                    assert (record["event"], record["tag_id"], record["x_cm"]) == ("apriltag_data",
                                                                                   number,
                                                                                   number / 8)
    run(scenario())


def test_fragmented_messages(hub, end):
    async def scenario():
        async with connect(hub, end) as camera, connect(hub, end) as game:
            await become_game(game)
            await become_camera(hub, camera, camera_name=f"fragments-{end}")
            await camera.send(['{"event": "aprilt', 'ag_data", "tag_id"', ': 5, "t": "ä', '😀"}'])
            assert await hear(camera) == ACK
            assert (await hear(game))["t"] == "ä😀"
            await camera.send([JPEG[at:at + 50000] for at in range(0, len(JPEG), 50000)])
            await camera.send(JPEG)
            assert (await ask(camera,
                              event="ping"))["event"] == "pong"    # not a word about the pictures
    run(scenario())


def test_pings_of_the_library(hub, end):
    async def scenario():
        async with connect(hub, end, ping_interval=0.05, ping_timeout=seconds(5)) as ws:
            assert await hear(ws) == WELCOME
            waiters = [await ws.ping(b"%d" % number) for number in range(20)]
            await asyncio.gather(*waiters)
            assert ws.open
    run(scenario())


def test_library_answers_the_hubs_pings(fresh_hub, end):
    async def scenario(hub):
        async with connect(hub, end, ping_interval=None) as ws, \
                connect(hub, end, ping_interval=None) as mute:
            assert await hear(ws) == WELCOME
            mute.transport.pause_reading()    # it reads no ping, so it answers none
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(ws.recv(),
                                       seconds(1.2))    # nothing but pings, four of them at least
            assert (await ask(ws, event="ping"))["event"] == "pong"
            mute.transport.resume_reading()
            await mute.wait_closed()
            assert mute.close_code == 1006
    run(scenario(fresh_hub(ping_interval_ms=200, pong_deadline_ms=int(seconds(400)))))


@pytest.mark.parametrize("code", [1000, 1001, 3999])
def test_orderly_close(hub, end, code):
    async def scenario():
        ws = await connect(hub, end)
        assert await hear(ws) == WELCOME
        await ws.close(code, "see you")
        assert ws.close_code == code
    run(scenario())


@pytest.mark.parametrize("message", [b"\0" * (4 * 1024 * 1024 + 1), "x" * (16 * 1024 + 1)],
                         ids=["binary", "text"])
def test_too_long_messages(hub, end, message):
    async def scenario():
        async with connect(hub, end) as ws:
            await become_camera(hub, ws)
            with pytest.raises(websockets.ConnectionClosed):
                await ws.send(message)
                await ws.recv()
            assert ws.close_code == 1009    # although megabytes were still on their way
    run(scenario())


def test_close_of_the_hub(fresh_hub, end):
    async def scenario(hub):
        async with connect(hub, end) as ws:
            assert await hear(ws) == WELCOME
            hub.process.terminate()
            with pytest.raises(websockets.ConnectionClosed):
                await ws.recv()
            assert ws.close_code == 1001
    hub = fresh_hub()
    run(scenario(hub))
    hub.wait_stopped()
    hub.check_log()
    hub.discard()
