/* renewal - whether a service that was told to reload or to restart has done so.
 *
 * Nothing is asked and no process is touched here: what a page said before and what it says now is
 * all that goes in. renew_verbs.c acts on it. */
#ifndef TAGHUB_CTL_RENEWAL_H
#define TAGHUB_CTL_RENEWAL_H

#include "sample.h"

#define RENEWAL_REFUSED_MS 2000u  /* a reload that has not even begun by then will not come */
#define RENEWAL_LATE_MS    10000u /* by then it is up to a person to look */

enum renewal_kind {
    RENEWAL_RELOAD,  /* other workers; the main process may stay */
    RENEWAL_RESTART, /* another main process */
};

enum renewal {
    RENEWAL_UNDER_WAY,
    RENEWAL_DONE,    /* what had to change has, and every worker serves */
    RENEWAL_REFUSED, /* a reload: the workers are those of before, and serve */
    RENEWAL_LATE,
};

/**
 * Whether the main process that a page names can be told anything. The page of a hub that is gone
 * stays behind, and its process number may be somebody else's by now: so it counts only while some
 * worker's heart beat within the last RENEWAL_LATE_MS.
 */
bool renewal_is_possible(const struct service_sample *sample);

/**
 * Judges how far it is.
 *
 * before      when it was told, for which renewal_is_possible()
 * elapsed_ms  since then
 */
enum renewal renewal_judge(enum renewal_kind kind, const struct service_sample *before,
                           const struct service_sample *now, uint64_t elapsed_ms);

#endif
