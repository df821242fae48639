/*
 * request_list.h - requests in order, chained by their own `next`; for the stores, while they own
 * them. A list belongs to one thread at a time.
 */
#ifndef MM_STORE_REQUEST_LIST_H
#define MM_STORE_REQUEST_LIST_H

#include "contract/store.h"

#include <errno.h>

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

/* Up to `count` of them, in order; returns how many. */
static inline uint32_t request_list_take_many(struct request_list *list,
                                              struct store_request **ret_requests, uint32_t count)
{
    uint32_t taken = 0;

    while (taken < count && list->first != NULL)
        ret_requests[taken++] = request_list_take(list);
    return taken;
}

/*
 * A request that will be done in parts waits, one for slots that there are not is done. All of it
 * counts as done, and from memory, until a part says otherwise.
 */
static inline void request_list_admit(struct request_list *waiting, struct request_list *done,
                                      struct store_request *request, uint32_t slots)
{
    bool good = store_has_run(slots, request);

    request->result = good ? 0 : -EINVAL;
    request->pages_done = good ? request->count : 0;
    request->from_memory = good && request->operation == STORE_READ;
    request_list_append(good ? waiting : done, request);
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
