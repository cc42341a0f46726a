"""A browser for tests: headless Chromium that knows how to wait, and remembers every complaint of its console."""

import os
import re

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from wire import seconds

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,900")
SCRIPTS_OFF = {"profile.managed_default_content_settings.javascript": 2}


def as_shown(value):
    """A value of JSON as the pages write it."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


class Browser:
    """One Chromium with a profile of its own.

    `complaints()` are the errors and warnings of its console since the last call, without those that match one of
    `bearable`, which a test sets when it takes a part of the hub away.
    """

    def __init__(self, profile_dir, scripts=True):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*FLAGS, f"--user-data-dir={profile_dir}"):
            options.add_argument(flag)
        if not scripts:
            options.add_experimental_option("prefs", SCRIPTS_OFF)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TAGHUB_")}
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver", env=environment))
        self.bearable = []

    def open(self, hub, path="/"):
        """Goes to a page of the hub; returns self."""
        self.driver.get(f"http://{hub.host}:{hub.http_port}{path}")
        return self

    def leave(self):
        """Leaves the page, so that it asks no more, and undoes what a test has emulated."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    def complaints(self):
        entries = [entry for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        return [entry["message"] for entry in entries
                if not any(re.search(pattern, entry["message"]) for pattern in self.bearable)]

    # What the page is like

    def resize(self, width, height, mobile=False):
        """Makes the window as large as that of a device."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile})

    def prefer(self, scheme):
        """Makes the reader prefer the "light" or "dark" scheme."""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                    {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def run(self, script, *arguments):
        """Runs a script in the page; returns what it returns, awaited."""
        return self.driver.execute_script(script, *arguments)

    def all(self, selector):
        """Every element, shown or not."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        """The first such element."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        """The text that is shown of an element."""
        return self.one(selector).text

    def press(self, keys):
        """Types keys to what has the focus."""
        ActionChains(self.driver).send_keys(keys).perform()

    def picture_width(self):
        """The width of the viewer's picture in its own pixels, 0 while there is none."""
        return self.one("#picture img").get_property("naturalWidth")

    # Waiting

    def wait(self, condition, what, limit_s=10):
        """Waits until condition() is true and returns its value; elements may come and go meanwhile."""
        ignored = (NoSuchElementException, StaleElementReferenceException)
        return WebDriverWait(self.driver, seconds(limit_s), 0.05, ignored).until(lambda _: condition(), what)

    def wait_text(self, selector, pattern, meanwhile=lambda: None):
        """Waits until an element's text matches a regular expression; returns the match. meanwhile() is done before
        every look: what a camera must keep sending lest it count as stale."""
        def look():
            meanwhile()
            return re.search(pattern, self.text(selector))
        return self.wait(look, f"{selector} says {pattern!r}")

    def card(self, name):
        """The dashboard's card of a camera, awaited."""
        def find():
            return next((card for card in self.all(".card")
                         if card.find_element(By.CSS_SELECTOR, "bdi").text == name), None)
        return self.wait(find, f"a card of {name}")

    def in_card(self, name, selector):
        """The first such element of a camera's card."""
        return self.card(name).find_element(By.CSS_SELECTOR, selector)

    def wait_card(self, name, selector, pattern, meanwhile=lambda: None):
        """The same for a text in a camera's card."""
        def look():
            meanwhile()
            return re.search(pattern, self.in_card(name, selector).text)
        self.wait(look, f"{name}: {selector} says {pattern!r}")

    def close(self):
        self.driver.quit()
