/* jpeg - is this a JPEG, and how large is its picture. */
#ifndef TAGHUB_INGEST_JPEG_H
#define TAGHUB_INGEST_JPEG_H

#include "view.h"

/**
 * Find the frame header of a JPEG file and read the size of the picture from it.
 *
 * Only the marker segments up to the frame header are walked; nothing is decoded and the
 * entropy-coded data is never touched, so whatever follows the frame header has no influence.
 *
 * The numbers are returned as the header has them. A height of 0 is legal (it is told later in the
 * file, by a DNL segment); a width of 0 is not, but the picture is still a file with a frame
 * header, and it is for the viewer to complain. Treat either as "size unknown".
 *
 * bytes       the whole file, or its beginning; borrowed
 * ret_width   pixels, 0..65535
 * ret_height  pixels, 0..65535
 * returns     0
 * errors      -EBADMSG  no FF D8 FF at the start, or no frame header before the first scan, the
 *                       end of the image, a broken segment or the end of the bytes
 */
int jpeg_size(struct view bytes, uint16_t *ret_width, uint16_t *ret_height);

#endif
