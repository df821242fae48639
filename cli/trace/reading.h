/*
 * reading.h - how a trace is to be read: options of every command that reads one.
 *
 * The target of the settings begins with the struct trace_options they are for.
 */
#ifndef MM_CLI_TRACE_READING_H
#define MM_CLI_TRACE_READING_H

#include <stdbool.h>

#include "trace/trace.h"

#define READING_FORMATS "memman, lackey, address, din, ls, txt, csv or oracleGeneral"

bool reading_set_format(void *target, const char *value);
bool reading_set_page(void *target, const char *value);
bool reading_set_column(void *target, const char *value);
bool reading_set_code(void *target, const char *value);

/* The first of a table of struct setting. */
#define READING_COUNT 4u
#define READING_SETTINGS                                                                           \
    {"format", 0, READING_FORMATS, reading_set_format},                                            \
        {"page", 0, "a power of two bytes, at most 1G", reading_set_page},                         \
        {"column", 0, "a column from 1 to 1000", reading_set_column},                              \
    {                                                                                              \
        "code", 0, NULL, reading_set_code                                                          \
    }

#endif
