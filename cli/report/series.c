/*
 * series.c - rows of a table that is thinned out when it is full.
 */
#include "report/series.h"

#include <stdlib.h>
#include <string.h>

bool series_init(struct series *series, size_t words, size_t room, uint64_t interval_ns)
{
    *series = (struct series){.words = words, .room = room, .interval_ns = interval_ns};
    series->word = calloc(words * room, sizeof(*series->word));
    return series->word != NULL;
}

void series_free(struct series *series)
{
    free(series->word);
    series->word = NULL;
}

/* The first row stays. */
static void thin_out(struct series *series)
{
    for (size_t row = 1; row < series->rows / 2; row++) {
        memcpy(series->word + row * series->words, series_row(series, 2 * row),
               series->words * sizeof(*series->word));
    }
    series->rows /= 2;
    series->interval_ns *= 2;
}

uint64_t *series_add(struct series *series, uint64_t now_ns)
{
    if (series->rows == series->room) {
        thin_out(series);
    }
    series->next_ns = now_ns + series->interval_ns;
    return series->word + series->rows++ * series->words;
}
