"""Pictures as a camera takes them: a square tag seen in perspective, as baseline JPEG.

The tag stands where the telemetry of the same instant says, so picture and numbers agree: x right,
y down, z forward in cm, seen through a pinhole. Its pattern looks like an AprilTag, with a white
rim, a black frame and 6 x 6 cells; but the cells are a hash of the number, of no known family.
"""

import hashlib
import io
import math

from PIL import Image, ImageDraw, ImageFont

TAG_CM = 10            # edge of the black frame
FOCAL_RATIO = 1.1      # focal length in picture widths
CELLS = 6              # per side, inside a frame one cell wide
OVERSAMPLE = 2
PAPER, RIM, INK, TEXT_COLOUR = (222, 226, 216), (250, 250, 250), (18, 18, 22), (40, 60, 110)
SEGMENT_BYTES = 65537  # largest marker segment: two bytes of marker, a length of 65535


def tag_cells(tag_id):
    """The cells of a tag, row by row: True is white. The same for a number every time."""
    digest = hashlib.sha256(f"tag {tag_id}".encode()).digest()
    bits = int.from_bytes(digest, "big")
    return [[bool(bits >> (row * CELLS + column) & 1) for column in range(CELLS)]
            for row in range(CELLS)]


def rotation(yaw, pitch, roll):
    """Rows of the matrix that turns the tag: roll about the view, then pitch, then yaw."""
    sy, cy = math.sin(math.radians(yaw)), math.cos(math.radians(yaw))
    sp, cp = math.sin(math.radians(pitch)), math.cos(math.radians(pitch))
    sr, cr = math.sin(math.radians(roll)), math.cos(math.radians(roll))
    return ((cy * cr + sy * sp * sr, -cy * sr + sy * sp * cr, sy * cp),
            (cp * sr, cp * cr, -sp),
            (-sy * cr + cy * sp * sr, sy * sr + cy * sp * cr, cy * cp))


def pad_jpeg(jpeg, size):
    """jpeg made exactly `size` bytes long by comment segments after its first segment; unchanged
    when it is that long already. Decoders pass over comments and fill bytes."""
    missing = size - len(jpeg)
    if missing <= 0:
        return jpeg
    padding = b"\xff" * (missing % 4)    # fill bytes before a marker, which may be any number
    missing -= len(padding)
    segments = []
    while missing:
        # What is left stays a multiple of 4, so it always holds a marker and a length.
        segment = min(missing, SEGMENT_BYTES & ~3)
        segments.append(b"\xff\xfe" + (segment - 2).to_bytes(2, "big") + b"\0" * (segment - 4))
        missing -= segment
    first_end = 4 + int.from_bytes(jpeg[4:6], "big")    # after FF D8 and the JFIF segment
    return jpeg[:first_end] + b"".join(segments) + padding + jpeg[first_end:]


class Show:
    """Draws photos of one size.

    size         (width, height) in pixels
    quality      JPEG quality, 1..95
    photo_bytes  photos are filled up to this size, 0 leaves them as they are
    """

    def __init__(self, size=(240, 240), quality=70, photo_bytes=0):
        self.size, self.quality, self.photo_bytes = size, quality, photo_bytes
        self._font = ImageFont.load_default()
        self._ground = Image.new("RGB", [OVERSAMPLE * edge for edge in size], PAPER)
        self._draw_grid()

    def _draw_grid(self):
        draw = ImageDraw.Draw(self._ground)
        width, height = self._ground.size
        step = width // 8
        colour = tuple(part - 14 for part in PAPER)
        for at in range(step, max(width, height), step):
            draw.line((at, 0, at, height), fill=colour, width=OVERSAMPLE)
            draw.line((0, at, width, at), fill=colour, width=OVERSAMPLE)

    def draw(self, camera_name, tag_id, pose, number):
        """One JPEG: the tag at pose (x, y, z in cm, yaw, pitch, roll in degrees), the camera's
        name and the photo's number."""
        picture = self._ground.copy()
        self._draw_tag(picture, tag_id, pose)
        picture = picture.resize(self.size, Image.BOX)
        draw = ImageDraw.Draw(picture)
        name = camera_name.encode("latin-1", "replace").decode("latin-1")    # what the font has
        draw.text((5, 4), name, font=self._font, fill=TEXT_COLOUR)
        draw.text((5, self.size[1] - 15), f"#{number}", font=self._font, fill=TEXT_COLOUR)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=self.quality)
        return pad_jpeg(file.getvalue(), self.photo_bytes)

    @staticmethod
    def _draw_tag(picture, tag_id, pose):
        draw = ImageDraw.Draw(picture)
        x, y, z, *angles = pose
        matrix = rotation(*angles)
        cell_cm = TAG_CM / (CELLS + 2)
        focal = FOCAL_RATIO * picture.width
        centre_x, centre_y = picture.width / 2, picture.height / 2

        def pixel(column, row):
            u, v = (column - CELLS / 2) * cell_cm, (row - CELLS / 2) * cell_cm
            px, py, pz = (line[0] * u + line[1] * v for line in matrix)
            depth = max(pz + z, 1)
            return centre_x + focal * (px + x) / depth, centre_y + focal * (py + y) / depth

        def square(left, top, edge, colour):
            right, bottom = left + edge, top + edge
            draw.polygon([pixel(left, top), pixel(right, top), pixel(right, bottom),
                          pixel(left, bottom)], fill=colour)

        square(-2, -2, CELLS + 4, RIM)
        square(-1, -1, CELLS + 2, INK)
        for row, cells in enumerate(tag_cells(tag_id)):
            for column, white in enumerate(cells):
                if white:
                    square(column, row, 1, RIM)
