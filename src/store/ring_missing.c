/*
 * ring_missing.c - the rings of a build without liburing: there are none.
 */
#include "store/ring.h"

#include <errno.h>

int ring_create(int fd, void *dummy, struct ring **ret_ring)
{
    (void)fd;
    (void)dummy;
    (void)ret_ring;
    return -ENOSYS;
}

void ring_destroy(struct ring *ring)
{
    (void)ring;
}

const char *ring_refusal(int error)
{
    (void)error;
    return "this build is without liburing; install liburing-dev and build again";
}

bool ring_advance(struct ring *ring, struct request_list *pending, bool wait,
                  struct request_list *done, struct request_list *left)
{
    (void)ring;
    (void)pending;
    (void)wait;
    (void)done;
    (void)left;
    return false;
}

uint32_t ring_flying(const struct ring *ring)
{
    (void)ring;
    return 0;
}
