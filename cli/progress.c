/*
 * progress.c - percent, and accesses a second since the last look.
 */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "numbers.h"

#define FIRST_NS 1000000000u
#define AGAIN_NS 200000000u

void progress_begin(struct progress *progress, bool quiet)
{
    const uint64_t now = clock_ns(CLOCK_MONOTONIC);

    *progress = (struct progress){
        .wanted = !quiet && isatty(STDERR_FILENO), .begin_ns = now, .last_ns = now};
}

void progress_show(struct progress *progress, double share, uint64_t accesses)
{
    const uint64_t now = clock_ns(CLOCK_MONOTONIC);
    char rate[NUMBER_TEXT_BYTES];

    if (now - progress->last_ns < AGAIN_NS) {
        return;
    }
    if (progress->wanted && now - progress->begin_ns >= FIRST_NS) {
        const double seconds = (double)(now - progress->last_ns) / 1e9;
        const double new_accesses = (double)(accesses - progress->last_accesses);
        /* Carriage return and "erase to the end of the line": the next one overwrites it. */
        fprintf(stderr, "\r%3.0f %%  %s accesses/s\033[K", share * 100,
                number_print((uint64_t)(new_accesses / seconds), rate));
        fflush(stderr);
        progress->shown = true;
    }
    progress->last_ns = now;
    progress->last_accesses = accesses;
}

void progress_show_part(struct progress *progress, unsigned done, unsigned all)
{
    const uint64_t elapsed = clock_ns(CLOCK_MONOTONIC) - progress->begin_ns;

    if (!progress->wanted || elapsed < FIRST_NS) {
        return;
    }
    fprintf(stderr, "\rrun %u of %u", done + 1, all);
    if (done > 0) {
        fprintf(stderr, ", %.0f s to go", (double)elapsed / 1e9 / done * (all - done));
    }
    fputs("\033[K", stderr);
    fflush(stderr);
    progress->shown = true;
}

void progress_erase(struct progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        progress->shown = false;
    }
}
