"""The package as it stands on a machine: units, user, files, pages, and what installing again does."""

import re
import xml.etree.ElementTree

import pytest

from box import INNER, REPO, SERVICES
from clients import Game, http, ws_camera

PROGRAMS = ("taghubctl", *(f"taghub-{name}" for name in SERVICES))


def test_every_service_of_the_table_has_its_units():
    table = (REPO / "services" / "ctl" / "services.def").read_text()
    rows = re.findall(r'^SERVICE\((\w+), "([\w-]+)", (true|false)\b', table, re.M)
    units = {path.name for path in (REPO / "systemd" / "system").iterdir() if path.is_file()}
    sockets = {f"{program}.socket" for _, program, has_socket in rows if has_socket == "true"}
    assert units == {"taghub.target", *sockets, *(f"{program}.service" for _, program, _ in rows)}
    wanted = re.search(r"^Wants=(.*)$", (REPO / "systemd" / "system" / "taghub.target").read_text(), re.M)[1]
    assert set(wanted.split()) == {f"{program}.service" for _, program, _ in rows}


def test_the_installed_hub_runs_and_is_enabled(hub):
    assert hub.systemctl("is-enabled", "taghub.target") == "enabled\n"
    assert {unit["ActiveState"] for unit in hub.units().values()} == {"active"}
    with Game(hub).identify() as game, ws_camera(hub, name="porch") as camera:
        game.drain()
        camera.report({"tag_id": 7, "x_cm": 1.5})
        assert game.recv_tag(7)["x_cm"] == 1.5
    assert http(hub, "GET", "/").status == 200
    assert "healthy" in hub.box.run("taghubctl", "status")


def test_processes_run_as_their_user_without_capabilities(hub):
    for service in SERVICES:
        status = hub.box.run("cat", f"/proc/{hub.pid(service)}/status")
        user = hub.box.run("id", "-u", "taghub").strip()
        assert re.search(rf"^Uid:(\t{user}){{4}}$", status, re.M), status
        assert re.search(r"^CapBnd:\t0{16}$", status, re.M) and re.search(r"^Seccomp:\t2$", status, re.M)


def test_units_are_without_fault(hub):
    assert hub.box.shell("systemd-analyze verify /usr/lib/systemd/system/taghub*.*t "
                         "/usr/lib/systemd/system/taghub*.service 2>&1") == ""


@pytest.mark.parametrize("service", SERVICES)
def test_units_are_hardened(hub, service):
    limit = "10" if service == "gateway" else "5"    # tenths of the points that systemd gives
    hub.box.run("systemd-analyze", "security", "--no-pager", f"--threshold={limit}", f"taghub-{service}.service")


def test_the_database_and_the_token_are_hidden_from_who_needs_them_not(hub):
    look = "cat token && touch new && rm new"
    for service in SERVICES:
        seen = hub.box.shell(f"nsenter -t {hub.pid(service)} -m sh -c 'cd /var/lib/taghub && {look}' 2>&1", check=False)
        assert (hub.token in seen) == (service in ("history", "ingest")), (service, seen)
        assert {"history": hub.token, "ingest": "Read-only"}.get(service, "No such file") in seen, (service, seen)


def test_the_group_may_look_at_the_pages_and_nobody_else(hub):
    modes = hub.box.shell("stat -c '%a %U:%G' /run/taghub/*.page").split("\n")[:-1]
    assert modes == ["640 taghub:taghub"] * len(SERVICES)


def test_the_token_is_made_once_and_for_its_owner_alone(hub):
    mode, owner = hub.box.run("stat", "-c", "%a %U:%G", "/var/lib/taghub/token").split()
    assert (mode, owner) == ("600", "taghub:taghub")
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", hub.token)


def test_the_journal_has_levels_and_no_token(hub):
    with ws_camera(hub, name="porch", identify=False) as camera:
        camera.token = "not-the-right-token"
        camera.identify()    # refused, which is a warning
    lines = [line for line in hub.journal() if re.fullmatch("taghub-.*", line.get("SYSLOG_IDENTIFIER", ""))]
    assert {"4", "6"} <= {line["PRIORITY"] for line in lines}
    assert {f"taghub-{name}" for name in SERVICES} == {line["SYSLOG_IDENTIFIER"] for line in lines}
    assert not [line for line in lines if line["MESSAGE"].startswith("<")]
    assert hub.token not in str(hub.journal())


def test_pages_are_found_and_without_fault(hub):
    hub.box.run("man", "-w", *PROGRAMS, "taghub", "taghub.conf")
    for name in ("taghubctl", "taghub", "taghub.conf"):
        path = hub.box.run("man", "-w", name).strip()
        assert hub.box.shell(f"man --warnings -E UTF-8 -l -Tutf8 -Z {path} 2>&1 >/dev/null") == "", name
        assert hub.box.shell(f"zcat {path} | mandoc -Tlint -Wwarning") == "", name


@pytest.mark.parametrize("name, command, pattern", [
    ("taghub.conf", "example-config", r"^#(\w+) ="),
    ("taghubctl", "--help", r"^  taghubctl ([a-z-]+) ?"),
])
def test_pages_tell_every_key_and_every_verb(hub, name, command, pattern):
    page = hub.box.shell(f"MANWIDTH=200 man {name} | cat")
    words = re.findall(pattern, hub.box.run("taghubctl", command), re.M)
    assert len(words) > 5
    assert not [word for word in words if not re.search(rf"^ +{word}\b", page, re.M)]


@pytest.mark.parametrize("line, expected", [
    ("taghubctl st", {"status"}),
    ("taghubctl token s", {"show", "set"}),
    ("taghubctl status --jsonn", set()),
    ("taghubctl history --cs", {"--csv"}),
    ("taghubctl run --conf", {"--config="}),
    ("taghubctl run --http-p", {"--http-port="}),
    ("taghubctl photo po", set()),
])
def test_words_are_completed(hub, line, expected):
    script = """. /usr/share/bash-completion/completions/taghubctl
        compopt() { :; }
        COMP_WORDS=($1) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _taghubctl
        printf '%s\\n' "${COMPREPLY[@]}\""""
    assert expected == set(hub.box.run("bash", "-c", script, "bash", line).split())


def test_the_service_is_announced_with_the_default_ports(hub):
    group = xml.etree.ElementTree.fromstring(hub.box.run("cat", "/etc/avahi/services/taghub.service"))
    announced = {service.find("type").text: service.find("port").text for service in group.findall("service")}
    config = hub.box.run("taghubctl", "example-config")
    ports = dict(re.findall(r"^#(\w+_port) = (\d+)$", config, re.M))
    assert announced == {"_taghub._tcp": ports["ws_port"], "_http._tcp": ports["http_port"]}


def test_an_upgrade_restarts_the_hub_and_keeps_what_is_there(hub):
    token, before = hub.token, hub.starts()
    hub.box.shell("echo '# mine' >> /etc/taghub/taghub.conf")
    with Game(hub).identify() as game, ws_camera(hub, name="porch") as camera:
        game.drain()
        hub.install()
        hub.wait_ready()
        camera.report({"tag_id": 8})
        game.recv_tag(8)
    after = hub.starts()
    assert {name for name in after if after[name] == before[name]} == {f"taghub-{name}.socket" for name in INNER}
    assert hub.token == token
    assert "# mine" in hub.box.run("cat", "/etc/taghub/taghub.conf")
    assert hub.systemctl("is-enabled", "taghub.target") == "enabled\n"
