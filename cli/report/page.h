/*
 * page.h - a run as one page for a browser: needs nothing beside itself, no network, no other file.
 */
#ifndef MM_CLI_REPORT_PAGE_H
#define MM_CLI_REPORT_PAGE_H

#include <stdio.h>

#include "report/outcome.h"
#include "report/samples.h"

/* The command that was given, and the one that repeats the run with everything that was chosen. */
struct page_command {
    int count;
    char *const *words; /* behind `memman run` */
    const char *repeat;
};

/* Frozen only. */
void report_page(const struct outcome *outcome, const struct samples *samples,
                 const struct memory *memory, const struct page_command *command, FILE *file);

#endif
