/*
 * page.h - a run as one page for a browser: needs nothing beside itself, no network, no other file.
 */
#ifndef MM_CLI_REPORT_PAGE_H
#define MM_CLI_REPORT_PAGE_H

#include <stdio.h>

#include "report/outcome.h"
#include "report/page_template.h"
#include "report/samples.h"

/* Frozen only. */
void report_page(const struct outcome *outcome, const struct samples *samples,
                 const struct memory *memory, const struct page_command *command, FILE *file);

#endif
