"""The tag that a simulated camera sees, and the telemetry that tells where it is."""

import math
import random


class MovingTag:
    """A tag that somebody moves about before the camera: a smooth closed path, never the same for
    two tags. pose(t) is a function of time alone."""

    def __init__(self, tag_id):
        self.tag_id = tag_id
        chance = random.Random(tag_id)
        self._phase = [chance.uniform(0, math.tau) for _ in range(6)]
        self._period_s = [chance.uniform(6, 14) for _ in range(6)]

    def pose(self, t):
        """x, y, z in cm (right, down, forward), yaw, pitch, roll in degrees, at t seconds."""
        x, y, z, yaw, pitch, roll = (
            math.sin(math.tau * t / period + phase)
            for period, phase in zip(self._period_s, self._phase))
        return 9 * x, 7 * y, 45 + 12 * z, 35 * yaw, 25 * pitch, 40 * roll

    def record(self, t, uptime_ms, smartcam_ip, size_cm=10, focal_ratio=1.1):
        """Telemetry with every field that cameras send, rounded to one decimal as they do."""
        x, y, z, yaw, pitch, roll = self.pose(t)
        range_cm = math.sqrt(x * x + y * y + z * z)
        exact = {
            "decision_margin": 90 - 0.6 * abs(yaw) - 0.4 * abs(pitch),
            "yaw": yaw, "pitch": pitch, "roll": roll,
            "x_cm": x, "y_cm": y, "z_cm": z,
            "range_cm": range_cm, "distance_cm": range_cm,
            "tag_size_percent": 100 * (focal_ratio * size_cm / z) ** 2,
        }
        return {
            "tag_id": self.tag_id,
            **{name: round(value, 1) for name, value in exact.items()},
            "timestamp": uptime_ms & 0xFFFFFFFF,    # wraps after 49.7 days
            "smartcam_ip": smartcam_ip,
        }
