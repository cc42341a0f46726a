"""What the tests of HTTP and datagrams share: every endpoint by port and method, and a picture."""

from dataclasses import dataclass

from clients import http
from firmware import PHOTO_PATH
from photo import Show

POLL_PATH = "/client_gdevelop_to_server__smartcam_data_get"
INTERVAL_PATH = "/set_video_interval"
TEXT_LIMIT_BYTES = 16 * 1024
PHOTO_LIMIT_BYTES = 4 * 1024 * 1024
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE")


@dataclass(frozen=True)
class Endpoint:
    """A path at one of the two TCP ports, and the method it is for."""

    end: str
    path: str
    method: str
    body_limit_bytes: int = 0    # 0: takes no body

    def __str__(self):
        return f"{self.method} {self.end}:{self.path}"

    @property
    def offered(self):
        """Every method that is answered otherwise than by 405."""
        return {"GET", "HEAD", "OPTIONS"} if self.method == "GET" else {"POST", "OPTIONS"}


ENDPOINTS = (
    Endpoint("http", "/websocket", "GET"),
    Endpoint("ws", "/", "GET"),
    Endpoint("http", "/apriltag", "POST", TEXT_LIMIT_BYTES),
    Endpoint("ws", "/apriltag", "POST", TEXT_LIMIT_BYTES),
    Endpoint("http", PHOTO_PATH, "POST", PHOTO_LIMIT_BYTES),
    Endpoint("http", INTERVAL_PATH, "POST", TEXT_LIMIT_BYTES),
    Endpoint("http", "/photo", "GET"),
    Endpoint("http", POLL_PATH, "GET"),
    Endpoint("http", "/", "GET"),
    Endpoint("http", "/video", "GET"),
    Endpoint("http", "/web/style.css", "GET"),
    Endpoint("http", "/video_fps", "GET"),
    Endpoint("http", "/video_stats", "GET"),
    Endpoint("http", "/cameras", "GET"),
    Endpoint("http", "/tags", "GET"),
    Endpoint("http", "/photos", "GET"),
    Endpoint("http", "/connection_uptime", "GET"),
    Endpoint("http", "/connection_history", "GET"),
    Endpoint("http", "/metrics", "GET"),
    Endpoint("http", "/status", "GET"),
    Endpoint("http", "/healthz", "GET"),
    Endpoint("ws", "/healthz", "GET"),
    Endpoint("http", "/readyz", "GET"),
    Endpoint("ws", "/readyz", "GET"),
)
GETTERS = tuple(each for each in ENDPOINTS if each.method == "GET")
POSTERS = tuple(each for each in ENDPOINTS if each.method == "POST")


def picture(number=0, **look):
    """A JPEG that differs from those of other numbers."""
    return Show(**look).draw("test", 7, (0, 0, 40, 0, 0, 0), number)


def post_tag(hub, record, end="http", **options):
    """POST /apriltag with everything right; returns the reply."""
    return http(hub, "POST", "/apriltag", [("Authorization", hub.token)], end=end,
                json_body=record, **options)


def post_photo(hub, jpeg, name=None, token=None, **options):
    """POST of a picture, with the hub's token unless another is given; returns the reply."""
    return http(hub, "POST", PHOTO_PATH, photo_headers(hub, name, token), jpeg, **options)


def photo_headers(hub, name=None, token=None):
    headers = [("Authorization", token or hub.token), ("Content-Type", "image/jpeg")]
    if name is not None:
        headers.append(("X-Camera-Name", name))
    return headers
