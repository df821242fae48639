/*
 * options.c - options of a simulated world as text.
 */
#include "sim/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct sim_option_row sim_option_table[SIM_OPTION_COUNT] = {
#define X(id, name, kind, least, most, simplest, choices, help)                                    \
    [SIM_##id] = {name, kind, least, most, simplest, choices, help},
    SIM_OPTIONS(X)
#undef X
};

bool sim_number_parse(const char *text, uint64_t *ret_number)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *ret_number = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

/* Bytes, or a number with K, M or G; in whole pages, rounded up. */
static bool size_parse(const char *text, uint64_t *ret_pages)
{
    static const char units[] = "KMG";
    size_t length = strlen(text);
    const char *unit = length == 0 ? NULL : strchr(units, text[length - 1]);
    char digits[24];

    if (length == 0 || length >= sizeof(digits))
        return false;
    snprintf(digits, sizeof(digits), "%.*s", (int)(unit == NULL ? length : length - 1), text);
    if (!sim_number_parse(digits, ret_pages) || *ret_pages >> 33)
        return false;
    if (unit != NULL)
        *ret_pages <<= 10 * (unit - units + 1);
    *ret_pages = (*ret_pages + MM_PAGE_SIZE - 1) >> PAGE_SHIFT;
    return true;
}

static bool choice_parse(const char *choices, const char *text, uint64_t *ret_index)
{
    for (*ret_index = 0;; *ret_index += 1) {
        size_t length = strcspn(choices, "|");

        if (strlen(text) == length && memcmp(choices, text, length) == 0)
            return true;
        if (choices[length] == '\0')
            return false;
        choices += length + 1;
    }
}

bool sim_value_parse(enum sim_option option, const char *text, uint64_t *ret_value)
{
    const struct sim_option_row *row = &sim_option_table[option];
    bool good = row->kind == SIM_CHOICE ? choice_parse(row->choices, text, ret_value)
                : row->kind == SIM_SIZE ? size_parse(text, ret_value)
                                        : sim_number_parse(text, ret_value);

    return good && *ret_value >= row->least && *ret_value <= row->most &&
           (row->kind != SIM_POWER || (*ret_value & (*ret_value - 1)) == 0);
}

void sim_wanted_print(enum sim_option option, char *ret_text, size_t bytes)
{
    const struct sim_option_row *row = &sim_option_table[option];

    if (row->kind == SIM_CHOICE)
        snprintf(ret_text, bytes, "one of %s", row->choices);
    else if (row->kind == SIM_SIZE)
        snprintf(ret_text, bytes, "a size from %" PRIu64 "K to %" PRIu64 "K", row->least * 4,
                 row->most * 4);
    else
        snprintf(ret_text, bytes, "a %s from %" PRIu64 " to %" PRIu64,
                 row->kind == SIM_POWER ? "power of two" : "whole number", row->least, row->most);
}

void sim_value_print(const struct sim_options *options, enum sim_option option,
                     char ret_text[SIM_VALUE_BYTES])
{
    const struct sim_option_row *row = &sim_option_table[option];
    const char *choice = row->choices;
    uint64_t value = options->value[option];

    if (row->kind == SIM_CHOICE) {
        for (uint64_t i = 0; i < value; i++)
            choice += strcspn(choice, "|") + 1;
        snprintf(ret_text, SIM_VALUE_BYTES, "%.*s", (int)strcspn(choice, "|"), choice);
    } else if (row->kind == SIM_SIZE && value != 0) {
        snprintf(ret_text, SIM_VALUE_BYTES, "%" PRIu64 "K", value * (MM_PAGE_SIZE / 1024));
    } else {
        snprintf(ret_text, SIM_VALUE_BYTES, "%" PRIu64, value);
    }
}

void sim_command_print(const struct sim_options *options, const char *called,
                       char ret_text[SIM_COMMAND_BYTES])
{
    size_t length = (size_t)snprintf(ret_text, SIM_COMMAND_BYTES, "%.*s --seed %" PRIu64,
                                     (int)SIM_COMMAND_BYTES / 4, called, options->seed);

    for (unsigned option = 0; option < SIM_OPTION_COUNT && length < SIM_COMMAND_BYTES; option++) {
        char value[SIM_VALUE_BYTES];

        if (!options->given[option])
            continue;
        sim_value_print(options, (enum sim_option)option, value);
        length += (size_t)snprintf(ret_text + length, SIM_COMMAND_BYTES - length, " --%s %s",
                                   sim_option_table[option].name, value);
    }
}
