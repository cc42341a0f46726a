"""Installing and taking away, by the package and by make."""

import subprocess

from box import REPO
from hub import build_dir


def test_removing_keeps_what_was_remembered_and_purging_does_not(fresh_hub):
    hub, box = fresh_hub, fresh_hub.box
    token = hub.token
    box.run("dpkg", "--no-triggers", "--remove", "taghub")
    assert box.run("pgrep", "-u", "taghub", check=False) == ""
    assert box.run("systemctl", "list-units", "--no-legend", "taghub*") == ""
    assert box.run("cat", "/var/lib/taghub/token") == token + "\n"
    assert box.shell("test -e /var/lib/taghub/history.db && test -e /etc/taghub/taghub.conf") == ""
    box.run("chown", "-R", "root:root", "/var/lib/taghub")    # as if root had run a hub by hand
    box.run("chmod", "700", "/var/lib/taghub")
    hub.install()
    hub.wait_ready()
    assert hub.token == token
    assert box.shell("find /var/lib/taghub ! -user taghub") == ""
    hub.systemctl("disable", "--now", "taghub.target")
    hub.install()
    assert hub.systemctl("is-enabled", "taghub.target", check=False) == "disabled\n"
    assert hub.systemctl("is-active", "taghub.target", check=False) == "inactive\n"
    box.run("dpkg", "--no-triggers", "--purge", "taghub")
    left = box.shell("ls -d /var/lib/taghub /run/taghub /etc/taghub /etc/avahi/services/taghub.service "
                     "/etc/systemd/system/*/taghub* /usr/bin/taghub* /usr/lib/systemd/system/taghub* 2>/dev/null",
                     check=False)
    assert left == ""


def test_what_make_installs_make_removes_but_for_the_configuration(tmp_path):
    def make(target):
        subprocess.run(["make", "-s", target, f"B={build_dir()}", f"DESTDIR={tmp_path}", "PREFIX=/opt/hub"], cwd=REPO,
                       check=True, stdout=subprocess.DEVNULL)

    def files():
        return {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}

    make("install")
    assert {"opt/hub/bin/taghubctl", "opt/hub/lib/systemd/system/taghub.target", "etc/taghub/taghub.conf",
            "opt/hub/share/man/man8/taghub-gateway.8"} <= files()
    unit = (tmp_path / "opt/hub/lib/systemd/system/taghub-ingest.service").read_text()
    assert "ExecStart=/opt/hub/bin/taghub-ingest\n" in unit and "@" not in unit
    (tmp_path / "etc/taghub/taghub.conf").write_text("# mine\n")
    make("install")
    make("uninstall")
    assert files() == {"etc/taghub/taghub.conf"}
    assert (tmp_path / "etc/taghub/taghub.conf").read_text() == "# mine\n"
