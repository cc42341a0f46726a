/* services - see services.def. */
#include "services.h"

#include <signal.h>

const struct service_desc SERVICES[SERVICE_COUNT] = {
#define SERVICE(row, executable, socket, signal)                                                                       \
    [SERVICE_##row] = {.name = #row,                                                                                   \
                       .program = executable,                                                                          \
                       .fd_name = executable ".socket",                                                                \
                       .has_socket = socket,                                                                           \
                       .restart_signal = signal},
#include "services.def"
};
