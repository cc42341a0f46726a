/* args - see args.h. */
#include "run/args.h"

#include <errno.h>
#include <string.h>

static void remove_at(struct args *args, int index)
{
    memmove(&args->at[index], &args->at[index + 1], (size_t)(args->count - index) * sizeof *args->at);
    args->count--;
}

bool args_take_flag(struct args *args, const char *name)
{
    bool found = false;

    for (int i = 1; i < args->count;) {
        if (strcmp(args->at[i], name) == 0) {
            remove_at(args, i);
            found = true;
        } else {
            i++;
        }
    }
    return found;
}

int args_take_value(struct args *args, const char *name, const char **ret_value)
{
    size_t length = strlen(name);
    int found = 0;

    for (int i = 1; i < args->count;) {
        char *word = args->at[i];

        if (strncmp(word, name, length) != 0 || (word[length] != '=' && word[length] != '\0')) {
            i++;
            continue;
        }
        remove_at(args, i);
        if (word[length] == '=') {
            *ret_value = word + length + 1;
        } else if (i < args->count) {
            *ret_value = args->at[i];
            remove_at(args, i);
        } else {
            return -EINVAL;
        }
        found = 1;
    }
    return found;
}

const char *args_take_word(struct args *args)
{
    for (int i = 1; i < args->count; i++) {
        const char *word = args->at[i];

        if (strcmp(word, "--config") == 0) {
            i++;
        } else if (word[0] != '-' || word[1] == '\0') {
            remove_at(args, i);
            return word;
        }
    }
    return NULL;
}
