"""Text that is not plain JSON: quotes that are repaired, and everything else, which is refused without
an end to the connection."""

import pytest

from clients import ENDS
from speakers import ACK, Speaker

both_ends = pytest.mark.parametrize("end", ENDS)

# What stands for a record in single quotes, and the value of its member x
REPAIRED = [
    ("single quotes", r"""'x': 'plain'""", "plain"),
    ("mixed quotes", r"""'x': "plain" """, "plain"),
    ("mixed the other way", r""" "x": 'plain'""", "plain"),
    ("empty string", r"""'x': ''""", ""),
    ("double quote inside", r"""'x': 'say "hi"'""", 'say "hi"'),
    ("escaped single quote", r"""'x': 'it\'s'""", "it's"),
    ("escaped double quote", r"""'x': 'a \" b'""", 'a " b'),
    ("escaped backslash at the end", r"""'x': 'a\\'""", "a\\"),
    ("escaped backslash before a quote inside", r"""'x': 'a\\\'b'""", "a\\'b"),
    ("apostrophe in double quotes", r"""'y': 1, "x": "it's" """, "it's"),
    ("two apostrophes in double quotes", r"""'y': 1, "x": "'quoted'" """, "'quoted'"),
    ("looks like JSON inside double quotes", r"""'y': 1, "x": "{'a': 'b'}" """, "{'a': 'b'}"),
    ("looks like JSON inside single quotes", r"""'x': '{"a": "b"}'""", '{"a": "b"}'),
    ("other escapes", r"""'x': '\u00e4\n\t\/\ud83d\ude00'""", "ä\n\t/😀"),
    ("characters beyond ASCII", r"""'x': 'ä€😀'""", "ä€😀"),
    ("braces and commas inside", r"""'x': '},]:{['""", "},]:{["),
    ("deep", r"""'x': {'a': ['b', {'c': 'd"e'}]}""", {"a": ["b", {"c": 'd"e'}]}),
    ("numbers and literals beside",
     r"""'x': [1, -2.5e3, true, false, null, 18446744073709551615]""",
     [1, -2500.0, True, False, None, 18446744073709551615]),
    ("blanks around", "\n\t 'x' :\r\n 'v' ", "v"),
]


@both_ends
@pytest.mark.parametrize("members,value", [case[1:] for case in REPAIRED],
                         ids=[case[0] for case in REPAIRED])
def test_single_quotes_are_repaired(hub, end, members, value):
    with Speaker(hub, end).identify() as game, Speaker(hub, end).identify_camera() as camera:
        game.drain()
        assert camera.ask("{'event': 'apriltag_data', 'camera_name': 'quotes', 'tag_id': 7, %s}" % members) == ACK
        assert game.recv_tag(7)["x"] == value


@both_ends
@pytest.mark.parametrize("text",
                         ["{'event':'ping'}", "{'event':\"ping\"}", "{\"event\":'ping'}",
                          " {'event' : 'ping'} ",
                                  "{'event': 'p\\u0069ng'}"])
def test_events_in_single_quotes(hub, end, text):
    with Speaker(hub, end) as ws:
        assert ws.ask(text)["event"] == "pong"


@both_ends
def test_identify_in_single_quotes(hub, end):
    with Speaker(hub, end) as ws:
        text = "{'event': 'identify', 'data': {'type': 'esp32', 'auth_token': '%s'}}" % hub.token
        assert ws.ask(text) == {"event": "identify_success", "client_type": "esp32"}
        assert ws.is_camera()


@both_ends
@pytest.mark.parametrize("value",
                         ["it's", "'", "''", "a'b'c", "'{'", "\"'\"", "\\'", "{'event':'ping'}"])
def test_valid_json_is_never_rewritten(hub, end, value):
    with Speaker(hub, end).identify() as game, Speaker(hub, end).identify_camera() as camera:
        game.drain()
        camera.report({"camera_name": "quotes", "tag_id": 8, value: value, "x": [value]})
        record = game.recv_tag(8)
        assert record[value] == value and record["x"] == [value]


def nested(depth):
    """Telemetry nested to `depth`, its own braces counted."""
    value = "[" * (depth - 1) + "]" * (depth - 1)
    return '{"event": "apriltag_data", "tag_id": 1, "camera_name": "deep", "x": %s}' % value


REFUSED = [
    ("nothing", ""),
    ("blanks", " \n"),
    ("a word", "hello"),
    ("an array", '[{"event": "ping"}]'),
    ("a string", '"ping"'),
    ("a single-quoted string", "'ping'"),
    ("a number", "5"),
    ("null", "null"),
    ("true", "true"),
    ("cut short", '{"event": "ping"'),
    ("cut inside a string", '{"event": "pi'),
    ("cut inside a single-quoted string", "{'event': 'pi"),
    ("trailing word", '{"event": "ping"} x'),
    ("two objects", '{"event": "ping"}{"event": "ping"}'),
    ("trailing comma", '{"event": "ping"} ,'),
    ("trailing NUL", '{"event": "ping"}\0'),
    ("comma before the end", '{"event": "ping",}'),
    ("comma in an array", '{"event": "ping", "x": [1,]}'),
    ("no quotes at the key", '{event: "ping"}'),
    ("no quotes at the value", '{"event": ping}'),
    ("a comment", '{"event": "ping" /* x */}'),
    ("byte order mark", '\ufeff{"event": "ping"}'),
    ("raw newline in a string", '{"event": "ping", "x": "a\nb"}'),
    ("raw NUL in a string", '{"event": "ping", "x": "\0"}'),
    ("unknown escape", '{"event": "ping", "x": "\\x41"}'),
    ("escaped single quote in double quotes", '{"event": "ping", "x": "\\\'"}'),
    ("short unicode escape", '{"event": "ping", "x": "\\u12"}'),
    ("leading zero", '{"event": "ping", "x": 01}'),
    ("plus sign", '{"event": "ping", "x": +1}'),
    ("no digit behind the point", '{"event": "ping", "x": 1.}'),
    ("no digit before the point", '{"event": "ping", "x": .5}'),
    ("hexadecimal", '{"event": "ping", "x": 0x10}'),
    ("True", '{"event": "ping", "x": True}'),
    ("NaN", '{"event": "ping", "x": NaN}'),
    ("Infinity", '{"event": "ping", "x": Infinity}'),
    ("-Infinity", '{"event": "ping", "x": -Infinity}'),
    ("1e999", '{"event": "ping", "x": 1e999}'),
    ("-1e999", '{"event": "ping", "x": [{"y": -1e999}]}'),
    ("400 digits", '{"event": "ping", "x": %s}' % ("9" * 400)),
    ("NaN in single quotes", "{'event': 'ping', 'x': NaN}"),
    ("1e999 in single quotes", "{'event': 'ping', 'x': 1e999}"),
    ("event is a number", '{"event": 5}'),
    ("event is null", '{"event": null}'),
    ("event is true", '{"event": true}'),
    ("event is a list", '{"event": ["ping"]}'),
    ("event is an object", '{"event": {"event": "ping"}}'),
    ("last event is a number", '{"event": "ping", "event": 5}'),
    ("identify with a string", '{"event": "identify", "data": "esp32"}'),
    ("identify with null", '{"event": "identify", "data": null}'),
    ("depth 65", nested(65)),
    ("depth 1000", nested(1000)),
    ("depth 8000 without an end", "[" * 8000),
]


@both_ends
@pytest.mark.parametrize("role", ["none", "camera", "game"])
@pytest.mark.parametrize("text", [case[1] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused_with_an_error_and_the_connection_goes_on(hub, end, role, text):
    with Speaker(hub, end) as ws:
        if role == "camera":
            ws.identify_camera()
        elif role == "game":
            ws.identify().drain()
        reply = ws.ask(text)
        assert reply["event"] == "error" and isinstance(reply["error"], str) and reply["error"]
        assert ws.ask({"event": "ping"})["event"] == "pong"
        assert ws.is_camera() == (role == "camera")


@both_ends
def test_depth_of_64_passes(hub, end):
    with Speaker(hub, end).identify_camera() as camera:
        assert camera.ask(nested(64)) == ACK


@both_ends
def test_error_names_the_field(hub, end):
    with Speaker(hub, end).identify_camera() as camera:
        reply = camera.ask('{"event": "apriltag_data", "x_cm": NaN}')
        assert reply["event"] == "error" and "x_cm" in reply["error"]


@both_ends
def test_unicode_in_errors_stays_valid(hub, end):
    with Speaker(hub, end) as ws:
        for key in ('"', "\\u0000", "ä" * 50, "😀" * 20, "\\ud800"):
            key = '\\"' if key == '"' else key
            assert ws.ask('{"%s": NaN}' % key)["event"] == "error"


@both_ends
def test_nothing_of_a_refused_message_reaches_games(hub, end):
    with Speaker(hub, end).identify() as game, Speaker(hub, end).identify_camera() as camera:
        game.drain()
        for text in ('{"event": "apriltag_data", "tag_id": 1, "x_cm": NaN}',
                     '{"event": "apriltag_data", "tag_id": 1, "deep": [[1e999]]}',
                     '{"event": "apriltag_data", "tag_id": 1} {}',
                     '{"event": "apriltag_data", "data": {"tag_id": 1, "x": Infinity}}',
                     '{"event": "apriltag_data", "tag_id": 1',
                     nested(65)):
            assert camera.ask(text)["event"] == "error"
        camera.report({"tag_id": 2, "camera_name": "good"})
        game.recv_tag(2)
