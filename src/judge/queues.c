/*
 * queues.c - memory for queues of pages.
 */
#include "judge/queues.h"

#include <stdlib.h>

bool queues_begin(struct queues *queues, const struct references *references,
                  const struct judge_setup *setup)
{
    size_t places = (size_t)references->pages + QUEUES;
    *queues = (struct queues){.pages = references->pages, .frames = setup->frames};
    queues->next = malloc(places * sizeof(queues->next[0]));
    queues->before = malloc(places * sizeof(queues->before[0]));
    queues->of = calloc(places, 1);
    queues->flags = calloc(places, 1);
    if (queues->next == NULL || queues->before == NULL || queues->of == NULL ||
        queues->flags == NULL) {
        struct verdict none;
        queues_end(queues, &none);
        return false;
    }
    for (unsigned queue = 0; queue < QUEUES; queue++) {
        uint32_t end = queues->pages + queue;
        queues->next[end] = queues->before[end] = end;
    }
    return true;
}

void queues_end(struct queues *queues, struct verdict *ret_verdict)
{
    *ret_verdict = queues->verdict;
    free(queues->next);
    free(queues->before);
    free(queues->of);
    free(queues->flags);
}
