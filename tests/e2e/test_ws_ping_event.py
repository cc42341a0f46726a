"""The ping event: the hub's clock, for everybody."""

import time

import pytest

from clients import ENDS
from speakers import Speaker


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("role", ["none", "camera", "game"])
def test_pong_tells_the_time(hub, end, role):
    with Speaker(hub, end) as ws:
        if role == "camera":
            ws.identify_camera()
        elif role == "game":
            ws.identify().drain()
        before = time.time()
        pong = ws.ask({"event": "ping", "data": {"n": 1}, "timestamp": 5})
        after = time.time()
        assert set(pong) == {"event", "timestamp"} and pong["event"] == "pong"
        assert isinstance(pong["timestamp"], float)
        assert before - 0.002 <= pong["timestamp"] <= after + 0.002


def test_timestamps_of_pongs_ascend(hub):
    with Speaker(hub) as ws:
        ws.send_bytes(ws.frame(1, b'{"event": "ping"}') * 50)
        times = [ws.recv_json()["timestamp"] for _ in range(50)]
        assert times == sorted(times)
