"""What the pages say while the hub or a part of it is away, and that they need no help when it is back."""

import signal

import pytest

from clients import http, ws_camera
from wire import wait_until

UNANSWERED = ["status of 503", "net::ERR_"]    # what the console says of a request that comes to nothing

# Notes how many requests of one address were under way at once, at most.
COUNT_REQUESTS = """
    const ask = window.fetch, under_way = {};
    window.most_at_once = 0;
    window.fetch = (address, options) => {
      const path = address.split('?')[0];
      under_way[path] = (under_way[path] ?? 0) + 1;
      window.most_at_once = Math.max(window.most_at_once, under_way[path]);
      return ask(address, options).finally(() => { under_way[path] -= 1; });
    };"""


def restart(hub, browser):
    """Stops the hub as its user does, waits until the page has noticed, and starts it again."""
    hub.process.terminate()
    hub.wait_stopped()
    hub.running.remove(hub)
    browser.wait_text("#link", "^Hub unreachable, trying again$")
    browser.wait_text("#overview .note", r"^Hub unreachable: data is \d+ s old$")
    hub.start()


def test_the_hub_goes_and_returns_and_nobody_reloads(fresh_hub, browser, draw):
    # a page that has no list of pictures yet asks for one that may not be there, or that history has yet to give back
    browser.bearable = [*UNANSWERED, r"/photo\?camera=(new|old)&\S+ - .*status of 404"]
    browser.open(fresh_hub)
    browser.run("window.same_page = true")
    with ws_camera(fresh_hub, name="old") as camera:
        photo = draw("old")
        browser.wait_card("old", ".state", "Live", lambda: camera.send_photo(photo))
        restart(fresh_hub, browser)
    with ws_camera(fresh_hub, name="new") as camera:
        browser.wait_card("new", ".state", "Live", lambda: camera.send_photo(photo))
    browser.wait_text("#link", "^Hub online$")
    browser.wait(lambda: not any(note.text for note in browser.all(".note")), "no note is left")
    assert browser.run("return window.same_page")
    wait_until(lambda: http(fresh_hub, "GET", "/photo?camera=old").body == photo, 5, "the old picture is back")
    assert browser.in_card("old", ".picture img").is_displayed()    # kept meanwhile


@pytest.mark.parametrize("service, part", [("history", "sessions"), ("metrics", "cameras")])
def test_only_the_part_whose_service_hangs_says_so(fresh_hub, browser, service, part):
    browser.bearable = UNANSWERED
    browser.open(fresh_hub)
    browser.wait_text("#link", "Hub online")
    browser.wait_text("#no-camera", "No camera yet")
    browser.run(COUNT_REQUESTS)
    fresh_hub.kill(service, signal.SIGSTOP)
    browser.wait_text(f"#{part} .note", r"unavailable, trying again: data is \d+ s old")
    assert [note.text for note in browser.all(".note") if note.text] == [browser.text(f"#{part} .note")]
    assert browser.text("#link") == "Hub online"
    fresh_hub.kill(service, signal.SIGCONT)
    browser.wait(lambda: not browser.text(f"#{part} .note"), "the note is gone")
    assert browser.run("return most_at_once") == 1


def test_the_picture_stays_current_while_the_statistics_are_away(fresh_hub, browser, draw):
    browser.bearable = UNANSWERED
    with ws_camera(fresh_hub, name="scene") as camera:
        camera.send_photo(draw("scene", size=(320, 240)))
        browser.open(fresh_hub, "/video")
        browser.wait(lambda: browser.picture_width() == 320, "the picture is shown")
        fresh_hub.kill("metrics", signal.SIGSTOP)
        browser.wait_text("#statistics .note", r"Camera statistics unavailable, trying again: data is \d+ s old")
        photo = draw("scene", size=(160, 120))
        browser.wait_text("#state", "^Live$", lambda: camera.send_photo(photo))
        browser.wait(lambda: browser.picture_width() == 160, "the next picture is shown")
        assert not browser.text("#connection .note") and browser.text("#link") == "Hub online"
        fresh_hub.kill("metrics", signal.SIGCONT)
        browser.wait(lambda: not browser.text("#statistics .note"), "the note is gone")


def test_pictures_of_before_a_restart_are_shown(fresh_hub, browser, draw):
    browser.bearable = UNANSWERED
    with ws_camera(fresh_hub, name="scene") as camera:
        camera.send_photo(draw("scene", size=(320, 240)))
        browser.open(fresh_hub)
        browser.wait_card("scene", ".state", "^Live$")
    restart(fresh_hub, browser)
    browser.open(fresh_hub)
    browser.wait(lambda: browser.in_card("scene", "img").get_property("naturalWidth") == 320, "the card shows it")
    browser.wait_card("scene", ".state", "^Offline since")
    browser.open(fresh_hub, "/video")
    browser.wait(lambda: browser.picture_width() == 320, "the viewer shows it")
