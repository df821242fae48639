/*
 * process.h - one run of a comparison: `memman run` in a process of its own, and its report.
 *
 * A fresh process has an address space laid out anew, and nothing of the run before: what its
 * heap, its page tables or its crash left behind. It is the program this one was started from.
 */
#ifndef MM_CLI_COMPARE_PROCESS_H
#define MM_CLI_COMPARE_PROCESS_H

#include "exit.h"
#include "options.h"

#define PROCESS_REPORT_BYTES ((size_t)1 << 18)

/* Called four times a second while a run is under way. */
typedef void process_watch(void *context);

/*
 * Run it and wait. The report is JSON, with a zero byte behind. What the run has to say it says on
 * stderr itself, also when it refuses; `name` is for what it cannot say. A signal to stop is passed
 * on to it (stop.h), and it is still waited for. EXIT_WRONG if it did not live to its end.
 */
enum exit_code process_run(const struct options *options, const char *name, process_watch *watch,
                           void *context, char ret_report[PROCESS_REPORT_BYTES]);

#endif
