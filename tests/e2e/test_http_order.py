"""Order of things: what a reply speaks of is visible to everybody before the reply."""

import threading

import pytest

from clients import ENDS, TRANSPORTS, Game, camera_on, http
from endpoints import POLL_PATH, picture, post_photo, post_tag

CLIENTS = 12    # enough that every worker has some, for workers take connections evenly


def games_everywhere(hub):
    return [Game(hub, ENDS[number % 2]).identify() for number in range(CLIENTS)]


@pytest.mark.parametrize("workers", (1, 2, 4))
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_after_the_acknowledgement_every_worker_has_it(fresh_hub, workers, transport):
    hub = fresh_hub(workers=workers)
    games = games_everywhere(hub)
    with camera_on(hub, transport, name="seen") as camera:
        for tag_id in range(20):
            camera.report({"tag_id": tag_id})
            answers = [game.latest("seen") for game in games]    # the broadcast comes before them
            stamps = set()
            for answer in answers:
                assert [each["tag_id"] for each in answer] == [tag_id, tag_id]
                stamps |= {each["server_timestamp"] for each in answer}
            assert len(stamps) == 1
    with Game(hub) as newcomer:
        assert newcomer.latest("seen")[0]["tag_id"] == 19
    for game in games:
        game.abort()


@pytest.mark.parametrize("end", ENDS)
def test_a_newcomer_finds_what_was_acknowledged(hub, end):
    for tag_id in range(30):
        assert post_tag(hub, {"tag_id": tag_id, "camera_name": "fresh"}, end).status == 200
        with Game(hub, ENDS[tag_id % 2]) as game:
            assert [each["tag_id"] for each in game.latest("fresh")] == [tag_id]
            assert game.latest()[-1]["tag_id"] == tag_id


def test_everything_else_that_a_reply_speaks_of(hub):
    while http(hub, "GET", POLL_PATH).json()["tag_id"] != -1:
        pass
    for tag_id in range(20):
        assert post_tag(hub, {"tag_id": tag_id}, ENDS[tag_id % 2]).status == 200
        assert http(hub, "GET", POLL_PATH).json()["tag_id"] == tag_id
        assert post_photo(hub, picture(tag_id), "order").status == 200
        assert http(hub, "GET", "/photo").body == picture(tag_id)


@pytest.mark.parametrize("workers", (2, 4))
def test_every_sender_keeps_its_order(fresh_hub, workers):
    """Five cameras at once, one by each transport; games on all workers."""
    hub = fresh_hub(workers=workers)
    games = games_everywhere(hub)
    failures = []

    def report_all(transport):
        try:
            with camera_on(hub, transport, name=transport) as camera:
                for number in range(40):
                    camera.report({"tag_id": 1, "number": number})
        except Exception as failure:    # shown below
            failures.append((transport, failure))

    threads = [threading.Thread(target=report_all, args=(each,)) for each in TRANSPORTS]
    for thread in threads:
        thread.start()
    everything = []
    for game in games:
        everything.append([game.recv_event("apriltag_data", limit_s=20)
                           for _ in range(40 * len(TRANSPORTS))])
    for thread in threads:
        thread.join()
    assert failures == []
    for messages in everything:
        stamps = {}
        for transport in TRANSPORTS:
            own = [each for each in messages if each["camera_name"] == transport]
            assert [each["number"] for each in own] == list(range(40))
            times = [each["server_timestamp"] for each in own]
            assert times == sorted(times)
            stamps[transport] = times
        assert stamps == {transport: [each["server_timestamp"] for each in everything[0]
                                      if each["camera_name"] == transport]
                          for transport in TRANSPORTS}
    for game in games:
        game.expect_silence()
        game.abort()
