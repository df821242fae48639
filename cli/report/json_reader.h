/*
 * json_reader.h - finds single values in JSON that is known to be good: what json_writer.c wrote.
 *
 * A path is keys and array indices with dots between them: "cpu_seconds.users", "locks.0.wait_ns".
 */
#ifndef MM_CLI_REPORT_JSON_READER_H
#define MM_CLI_REPORT_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>

/* The value as it is written, a string with its quotes; false where there is none. */
bool json_find(const char *text, const char *path, const char **ret_value, size_t *ret_length);
/* A number; false where there is none or something else. */
bool json_find_real(const char *text, const char *path, double *ret_real);

#endif
