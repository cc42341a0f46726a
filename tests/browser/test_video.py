"""The viewer as a person uses it: one camera's picture, every number about it, and the control of its interval."""

from selenium.webdriver.common.keys import Keys

from browser import as_shown
from clients import get_json, ws_camera

FPS_LABELS = {"FPS": "fps", "Target FPS": "target_fps", "Interval": "interval_ms", "Resolution": "resolution"}
STATS_LABELS = {"Jitter": "jitter", "Efficiency": "efficiency", "Average interval": "avg_interval",
                "Shortest interval": "min_interval", "Longest interval": "max_interval", "Average FPS": "avg_fps",
                "Average size": "avg_size", "Smallest": "min_size", "Largest": "max_size",
                "Average processing": "avg_processing", "Longest processing": "max_processing",
                "Total frames": "total_frames", "Dropped frames": "dropped_frames"}


def numbers_in(browser, selector):
    """{label: value without its unit} of a list of numbers."""
    labels = [label.text for label in browser.all(f"{selector} dt")]
    values = [value.text for value in browser.all(f"{selector} dd")]
    return dict(zip(labels, values))


def test_every_number_agrees_with_the_json(hub, browser, draw):
    with ws_camera(hub, name="numbers") as camera:
        for number in range(14):
            camera.send_photo(draw("numbers", number))
        browser.open(hub, "/video?camera=numbers")

        def agrees():
            said = {label: value.split(" ")[0] for label, value in numbers_in(browser, "#numbers").items()}
            fps = get_json(hub, "/video_fps?camera=numbers")
            stats = get_json(hub, "/video_stats?camera=numbers")
            wanted = {label: as_shown(fps[member]) for label, member in FPS_LABELS.items()}
            wanted |= {label: as_shown(stats[member]) for label, member in STATS_LABELS.items()}
            return said == wanted and browser.text("#advice") == stats["recommendation"] and stats["total_frames"] == 14
        browser.wait(agrees, "the numbers agree with /video_fps and /video_stats")


def test_uptime_and_sessions_agree_with_the_json(hub, browser):
    with ws_camera(hub, name="visitor"):
        pass
    with ws_camera(hub, name="resident"):
        browser.open(hub, "/video")

        def agrees():
            said = numbers_in(browser, "#connection")
            uptime, history = get_json(hub, "/connection_uptime"), get_json(hub, "/connection_history")
            return said == {"Newest camera connected for": uptime["uptime_formatted"],
                            "Sessions that have ended": str(history["total_sessions"]),
                            "Hub started": history["server_start_time"]}
        browser.wait(agrees, "the numbers agree with /connection_uptime and /connection_history")
        rows = {row.find_element("css selector", "bdi").text: row.text for row in browser.all("#connection tbody tr")}
        [visit] = [one for one in get_json(hub, "/connection_history")["sessions"] if one["camera"] == "visitor"]
        assert visit["connect_time"] in rows["visitor"] and visit["duration_formatted"] in rows["visitor"]
        assert "Ended: closed by the camera" in rows["visitor"] and "Connected" in rows["resident"]


def test_the_picture_follows_the_camera(hub, browser, draw):
    with ws_camera(hub, name="scene") as camera:
        camera.send_photo(draw("scene", size=(320, 240)))
        browser.open(hub, "/video?camera=scene")
        browser.wait(lambda: browser.picture_width() == 320, "the picture is shown")
        photo = draw("scene", size=(160, 120))
        browser.wait_text("#state", "^Live$", lambda: camera.send_photo(photo))
        browser.wait(lambda: browser.picture_width() == 160, "the next picture is shown")
    browser.wait_text("#state", "^Offline since")


def test_the_pace_is_nine_tenths_of_the_interval_within_limits(hub, browser):
    browser.open(hub, "/video")
    paces = browser.run("return import('/web/picture.js').then(({ pause_ms }) => arguments[0].map(pause_ms))",
                        [0, 100, 500, 600, 1000, 5000, 5600, 10000])
    assert paces == [2000, 500, 500, 540, 900, 4500, 5000, 5000]


def test_a_picture_is_asked_for_at_that_pace(hub, browser, run_camera):
    run_camera(hub, "pacer", "--fps", 10)
    browser.open(hub, "/video?camera=pacer")
    browser.wait_text("#numbers", r"Interval\n(9\d|1[0-4]\d) ms")

    def starts():
        return browser.run("""return performance.getEntriesByType('resource')
            .filter(({ name }) => name.includes('/photo?')).map(({ startTime }) => startTime);""")
    browser.wait(lambda: len(starts()) >= 6, "six pictures")
    times = starts()[2:6]
    gaps_ms = [later - sooner for sooner, later in zip(times, times[1:])]
    assert min(gaps_ms) >= 499 and sorted(gaps_ms)[1] < 1900, gaps_ms    # the machine may pause once


def test_two_cameras_and_a_chooser(hub, browser, draw):
    with ws_camera(hub, name="east & co") as east, ws_camera(hub, name="west") as west:
        east.send_photo(draw("east", size=(320, 240)))
        west.send_photo(draw("west", size=(160, 120)))
        browser.open(hub, "/video?camera=west")
        browser.wait(lambda: browser.picture_width() == 160, "west is shown")
        browser.wait(lambda: browser.text("#choice a[aria-current=page]") == "west", "west is marked as chosen")
        next(link for link in browser.all("#choice a") if link.text == "east & co").click()
        browser.wait(lambda: browser.text("#camera") == "east & co" and browser.picture_width() == 320, "east is shown")
        browser.wait(lambda: numbers_in(browser, "#numbers").get("Resolution") == "320x240", "with its numbers")


def test_without_a_choice_all_that_is_shown_is_of_one_camera(hub, browser, draw):
    with ws_camera(hub, name="aaa") as first, ws_camera(hub, name="zzz") as second:
        first.send_photo(draw("aaa", size=(320, 240)))
        second.send_photo(draw("zzz", size=(160, 120)))    # the one that the hub would speak of by itself
        browser.open(hub, "/video").wait_text("#numbers", r"Resolution\n\d+x\d+")
        assert numbers_in(browser, "#numbers")["Resolution"] == "320x240" and browser.text("#camera") == "aaa"
        browser.wait(lambda: browser.picture_width() == 320, "with its picture")


def test_a_camera_that_nobody_knows(hub, browser):
    browser.open(hub, "/video?camera=nobody").wait_text("#link", "Hub online")
    browser.wait_text("#picture", "No picture yet")
    assert browser.text("#camera") == "nobody"
    browser.wait(lambda: browser.run("return performance.now()") > 3500, "long enough for a source to be late")
    assert not any(note.text for note in browser.all(".note"))


def test_without_a_camera(fresh_hub, browser):
    browser.open(fresh_hub, "/video").wait_text("#picture", "No picture yet")
    browser.wait_text("#connection", "Newest camera connected for\nNot connected")
    browser.wait_text("#advice", "^WAITING - ")


def test_buttons_and_slider_reach_the_camera(hub, browser, draw):
    with ws_camera(hub, name="obedient") as camera:
        camera.send_photo(draw("obedient"))
        browser.open(hub, "/video?camera=obedient").wait_text("#state", "Live|Stale")
        browser.one("button[data-ms='500']").click()
        browser.wait(lambda: camera.poll() is not None and camera.commands, "the button's command")
        assert camera.commands == [{"event": "set_video_interval", "interval_ms": 500}]
        browser.wait_text(".outcome", "Sent to the camera: a picture every 500 ms")
        slider = browser.one(".interval input")
        assert slider.get_property("value") == "500"
        slider.send_keys(Keys.END)
        browser.wait(lambda: camera.poll() is not None and len(camera.commands) > 1, "the slider's command")
        assert camera.commands[1:] == [{"event": "set_video_interval", "interval_ms": 10000}]
        browser.wait_text(".outcome", "10000 ms")
