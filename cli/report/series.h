/*
 * series.h - a table that grows a row at a time and never beyond its room: when it is full, every
 * second row goes, and from then on rows are twice as far apart.
 *
 * Made for counts that only grow: what a row has more than the one before it is what happened
 * between the two, and a row that went is missed by nobody.
 */
#ifndef MM_CLI_REPORT_SERIES_H
#define MM_CLI_REPORT_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct series {
    size_t words, rows, room; /* of a row; rows there are; an even number */
    uint64_t interval_ns;     /* between two rows, at least */
    uint64_t next_ns;         /* when the next one is due */
    uint64_t *word;
};

/* All memory is taken here. False where there is none. */
bool series_init(struct series *series, size_t words, size_t room, uint64_t interval_ns);
void series_free(struct series *series);
/* A new row, to be filled by the caller; the one after it is not due before the interval is over. */
uint64_t *series_add(struct series *series, uint64_t now_ns);

static inline const uint64_t *series_row(const struct series *series, size_t row)
{
    return series->word + row * series->words;
}

#endif
