/*
 * json_writer.c - JSON, one value a line.
 */
#include "report/json_writer.h"

#include <inttypes.h>
#include <math.h>

/* Bytes from 0x80 on pass as they are: text is UTF-8 already, or not ours to repair. */
static void escaped_print(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text != '\0'; text++) {
        const unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\') {
            fprintf(file, "\\%c", byte);
        } else if (byte < 0x20 || byte == '<') {
            fprintf(file, "\\u%04x", byte);
        } else {
            fputc(byte, file);
        }
    }
    fputc('"', file);
}

static void line_begin(struct json_writer *json, const char *key)
{
    if (json->depth > 0) {
        fprintf(json->file, "%s\n%*s", json->first ? "" : ",", (int)json->depth * 2, "");
    }
    json->first = false;
    if (key) {
        escaped_print(json->file, key);
        fputs(": ", json->file);
    }
}

void json_begin(struct json_writer *json, const char *key, char bracket)
{
    line_begin(json, key);
    fputc(bracket, json->file);
    json->depth++;
    json->first = true;
}

void json_end(struct json_writer *json, char bracket)
{
    json->depth--;
    if (!json->first) {
        fprintf(json->file, "\n%*s", (int)json->depth * 2, "");
    }
    json->first = false;
    fputc(bracket, json->file);
    if (json->depth == 0) {
        fputc('\n', json->file);
    }
}

void json_number(struct json_writer *json, const char *key, uint64_t value)
{
    line_begin(json, key);
    fprintf(json->file, "%" PRIu64, value);
}

void json_real(struct json_writer *json, const char *key, double value)
{
    line_begin(json, key);
    if (isfinite(value)) {
        fprintf(json->file, "%.9g", value);
    } else {
        fputs("null", json->file);
    }
}

void json_bool(struct json_writer *json, const char *key, bool value)
{
    line_begin(json, key);
    fputs(value ? "true" : "false", json->file);
}

void json_raw(struct json_writer *json, const char *key, const char *value)
{
    line_begin(json, key);
    fputs(value, json->file);
}

void json_line_begin(struct json_writer *json, const char *key)
{
    line_begin(json, key);
    fputc('[', json->file);
    json->first = true;
}

void json_line_number(struct json_writer *json, uint64_t value)
{
    fprintf(json->file, json->first ? "%" PRIu64 : ",%" PRIu64, value);
    json->first = false;
}

/* Finite. */
void json_line_real(struct json_writer *json, double value)
{
    fprintf(json->file, json->first ? "%.6g" : ",%.6g", value);
    json->first = false;
}

void json_line_end(struct json_writer *json)
{
    fputc(']', json->file);
    json->first = false;
}

void json_string(struct json_writer *json, const char *key, const char *value)
{
    line_begin(json, key);
    if (value) {
        escaped_print(json->file, value);
    } else {
        fputs("null", json->file);
    }
}
