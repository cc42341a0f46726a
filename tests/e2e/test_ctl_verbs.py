"""taghubctl's verbs beside `run`: token, configuration, usage, and status."""

import json
import re
import signal
import stat

import pytest

from clients import http
from fake_hub import SERVICES, base, ctl, fake_hub  # noqa: F401  (fixtures)
from wire import seconds, wait_until


# token

def test_token_verbs(fake_hub):
    hub = fake_hub(start=False)
    assert ctl(hub, "token", "show").stdout == hub.token + "\n"
    made = ctl(hub, "token", "new")
    assert made.returncode == 0 and str(hub.token_file) in made.stdout
    new = hub.token_file.read_text().strip()
    assert new != hub.token and new not in made.stdout + made.stderr
    for words, stdin in ((("my-own-token-1234",), None), ((), "my-own-token-5678\n")):
        chosen = words[0] if words else stdin.strip()
        given = ctl(hub, "token", "set", *words, stdin=stdin)
        assert given.returncode == 0, given.stderr
        assert chosen not in given.stdout + given.stderr
        assert hub.token_file.read_text() == chosen + "\n"
        assert stat.S_IMODE(hub.token_file.stat().st_mode) == 0o600


def test_token_new_before_the_first_start(fake_hub):
    hub = fake_hub(start=False)
    state = hub.dir / "fresh" / "state"
    hub.environment["TAGHUB_STATE_DIR"] = str(state)
    del hub.environment["TAGHUB_TOKEN_FILE"]
    missing = ctl(hub, "token", "show")
    assert missing.returncode == 1 and "taghubctl token new" in missing.stderr
    assert ctl(hub, "token", "new").returncode == 0
    assert len((state / "token").read_text()) == 33


def test_token_ensure_makes_one_only_if_there_is_none(fake_hub):
    hub = fake_hub(start=False)
    assert ctl(hub, "token", "ensure").returncode == 0
    assert hub.token_file.read_text() == hub.token + "\n"
    hub.token_file.unlink()
    assert ctl(hub, "token", "ensure").returncode == 0
    made = ctl(hub, "token", "show").stdout
    assert len(made) == 33 and made != hub.token + "\n"


@pytest.mark.parametrize("value", [
    "short", "", "x" * 129, "with a blank inside", "changeme-changeme", "tab\tinside-it-is",
    "nöt-ascii-token"])
def test_token_set_refuses(fake_hub, value):
    hub = fake_hub(start=False)
    given = ctl(hub, "token", "set", stdin=value + "\n")
    assert given.returncode == 1
    assert given.stderr and (not value or value not in given.stderr)
    assert hub.token_file.read_text() == hub.token + "\n"


# Configuration

def test_check_config_shows_values_and_origins(fake_hub):
    hub = fake_hub(start=False)
    config = hub.dir / "taghub.conf"
    config.write_text("cameras_max_count = 99\n")
    shown = ctl(hub, "check-config", f"--config={config}", "--ping-interval-ms=1234")
    assert shown.returncode == 0, shown.stderr
    for key, value, origin in (("cameras_max_count", "99", f"{config}:1"),
                               ("ping_interval_ms", "1234", "--ping-interval-ms"),
                               ("workers", "2", "TAGHUB_WORKERS"),
                               ("pong_deadline_ms", "20000", "default")):
        assert re.search(rf"(?m)^{key} = {value}\b.*{re.escape(origin)}", shown.stdout), key


@pytest.mark.parametrize("verb", ["check-config", "run", "status", "token"])
@pytest.mark.parametrize("line, words", [
    ("htpp_port = 5000", ["taghub.conf:2", "htpp_port", "http_port"]),
    ("http_port = 70000", ["taghub.conf:2", "http_port", "70000"]),
])
def test_a_bad_configuration_is_told_in_one_sentence(fake_hub, verb, line, words):
    hub = fake_hub(start=False)
    config = hub.dir / "taghub.conf"
    config.write_text(f"# first line\n{line}\n")
    told = ctl(hub, verb, *(["show"] if verb == "token" else []), f"--config={config}")
    assert told.returncode == 78
    assert told.stdout == "" and told.stderr.count("\n") == 1
    for word in words:
        assert word in told.stderr


def test_example_config_is_a_valid_file(fake_hub):
    hub = fake_hub(start=False)
    example = ctl(hub, "example-config")
    assert example.returncode == 0 and "http_port" in example.stdout
    config = hub.dir / "taghub.conf"
    config.write_text(example.stdout)
    assert ctl(hub, "check-config", "--config", str(config)).returncode == 0


# Usage

@pytest.mark.parametrize("words, hint", [
    ([], "taghubctl run"), (["staus"], "'status'"), (["tokne", "show"], "'token'"),
    (["xyzzy"], "xyzzy"),
    (["token"], "show, new, ensure or set"),
    (["token", "steal"], "show, new, ensure, set"),
    (["status", "--interval"], "milliseconds"), (["status", "--interval", "0"], "milliseconds"),
    (["status", "--interval=1e3"], "milliseconds"), (["example-config", "more"], "more"),
    (["run", "away"], "away"), (["status", "gateway"], "gateway"),
    (["token", "show", "it"], "'it'")])
def test_wrong_usage_is_status_2(fake_hub, words, hint):
    told = ctl(fake_hub(start=False), *words)
    assert told.returncode == 2
    assert hint in told.stderr and told.stdout == ""


def test_help_and_version(fake_hub):
    hub = fake_hub(start=False)
    overview = ctl(hub, "--help")
    assert overview.returncode == 0
    for verb in ("run", "status", "reload", "restart", "token", "check-config", "example-config", "protocol"):
        assert f"taghubctl {verb}" in overview.stdout
        assert ctl(hub, verb, "--help").returncode == 0
    assert "TAGHUB_HTTP_PORT" in ctl(hub, "run", "--help").stdout
    assert re.fullmatch(r"taghubctl \d+\.\d+\.\d+\n", ctl(hub, "--version").stdout)


def test_protocol_names_the_messages(fake_hub):
    printed = ctl(fake_hub(start=False), "protocol")
    assert printed.returncode == 0 and "settled" in printed.stdout


# reload and restart

@pytest.mark.parametrize("words, hint", [
    (["restart"], "which service"), (["restart", "ingets"], "did you mean 'ingest'"),
    (["restart", "xyzzy"], "no service 'xyzzy'"), (["restart", "ingest", "fanout"], "'fanout'"),
    (["reload", "ingest"], "'ingest'")])
def test_what_cannot_be_renewed_is_wrong_usage(fake_hub, words, hint):
    told = ctl(fake_hub(start=False), *words)
    assert told.returncode == 2
    assert hint in told.stderr and told.stdout == ""


@pytest.mark.parametrize("words", [["reload"], ["restart", "gateway"], ["restart", "history"]])
def test_nothing_is_renewed_without_a_hub(fake_hub, words):
    hub = fake_hub(start=False)
    told = ctl(hub, *words)
    assert told.returncode == 1
    assert f"there is no hub in {hub.runtime_dir}" in told.stderr and told.stdout == ""
    (hub.runtime_dir / f"{words[-1].replace('reload', 'gateway')}.page").write_bytes(b"not a page")
    told = ctl(hub, *words)
    assert told.returncode == 1 and "cannot be read" in told.stderr


def test_nothing_is_renewed_after_the_hub_has_stopped(fresh_hub):
    hub = fresh_hub()
    hub.process.send_signal(signal.SIGTERM)
    assert hub.wait_stopped() == 0
    assert (hub.runtime_dir / "fanout.page").exists()
    told = ctl(hub, "restart", "fanout")
    assert told.returncode == 1 and "does not run" in told.stderr
    hub.discard()


@pytest.mark.parametrize("service", SERVICES)
def test_restart_waits_for_the_new_process(fresh_hub, service):
    hub = fresh_hub()
    before = hub.pids()
    told = ctl(hub, "restart", service)
    assert told.returncode == 0, told.stderr
    after = hub.pids()
    assert after.pop(service) != before.pop(service) and after == before
    assert re.fullmatch(rf"{service}: restarted after \d+ ms, workers=\d+ pid={hub.pids()[service]}\n", told.stdout)
    answer = json.loads(ctl(hub, "status", "--json", "--interval", "10").stdout)
    assert {s["service"]: s["health"] for s in answer["services"]}[service] == "ok"
    hub.stop()    # and it was no death


def test_reload_waits_for_other_workers(fresh_hub):
    hub = fresh_hub()
    before, workers = hub.pids(), hub.workers("gateway")
    told = ctl(hub, "reload")
    assert told.returncode == 0, told.stderr
    assert re.fullmatch(r"gateway: reloaded after \d+ ms, workers=2 pid=\d+\n", told.stdout)
    assert hub.pids() == before and not set(hub.workers("gateway")) & set(workers)
    hub.stop()


def test_a_reload_that_is_not_taken_is_told(fresh_hub):
    hub = fresh_hub()
    frozen = hub.kill("gateway", signal.SIGSTOP)    # its workers go on
    told = ctl(hub, "reload")
    assert told.returncode == 1
    assert "gateway: refused or not taken" in told.stderr and told.stdout == ""
    hub.wait_new_pid("gateway", hub.kill(frozen))
    hub.wait_ready()
    hub.stop()


# status

def test_status_without_a_hub(fake_hub):
    hub = fake_hub(start=False)
    shown = ctl(hub, "status", "--json", "--interval", "10")
    assert shown.returncode == 1
    answer = json.loads(shown.stdout)
    assert answer["healthy"] is False
    assert [service["service"] for service in answer["services"]] == SERVICES
    for service in answer["services"]:
        assert service["health"] == "away" and service["pid"] is None and service["error"]
        assert service["workers"] == [] and service["rates_per_s"] is None
    text = ctl(hub, "status", "--interval", "10")
    assert text.returncode == 1 and "NOT healthy" in text.stdout
    assert max(map(len, text.stdout.splitlines()[1:])) <= 100


def test_status_with_a_page_of_another_version(fake_hub):
    hub = fake_hub(start=False)
    (hub.runtime_dir / "ingest.page").write_bytes(b"not a page")
    answer = json.loads(ctl(hub, "status", "--json", "--interval=10").stdout)
    health = {service["service"]: service["health"] for service in answer["services"]}
    assert health["ingest"] == "away"


def test_status_of_a_hub(hub):
    def look():
        shown = ctl(hub, "status", "--json", "--interval", "10")
        return shown.returncode, json.loads(shown.stdout)

    def http_requests(answer):
        return {service["service"]: service["totals"]["http_requests"]
                for service in answer["services"]}["gateway"]

    code, before = look()
    assert code == 0 and before["healthy"] is True
    for service in before["services"]:
        assert service["health"] == "ok"
        assert service["pid"] == hub.pids()[service["service"]]
        assert service["rates_per_s"].keys() == service["totals"].keys()
        for worker in service["workers"]:
            assert (worker["health"], worker["state"]) == ("ok", "alive")
            assert worker["heartbeat_age_ms"] <= seconds(1000)
            assert re.fullmatch("[0-9a-f]{16}", worker["incarnation"])
    gateway = next(s for s in before["services"] if s["service"] == "gateway")
    assert sorted(worker["pid"] for worker in gateway["workers"]) == hub.workers("gateway")
    assert http(hub, "GET", "/healthz").status == 200
    wait_until(lambda: http_requests(look()[1]) == http_requests(before) + 1, 5,
               "the request is counted")
    text = ctl(hub, "status", "--interval", "10")
    assert text.returncode == 0 and ": healthy\n" in text.stdout
    assert max(map(len, text.stdout.splitlines()[1:])) <= 100


def test_status_finds_a_hanging_worker(fresh_hub):
    hub = fresh_hub(worker_hang_ms=60000)    # nobody kills it meanwhile
    frozen = hub.kill(hub.workers("gateway")[0], signal.SIGSTOP)
    hub.environment["TAGHUB_WORKER_HANG_MS"] = "300"    # for `status` alone

    def found():
        shown = ctl(hub, "status", "--json", "--interval", "10")
        workers = [worker for service in json.loads(shown.stdout)["services"]
                   for worker in service["workers"] if worker["health"] == "hangs"]
        return shown.returncode == 1 and [worker["pid"] for worker in workers] == [frozen]

    wait_until(found, 5, "the frozen worker is seen to hang")
    hub.kill(frozen, signal.SIGCONT)
    hub.stop()
