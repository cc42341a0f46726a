"""`taghubctl run`: the supervisor, with services that misbehave on command."""

import os
import pty
import re
import signal
import socket
import stat
import subprocess
import time

import pytest

from fake_hub import SERVICES, base, ctl, fake_hub  # noqa: F401  (fixtures)
from hub import Hub, build_dir
from kernel import open_files
from wire import seconds, wait_until


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# Starting

def test_services_get_what_systemd_would_give(fake_hub):
    hub = fake_hub()
    for service in SERVICES:
        start, = hub.starts(service)
        has_socket = service != "gateway"
        expected = [0, 1, 2, 3] if has_socket else [0, 1, 2]
        assert start["fds"] == expected
        assert start["stdin"] == "/dev/null"
        assert start["parent"] == hub.pid
        assert start["session"] == start["pid"]
        assert int(start["blocked"], 16) == 0
        env = start["env"]
        assert env["WATCHDOG_USEC"] == "10000000"
        assert env["WATCHDOG_PID"] == str(start["pid"])
        assert env["NOTIFY_SOCKET"].startswith(str(hub.runtime_dir))
        assert env.get("LISTEN_FDS") == ("1" if has_socket else None)
        assert env.get("LISTEN_PID") == (str(start["pid"]) if has_socket else None)
        assert env.get("LISTEN_FDNAMES") == (f"taghub-{service}.socket" if has_socket else None)
    assert hub.pids().keys() == set(SERVICES)
    hub.stop()


def test_descriptors_and_signals_of_our_own_parent_do_not_leak(fake_hub):
    hub = fake_hub(start=False)
    leaked = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leaked, True)
    try:
        with open(hub.log_file, "ab") as log:
            hub.process = subprocess.Popen(
                [str(build_dir() / "bin" / "taghubctl"), "run"], env=hub.environment, stdin=leaked,
                stdout=log, stderr=log, close_fds=False, start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGQUIT, signal.SIG_IGN))
        Hub.running.append(hub)
        hub.wait_ready()
    finally:
        os.close(leaked)
    start, = hub.starts("gateway")
    assert start["fds"] == [0, 1, 2]
    python_s_own = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1
    libc_s_own = 3 << 31    # 32 and 33: no program can set them, so what our parent did stays
    assert int(start["ignored"], 16) & ~python_s_own & ~libc_s_own == 0
    hub.stop()


def test_settings_of_the_command_line_reach_the_services(fake_hub):
    hub = fake_hub(args=["--worker-hang-ms=777", "--log_level=debug", "--config", ""])
    env = hub.starts("ingest")[0]["env"]
    assert env["TAGHUB_WORKER_HANG_MS"] == "777"
    assert env["TAGHUB_LOG_LEVEL"] == "debug"
    assert env["TAGHUB_CONFIG"] == ""
    hub.stop()


def test_readiness_is_announced_once_and_tells_where(fake_hub):
    hub = fake_hub()
    text = hub.log_text()
    assert f"http://127.0.0.1:{hub.http_port}/\n" in text
    assert f"ws://127.0.0.1:{hub.http_port}/websocket" in text
    assert f"ws://127.0.0.1:{hub.ws_port}/\n" in text
    assert f"127.0.0.1:{hub.udp_port}\n" in text
    assert str(hub.token_file) in text
    assert "Ctrl-C stops it" in text
    for service in SERVICES:
        assert re.search(rf"service_started service={service} pid=\d+", text)
        assert re.search(rf"service_ready service={service} pid=\d+ after_ms=\d+", text)
    hub.wait_new_pid("ingest", hub.kill("ingest"))
    wait_until(lambda: len(re.findall("service_ready service=ingest", hub.log_text())) == 2, 5,
               "ingest is ready again")
    assert hub.log_text().count("taghub is ready.") == 1
    hub.stop()


def test_ports_that_are_off_are_not_told(fake_hub):
    hub = fake_hub(ws_port=0, udp_port=0)
    assert ":0" not in hub.log_text().split("taghub is ready.")[1]
    hub.stop()


def test_only_the_main_process_can_say_ready(fake_hub, base):
    os.mkfifo(base / "gateway.go")
    hub = fake_hub(start=False)
    hub.process = hub.spawn("run")
    Hub.running.append(hub)
    wait_until(lambda: hub.events("gateway", "impostor"), 10, "the impostor has spoken")
    assert "service_ready service=gateway" not in hub.log_text()
    (base / "gateway.go").write_text("")
    hub.wait_ready()
    hub.stop()


def test_first_start_makes_folders_and_a_token(fake_hub):
    hub = fake_hub(start=False)
    state, runtime = hub.dir / "a" / "state", hub.dir / "b" / "run"
    hub.environment.update(TAGHUB_STATE_DIR=str(state), TAGHUB_RUNTIME_DIR=str(runtime))
    del hub.environment["TAGHUB_TOKEN_FILE"]
    hub.runtime_dir = runtime
    hub.start()
    token_file = state / "token"
    token = token_file.read_text().strip()
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", token)
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    assert ctl(hub, "token", "show").stdout == token + "\n"
    assert token not in hub.log_text()
    hub.stop()


@pytest.mark.parametrize("content, mode", [
    ("short\n", 0o600), ("\n", 0o600), ("two words here\n", 0o600), ("changeme-changeme\n", 0o600),
    ("long-enough-and-random\n", 0o666)])
def test_a_bad_token_stops_the_start(fake_hub, content, mode):
    hub = fake_hub(start=False)
    hub.token_file.write_text(content)
    hub.token_file.chmod(mode)
    assert hub.run_to_end() == 78
    assert str(hub.token_file) in hub.log_text()
    assert not hub.events()
    if content.strip():
        assert content.strip() not in hub.log_text()


def test_a_token_that_others_can_read_is_warned_of(fake_hub):
    hub = fake_hub(start=False)
    hub.token_file.chmod(0o644)
    hub.start()
    assert re.search(r"<4>taghubctl: token_exposed file=.*chmod 600", hub.log_text())
    hub.stop()


def test_a_second_supervisor_is_refused_and_told_the_pid(fake_hub):
    hub = fake_hub()
    second = ctl(hub, "run")
    assert second.returncode == 1
    assert f"already_running pid={hub.pid} " in second.stderr
    assert hub.connect("fanout") == hub.pids()["fanout"]
    hub.stop()


def test_a_folder_that_everybody_may_write_is_refused(fake_hub):
    hub = fake_hub(start=False)
    hub.runtime_dir.chmod(0o777)
    assert hub.run_to_end() == 78
    assert "folder_unsafe" in hub.log_text() and str(hub.runtime_dir) in hub.log_text()


def test_a_missing_program_is_named(fake_hub, base):
    (base / "bin" / "taghub-ingest").unlink()
    hub = fake_hub(start=False)
    hub.environment["PATH"] = "/usr/bin"
    assert hub.run_to_end() == 1
    assert "program_missing program=taghub-ingest" in hub.log_text()
    assert not hub.events()


def test_programs_are_found_in_path(fake_hub, base):
    other = base / "other"
    other.mkdir()
    (base / "bin" / "taghub-ingest").rename(other / "taghub-ingest")
    hub = fake_hub(start=False)
    hub.environment["PATH"] = f"/nonexistent:{other}:/usr/bin"
    hub.start()
    hub.stop()


# Deaths

def test_a_dead_service_starts_again_and_its_socket_stays(fake_hub):
    hub = fake_hub()
    before = hub.connect("ingest")
    inode = (hub.runtime_dir / "ingest.sock").stat().st_ino
    others = {service: hub.pids()[service] for service in ("fanout", "gateway")}
    hub.kill("ingest")
    after = hub.connect("ingest")    # waits in the backlog until the new process takes it
    assert after != before
    assert (hub.runtime_dir / "ingest.sock").stat().st_ino == inode
    assert re.search(rf"service_died service=ingest pid={before} signal=SIGKILL restart_ms=10\b",
                     hub.log_text())
    assert {service: hub.pids()[service] for service in others} == others
    hub.stop()


def test_back_off_doubles(fake_hub):
    hub = fake_hub()
    hub.set_mode("ingest", "exit:3")
    hub.kill("ingest")
    hub.wait_log(r"service_died service=ingest pid=\d+ status=3 restart_ms=160")
    waits = [int(wait) for wait in re.findall(r"service=ingest .*restart_ms=(\d+)", hub.log_text())]
    assert waits[:5] == [10, 20, 40, 80, 160]
    hub.set_mode("ingest", "ok")    # what was ready once is never given up
    wait_until(lambda: len(re.findall("service_ready service=ingest", hub.log_text())) == 2, 10,
               "ingest is ready again")
    hub.stop()


def test_a_service_that_never_gets_ready_ends_the_hub(fake_hub):
    hub = fake_hub(modes={"fanout": "exit:1"}, start=False)
    assert hub.run_to_end() == 1
    assert len(hub.starts("fanout")) == 5
    assert re.search(r"service_failed service=fanout status=1 starts=5", hub.log_text())


def test_a_configuration_failure_ends_the_hub_at_once(fake_hub):
    hub = fake_hub(modes={"gateway": "exit:78"}, start=False)
    assert hub.run_to_end() == 78
    assert len(hub.starts("gateway")) == 1
    assert "service_misconfigured service=gateway status=78" in hub.log_text()
    assert not list(hub.runtime_dir.glob("*.sock"))


def test_a_configuration_failure_of_a_running_hub_is_retried(fake_hub):
    hub = fake_hub()
    hub.set_mode("gateway", "exit:78")
    hub.kill("gateway")
    hub.wait_log(r"service_died service=gateway pid=\d+ status=78 restart_ms=40")
    hub.set_mode("gateway", "ok")
    wait_until(lambda: len(re.findall("service_ready service=gateway", hub.log_text())) == 2, 10,
               "gateway is ready again")
    hub.stop()


def test_a_program_that_cannot_be_executed_is_named(fake_hub, base):
    (base / "bin" / "taghub-fanout").write_text("#!/nonexistent/interpreter\n")
    hub = fake_hub(start=False)
    assert hub.run_to_end() == 1
    assert re.search(r"exec_failed program=.*taghub-fanout", hub.log_text())
    assert "service=fanout status=203" in hub.log_text()


def test_a_service_that_does_not_ping_is_aborted(fake_hub):
    hub = fake_hub(modes={"ingest": "mute"}, allow_deaths=True)
    pid = hub.pids()["ingest"]
    hub.set_mode("ingest", "ok")
    hub.wait_log(rf"service_hangs service=ingest pid={pid} silent_ms=10000", 14)
    hub.wait_log(rf"service_died service=ingest pid={pid} signal=SIGABRT")
    assert hub.connect("ingest") != pid
    hub.stop()


def test_a_frozen_service_is_killed(fake_hub):
    hub = fake_hub()
    pid = hub.kill("gateway", signal.SIGSTOP)    # SIGABRT cannot end it, SIGKILL can
    hub.wait_log(rf"service_died service=gateway pid={pid} signal=SIGKILL", 16)
    hub.wait_new_pid("gateway", pid)
    hub.stop()


def test_kill_9_of_the_supervisor_leaves_nothing(fake_hub):
    hub = fake_hub(modes={"gateway": "workers"})
    worker = wait_until(lambda: hub.events("gateway", "worker"), 5, "a worker")[0]["pid"]
    assert len(hub.descendants()) == len(SERVICES) + 2 and alive(worker)    # taghubctl, the worker
    os.kill(hub.pid, signal.SIGKILL)
    hub.wait_gone()
    # and the next start finds no obstacle in what was left
    hub.set_mode("gateway", "ok")
    hub.log_file.write_text("")
    hub.start()
    hub.stop()


# Descriptors that a service stores

def give_orders(hub, service, *orders):
    """Has a stand-in, started with a FIFO of orders, do them; returns when it has."""
    done = len(hub.events(service, "followed"))
    (hub.base / f"{service}.orders").write_text("".join(f"{order}\n" for order in orders))
    wait_until(lambda: len(hub.events(service, "followed")) == done + len(orders), 5,
               f"{service} follows {orders}")


def restart_by(hub, service, *, order=None):
    """Ends a service, by an order or by SIGKILL; returns [name, file] of what the next one got."""
    count = len(hub.starts(service))
    if order:
        (hub.base / f"{service}.orders").write_text(order + "\n")
    else:
        hub.kill(service)
    wait_until(lambda: len(hub.starts(service)) == count + 1, 10, f"{service} starts again")
    return [[name, re.sub(r"/memfd:(\S+) \(deleted\)", r"\1", link)]
            for name, link in hub.starts(service)[-1]["handed"] if "socket:" not in link]


def kept_by(hub):
    """The files in memory that the supervisor itself has open."""
    return [link for link in open_files(hub.pid) if link.startswith("/memfd:")]


def test_stored_descriptors_come_back_after_every_end(fake_hub, base):
    os.mkfifo(base / "ingest.orders")
    hub = fake_hub()
    give_orders(hub, "ingest", "keep ws w1", "keep http h2 h1", "keep ws w2")
    stored = [["ws", "w1"], ["http", "h2"], ["http", "h1"], ["ws", "w2"]]
    assert restart_by(hub, "ingest", order="exit 0") == stored
    assert hub.starts("ingest")[-1]["handed"][0][0] == "taghub-ingest.socket"
    assert hub.starts("ingest")[-1]["env"]["LISTEN_FDS"] == "5"
    assert restart_by(hub, "ingest") == stored    # SIGKILL
    assert restart_by(hub, "ingest", order="exit 3") == stored
    assert hub.connect("ingest") == hub.pids()["ingest"]
    hub.kill("fanout")    # what is another's does not reach it
    wait_until(lambda: len(hub.starts("fanout")) == 2, 10, "fanout starts again")
    assert hub.starts("fanout")[-1]["fds"] == [0, 1, 2, 3]
    hub.stop()


def test_what_a_service_stores_with_its_last_breath_is_kept(fake_hub, base):
    os.mkfifo(base / "gateway.orders")
    hub = fake_hub()
    for number in range(5):
        handed = restart_by(hub, "gateway", order=f"keep n{number} f{number}\nexit 0")
        assert handed == [[f"n{n}", f"f{n}"] for n in range(number + 1)]
    hub.stop()


def test_descriptors_are_forgotten_by_name(fake_hub, base):
    os.mkfifo(base / "gateway.orders")
    hub = fake_hub()
    give_orders(hub, "gateway", "keep park p1 p2", "keep http h1", "keep park p3", "forget park")
    wait_until(lambda: len(kept_by(hub)) == 1, 5, "the others are closed")
    assert restart_by(hub, "gateway") == [["http", "h1"]]
    assert hub.starts("gateway")[-1]["fds"] == [0, 1, 2, 3]
    hub.stop()


@pytest.mark.parametrize("service, room", [("gateway", 64), ("fanout", 63)])    # fanout has a listener
def test_more_descriptors_than_a_start_can_take_are_closed(fake_hub, base, service, room):
    os.mkfifo(base / f"{service}.orders")
    hub = fake_hub()
    files = [f"f{number}" for number in range(70)]
    give_orders(hub, service, "keep all " + " ".join(files), "keep more m1 m2")
    wait_until(lambda: len(kept_by(hub)) == room, 5, "the store is full")
    assert restart_by(hub, service) == [["all", name] for name in files[:room]]
    assert hub.log_text().count(f"descriptors_closed service={service}") == 1
    hub.stop()


def test_only_the_main_process_can_store(fake_hub, base):
    os.mkfifo(base / "gateway.orders")
    hub = fake_hub()
    stranger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    stranger.connect(str(hub.runtime_dir / "notify.sock"))
    file = os.memfd_create("stranger")
    socket.send_fds(stranger, [b"FDSTORE=1\nFDNAME=x"], [file])
    os.close(file)
    give_orders(hub, "gateway", "keep park mine")    # heard after the stranger
    wait_until(lambda: kept_by(hub) == ["/memfd:mine (deleted)"], 5, "one of them is kept")
    hub.stop()


def test_stored_descriptors_are_closed_when_their_service_has_stopped(fake_hub, base):
    os.mkfifo(base / "gateway.orders")
    hub = fake_hub(modes={"history": "stubborn"}, stop_deadline_ms=20000)
    give_orders(hub, "gateway", "keep http h1 h2")
    wait_until(lambda: len(kept_by(hub)) == 2, 5, "they are kept")
    hub.process.send_signal(signal.SIGTERM)
    hub.wait_log("service_stopped service=gateway")
    wait_until(lambda: not kept_by(hub), 5, "they are closed")
    assert hub.process.poll() is None    # before the hub has ended, which closes everything
    os.kill(hub.pids()["history"], signal.SIGKILL)
    assert hub.wait_stopped() == 0


def test_an_exit_with_status_0_is_a_restart_and_no_death(fake_hub, base):
    os.mkfifo(base / "gateway.orders")
    hub = fake_hub()
    pid = hub.pids()["gateway"]
    restart_by(hub, "gateway", order="exit 0")
    assert re.search(rf"<6>taghubctl: service_restarts service=gateway pid={pid} restart_ms=10\b", hub.log_text())
    wait_until(lambda: len(re.findall("service_ready service=gateway", hub.log_text())) == 2, 5,
               "the gateway is ready again")
    hub.stop()    # which fails when a death is in the log


# Stopping

@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_the_stop_goes_from_the_gateway_to_history(fake_hub, sig):
    hub = fake_hub()
    started = time.monotonic()
    hub.process.send_signal(sig)
    assert hub.wait_stopped() == 0
    assert time.monotonic() - started < seconds(2)
    order = [(event["service"], event["what"]) for event in hub.events()
             if event["what"] in ("signal", "end")]
    assert order == [(service, what) for service in reversed(SERVICES)
                     for what in ("signal", "end")]
    assert not list(hub.runtime_dir.glob("*.sock"))
    hub.check_log()


@pytest.mark.parametrize("stubborn", SERVICES)
def test_a_service_that_does_not_stop_is_killed_in_time(fake_hub, stubborn):
    hub = fake_hub(modes={stubborn: "workers"}, stop_deadline_ms=1500)
    started = time.monotonic()
    hub.process.send_signal(signal.SIGTERM)
    assert hub.wait_stopped() == 0    # fails when its worker is left
    assert time.monotonic() - started < seconds(2.5)
    assert f"service_killed service={stubborn}" in hub.log_text()
    ended = {event["service"] for event in hub.events(what="end")}
    assert ended == set(SERVICES) - {stubborn}    # the others had time to end by themselves


def test_nothing_stops_and_the_default_deadline_holds(fake_hub):
    hub = fake_hub(modes={service: "stubborn" for service in SERVICES}, stop_deadline_ms=None)
    started = time.monotonic()
    hub.process.send_signal(signal.SIGINT)
    assert hub.wait_stopped() == 0
    assert time.monotonic() - started < 5


def test_a_stop_while_a_service_waits_to_start_again(fake_hub):
    hub = fake_hub(allow_deaths=True)
    hub.set_mode("ingest", "exit:3")
    hub.kill("ingest")
    hub.wait_log(r"service=ingest .*restart_ms=640")
    hub.stop()


def test_hangup_is_ignored_without_a_terminal(fake_hub):
    hub = fake_hub()
    hub.process.send_signal(signal.SIGHUP)
    hub.wait_new_pid("fanout", hub.kill("fanout"))    # it lives and works
    assert "stopping" not in hub.log_text()
    hub.stop()


def test_a_terminal_sends_ctrl_c_to_the_supervisor_alone(fake_hub):
    hub = fake_hub(start=False)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(build_dir() / "bin" / "taghubctl", ["taghubctl", "run"], hub.environment)
    output = b""
    try:
        while b"Ctrl-C stops it" not in output:
            output += os.read(terminal, 4096)
        os.write(terminal, b"\x03")
        status = os.waitpid(pid, 0)[1]
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    signals = [(event["service"], event["number"]) for event in hub.events(what="signal")]
    assert signals == [(service, signal.SIGTERM) for service in reversed(SERVICES)]


def test_closing_the_terminal_stops_the_hub(fake_hub):
    hub = fake_hub(start=False)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(build_dir() / "bin" / "taghubctl", ["taghubctl", "run"], hub.environment)
    output = b""
    try:
        while b"Ctrl-C stops it" not in output:
            output += os.read(terminal, 4096)
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(hub.events(what="end")) == len(SERVICES)
