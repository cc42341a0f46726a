"""The gateway's half of the promise: what was taken in is kept until every living worker has it, sent again in
order when something between here and the games dies, acknowledged then and not before, and accepted once.

ingest and fanout are played by the test, so each loss happens at the instant that matters.
"""

import json
import os
import select
import signal
import socket

import pytest

from bus import CONSTANTS, encode
from clients import encode_request, http, http_camera, udp_camera, RawHttp
from firmware import PostFailed
from solo import Stage, sighting, verdict
from wire import PING, wait_until

ACK = {"event": "apriltag_ack", "status": "received"}
PONG = '{"event": "pong", "timestamp": 1.5}'


@pytest.fixture
def new_stage():
    """A factory of gateways with played neighbours."""
    made = []

    def make(**settings):
        made.append(Stage(**settings))
        return made[-1]

    yield make
    for stage in made:
        stage.stop()


@pytest.fixture
def stage(new_stage):
    return new_stage().begin()


def telemetry(number):
    return {"event": "apriltag_data", "tag_id": number}


def report(camera, numbers):
    for number in numbers:
        camera.send_json(telemetry(number))


def numbers_of(texts):
    return [json.loads(bytes(text.text))["tag_id"] for text in texts]


def expect_acks(camera, count):
    for _ in range(count):
        assert camera.recv_json() == ACK


# Going back, in order


def lose_before_reading(worker, texts):
    """ingest dies with the messages unread."""


def lose_after_reading(worker, texts):
    texts += worker.texts(4)


def lose_with_one_sighted(worker, texts):
    texts += worker.texts(4)
    worker.send_back(texts[:1])
    worker.fence()


def lose_with_all_sighted(worker, texts):
    texts += worker.texts(4)
    worker.send_back(texts)
    worker.fence()


def lose_with_two_settled(worker, texts):
    texts += worker.texts(4)
    worker.send_back(texts)
    worker.settle(texts[1].seq)
    worker.fence()


def lose_with_all_settled(worker, texts):
    texts += worker.texts(4)
    worker.send_back(texts)
    worker.settle(texts[3].seq)
    worker.fence()


@pytest.mark.parametrize("lose, settled_count", [
    (lose_before_reading, 0), (lose_after_reading, 0), (lose_with_one_sighted, 0),
    (lose_with_all_sighted, 0), (lose_with_two_settled, 2), (lose_with_all_settled, 4)])
def test_a_lost_ingest_gets_everything_unsettled_again_before_anything_new(stage, lose,
                                                                           settled_count):
    worker = stage.workers[0]
    with stage.camera() as camera, stage.game() as game:
        report(camera, [1, 2, 3, 4])
        lose(worker, [])
        expect_acks(camera, settled_count)
        worker.ingest.close()
        report(camera, [5])
        camera.expect_silence()    # so the worker has taken 5 in
        worker.ingest = stage.accept(stage.ingest, "sightings", 0)
        unsettled = list(range(settled_count + 1, 6))
        texts = worker.texts(len(unsettled))
        assert numbers_of(texts) == unsettled
        assert [text.seq for text in texts] == sorted({text.seq for text in texts})
        worker.send_back(texts)
        worker.settle(texts[-1].seq)
        expect_acks(camera, 5 - settled_count)
        seqs = [game.recv_event("apriltag_data")["seq"] for _ in range(5 if settled_count or lose in (
            lose_with_one_sighted, lose_with_all_sighted) else len(unsettled))]
        assert seqs == list(range(texts[-1].seq - len(seqs) + 1, texts[-1].seq + 1))
        camera.expect_silence()
        game.expect_silence()


def test_it_goes_back_as_often_as_ingest_dies(stage):
    worker = stage.workers[0]
    with stage.camera() as camera:
        for last in range(1, 6):
            report(camera, [last])
            assert numbers_of(texts := worker.texts(last)) == list(range(1, last + 1))
            worker.ingest.close()
            worker.ingest = stage.accept(stage.ingest, "sightings", 0)
        texts = worker.texts(5)
        worker.send_back(texts)
        worker.settle(texts[-1].seq)
        expect_acks(camera, 5)
        worker.fence()
        worker.no_text()


def test_what_was_judged_is_not_sent_again(stage):
    """A verdict that ingest had written before it died counts, and the order of replies stays."""
    worker = stage.workers[0]
    with stage.camera() as camera:
        report(camera, [1])
        camera.send_json({"event": "ping", "tag_id": 2})
        report(camera, [3])
        texts = worker.texts(3)
        worker.judge(texts[1].seq, reply=PONG)
        worker.ingest.close()
        worker.ingest = stage.accept(stage.ingest, "sightings", 0)
        texts = worker.texts(2)
        assert numbers_of(texts) == [1, 3]
        camera.expect_silence()
        worker.send_back(texts)
        worker.settle(texts[1].seq)
        assert camera.recv_json() == ACK
        assert camera.recv_event("pong")
        assert camera.recv_json() == ACK


def test_a_verdict_that_comes_twice_counts_once(stage):
    worker = stage.workers[0]
    with stage.camera() as camera:
        camera.send_json({"event": "ping"})
        seq = worker.texts(1)[0].seq
        worker.judge(seq, reply=PONG)
        worker.judge(seq, reply=PONG)
        camera.recv_event("pong")
        camera.send_json({"event": "ping"})
        worker.judge(worker.texts(1)[0].seq, reply='{"event": "pong", "timestamp": 2.5}')
        assert camera.recv_event("pong")["timestamp"] == 2.5


def test_posts_and_datagrams_are_sent_again_too(stage):
    worker = stage.workers[0]
    with http_camera(stage, "ws", name="post") as post, udp_camera(stage, name="gram") as gram:
        posted = stage.in_background(post.report, {"tag_id": 1})
        first = worker.texts(1)
        gram.send_telemetry({"tag_id": 2})
        first += worker.texts(1)
        worker.ingest.close()
        worker.ingest = stage.accept(stage.ingest, "sightings", 0)
        again = worker.texts(2)
        assert [vars(text) for text in again] == [vars(text) for text in first]
        for text in again:
            worker.fanout.send("sighting", **sighting(worker.origin, text.seq, tag="2"))
        worker.settle(again[-1].seq)
        assert posted.result()["event"] == "apriltag_ack"
        assert gram.recv()["tag_id"] == 2


def test_losing_fanout_alone_sends_nothing_again(stage):
    """Whether something got lost with fanout is known to ingest, which says so by closing its links."""
    worker = stage.workers[0]
    with stage.camera() as camera:
        report(camera, [1, 2])
        texts = worker.texts(2)
        worker.fanout.close()
        worker.fanout_photos.close()
        worker.meet_fanout().give_snapshot()
        worker.fence()
        worker.no_text()
        worker.send_back(texts)
        worker.settle(texts[-1].seq)
        expect_acks(camera, 2)


# Marks


def test_a_sighting_is_delivered_once_however_often_it_comes(stage):
    worker, other = stage.workers[0], 77
    with stage.game("ws") as game, stage.game("http") as second:
        for origin, seq in ((other, 1), (other, 2), (other, 1), (78, 1), (other, 2), (other, 3),
                            (78, 1), (other, 1), (78, 2)):
            worker.fanout.send("sighting", **sighting(origin, seq))
        for each in (game, second):
            got = [each.recv_event("apriltag_data") for _ in range(5)]
            assert [(one["origin"], one["seq"]) for one in got] == [
                (77, 1), (77, 2), (78, 1), (77, 3), (78, 2)]
        worker.fence()
        game.expect_silence()
        second.expect_silence()


def test_marks_outlive_a_restart_of_fanout(stage):
    worker = stage.workers[0]
    with stage.game() as game:
        worker.fanout.send("sighting", **sighting(77, 5))
        assert game.recv_event("apriltag_data")["seq"] == 5
        worker.fanout.close()
        worker.fanout_photos.close()
        worker.meet_fanout().give_snapshot()
        for seq in (4, 5, 6):
            worker.fanout.send("sighting", **sighting(77, seq))
        assert game.recv_event("apriltag_data")["seq"] == 6
        game.expect_silence()


def test_a_worker_that_serves_takes_nobodys_word_for_what_it_has_seen(stage):
    worker = stage.workers[0]
    with stage.game() as game:
        worker.fanout.send("mark", origin=77, seq=9)
        worker.fanout.send("sighting", **sighting(77, 1))
        assert game.recv_event("apriltag_data")["seq"] == 1


# Settling


def test_nothing_is_acknowledged_before_it_is_settled(stage):
    worker = stage.workers[0]
    with stage.camera() as camera, http_camera(stage, name="post") as post, \
            udp_camera(stage, name="gram") as gram:
        report(camera, [1])
        texts = worker.texts(1)
        posted = stage.in_background(post.report, {"tag_id": 2})
        texts += worker.texts(1)
        gram.send_telemetry({"tag_id": 3})
        texts += worker.texts(1)
        worker.send_back(texts[:2])
        worker.send_back(texts[2:], tag="3")
        worker.fence()
        camera.expect_silence()
        with pytest.raises(BlockingIOError):
            gram.sock.recv(255, socket.MSG_DONTWAIT)
        worker.settle(texts[0].seq)
        expect_acks(camera, 1)
        worker.settle(texts[2].seq)
        assert posted.result() == {"status": "received", "event": "apriltag_ack"}
        assert gram.recv()["tag_id"] == 3


def test_settled_speaks_only_of_what_has_come_back(stage):
    """An old report must not settle what this worker itself has not got."""
    worker = stage.workers[0]
    with stage.camera() as camera:
        report(camera, [1, 2])
        texts = worker.texts(2)
        worker.send_back(texts[:1])
        worker.settle(texts[1].seq)
        expect_acks(camera, 1)
        worker.fence()
        camera.expect_silence()
        worker.send_back(texts[1:])
        worker.fence()
        camera.expect_silence()
        worker.settle(texts[1].seq)
        expect_acks(camera, 1)


def two_workers(new_stage):
    """(stage, camera, its worker, the other one)"""
    stage = new_stage(workers=2).begin()
    camera = stage.camera()
    return stage, camera, camera.worker, stage.workers[1 - camera.worker.slot]


def test_without_a_living_worker_it_is_not_acknowledged_but_sent_again(new_stage):
    stage, camera, worker, other = two_workers(new_stage)
    report(camera, [1, 2])
    for _ in range(3):
        texts = worker.texts(2)
        worker.send_back(texts)
        worker.settle(texts[1].seq, slots=1 << worker.slot)
        worker.ingest.expect_end()
        worker.ingest = stage.accept(stage.ingest, "sightings", worker.slot)
    texts = worker.texts(2)
    camera.expect_silence()
    worker.send_back(texts)
    worker.settle(texts[1].seq)
    expect_acks(camera, 2)
    camera.close()


def test_a_missing_worker_that_dies_is_missed_no_more(new_stage):
    stage, camera, worker, other = two_workers(new_stage)
    report(camera, [1])
    texts = worker.texts(1)
    worker.send_back(texts)
    worker.fence()
    worker.settle(texts[0].seq, slots=1 << worker.slot)
    os.kill(stage.worker_pids()[other.slot], signal.SIGKILL)
    expect_acks(camera, 1)    # its successor starts, but is not alive before it has a snapshot
    camera.close()


def test_a_newer_report_that_covers_all_makes_up_for_an_older_one(new_stage):
    """No need to go back then, and nothing is sent twice."""
    stage, camera, worker, other = two_workers(new_stage)
    report(camera, [1, 2])
    texts = worker.texts(2)
    worker.send_back(texts)
    worker.settle(texts[0].seq, slots=1 << worker.slot)
    worker.settle(texts[1].seq)
    expect_acks(camera, 2)
    report(camera, [3])
    texts = worker.texts(1)
    with RawHttp(stage, "http") as probe:    # a deadline of the worker's own, later than its retry
        probe.send(encode_request("POST", "/apriltag", [("Content-Type", "application/json")],
                                  b'{"tag_id": 4}'))
        assert probe.recv_reply(limit_s=8).status == 503
    owner = worker if not is_readable(other.ingest) else other
    assert numbers_of(owner.texts(1)) == [4]
    worker.no_text()
    camera.expect_silence()
    worker.send_back(texts)
    worker.settle(texts[0].seq)
    expect_acks(camera, 1)
    camera.close()


def is_readable(link):
    return bool(select.select([link.sock], [], [], 0)[0])


# Replies


def test_replies_keep_the_order_of_the_messages(stage):
    worker = stage.workers[0]
    with stage.camera() as camera:
        camera.send_json({"event": "ping"})
        report(camera, [2])
        camera.send_json({"event": "ping"})
        report(camera, [4])
        texts = worker.texts(4)
        worker.send_back([texts[1], texts[3]])
        worker.settle(texts[3].seq)
        worker.judge(texts[2].seq, reply='{"event": "pong", "timestamp": 3}')
        worker.fence()
        camera.expect_silence()
        worker.judge(texts[0].seq, reply='{"event": "pong", "timestamp": 1}')
        got = [camera.recv_json() for _ in range(4)]
        assert [one.get("timestamp", one["event"]) for one in got] == [
            1, "apriltag_ack", 3, "apriltag_ack"]


def test_a_reader_sees_what_was_written_before_its_answer(stage):
    """Also when the worker is busy with ingest and has not been told that fanout's link is readable."""
    worker = stage.workers[0]
    busy = encode("verdict", **verdict(1 << 40)) * 3000    # of messages that it does not have
    with stage.camera() as asker:
        for seq in range(1, 51):
            asker.send_json({"event": "request_latest_data"})
            ask = worker.texts(1)[0]
            worker.ingest.send_bytes(busy)
            worker.fanout.send("sighting", **sighting(77, seq))
            worker.judge(ask.seq, replay=CONSTANTS["REPLAY_ALL_OR_SAY"], reply='{"event": "none"}')
            assert asker.recv_event("apriltag_data")["seq"] == seq


def test_a_reader_sees_what_fanout_wrote_before_it_died(stage):
    worker = stage.workers[0]
    with stage.camera() as asker:
        asker.send_json({"event": "request_latest_data"})
        ask = worker.texts(1)[0]
        os.kill(stage.worker_pids()[0], signal.SIGSTOP)
        worker.fanout.send("command", origin=5, seq=1, camera="", event=b"{}", reply=b"{}")
        worker.fanout.send("sighting", **sighting(77, 3))
        worker.fanout.close()
        worker.judge(ask.seq, replay=CONSTANTS["REPLAY_ALL_OR_SAY"], reply='{"event": "none"}')
        os.kill(stage.worker_pids()[0], signal.SIGCONT)
        while (message := asker.recv_json()) == {}:    # the command
            pass
        assert message["seq"] == 3


# Time limits


def test_a_post_is_answered_503_when_its_fate_is_unknown_too_long(new_stage):
    stage = new_stage(post_deadline_ms=200).begin()
    worker = stage.workers[0]
    with http_camera(stage, name="post") as post, stage.game() as game:
        with pytest.raises(PostFailed) as failed:
            post.report({"tag_id": 1})
        assert failed.value.status == 503
        under_way, = worker.texts(1)
        worker.send_back([under_way])
        worker.settle(under_way.seq)
        assert game.recv_event("apriltag_data")["seq"] == under_way.seq    # 503 means unknown
        with pytest.raises(PostFailed):
            post.report({"tag_id": 2})
        given_up, = worker.texts(1)
        worker.ingest.close()
        worker.ingest = stage.accept(stage.ingest, "sightings", 0)
        with stage.camera() as camera:
            camera.send_json({"event": "ping"})
            # its sender may have gone on with another worker: sent again, it would come behind what is newer
            assert worker.texts(1)[0].seq > given_up.seq


def test_a_datagram_is_not_acknowledged_late(new_stage):
    stage = new_stage(udp_ack_deadline_ms=50, post_deadline_ms=400).begin()
    worker = stage.workers[0]
    with http_camera(stage, name="clock") as clock, udp_camera(stage, name="gram") as gram:
        gram.send_telemetry({"tag_id": 1})
        late = worker.texts(1)
        with pytest.raises(PostFailed):
            clock.report({"tag_id": 2})    # its answer comes after the datagram's time
        late += worker.texts(1)
        worker.send_back(late, tag="1")
        worker.settle(late[-1].seq)
        worker.fence()
        gram.send_telemetry({"tag_id": 3})
        texts = worker.texts(1)
        worker.send_back(texts, tag="3")
        worker.settle(texts[0].seq)
        assert gram.recv()["tag_id"] == 3


# A full store


LONG = json.dumps({"event": "apriltag_data", "tag_id": 1, "pad": "p" * 15000})
STORE = {"unsettled_max_bytes": 1 << 20, "unsettled_per_session_count": 4096}


def fill_store(stage, count):
    """A camera sends so many long messages, of which the worker takes what it has room for. Returns the
    camera, what it does in the background, and the messages that came to ingest."""
    camera = stage.camera()
    sender = stage.in_background(lambda: [camera.send_text(LONG) for _ in range(count)])
    texts = []
    while len(texts) < (1 << 20) // (len(LONG) + 1000):    # an entry is a little more than its text
        texts += camera.worker.texts(1)
    body = json.dumps({"tag_id": 2, "pad": "p" * 15000}).encode()
    wait_until(lambda: post_long(stage, body) == 503, 5, "the store is full")
    while is_readable(camera.worker.ingest):
        texts += camera.worker.texts(1)
    assert len(texts) <= (1 << 20) // len(LONG)
    return camera, sender, texts


def reported(texts):
    """How many of them the camera has sent; the rest are posts that found room."""
    return [text.source for text in texts].count(CONSTANTS["SOURCE_WEBSOCKET"])


def post_long(stage, body):
    """Posts it and returns the status, without waiting for a message that found room to be settled."""
    with RawHttp(stage) as connection:
        connection.send(encode_request("POST", "/apriltag", [
            ("Content-Type", "application/json"), ("Authorization", stage.token)], body))
        if select.select([connection.sock], [], [], 0.05)[0]:
            reply = connection.recv_reply()
            assert reply.json()["error"]
            return reply.status
        return None


def test_a_full_store_stops_reading_devices_and_refuses_posts(new_stage):
    stage = new_stage(**STORE).begin()
    worker, total = stage.workers[0], 100
    camera, sender, texts = fill_store(stage, total)
    settled = 0
    while reported(texts) < total:    # each settlement makes room, and reading goes on
        worker.send_back(texts[settled:])
        worker.settle(texts[-1].seq)
        settled = len(texts)
        texts += worker.texts(1)
    worker.send_back(texts[settled:])
    worker.settle(texts[-1].seq)
    sender.result()
    expect_acks(camera, total)
    camera.close()


def test_who_is_not_read_is_not_blamed_for_its_silence(new_stage):
    stage = new_stage(ping_interval_ms=100, pong_deadline_ms=100, message_deadline_ms=150,
                      post_deadline_ms=500, **STORE).begin()
    camera, _, _ = fill_store(stage, 100)
    clock = http(stage, "POST", "/set_video_interval", [("Content-Type", "application/json")], b"{}")
    assert clock.status == 503    # small: it fits; and when it is answered all these times are over
    camera.sock.settimeout(5)
    assert camera.recv_frame().opcode == PING
    camera.sock.setblocking(False)
    try:
        while frames := camera.sock.recv(65536):
            assert frames[0] & 0x0F == PING, frames
        pytest.fail("the camera was cut")
    except BlockingIOError:
        pass
    camera.abort()


# Photos


def test_a_posted_photo_is_offered_again_when_a_link_is_lost_and_no_other_is(stage):
    worker = stage.workers[0]
    jpeg = b"\xff\xd8\xff\xe0" + b"j" * 100
    for link in ("ingest_photos", "fanout_photos"):
        with http_camera(stage, name="post") as post, stage.camera() as camera:
            posted = stage.in_background(post.send_photo, jpeg)
            camera.send_binary(jpeg)
            assert {worker.ingest_photos.expect("device_photo").camera for _ in range(2)} == {
                "post", "porch"}
            getattr(worker, link).close()
            camera.send_json({"event": "ping"})    # its replies are not held up
            worker.judge(worker.texts(1)[0].seq, reply=PONG)
            camera.recv_event("pong")
            service = stage.ingest if link == "ingest_photos" else stage.fanout
            setattr(worker, link, stage.accept(service, "photos", 0))
            if link == "fanout_photos":
                worker._hear_subscription(worker.fanout_photos)
            again = worker.ingest_photos.expect("device_photo")
            assert (again.camera, again.jpeg) == ("post", jpeg)
            worker.fanout_photos.send("photo_settled", seq=again.seq, width=8, height=8)
            posted.result()
            assert not is_readable(worker.ingest_photos)


# How a subscription begins


def test_a_restarted_fanout_is_told_marks_sightings_and_photos(stage):
    worker = stage.workers[0]
    jpeg = b"\xff\xd8\xff\xe0" + b"j" * 100
    for origin, seq, camera in ((77, 1, "a"), (77, 2, "b"), (78, 9, "a"), (77, 4, "c")):
        worker.fanout.send("sighting", **sighting(origin, seq, camera=camera))
    worker.fanout_photos.send("photo", origin=77, seq=1, arrived_utc_us=5, width=8, height=9,
                              camera="a", jpeg=jpeg)
    worker.fence()
    wait_until(lambda: http(stage, "GET", "/photo").status == 200, 5, "the photo is kept")
    worker.fanout.close()
    worker.fanout_photos.close()
    worker.meet_fanout()
    subscribe, *seed = worker.seed
    assert (subscribe.fresh, subscribe.alive) == (0, 1)
    assert {(one.origin, one.seq) for one in seed if one.message == "mark"} >= {(77, 4), (78, 9)}
    kept = [(one.camera, json.loads(bytes(one.json))["seq"]) for one in seed if one.message == "kept"]
    assert sorted(kept) == [("a", 9), ("b", 2), ("c", 4)]
    subscribe, *photos = worker.photo_seed
    assert subscribe.fresh == 0
    assert [(one.camera, one.width, one.height, bytes(one.jpeg)) for one in photos] == [
        ("a", 8, 9, jpeg)]


def test_a_worker_can_subscribe_again_however_much_it_keeps(new_stage):
    """What it tells of itself is more than a link may have waiting otherwise."""
    stage = new_stage(bus_queue_max_bytes=1 << 20, photo_max_bytes=65536).begin()
    worker = stage.workers[0]
    big = '{"event": "apriltag_data", "pad": "' + "p" * 15000 + '"}'
    for number in range(150):
        worker.fanout.send("sighting", **sighting(77, number + 1, camera=f"c{number}", json=big))
    worker.fence()
    worker.fanout.close()
    worker.fanout_photos.close()
    worker.meet_fanout()
    assert len([one for one in worker.seed if one.message == "kept"]) == 150


def test_a_fresh_worker_takes_the_snapshot_as_state_and_goes_on_from_its_marks(new_stage):
    stage = new_stage().begin(snapshot=[
        ("mark", {"origin": 77, "seq": 5}),
        ("kept", {"arrived_utc_us": 5, "camera": "porch", "tag": "7",
                  "json": '{"event": "apriltag_data", "seq": 5}'})])
    worker = stage.workers[0]
    assert worker.seed[0].fresh == 1 and len(worker.seed) == 1
    with stage.game(replay=1) as game:
        assert game.replay[0]["seq"] == 5
        for seq in (4, 5, 6):
            worker.fanout.send("sighting", **sighting(77, seq))
        assert game.recv_event("apriltag_data")["seq"] == 6
        worker.fence()
        game.expect_silence()


@pytest.mark.parametrize("first", ["fanout", "fanout_photos"])
def test_a_fresh_worker_whose_snapshot_was_cut_off_waits_for_the_next_one(new_stage, first):
    """Half a snapshot of a fanout that has died since is no snapshot."""
    stage = new_stage().spawn()
    worker = stage.workers[0].meet_ingest().meet_fanout()
    getattr(worker, first).send("seed_end")
    worker.fence()
    worker.fence()
    worker.fanout.close()
    worker.fanout_photos.close()
    worker.meet_fanout()
    assert worker.seed[0].fresh == 1
    getattr(worker, "fanout" if first == "fanout_photos" else "fanout_photos").send("seed_end")
    worker.fence()
    worker.fence()
    worker.fanout.send("mark", origin=77, seq=9)    # heeded only before it serves
    worker.fence()
    worker.give_snapshot()
    stage.wait_ready()
    with stage.game() as game:
        for seq in (9, 10):
            worker.fanout.send("sighting", **sighting(77, seq))
        assert game.recv_event("apriltag_data")["seq"] == 10


def test_without_fanout_a_worker_serves_in_the_end(new_stage):
    stage = new_stage()
    stage.fanout.close()
    stage.spawn().wait_ready()
    worker = stage.workers[0].meet_ingest()
    with stage.game() as game:
        game.send_json({"event": "ping"})
        worker.judge(worker.texts(1)[0].seq, reply=PONG)
        game.recv_event("pong")


# Commands


def test_a_command_is_told_once_and_its_result_answers_the_post(stage):
    worker = stage.workers[0]
    with stage.camera("porch") as camera:
        posted = stage.in_background(http, stage, "POST", "/set_video_interval",
                                     json_body={"interval_ms": 500})
        text, = worker.texts(1)
        command = {"origin": worker.origin, "seq": text.seq, "camera": "",
                   "event": '{"event": "set_video_interval", "interval_ms": 500}',
                   "reply": '{"status": "success"}'}
        for _ in range(3):    # repeats, as after a restart of the stream
            worker.fanout.send("command", **command)
            done = worker.skip_to(worker.fanout, "command_done")
            assert (done.origin, done.seq, done.cameras_count) == (worker.origin, text.seq, 1)
        camera.recv_event("set_video_interval")
        camera.expect_silence()
        worker.fanout.send("command_result", seq=text.seq, cameras_count=1, reply=command["reply"])
        assert posted.result().status == 200
