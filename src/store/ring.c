/*
 * ring.c - the ring of ring.h: flights in an io_uring.
 *
 * A flight is one request under way. Its vectors are needed only until the kernel has taken the
 * entry, so all flights share an arena that is emptied by each submission.
 * The file is registered with the ring: what the program does with our descriptor does not turn
 * a write of ours into one of another file.
 */
#include "store/ring.h"

#include "contract/world.h"
#include "store/memory.h"

#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <sys/stat.h>

#define FLIGHTS     64u  /* as many entries has the ring */
#define PATIENCE    1000 /* so often may the kernel put us off */
#define VECTORS_MAX 1024u

struct flight {
    struct store_request *request; /* NULL: free */
    uint64_t at, end;              /* bytes of the request */
};

struct ring {
    struct io_uring uring;
    void *dummy;
    dev_t device; /* of its descriptor */
    ino_t inode;
    struct flight flights[FLIGHTS];
    uint16_t order[FLIGHTS]; /* entries that the kernel has not taken yet, oldest first */
    uint32_t entries;        /* how many those are */
    uint32_t flying;         /* flights in use */
    uint32_t flying_pages;
    uint32_t vectors_used;
    struct iovec vectors[VECTORS_MAX];
};

uint32_t ring_flying(const struct ring *ring)
{
    return ring->flying;
}

/* ---- beginning ---- */

static uint32_t flight_pages(const struct flight *flight)
{
    return (uint32_t)((flight->end - flight->at) >> PAGE_SHIFT);
}

static void flight_begin(struct ring *ring, uint32_t number)
{
    struct flight *flight = &ring->flights[number];
    const struct store_request *request = flight->request;
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->uring); /* there are as many as flights */
    struct iovec *vectors = ring->vectors + ring->vectors_used;
    uint64_t offset = ((uint64_t)(request->slot - 1) << PAGE_SHIFT) + flight->at;
    uint32_t count = vectors_gather(request, flight->at, flight->end, ring->dummy, vectors);

    if (request->operation == STORE_READ)
        io_uring_prep_readv(entry, 0, vectors, count, offset);
    else
        io_uring_prep_writev(entry, 0, vectors, count, offset);
    entry->flags |= IOSQE_FIXED_FILE;
    entry->user_data = number;
    ring->vectors_used += count;
    ring->order[ring->entries++] = (uint16_t)number;
    ring->flying++;
    ring->flying_pages += flight_pages(flight);
}

static bool has_room(const struct ring *ring)
{
    return ring->flying < FLIGHTS && ring->flying_pages + PIECE_PAGES_MAX <= FLYING_PAGES_MAX &&
           ring->vectors_used + PIECE_PAGES_MAX <= VECTORS_MAX;
}

static void flights_begin(struct ring *ring, struct request_list *pending,
                          struct request_list *done, struct request_list *left)
{
    while (pending->first != NULL && has_room(ring)) {
        struct store_request *request = request_list_take(pending);
        uint32_t number = 0;
        struct flight flight = {.request = request};

        request_bounds(request, &flight.at, &flight.end);
        if (flight.at == flight.end) {
            request_end(request, flight.end, 0);
            request_list_append(done, request);
        } else if (flight_pages(&flight) > PIECE_PAGES_MAX) {
            request_list_append(left, request);
        } else {
            while (ring->flights[number].request != NULL)
                number++;
            ring->flights[number] = flight;
            flight_begin(ring, number);
        }
    }
}

static bool passes(int error)
{
    return error == -EINTR || error == -EAGAIN || error == -EBUSY;
}

/* Hand the entries to the kernel; with `wait`, until something is finished. 0 or -errno. */
static int entries_submit(struct ring *ring, bool wait)
{
    int taken = wait ? io_uring_submit_and_wait(&ring->uring, 1) : io_uring_submit(&ring->uring);

    if (taken < 0)
        return taken;
    ring->entries -= (uint32_t)taken;
    memmove(ring->order, ring->order + taken, ring->entries * sizeof(ring->order[0]));
    if (ring->entries == 0)
        ring->vectors_used = 0;
    return 0;
}

/* ---- ending ---- */

static void flight_land(struct ring *ring, struct flight *flight, struct request_list *into)
{
    request_list_append(into, flight->request);
    ring->flying--;
    ring->flying_pages -= flight_pages(flight);
    flight->request = NULL;
}

/* A short one, and one that the kernel had no room for, are done again another way, as a whole. */
static void flight_report(struct ring *ring, struct flight *flight, int result,
                          struct request_list *done, struct request_list *left)
{
    bool complete = result >= 0 && (uint64_t)result == flight->end - flight->at;

    if (!complete && (result > 0 || passes(result) || result == -ECANCELED)) {
        flight_land(ring, flight, left);
        return;
    }
    request_end(flight->request, flight->at, complete ? 0 : (result == 0 ? EIO : -result));
    flight_land(ring, flight, done);
}

static bool flights_collect(struct ring *ring, struct request_list *done, struct request_list *left)
{
    struct io_uring_cqe *completion;
    bool any = false;

    while (io_uring_peek_cqe(&ring->uring, &completion) == 0) {
        flight_report(ring, &ring->flights[completion->user_data], completion->res, done, left);
        io_uring_cqe_seen(&ring->uring, completion);
        any = true;
    }
    return any;
}

/* What the kernel never saw goes back; what it has, it will finish. */
static void ring_abandon(struct ring *ring, struct request_list *done, struct request_list *left)
{
    for (uint32_t i = 0; i < ring->entries; i++)
        flight_land(ring, &ring->flights[ring->order[i]], left);
    ring->entries = 0;
    for (unsigned round = 0; ring->flying > 0; round++) {
        flights_collect(ring, done, left);
        world_pause(round, true);
    }
}

bool ring_advance(struct ring *ring, struct request_list *pending, bool wait,
                  struct request_list *done, struct request_list *left)
{
    for (unsigned put_off = 0;; put_off++) {
        int error = 0;

        flights_begin(ring, pending, done, left);
        wait = wait && done->first == NULL && left->first == NULL && ring->flying > 0;
        if (ring->entries > 0 || wait)
            error = entries_submit(ring, wait);
        if (flights_collect(ring, done, left))
            put_off = 0;
        if ((error != 0 && !passes(error)) || put_off > PATIENCE) {
            ring_abandon(ring, done, left);
            return false;
        }
        if (error != 0)
            world_pause(put_off, true);
        wait = wait && done->first == NULL && left->first == NULL;
        if (ring->entries == 0 && !wait && (pending->first == NULL || !has_room(ring)))
            return true;
    }
}

/* ---- life ---- */

int ring_create(int fd, void *dummy, struct ring **ret_ring)
{
    struct io_uring_params parameters = {0};
    struct stat status;
    struct ring *ring = store_memory_map(sizeof(*ring));
    int error;

    if (ring == NULL)
        return -ENOMEM;
    error = io_uring_queue_init_params(FLIGHTS, &ring->uring, &parameters);
    if (error != 0) {
        store_memory_unmap(ring, sizeof(*ring));
        return error;
    }
    ring->dummy = dummy;
    if (fstat(ring->uring.ring_fd, &status) == 0) {
        ring->device = status.st_dev;
        ring->inode = status.st_ino;
    }
    error = io_uring_register_files(&ring->uring, &fd, 1);
    if (error == 0 && (parameters.features & IORING_FEAT_SUBMIT_STABLE) == 0)
        error = -EOPNOTSUPP; /* the vectors would have to last */
    if (error == 0)
        error = io_uring_ring_dontfork(&ring->uring);
    if (error != 0) {
        ring_destroy(ring);
        return error;
    }
    *ret_ring = ring;
    return 0;
}

const char *ring_refusal(int error)
{
    return error == -EPERM ? "the sysctl kernel.io_uring_disabled or a seccomp filter forbids it"
                           : strerror(-error);
}

/* The program may have closed the number and have a file of its own there: that one stays open. */
static bool descriptor_is_ours(const struct ring *ring)
{
    struct stat status;

    return fstat(ring->uring.ring_fd, &status) == 0 && status.st_dev == ring->device &&
           status.st_ino == ring->inode;
}

void ring_destroy(struct ring *ring)
{
    if (!descriptor_is_ours(ring))
        ring->uring.ring_fd = -1;
    io_uring_queue_exit(&ring->uring);
    store_memory_unmap(ring, sizeof(*ring));
}
