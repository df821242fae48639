/*
 * complaints.h - what was found wrong: all of it counted, the first few kept as lines.
 */
#ifndef MM_CLI_COMPLAINTS_H
#define MM_CLI_COMPLAINTS_H

#include <pthread.h>
#include <stdint.h>

#define COMPLAINTS_KEPT 8
#define COMPLAINT_BYTES 320

struct complaints {
    pthread_mutex_t lock; /* guards everything below */
    uint64_t count;
    char text[COMPLAINTS_KEPT][COMPLAINT_BYTES];
};

void complaints_init(struct complaints *complaints);
void complaints_add(struct complaints *complaints, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* To stderr, one line each, and how many more there were. */
void complaints_print(const struct complaints *complaints);

#endif
