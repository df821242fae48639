/*
 * reading.c - how a trace is to be read, from the command line.
 */
#include "trace/reading.h"

#include "numbers.h"

#define COLUMN_MAX 1000u

bool reading_set_format(void *target, const char *value)
{
    return trace_format_find(value, &((struct trace_options *)target)->format);
}

bool reading_set_page(void *target, const char *value)
{
    uint64_t bytes;

    if (!size_parse(value, &bytes) || bytes == 0 || bytes > (1u << 30) ||
        (bytes & (bytes - 1)) != 0) {
        return false;
    }
    ((struct trace_options *)target)->page_bytes = (uint32_t)bytes;
    return true;
}

bool reading_set_column(void *target, const char *value)
{
    uint64_t column;

    if (!number_parse(value, &column) || column == 0 || column > COLUMN_MAX) {
        return false;
    }
    ((struct trace_options *)target)->column = (uint32_t)column;
    return true;
}

bool reading_set_code(void *target, const char *value)
{
    (void)value;
    ((struct trace_options *)target)->code = true;
    return true;
}
