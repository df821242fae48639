/*
 * text.h - a line of text in a fixed buffer, for messages made where nothing may allocate or print.
 */
#ifndef MM_BASE_TEXT_H
#define MM_BASE_TEXT_H

#include "base/types.h"

struct text {
    size_t length;
    char bytes[1000];
};

/* Append a string; what does not fit is cut off. Always ends with a zero byte. */
static inline void text_add(struct text *text, const char *string)
{
    while (*string != '\0' && text->length + 1 < sizeof(text->bytes)) {
        text->bytes[text->length++] = *string++;
    }
    text->bytes[text->length] = '\0';
}

static inline void text_add_number(struct text *text, uint64_t value)
{
    char digits[21];
    size_t at = sizeof(digits) - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    text_add(text, digits + at);
}

/* " name=value" */
static inline void text_add_field(struct text *text, const char *name, uint64_t value)
{
    text_add(text, " ");
    text_add(text, name);
    text_add(text, "=");
    text_add_number(text, value);
}

#endif
