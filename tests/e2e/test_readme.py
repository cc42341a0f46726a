"""The README is true: its commands print what stands there, and what it names exists.

A block fenced as `console` is run. A line `$ command` is given to bash with HUB and TOKEN set, the
programs under test at build/, and the settings of a hub of its own; the lines below it are what it
prints on both outputs, and `[78]` is its exit status when that is not 0. In them `...` stands for
any text of a line, alone on a line for any lines, and a number of nine digits or more for any such number.
"""

import re
import sqlite3
import subprocess
from contextlib import closing, nullcontext
from dataclasses import dataclass, field

import pytest

from clients import Game, http, ws_camera
from endpoints import picture
from hub import REPO, build_dir
from promlint import Scrape
from wire import in_url, seconds, wait_until

README = (REPO / "README.md").read_text()
FIRST_SCREEN = "\n".join(README.splitlines()[:40])
CONFIG_DEF = (REPO / "proto/run/config.def").read_text()
ROUTES_DEF = (REPO / "gateway/routes.def").read_text()
ASSETS_DEF = (REPO / "gateway/assets.def").read_text()
DEFAULTS = dict(re.findall(r'^CONF\((\w+), \w+, "([^"]*)"', CONFIG_DEF, re.M))
CODE = ("gateway", "proto", "services", "storage")
SOURCES = (*CODE, "systemd", "tests")
NOT_KEYS = {"config"}    # TAGHUB_CONFIG names the file that the keys stand in


def readmes():
    """Every README.md of the tree, without what was built."""
    return [REPO / "README.md",
            *sorted(path for folder in SOURCES for path in (REPO / folder).rglob("README.md"))]


def section(title):
    """The text below a heading of the README, up to the next one."""
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.M | re.S)
    assert match, f"no section {title!r}"
    return match[1]


def sources(*suffixes):
    """The files that programs are made of."""
    return [path for folder in CODE for path in (REPO / folder).rglob("*")
            if path.suffix in suffixes]


def prose(text):
    """A document without its fenced blocks."""
    return re.sub(r"```.*?```", "", text, flags=re.S)


def slug(heading):
    """The anchor of a heading, as sites that show Markdown make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


# Commands


@dataclass
class Command:
    """A line `$ ...` and what stands below it."""

    text: str
    printed: list = field(default_factory=list)
    status: int = 0


def console_blocks():
    """[(heading, [Command])] for every block fenced as console."""
    blocks, heading, commands = [], "", None
    for line in README.splitlines():
        if line.startswith("## "):
            heading = slug(line[3:])
        elif line == "```console":
            commands = []
            blocks.append((heading, commands))
        elif line == "```":
            commands = None
        elif commands is not None and line.startswith("$ "):
            commands.append(Command(line[2:]))
        elif commands is not None and re.fullmatch(r"\[\d+\]", line):
            commands[-1].status = int(line[1:-1])
        elif commands is not None:
            commands[-1].printed.append(line)
    return blocks


BLOCKS = console_blocks()


def pattern_of(line):
    """A regular expression for what may be printed where the README has this line."""
    number = r"\d{9,}(?:\.\d+)?"
    parts = re.split(rf"(\.\.\.|{number})", line)
    return "".join(re.escape(part) if at % 2 == 0 else ".*" if part == "..." else number
                   for at, part in enumerate(parts))


def run_command(text, folder, environment):
    """Runs a line as a person would; returns (what was printed, exit status). A variable that it
    sets is there for the lines that follow."""
    assigned = re.match(r"([A-Z]+)=", text)
    script = f'{text}\nprintf %s "${assigned[1]}"' if assigned else text
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=seconds(30))
    if assigned:
        environment[assigned[1]] = done.stdout
        return "", done.returncode
    return done.stdout, done.returncode


def remember_something(hub):
    """Puts a session that has ended, one that is open, and a picture into the database."""
    with ws_camera(hub, name="porch") as camera:
        camera.send_photo(picture(1))
        camera.report({"tag_id": 1})
    still_there = ws_camera(hub, name="garage")
    with closing(sqlite3.connect(f"file:{hub.state_dir}/history.db?mode=ro", uri=True)) as database:
        wait_until(lambda: database.execute(
            "SELECT count(*), sum(connected), sum(has_photo) FROM cameras").fetchone() == (2, 1, 1),
            5, "all of it is committed")
    return still_there


@pytest.mark.parametrize("heading, commands", BLOCKS, ids=[heading for heading, _ in BLOCKS])
def test_commands_print_what_the_readme_says(fresh_hub, tmp_path, heading, commands):
    hub = fresh_hub(allow_deaths=any(command.text.startswith("kill") for command in commands))
    url = f"http://{in_url(hub.host)}:{hub.http_port}"
    (tmp_path / "build").symlink_to(build_dir())
    environment = {**hub.environment, "HUB": url, "TOKEN": hub.token, "STATE": str(hub.state_dir)}
    still_there = remember_something(hub) if heading == "history" else nullcontext()
    assert commands, "a block without a command"
    with still_there:
        for command in commands:
            printed, status = run_command(command.text.replace("http://localhost:5000", url), tmp_path,
                                          environment)
            wanted = "\n".join("(?s:.+)" if line == "..." else pattern_of(line) for line in command.printed)
            assert re.fullmatch(wanted, printed.strip("\n")), f"$ {command.text}\n{printed}"
            assert status == command.status, f"$ {command.text}\n{printed}"
    if heading == "history" and any("writefile" in command.text for command in commands):
        assert (tmp_path / "porch.jpg").read_bytes() == picture(1)
    hub.wait_ready()


def test_the_blocks_are_found():
    """Else the test above could not fail."""
    assert sum(len(commands) for _, commands in BLOCKS) >= 15
    assert not re.fullmatch(pattern_of('{"a":...,"t":1750000000.5}'), '{"a":1,"t":17}')


# The first screen


def test_the_first_screen_has_the_three_commands():
    for command in ("make run", "make test", "make demo"):
        assert f"`{command}`" in FIRST_SCREEN
        assert re.search(rf"^{command.split()[1]}:", (REPO / "Makefile").read_text(), re.M)


def test_the_message_for_games_makes_a_game(hub):
    message = re.search(r'^`(\{"event": "identify".*?\})`', FIRST_SCREEN, re.M)[1]
    with Game(hub, "ws") as game:
        game.send_text(message)
        assert game.recv_json() == {"event": "identify_success", "client_type": "gdevelop"}


# What it names exists


def test_the_table_of_endpoints_is_that_of_the_gateway():
    numbers = {"PORT_MAIN": DEFAULTS["http_port"], "PORT_WS": DEFAULTS["ws_port"]}
    routes, rows = set(), set()
    for path, ports, method in re.findall(r'^ROUTE\("([^"]+)", ([\w| ]+), (\w+),', ROUTES_DEF,
                                          re.M):
        routes |= {(method, path, numbers[port]) for port in ports.split(" | ")}
    pages = {path for path in re.findall(r'^ASSET\("([^"]+)"', ASSETS_DEF, re.M) if not path.startswith("/web/")}
    routes |= {("GET", path, numbers["PORT_MAIN"]) for path in pages}
    for method, path, ports in re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \| ([\d, ]+) \|",
                                          section("Endpoints"), re.M):
        rows |= {(method, path, port) for port in ports.split(", ")}
    assert len(routes) >= ROUTES_DEF.count("\nROUTE(") > 0
    assert rows == routes


def test_settings_exist_and_have_these_defaults():
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`|empty) \|", section("Configuration"), re.M)
    assert len(rows) >= 10
    assert dict(rows) == {key: DEFAULTS.get(key) for key, _ in rows}


def test_variables_and_options_are_settings():
    named = {name.lower() for name in re.findall(r"TAGHUB_([A-Z_]+)", README)}
    named |= {name.replace("-", "_") for name in re.findall(r"--([a-z-]+)=", README)}
    assert named and named - NOT_KEYS <= DEFAULTS.keys()


def test_words_in_code_style_stand_in_the_sources():
    """Settings, counters, reasons, events, functions: whatever has an underscore."""
    words = {word for code in re.findall(r"`([^`\n]+)`", prose(README))
             for word in re.findall(r"[A-Za-z]\w*_\w+", code) if not word.lower().startswith("taghub_")}
    known = {word for path in [REPO / "Makefile", *sources(".c", ".h", ".def", ".sql", ".json")]
             for word in re.findall(r"\w+", path.read_text())}
    assert words and words - known == set()


def test_metrics_that_it_names_are_exported(hub):
    with ws_camera(hub, name="measured") as camera:
        for number in (1, 2):
            camera.send_photo(picture(number))
        camera.report({"tag_id": 1})
    named = set(re.findall(r"taghub_[a-z_]+", section("Prometheus")))
    def scrape():
        return Scrape(http(hub, "GET", "/metrics").body.decode())
    wait_until(lambda: "taghub_camera_fps" in scrape().names, 5, "the camera is measured")
    assert len(named) >= 10 and named - scrape().names - scrape().families.keys() == set()


def test_log_lines_are_events_that_are_logged():
    lines = re.findall(r"^<\d>(\w+): (\w+)", section("Log"), re.M)
    calls = "".join(path.read_text() for path in sources(".c"))
    assert len(lines) >= 5
    assert not [event for _, event in lines if f'"{event}"' not in calls]


@pytest.mark.parametrize("readme", readmes(), ids=lambda path: str(path.relative_to(REPO)))
def test_files_that_a_readme_names_exist(readme):
    text = prose(readme.read_text())
    named = set(re.findall(r"`([\w./*-]+\.(?:c|h|def|py|md|sh))`", text))
    named |= {link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link}
    missing = []
    for name in named:
        pattern = name.replace("NAME", "*")
        found = [*readme.parent.glob(pattern), *REPO.glob(pattern)]
        if "/" not in name:    # a neighbour that needs no introduction
            found += [path for folder in SOURCES for path in (REPO / folder).rglob(pattern)]
        if not found:
            missing.append(name)
    assert not missing


def test_links_within_the_readme_lead_somewhere():
    anchors = {slug(heading) for heading in re.findall(r"^## (.*)$", README, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= anchors


def test_every_folder_has_a_readme():
    folders = [REPO / folder for folder in SOURCES]
    folders += [path for folder in ("services", "tests") for path in (REPO / folder).iterdir()
                if path.is_dir() and any(path.glob("[!.]*")) and path.name != "__pycache__"]
    folders.append(REPO / "proto/run")
    assert [str(path) for path in folders if not (path / "README.md").exists()] == []
