"""The hub as a whole: restarted, stopped, started, booted, and mended after a mistake in its configuration."""

import re
import socket

import pytest

from box import INNER, SERVICES
from clients import Closed, Game, http, ws_camera
from wire import wait_until

SOCKETS = {f"taghub-{name}.socket" for name in INNER}


def test_a_restart_of_the_target_restarts_all_and_keeps_the_sockets(hub):
    before = hub.starts()
    hub.systemctl("restart", "taghub.target")
    hub.wait_ready()
    after = hub.starts()
    assert {name for name in after if after[name] == before[name]} == SOCKETS


def test_a_stop_of_the_target_ends_the_gateway_first_and_leaves_nothing(hub):
    camera, game = ws_camera(hub, name="witness"), Game(hub).identify()
    camera.report({"tag_id": 1})
    hub.systemctl("stop", "taghub.target")
    with pytest.raises(Closed) as closed:
        while True:
            game.recv_message()
    assert closed.value.code == 1001
    camera.close()
    game.abort()
    wait_until(lambda: {unit["ActiveState"] for unit in hub.units().values()} == {"inactive"}, 10, "all is down")
    units = hub.units()
    gateway_end = int(units["taghub-gateway.service"]["InactiveEnterTimestampMonotonic"])
    for name in INNER:
        assert int(units[f"taghub-{name}.service"]["ActiveExitTimestampMonotonic"]) >= gateway_end, name
    assert hub.box.run("pgrep", "-u", "taghub", check=False) == ""
    assert hub.box.shell("ls /run/taghub/*.sock 2>/dev/null", check=False) == ""
    sessions = hub.box.run("sqlite3", "-readonly", "/var/lib/taghub/history.db",
                           "SELECT status, reason FROM connection_history WHERE camera = 'witness'")
    assert sessions == "disconnected|hub_stop\n"
    hub.systemctl("start", "taghub.target")
    hub.wait_ready()


def test_a_boot_brings_the_hub_back(hub):
    token = hub.token
    hub.box.reboot()
    hub.wait_ready()
    assert {unit["ActiveState"] for unit in hub.units().values()} == {"active"}
    assert hub.token == token
    assert re.search(r"\bwitness\b", hub.box.run("taghubctl", "history"))


def test_a_mistake_in_the_configuration_is_told_and_one_command_mends_it(hub):
    hub.box.write("/etc/taghub/conf.d/mistake.conf", "htpp_port = 80\n")
    hub.systemctl("restart", "taghub.target", check=False)
    states = {name: hub.units()[f"taghub-{name}.service"] for name in SERVICES}
    wait_until(lambda: {hub.units()[f"taghub-{name}.service"]["ActiveState"] for name in SERVICES} == {"failed"}, 10,
               f"all have given up: {states}")
    assert "did you mean 'http_port'?" in hub.tail(500)
    hub.box.run("rm", "/etc/taghub/conf.d/mistake.conf")
    hub.systemctl("restart", "taghub.target")
    hub.wait_ready()
    assert {unit["ActiveState"] for unit in hub.units().values()} == {"active"}


def privileged_port():
    for port in range(1023, 600, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port below 1024")


def test_a_port_below_1024_needs_what_the_page_says(hub):
    page = hub.box.shell("man taghub | cat")
    settings = re.search(r"\[Service\]\n( +AmbientCapabilities.*?)\n\n", page, re.S)[1]
    drop_in = "/run/systemd/system/taghub-gateway.service.d/10-port.conf"
    port = privileged_port()
    hub.box.write("/etc/taghub/conf.d/privileged.conf", f"http_port = {port}\n")
    hub.box.write(drop_in, "[Service]\n" + "\n".join(line.strip() for line in settings.splitlines()) + "\n")
    hub.systemctl("daemon-reload")
    hub.systemctl("restart", "taghub-gateway.service")
    assert http(hub, "GET", "/healthz", end=port).status == 200
    hub.box.run("rm", drop_in, "/etc/taghub/conf.d/privileged.conf")
    hub.systemctl("daemon-reload")
    hub.systemctl("restart", "taghub-gateway.service")
    hub.wait_ready()
