/*
 * request_list.h - requests in order, chained by their own `next`; for the stores, while they own
 * them. A list belongs to one thread at a time.
 */
#ifndef MM_STORE_REQUEST_LIST_H
#define MM_STORE_REQUEST_LIST_H

#include "contract/store.h"

struct request_list {
    struct store_request *first, *last;
};

static inline void request_list_append(struct request_list *list, struct store_request *request)
{
    request->next = NULL;
    if (list->first == NULL)
        list->first = request;
    else
        list->last->next = request;
    list->last = request;
}

static inline struct store_request *request_list_take(struct request_list *list)
{
    struct store_request *request = list->first;

    if (request != NULL) {
        list->first = request->next;
        request->next = NULL;
    }
    return request;
}

/* All of `from` behind `into`; `from` is empty then. */
static inline void request_list_splice(struct request_list *into, struct request_list *from)
{
    if (from->first == NULL)
        return;
    if (into->first == NULL)
        into->first = from->first;
    else
        into->last->next = from->first;
    into->last = from->last;
    *from = (struct request_list){NULL, NULL};
}

#endif
