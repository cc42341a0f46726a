"""A burst that comes in one piece is no reason to drop anything for a game that reads."""

import json
import signal
from contextlib import ExitStack

from clients import RawWs
from swarm import SEQ_BASE, Swarm, gateway_counts
from wire import TEXT, encode_frame, wait_until

CAMERAS = 30
EACH = 50    # below unsettled_per_session_count, so that all of them wait inside the hub


def kept(hub):
    return gateway_counts(hub)["gauges"]["unsettled"]


def test_a_burst_of_more_than_a_queue_reaches_games_that_read(fresh_hub):
    hub = fresh_hub(workers=1, bus_stall_ms=20000)
    with ExitStack() as stack, Swarm(hub, 6) as swarm:
        cameras = []
        for at in range(CAMERAS):
            camera = stack.enter_context(RawWs(hub))
            camera.send_json({"event": "identify", "data": {
                "type": "esp32", "camera_name": f"burst {at}", "auth_token": hub.token}})
            camera.recv_event("connection_success")
            camera.recv_event("identify_success")
            cameras.append(camera)
        hub.kill("fanout", signal.SIGSTOP)
        try:
            for at, camera in enumerate(cameras):
                records = [{"event": "apriltag_data", "swarm_seq": SEQ_BASE + at * EACH + number}
                           for number in range(EACH)]
                camera.send_bytes(b"".join(encode_frame(TEXT, json.dumps(record).encode())
                                           for record in records))
                wait_until(lambda: kept(hub) == (at + 1) * EACH, 5, "the hub keeps what came")
        finally:
            hub.kill("fanout", signal.SIGCONT)
        assert swarm.finish(CAMERAS * EACH) == [(CAMERAS * EACH, [])] * 6
        assert gateway_counts(hub)["totals"]["dropped"] == 0
