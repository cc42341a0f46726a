"""What a camera sends is what games get: every value, every key, every character."""

import json
from decimal import Decimal

import pytest

from clients import ENDS
from speakers import ACK, Speaker

both_ends = pytest.mark.parametrize("end", ENDS)


@pytest.fixture(params=ENDS)
def pair(request, hub):
    """A game and a camera on one port: pair(text of members) returns what the game gets."""
    with Speaker(hub, request.param).identify() as game, \
            Speaker(hub, request.param).identify_camera() as camera:
        game.drain()

        def carry(members):
            assert camera.ask('{"event": "apriltag_data", "camera_name": "exact", %s}' % members) == ACK
            return game.recv_message()

        yield carry


INTEGERS = [0, 1, -1, 2**31, 2**32, 2**53 - 1, 2**53, 2**53 + 1, -2**53 - 1, 2**63 - 1, 2**63,
            2**64 - 1,
            -2**63, -2**63 + 1, 1234567890123456789]


@pytest.mark.parametrize("number", INTEGERS)
def test_integers_stay_exact(pair, number):
    record = json.loads(pair('"n": %d, "deep": [{"n": %d}]' % (number, number)))
    assert record["n"] == number and isinstance(record["n"], int)
    assert record["deep"] == [{"n": number}]


FLOATS = ["0.1", "-0.0", "1e5", "1E+5", "1e-5", "4.9e-324", "2.2250738585072014e-308",
          "1.7976931348623157e308",
          "3.141592653589793", "123456789012345678.5", "1.0", "100.10", "1e22",
          "9007199254740993.0", "1e-400",
          "0.30000000000000004", "18446744073709551616", "-9223372036854775809", "0e0", "1e308"]


@pytest.mark.parametrize("number", FLOATS)
def test_other_numbers_keep_their_double(pair, number):
    got = json.loads(pair('"n": %s' % number), parse_float=Decimal)["n"]
    assert float(got) == float(number) and str(float(got)) == str(float(number))


STRINGS = [
    "", " ", "plain", "\"", "\\", "/", "\b\f\n\r\t", "\x00", "a\x00b", "\x01\x1f\x7f", "\x80\x9f",
    "ä", "€", "\u2028\u2029",
    "\ufeff", "\ufffd", "\ufffe\uffff", "\ud7ff\ue000", "😀", "\U00010000", "\U0010ffff", "𝄞 music",
    "e\u0301", "שלום",
    "日本語", "</script>", "'", "\\u0041", "\\\"", "{\"event\": \"ping\"}", "x" * 5000, "😀" * 500,
]


@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "raw"])
@pytest.mark.parametrize("text", STRINGS, ids=lambda text: ascii(text)[:24])
def test_strings_keep_every_character(pair, text, ascii_only):
    quoted = json.dumps(text, ensure_ascii=ascii_only)
    record = json.loads(pair('"s": %s, "deep": {"s": [%s]}' % (quoted, quoted)))
    assert record["s"] == text and record["deep"] == {"s": [text]}


@pytest.mark.parametrize("escape,text",
                         [(r"\u0041", "A"), (r"\u0000", "\0"), (r"\ud83d\ude00", "😀"),
                          (r"\uD83D\uDE00", "😀"),
                                         (r"\/", "/"), (r"\u002f", "/"), (r"\u0022", '"'),
                                         (r"\u005c", "\\"),
                                         (r"\u007f", "\x7f"), (r"\uFFFF", "\uffff"),
                                         (r"\b\f\n\r\t", "\b\f\n\r\t")])
def test_every_escape(pair, escape, text):
    record = json.loads(pair('"s": "%s", "k%s": 1' % (escape, escape)))
    assert record["s"] == text and record["k" + text] == 1


@pytest.mark.parametrize("escape", [r"\ud800", r"\udc00", r"\udc00\ud800", r"a\udbffb"])
def test_half_a_surrogate_pair_breaks_nothing(pair, escape):
    """There is no character for it; it may come through as it was."""
    message = pair('"s": "%s", "n": 1' % escape)
    assert json.loads(message)["n"] == 1 and message.encode()


KEYS = ["", " ", "a b", "\"", "\\", "ä", "😀", "\0", "\n", "__proto__", "constructor", "toString",
        "hasOwnProperty", "eVent",
        "event ", " event", "Event", "data", "camera_Name", "server_timestamp ", "auth_token ",
        "authToken", "tag-id", "0",
        "x" * 1000]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key)[:24])
def test_odd_keys_survive(pair, key):
    record = json.loads(pair("%s: 5, %s: %s" % (json.dumps(key), '"deep"',
                                                json.dumps({key: [key]}))))
    assert record[key] == 5 and record["deep"] == {key: [key]}


VALUES = ["null", "true", "false", "{}", "[]", "[[]]", "[{}]", '{"": {}}', '{"": ""}',
          "[null, true, false, 0, \"\"]",
          '{"a": {"b": {"c": [1, [2, [3, {"d": null}]]]}}}', '[1, "1", 1.0, true]',
          "[" * 60 + "]" * 60]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:24])
def test_values_of_every_kind(pair, value):
    assert json.loads(pair('"v": %s, "x_note": %s' % (value, value)))["v"] == json.loads(value)


def test_known_fields_all_at_once(pair):
    fields = {"tag_id": 12, "decision_margin": 61.3, "yaw": -12.4, "pitch": 3.1, "roll": 0.7,
              "x_cm": 4.2, "y_cm": -1.8,
              "z_cm": 38.5, "range_cm": 38.8, "distance_cm": 38.7, "tag_size_percent": 4.5,
              "timestamp": 734512,
              "smartcam_ip": "192.0.2.17"}
    record = json.loads(pair(json.dumps(fields)[1:-1]))
    assert record.pop("server_timestamp") > 1_600_000_000
    assert record == {"event": "apriltag_data", "camera_name": "exact", **fields}


def test_many_members(pair):
    fields = {f"f{number}": number for number in range(800)}
    record = json.loads(pair(json.dumps(fields)[1:-1]))
    assert {key: record[key] for key in fields} == fields


def test_white_space_of_every_kind(pair):
    assert json.loads(pair('\t\r\n "a"\t:\n1 ,\r"b" : [ 1 , 2 ] '))["b"] == [1, 2]


def test_last_of_equal_keys_counts(pair):
    record = json.loads(pair('"a": 1, "a": 2, "\\u0061": 3, "deep": {"b": 1, "b": [2]}'))
    assert record["a"] == 3 and record["deep"] == {"b": [2]}
