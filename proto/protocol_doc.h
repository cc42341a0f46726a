/* protocol_doc - the tables of this folder as a document for people. */
#ifndef TAGHUB_PROTOCOL_DOC_H
#define TAGHUB_PROTOCOL_DOC_H

#include <stdio.h>

/**
 * Writes PROTOCOL.md: every message with its fields, ranges, senders and receivers, every reason for a refusal, and every
 * counter. The same tables always give the same bytes.
 *
 * out   borrowed; errors are left for the caller's ferror()
 */
void protocol_doc_print(FILE *out);

#endif
