/*
 * json_reader.c - walks over JSON text, never past its end, whatever it is.
 */
#include "report/json_reader.h"

#include <stdlib.h>
#include <string.h>

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* `at` is an opening quote; behind the closing one, or at the end of the text. */
static const char *skip_string(const char *at)
{
    for (at++; *at != '\0' && *at != '"'; at++) {
        at += *at == '\\' && at[1] != '\0';
    }
    return at + (*at == '"');
}

static const char *skip_value(const char *at)
{
    unsigned depth = 0;

    for (;; at++) {
        switch (*at) {
        case '\0':
            return at;
        case '"':
            at = skip_string(at) - 1;
            break;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (depth-- <= 1) {
                return at + (depth == 0);
            }
            break;
        case ',':
            if (depth == 0) {
                return at;
            }
            break;
        default:
            break;
        }
    }
}

/* At what follows a value: the next value of the object or array, or NULL. */
static const char *next_value(const char *at)
{
    at = skip_blanks(at);
    return *at == ',' ? skip_blanks(at + 1) : NULL;
}

static const char *member_find(const char *at, const char *key, size_t length)
{
    for (at = skip_blanks(at + 1); at != NULL && *at == '"'; at = next_value(skip_value(at))) {
        const char *name = at + 1, *colon;

        at = skip_string(at);
        colon = skip_blanks(at);
        if (*colon != ':') {
            return NULL;
        }
        const bool same = (size_t)(at - 1 - name) == length && memcmp(name, key, length) == 0;
        at = skip_blanks(colon + 1);
        if (same) {
            return at;
        }
    }
    return NULL;
}

static const char *element_find(const char *at, unsigned long index)
{
    for (at = skip_blanks(at + 1); at != NULL && *at != ']'; at = next_value(skip_value(at))) {
        if (index-- == 0) {
            return at;
        }
    }
    return NULL;
}

bool json_find(const char *text, const char *path, const char **ret_value, size_t *ret_length)
{
    const char *at = skip_blanks(text);

    while (at != NULL && *path != '\0') {
        const size_t length = strcspn(path, ".");
        if (*at == '{') {
            at = member_find(at, path, length);
        } else {
            at = *at == '[' ? element_find(at, strtoul(path, NULL, 10)) : NULL;
        }
        path += length + (path[length] == '.');
    }
    if (at == NULL || *at == '\0') {
        return false;
    }
    const char *end = skip_value(at);
    while (end > at && strchr(" \t\r\n", end[-1]) != NULL) {
        end--;
    }
    *ret_value = at;
    *ret_length = (size_t)(end - at);
    return true;
}

bool json_find_real(const char *text, const char *path, double *ret_real)
{
    const char *value;
    size_t length;
    char *end;

    if (!json_find(text, path, &value, &length) || strchr("-0123456789", *value) == NULL) {
        return false;
    }
    const double real = strtod(value, &end);
    if (end != value + length) {
        return false;
    }
    *ret_real = real;
    return true;
}
