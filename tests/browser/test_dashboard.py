"""The dashboard as a person uses it: what it says of the hub, of every camera, of tags and of sessions."""

import re

from selenium.webdriver.common.keys import Keys

from browser import as_shown
from clients import Game, get_json, ws_camera
from wire import wait_until

MARKUP = "<img src=x onerror=\"document.title='x'\">"


def overview(browser):
    """The overview's numbers as the page says them."""
    return {name: browser.text(f"#{name}") for name in ("esp32", "gdevelop", "connections", "events", "uptime")}


def overview_of(status):
    """The same from the hub's JSON."""
    websocket = status["websocket"]
    return {"esp32": "Connected" if websocket["esp32_connected"] else "Not connected",
            "gdevelop": str(websocket["gdevelop_clients"]), "connections": str(websocket["active_connections"]),
            "events": str(status["apriltag_events"]), "uptime": str(status["uptime_seconds"] // 60)}


def test_a_newcomer_is_told_what_to_do(fresh_hub, browser):
    browser.open(fresh_hub).wait_text("#link", "Hub online")
    browser.wait_text("#no-camera", r"No camera yet.*\btoken\b")
    browser.wait_text("#map", "No tag in sight")
    browser.wait_text("#session-list", "No session yet")
    assert browser.text("#esp32") == "Not connected"


def test_the_overview_agrees_with_the_status(hub, browser):
    browser.open(hub)
    for label in ("ESP32", "GDevelop", "AprilTag Events", "Uptime"):
        assert label in browser.text("#overview")
    with ws_camera(hub, name="overview") as camera, Game(hub).identify(), Game(hub).identify(), Game(hub):
        for tag_id in range(5):
            camera.report({"tag_id": tag_id})
        browser.wait(lambda: overview(browser) == overview_of(get_json(hub, "/status")), "the overview agrees")
        assert browser.text("#gdevelop") == "2" and browser.text("#esp32") == "Connected"
    browser.wait_text("#esp32", "^Not connected$")


def test_a_card_agrees_with_the_statistics(hub, browser, draw):
    with ws_camera(hub, name="numbers") as camera:
        for number in range(12):
            camera.send_photo(draw("numbers", number))
        browser.open(hub)

        def agrees():
            [numbers] = [one for one in get_json(hub, "/cameras")["cameras"] if one["camera"] == "numbers"]
            said = [value.text for value in browser.card("numbers").find_elements("css selector", "dd")]
            return (numbers["total_frames"] == 12
                    and browser.in_card("numbers", ".advice").text == numbers["recommendation"]
                    and said == [as_shown(numbers["fps"]), as_shown(numbers["jitter"]) + " s",
                                 as_shown(numbers["interval_ms"]) + " ms", numbers["resolution"]])
        browser.wait(agrees, "the card agrees with /cameras")
        plots = [plot.get_attribute("aria-label")
                 for plot in browser.card("numbers").find_elements("css selector", ".plot svg")]
        assert re.search(r"FPS: [\d.]+ to [\d.]+", plots[0]) and re.search(r"intervals: \d+ ms to \d+ ms", plots[1])


def test_each_camera_has_its_own_picture_and_the_newest(hub, browser, draw):
    def size_of(name):
        return browser.in_card(name, "img").get_property("naturalWidth")

    with ws_camera(hub, name="left") as left, ws_camera(hub, name="right") as right:
        left.send_photo(draw("left", size=(320, 240)))
        right.send_photo(draw("right", size=(160, 120)))
        browser.open(hub)
        browser.wait(lambda: (size_of("left"), size_of("right")) == (320, 160), "each card has its camera's picture")
        left.send_photo(draw("left", size=(200, 200)))
        browser.wait(lambda: (size_of("left"), size_of("right")) == (200, 160), "the picture changes")


def test_a_picture_that_is_no_longer_fresh_says_its_age(hub, browser, draw):
    with ws_camera(hub, name="slow") as camera:
        camera.send_photo(draw("slow"))
        browser.open(hub)
        browser.wait_card("slow", ".age", r"This picture is \d+ s old")
        browser.wait_card("slow", ".state", r"Stale: nothing for \d+ s")
        browser.wait_card("slow", ".state", "^Live$", lambda: camera.report({"tag_id": 3}))
        browser.wait_card("slow", ".age", r"This picture is \d+ s old")


def test_a_camera_leaves_and_returns(hub, browser, draw):
    browser.open(hub)
    photo = draw("guest")
    with ws_camera(hub, name="guest") as camera:
        browser.wait_card("guest", ".state", "^Live$", lambda: camera.send_photo(photo))
    browser.wait_card("guest", ".state", r"^Offline since .*\d:\d\d")
    browser.wait_text("#session-list", r"(?s)guest.*Ended: closed by the camera")
    with ws_camera(hub, name="guest") as camera:
        browser.wait_card("guest", ".state", "^Live$", lambda: camera.send_photo(photo))
        browser.wait_text("tbody tr:first-child", r"(?s)^guest.*Connected")


def test_a_camera_that_sends_tags_only_has_a_card(hub, browser):
    with ws_camera(hub, name="tags-only") as camera:
        camera.report({"tag_id": 1})
        browser.open(hub)
        browser.wait_card("tags-only", ".picture", "No picture yet")
        assert not browser.in_card("tags-only", ".interval").is_displayed()


def test_the_map_shows_a_tag_where_it_is_until_it_is_gone(fresh_hub, browser):
    def place():
        shape = browser.one(".tag").get_attribute("style")
        return [float(number) for number in re.search(r"translate\((.*?)px, (.*?)px\)", shape).groups()]

    with ws_camera(fresh_hub, name="mapper") as camera:
        browser.open(fresh_hub)
        browser.wait_text(".tags", r"Tag 42\s+mapper\s+x 10.0 cm, z 40.0 cm, yaw 90.0°",
                          lambda: camera.report({"tag_id": 42, "x_cm": 10, "z_cm": 40, "yaw": 90}))
        x, far = place()
        assert x > 200    # right of the camera
        assert browser.one(".arrow").get_attribute("transform") == "rotate(90)"    # looks to the left
        browser.wait_text(".tags", r"x -10.0 cm, z 4.0 cm, yaw \?°",
                          lambda: camera.report({"tag_id": 42, "x_cm": -10, "z_cm": 4, "yaw": "odd"}))
        x, near = place()
        assert x < 200 and near > far
        browser.wait_text("#map", "No tag in sight")
        assert not browser.all(".tag")


def test_the_slider_reaches_the_camera_by_keyboard(hub, browser, draw):
    with ws_camera(hub, name="keys") as camera, ws_camera(hub, name="bystander") as bystander:
        camera.send_photo(draw("keys"))
        browser.open(hub)
        slider = browser.in_card("keys", "input")
        browser.wait(lambda: slider.is_displayed(), "the control is shown")

        def tab_to_slider():
            browser.press(Keys.TAB)
            return browser.driver.switch_to.active_element == slider
        browser.wait(tab_to_slider, "the slider has the focus")
        for _ in range(3):
            browser.press(Keys.ARROW_RIGHT)
        wanted_ms = int(slider.get_property("value"))
        assert wanted_ms == 1300 and slider.get_attribute("aria-valuetext").startswith("1300 ms")
        command = wait_until(lambda: camera.poll() and camera.commands, 5, "the command")[-1]
        assert command == {"event": "set_video_interval", "interval_ms": wanted_ms}
        browser.wait_card("keys", ".outcome", "^Sent to the camera: a picture every 1300 ms")
        bystander.poll()
        assert not bystander.commands


def test_a_button_says_when_the_camera_is_away(hub, browser, draw):
    browser.bearable = ["set_video_interval.*status of 503"]
    with ws_camera(hub, name="away") as camera:
        camera.send_photo(draw("away"))
        browser.open(hub)
        button = browser.in_card("away", "button[data-ms='2000']")
        browser.wait(lambda: button.is_displayed(), "the control is shown")
        button.click()
        browser.wait_card("away", ".outcome", "^Sent to the camera: a picture every 2000 ms")
        assert button.get_attribute("aria-pressed") == "true"
    browser.wait_card("away", ".state", "^Offline since")
    button.click()
    browser.wait_card("away", ".outcome", "^Not sent: ESP32 not connected")


def test_a_name_that_looks_like_markup_is_text(hub, browser, draw):
    with ws_camera(hub, name=MARKUP) as camera:
        camera.send_photo(draw("x"))
        browser.open(hub)
        for part in ("#cards", ".tags", "#session-list"):
            browser.wait_text(part, re.escape(MARKUP), lambda: camera.report({"tag_id": 1, "smartcam_ip": MARKUP}))
        browser.in_card(MARKUP, "a").click()
        browser.wait(lambda: browser.text("#camera") == MARKUP, "the viewer names it")
        browser.wait(lambda: browser.picture_width() == 240, "and shows its picture")
        assert browser.driver.title == "taghub video" and not browser.all("img[src='x']")


def test_a_hidden_page_asks_for_nothing(hub, browser):
    browser.open(hub).wait_text("#link", "Hub online")
    page = browser.driver.current_window_handle
    browser.run("""document.addEventListener('visibilitychange', () => {
        if (document.hidden)
            performance.clearResourceTimings();
        performance.mark(document.hidden ? 'hidden' : 'shown');
    });""")
    browser.driver.switch_to.new_window("tab")
    browser.wait(lambda: browser.run("return performance.now()") > 2500, "some time in another tab")
    browser.driver.close()
    browser.driver.switch_to.window(page)
    asked = browser.run("""
        const [[hidden], [shown]] = ['hidden', 'shown'].map(name => performance.getEntriesByName(name));
        return performance.getEntriesByType('resource')
            .filter(({ startTime }) => startTime > hidden.startTime && startTime < shown.startTime)
            .map(({ name }) => name);""")
    assert asked == []
    browser.wait_text("#link", "Hub online")


def test_pictures_do_not_pile_up_in_memory(hub, browser, run_camera):
    run_camera(hub, "many", "--fps", 10)
    browser.open(hub, "/video?camera=many")
    browser.run("""
        window.made = window.freed = 0;
        const { createObjectURL, revokeObjectURL } = URL;
        URL.createObjectURL = blob => { made += 1; return createObjectURL(blob); };
        URL.revokeObjectURL = url => { freed += 1; revokeObjectURL(url); };""")
    browser.wait(lambda: browser.run("return made") >= 4, "four pictures")
    assert browser.run("return made - freed") <= 1
