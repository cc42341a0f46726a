"""Both pages for every reader: on a phone, in light and dark, by keyboard, with scripts off. It leaves pictures of the
pages, with two cameras and a game at work, in build/screenshots/."""

import base64

import pytest
from selenium.webdriver.common.keys import Keys

from browser import Browser
from clients import get_json
from hub import REPO

PAGES = ["/", "/video"]
SCREENS = {"desktop": (1280, 900, False), "phone": (360, 740, True)}

# Contrast of a text with what lies behind it, as WCAG 2 defines it; the least of all texts that are shown.
LEAST_CONTRAST = """
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = colour => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const linear = part => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const ground = node => {
      for (; node; node = node.parentElement) {
        const colour = rgba(getComputedStyle(node).backgroundColor);
        if (colour[3] === 255)
          return colour;
      }
      return [255, 255, 255, 255];
    };
    let least = [99, 'nothing'];
    for (const node of document.querySelectorAll('body *')) {
      const words = [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim());
      if (!words || !node.checkVisibility() || node.closest('svg, noscript, .unseen, .picture'))
        continue;
      const [high, low] = [light(rgba(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => b - a);
      const contrast = (high + 0.05) / (low + 0.05);
      if (contrast < least[0])
        least = [contrast, node.textContent];
    }
    return least;"""


def wait_shown(browser, path):
    """Waits until a page shows all that there is."""
    browser.wait_text("#link", "Hub online")
    browser.wait(lambda: all(image.get_property("naturalWidth") for image in browser.all(".picture img")), "pictures")
    browser.wait(lambda: browser.all("tbody tr"), "sessions")
    browser.wait(lambda: not any("WAITING" in advice.text for advice in browser.all(".advice")), "recommendations")
    if path == "/":
        browser.wait(lambda: len(browser.all(".card img")) == 2 and len(browser.all(".tag")) == 2, "cards and tags")


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_every_text_can_be_read(busy_hub, browser, path, scheme, screen):
    width, height, mobile = SCREENS[screen]
    browser.resize(width, height, mobile)
    browser.prefer(scheme)
    wait_shown(browser.open(busy_hub, path), path)
    contrast, text = browser.run(LEAST_CONTRAST)
    assert contrast >= 4.5, f"{text!r} has a contrast of {contrast:.2f}"
    is_dark = browser.run("return getComputedStyle(document.documentElement).backgroundColor") == "rgb(16, 20, 26)"
    assert is_dark == (scheme == "dark")

    browser.resize(width, browser.run("return document.documentElement.scrollHeight"), mobile)
    shot = browser.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    folder = REPO / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{path.strip('/') or 'dashboard'}-{scheme}-{screen}.png").write_bytes(base64.b64decode(shot))


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_needs_no_sideways_scrolling_and_no_needle(busy_hub, browser, path):
    browser.resize(320, 740, mobile=True)
    wait_shown(browser.open(busy_hub, path), path)
    assert browser.run("return document.documentElement.scrollWidth") <= 320
    controls = browser.all("button, input, nav a, a.brand")
    small = [(control.text, control.size) for control in controls
             if control.is_displayed() and control.size["height"] < 40]
    assert len(controls) > 8 and not small


@pytest.mark.parametrize("path", PAGES)
def test_every_control_is_reached_by_keyboard_and_shows_it(busy_hub, browser, path):
    wait_shown(browser.open(busy_hub, path), path)
    wanted = [control for control in browser.all("a[href], button, input") if control.is_displayed()]
    reached = []
    for control in wanted:
        browser.press(Keys.TAB)
        reached.append(browser.driver.switch_to.active_element)
        assert browser.run("return getComputedStyle(arguments[0]).outlineStyle", reached[-1]) == "solid", control.text
    assert reached == wanted


@pytest.mark.parametrize("path", PAGES)
def test_every_state_and_control_has_a_name_in_words(busy_hub, browser, path):
    wait_shown(browser.open(busy_hub, path), path)
    for dot in browser.all(".dot"):
        assert dot.find_element("xpath", "..").text.strip(), "a state is told by colour alone"
    for control in browser.all("a[href], button, input, main svg[role], img"):
        if control.is_displayed():
            assert control.accessible_name or control.get_attribute("alt") == "", control.get_attribute("outerHTML")


@pytest.fixture(scope="module")
def plain_browser(tmp_path_factory):
    """A browser whose reader has switched scripts off."""
    browser = Browser(tmp_path_factory.mktemp("profile"), scripts=False)
    yield browser
    browser.close()


def test_without_scripts_the_dashboard_is_right_and_reloads_itself(busy_hub, plain_browser):
    browser = plain_browser.open(busy_hub)
    status = get_json(busy_hub, "/status")
    assert browser.text("#esp32") == "Connected" and browser.text("#gdevelop") == "1"
    assert browser.text("#connections") == str(status["websocket"]["active_connections"])
    assert 0 < int(browser.text("#events")) <= status["apriltag_events"] and browser.text("#uptime") == "0"
    assert browser.text("#version") == status["version"] and "{{" not in browser.driver.page_source
    assert not any(part.is_displayed() for part in browser.all(".scripted"))
    before = int(browser.text("#events"))
    browser.wait(lambda: int(browser.text("#events")) > before, "it has loaded itself anew")
    assert not browser.complaints()


def test_without_scripts_the_viewer_shows_the_picture(busy_hub, plain_browser):
    browser = plain_browser.open(busy_hub, "/video")
    image = browser.wait(lambda: browser.one("noscript img"), "the picture's element")
    browser.wait(lambda: image.get_property("naturalWidth") > 0, "the picture")
    assert browser.one("noscript meta[http-equiv=refresh]").get_attribute("content") == "5"
    assert not browser.complaints()
