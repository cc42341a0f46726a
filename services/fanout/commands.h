/* commands - what is being told to cameras: who asked, and which workers have yet to tell theirs. */
#ifndef TAGHUB_COMMANDS_H
#define TAGHUB_COMMANDS_H

#include "schema.h"

/** Zero-initialise. */
struct commands {
    struct command *first;
    /** A command has been told by every worker: `result` is for the worker of this origin. Its reply dies afterwards. */
    void (*over)(void *user, uint64_t origin, const struct msg_command_result *result);
    void *user;
};

/** Waits for these workers, bit n for slot n; with none of them it is over at once. Returns 0 or -ENOMEM. */
int commands_add(struct commands *commands, const struct msg_command *told, uint64_t waiting_slots);
/** A worker has told its cameras. What nobody waits for is passed over. */
void commands_done(struct commands *commands, uint64_t slot_bit, const struct msg_command_done *done);
/** A worker is gone: nobody waits for it. */
void commands_lose(struct commands *commands, uint64_t slot_bit);
/** Forgets all of them: their senders will ask again. */
void commands_clear(struct commands *commands);

#endif
