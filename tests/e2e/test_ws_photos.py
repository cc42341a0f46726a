"""Pictures over WebSocket: who may send them, what counts as one, and that they stay as they are."""

import io
import urllib.parse

import pytest
from PIL import Image

from clients import ENDS, http
from photo import Show, pad_jpeg
from speakers import ACK, Speaker, auth_failed
from wire import BINARY, CONTINUATION

pytestmark = pytest.mark.parametrize("end", ENDS)

POSE = (0, 0, 50, 0, 0, 0)


def picture(number=1, size=(48, 32), **options):
    """A small JPEG; options as Pillow saves it."""
    drawn = Image.open(io.BytesIO(Show(size).draw("p", number, POSE, number)))
    file = io.BytesIO()
    drawn.save(file, "JPEG", **options)
    return file.getvalue()


def segment(marker, payload):
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload


def with_segments(jpeg, *segments):
    """A JPEG with more segments behind its first two bytes."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


THUMBNAIL = picture(2, (16, 16))

GOOD = [
    ("baseline", picture()),
    ("progressive", picture(progressive=True)),
    ("grey", picture(size=(9, 7), quality=20)),
    ("thumbnail in EXIF", with_segments(picture(), segment(0xE1, b"Exif\0\0" + THUMBNAIL))),
    ("FF C0 in a comment", with_segments(picture(), segment(0xFE, b"\xff\xc0\0\x11\x08\0\1\0\1"))),
    ("fill bytes", with_segments(picture(), b"\xff\xff\xff", segment(0xFE, b"x"), b"\xff\xff")),
    ("bytes behind the end", picture() + b"trailing rubbish"),
    ("cut inside the picture data", picture()[:-20]),
    ("large", pad_jpeg(picture(), 300000)),
]


def name_of(end, what):
    return f"photo-{end}-{what}"


def latest(hub, name):
    reply = http(hub, "GET", f"/photo?camera={urllib.parse.quote(name)}")
    assert reply.status in (200, 404)
    return reply.body if reply.status == 200 else None


@pytest.mark.parametrize("what,jpeg", GOOD, ids=[case[0] for case in GOOD])
def test_picture_is_kept_unchanged_and_not_acknowledged(hub, end, what, jpeg):
    name = name_of(end, what)
    with Speaker(hub, end).identify_camera(camera_name=name) as camera:
        camera.send_binary(jpeg)
        assert camera.answers() == []
        assert latest(hub, name) == jpeg


BAD = [
    ("text", b"hello"),
    ("one byte", b"\xff"),
    ("start alone", b"\xff\xd8"),
    ("start and a bit", b"\xff\xd8\xff"),
    ("no frame header", b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xd9"),
    ("start of data before a frame header", b"\xff\xd8\xff\xda\0\x02" + picture()[2:]),
    ("segment longer than the file", b"\xff\xd8\xff\xe0\xff\xff" + b"x" * 20),
    ("segment of length 0", b"\xff\xd8\xff\xe0\0\0" + b"x" * 20),
    ("frame header cut short", b"\xff\xd8\xff\xc0\0\x11\x08\0\x10\0"),
    ("only a Huffman table", b"\xff\xd8" + segment(0xC4, b"x" * 20)),
    ("a byte before the start", b"\0" + picture()),
    ("PNG", b"\x89PNG\r\n\x1a\n" + b"\0" * 50),
    ("frame header only inside EXIF",
     b"\xff\xd8" + segment(0xE1, b"Exif\0\0" + THUMBNAIL) + b"\xff\xd9"),
]


@pytest.mark.parametrize("what,blob", BAD, ids=[case[0] for case in BAD])
def test_what_is_no_jpeg_is_refused_and_changes_nothing(hub, end, what, blob):
    name = name_of(end, "bad " + what)
    good = picture(7)
    with Speaker(hub, end).identify_camera(camera_name=name) as camera:
        camera.send_binary(good)
        camera.send_binary(blob)
        reply = camera.recv_json()
        assert reply["event"] == "error" and reply["error"]
        assert latest(hub, name) == good
        assert camera.is_camera()


def test_empty_message_is_ignored(hub, end):
    with Speaker(hub, end).identify_camera(camera_name=name_of(end, "empty")) as camera:
        camera.send_binary(b"")
        camera.send_fragments(BINARY, [b"", b"", b""])
        assert camera.answers() == []
        assert latest(hub, name_of(end, "empty")) is None


@pytest.mark.parametrize("role", ["none", "refused", "game", "once a camera"])
@pytest.mark.parametrize("blob", [picture(), b"no picture", pad_jpeg(picture(), 200000)],
                         ids=["jpeg", "text", "large"])
def test_only_cameras_show_pictures(hub, end, role, blob):
    with Speaker(hub, end) as ws:
        if role == "game":
            ws.identify().drain()
        if role == "once a camera":
            ws.identify_camera(camera_name=name_of(end, "once"))
        if role in ("refused", "once a camera"):
            ws.ask({"event": "identify", "data": {"type": "esp32", "auth_token": "wrong"}})
        ws.send_binary(blob)
        assert ws.recv_json() == auth_failed("Missing")
        ws.send_fragments(BINARY, [blob[:1], blob[1:9], blob[9:]])
        assert ws.recv_json() == auth_failed("Missing")
        assert ws.answers() == []
        assert latest(hub, name_of(end, "once")) is None


def test_picture_in_fragments_with_pings_between(hub, end):
    name = name_of(end, "fragments")
    jpeg = pad_jpeg(picture(3), 100000)
    with Speaker(hub, end).identify_camera(camera_name=name) as camera:
        camera.send_fragments(BINARY, [jpeg[at:at + 999] for at in range(0, len(jpeg), 999)],
                              camera.frame(0x9, b"p"))
        assert camera.answers() == []
        assert latest(hub, name) == jpeg


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xa5\x5a\x01\xfe", b"\0\0\0\1"],
                         ids=["zero", "random", "one bit"])
def test_every_byte_survives_the_mask(hub, end, mask):
    name = name_of(end, f"mask {mask[3]}")
    jpeg = with_segments(picture(4), segment(0xFE, bytes(range(256)) * 40 + b"odd"))
    with Speaker(hub, end, mask=mask).identify_camera(camera_name=name) as camera:
        camera.send_frame(BINARY, jpeg[:1001], fin=False)
        camera.send_frame(CONTINUATION, jpeg[1001:])
        assert camera.answers() == []
        assert latest(hub, name) == jpeg


def test_newest_of_many_stays(hub, end):
    name = name_of(end, "many")
    with Speaker(hub, end).identify_camera(camera_name=name) as camera:
        jpegs = [pad_jpeg(picture(number), 3000 + number) for number in range(20)]
        for jpeg in jpegs:
            camera.send_binary(jpeg)
        assert camera.answers() == []
        assert latest(hub, name) == jpegs[-1]


def test_a_burst_is_taken_whole_and_in_order(hub, end):
    """More than may be on their way at once, large and small, with telemetry between them, in one write."""
    name = name_of(end, "burst")
    jpegs = [pad_jpeg(picture(number % 9), 2500 + (number % 5) * 20000 + number) for number in range(60)]
    with Speaker(hub, end).identify_camera(camera_name=name) as camera:
        sighting = b'{"event": "apriltag_data", "tag_id": 1}'
        camera.send_bytes(b"".join(camera.frame(BINARY, jpeg) + camera.frame(1, sighting) for jpeg in jpegs))
        assert [camera.recv_json() for _ in jpegs] == [ACK] * len(jpegs)
        assert camera.answers() == []
        assert latest(hub, name) == jpegs[-1]
    statistics = http(hub, "GET", f"/video_stats?camera={urllib.parse.quote(name)}").json()
    assert statistics["total_frames"] == len(jpegs)


def test_picture_is_filed_under_the_name_that_telemetry_gave(hub, end):
    """Sent in one go: the name must be known before the picture is filed."""
    name = name_of(end, "by telemetry")
    with Speaker(hub, end).identify_camera(device=name_of(end, "device")) as camera:
        sighting = b'{"event": "apriltag_data", "camera_name": "%s"}' % name.encode()
        jpeg = picture(5)
        camera.send_bytes(camera.frame(1, sighting) + camera.frame(BINARY, jpeg))
        assert camera.recv_json() == ACK
        assert camera.answers() == []
        assert latest(hub, name) == jpeg
        assert latest(hub, name_of(end, "device")) is None


def test_pictures_of_two_cameras_are_kept_apart(hub, end):
    names = [name_of(end, "left"), name_of(end, "right")]
    with Speaker(hub, end).identify_camera(camera_name=names[0]) as left, \
            Speaker(hub, end).identify_camera(camera_name=names[1]) as right:
        left.send_binary(picture(1))
        right.send_binary(picture(2))
        assert left.answers() == right.answers() == []
        assert latest(hub, names[0]) == picture(1) and latest(hub, names[1]) == picture(2)
        newest = http(hub, "GET", "/photo").body
        assert newest in (picture(1), picture(2))


def test_games_are_sent_no_pictures(hub, end):
    with Speaker(hub, end).identify() as game, \
            Speaker(hub, end).identify_camera(camera_name=name_of(end, "shy")) as camera:
        game.drain()
        camera.send_binary(picture(1))
        camera.report({"tag_id": 4})
        game.recv_tag(4)


def test_video_frame_notice_is_accepted_without_a_word(hub, end):
    with Speaker(hub, end).identify_camera(camera_name=name_of(end, "notice")) as camera:
        camera.send_json({"event": "video_frame", "data": {"size": 5000}})
        assert camera.answers() == []
        assert latest(hub, name_of(end, "notice")) is None
