/*
 * complaints.c - what was found wrong, from any thread.
 */
#include "complaints.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void complaints_init(struct complaints *complaints)
{
    complaints->count = 0;
    pthread_mutex_init(&complaints->lock, NULL);
}

void complaints_add(struct complaints *complaints, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    pthread_mutex_lock(&complaints->lock);
    if (complaints->count < COMPLAINTS_KEPT) {
        vsnprintf(complaints->text[complaints->count], COMPLAINT_BYTES, format, arguments);
    }
    complaints->count++;
    pthread_mutex_unlock(&complaints->lock);
    va_end(arguments);
}

void complaints_print(const struct complaints *complaints)
{
    for (unsigned i = 0; i < COMPLAINTS_KEPT && i < complaints->count; i++) {
        fprintf(stderr, "memman: %s\n", complaints->text[i]);
    }
    if (complaints->count > COMPLAINTS_KEPT) {
        fprintf(stderr, "memman: and %" PRIu64 " more of this kind\n",
                complaints->count - COMPLAINTS_KEPT);
    }
}
