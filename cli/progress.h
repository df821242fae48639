/*
 * progress.h - one line on the terminal while a run takes longer than a second.
 */
#ifndef MM_CLI_PROGRESS_H
#define MM_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool wanted, shown;
    uint64_t begin_ns, last_ns, last_accesses;
};

/* Nothing is ever shown where stderr is no terminal, or `quiet`. */
void progress_begin(struct progress *progress, bool quiet);
/* `share` of the run that is done, 0 to 1. */
void progress_show(struct progress *progress, double share, uint64_t accesses);
/* `done` of `all` runs, and how long the others will take. */
void progress_show_part(struct progress *progress, unsigned done, unsigned all);
void progress_erase(struct progress *progress);

#endif
