/*
 * ring.h - many reads and writes of one file in flight at once, by io_uring.
 *
 * A ring belongs to one thread at a time. It never allocates, and may be used in a signal handler.
 * Requests that it does not bring to an end (longer than a piece, short, or the program closed the
 * ring's descriptor) come back unfinished, to be done another way.
 */
#ifndef MM_STORE_RING_H
#define MM_STORE_RING_H

#include "store/transfer.h"

/* So many of a thread's pages are on their way to or from the device at most, four megabytes. */
#define FLYING_PAGES_MAX 1024u

struct ring;

/* One ring for the file. 0 or -errno: the kernel has none, or does not let us. */
int ring_create(int fd, void *dummy, struct ring **ret_ring);
void ring_destroy(struct ring *ring);
/* What ring_create()'s answer means. */
const char *ring_refusal(int error);

/*
 * Begin what is in the list, in order, as far as there is room; what begins is taken off the list.
 * With `wait`, at least one of those begun comes back if any is under way. Finished ones are
 * appended to `done`, those to be done another way to `left`. False: the ring is of no use any
 * more, and everything that was in it is in one of the two lists.
 */
bool ring_advance(struct ring *ring, struct request_list *pending, bool wait,
                  struct request_list *done, struct request_list *left);
/* How many requests are in it. */
uint32_t ring_flying(const struct ring *ring);

#endif
