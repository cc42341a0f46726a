/* commands - see commands.h. There are never many: people move a slider. */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>

struct command {
    uint64_t origin, seq, waiting_slots, cameras_count;
    size_t reply_bytes;
    struct command *next;
    uint8_t reply[];
};

/* Ends those for which nobody is waited for any more. */
static void review(struct commands *commands)
{
    struct command **slot = &commands->first, *command;

    while ((command = *slot) != NULL) {
        struct msg_command_result result = {.seq = command->seq,
                                            .cameras_count = command->cameras_count,
                                            .reply = view_of(command->reply, command->reply_bytes)};

        if (command->waiting_slots != 0) {
            slot = &command->next;
            continue;
        }
        commands->over(commands->user, command->origin, &result);
        *slot = command->next;
        free(command);
    }
}

int commands_add(struct commands *commands, const struct msg_command *told, uint64_t waiting_slots)
{
    struct command *command = calloc(1, sizeof *command + told->reply.length);

    if (command == NULL)
        return -ENOMEM;
    command->origin = told->origin;
    command->seq = told->seq;
    command->waiting_slots = waiting_slots;
    command->reply_bytes = told->reply.length;
    memcpy(command->reply, told->reply.bytes, told->reply.length);
    command->next = commands->first;
    commands->first = command;
    review(commands);
    return 0;
}

void commands_done(struct commands *commands, uint64_t slot_bit, const struct msg_command_done *done)
{
    struct command *command = commands->first;

    while (command != NULL &&
           (command->origin != done->origin || command->seq != done->seq || (command->waiting_slots & slot_bit) == 0))
        command = command->next;
    if (command == NULL)
        return;
    command->waiting_slots &= ~slot_bit;
    command->cameras_count += done->cameras_count;
    review(commands);
}

void commands_lose(struct commands *commands, uint64_t slot_bit)
{
    for (struct command *each = commands->first; each != NULL; each = each->next)
        each->waiting_slots &= ~slot_bit;
    review(commands);
}

void commands_clear(struct commands *commands)
{
    struct command *command;

    while ((command = commands->first) != NULL) {
        commands->first = command->next;
        free(command);
    }
}
