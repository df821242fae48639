/*
 * json_writer.h - writes JSON with its commas, its indentation and its escapes.
 *
 * Inside an object every value has a key, inside an array the key is NULL.
 */
#ifndef MM_CLI_REPORT_JSON_WRITER_H
#define MM_CLI_REPORT_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json_writer {
    FILE *file;
    unsigned depth;
    bool first; /* no value yet in the innermost object or array */
};

void json_begin(struct json_writer *json, const char *key, char bracket);
void json_end(struct json_writer *json, char bracket);
void json_number(struct json_writer *json, const char *key, uint64_t value);
/* A value that is not finite becomes null: JSON has no word for it. */
void json_real(struct json_writer *json, const char *key, double value);
void json_bool(struct json_writer *json, const char *key, bool value);
/* A value that is JSON already. */
void json_raw(struct json_writer *json, const char *key, const char *value);
/* An array of numbers on one line. */
void json_line_begin(struct json_writer *json, const char *key);
void json_line_number(struct json_writer *json, uint64_t value);
void json_line_real(struct json_writer *json, double value);
void json_line_end(struct json_writer *json);
/* NULL is null. A "<" is written as an escape, so that JSON may stand in a page. */
void json_string(struct json_writer *json, const char *key, const char *value);

#endif
