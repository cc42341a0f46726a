/* services - the rows of services.def as data. */
#ifndef TAGHUB_CTL_SERVICES_H
#define TAGHUB_CTL_SERVICES_H

#include <stdbool.h>

enum service {
#define SERVICE(name, program, has_socket, restart_signal) SERVICE_##name,
#include "services.def"
    SERVICE_COUNT
};

struct service_desc {
    const char *name;
    const char *program;
    const char *fd_name; /* what systemd would call its socket in LISTEN_FDNAMES */
    bool has_socket;
    int restart_signal;
};

/** Indexed by enum service. */
extern const struct service_desc SERVICES[SERVICE_COUNT];

#endif
