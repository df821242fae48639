/*
 * file.c - the file store: slot s is the s-th page of a file.
 *
 * A thread with one request (a fault that reads) makes one system call and sleeps in it; nothing
 * is ahead of it but the device. A thread with several (the writer) borrows a ring, which has them
 * all under way at once, and gives it back when they are done. Without a ring the requests are made
 * one after the other. Slots in a read that nobody wants go to one page that nobody looks at.
 *
 * Everything is allocated at the start. No locks: a queue belongs to one thread at a time, a ring
 * to the queue that took it.
 */
#include "store/file.h"

#include "base/mutant.h"
#include "store/memory.h"
#include "store/page_file.h"
#include "store/ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RINGS_MAX 64u

struct file_queue {
    struct request_list pending; /* submitted, not begun */
    struct request_list left;    /* what a ring gave back */
    struct request_list done;
    struct ring_place *place; /* while it has a ring */
    _Atomic uint64_t reads, pages_read, writes, pages_written;
    struct iovec vectors[PIECE_PAGES_MAX];
} CACHE_ALIGNED;

struct ring_place {
    struct ring *ring;
    _Atomic bool taken; /* for ever, if the ring is of no use any more */
} CACHE_ALIGNED;

struct file {
    struct page_file file;
    _Atomic uint32_t slots_ready;
    uint32_t queues_count;
    uint32_t rings;
    size_t bytes; /* of this block */
    void *dummy;  /* a page: where unwanted slots go */
    struct ring_place places[RINGS_MAX];
    struct file_queue queues[];
};

/* ---- one after the other ---- */

/* Past the C library: ThreadSanitizer would look at pages that change, which is allowed. */
static ssize_t move_piece(const struct file *file, const struct store_request *request,
                          const struct iovec *vectors, uint32_t count, uint64_t offset)
{
    long number = request->operation == STORE_READ ? SYS_preadv : SYS_pwritev;

    /* A read of a wrong file is found out by its content, a write would be too late to find. */
    if (request->operation == STORE_WRITE && !page_file_is_ours(&file->file) &&
        !MUTANT(FILE_WRITES_TO_ANY_FILE)) {
        errno = EBADF;
        return -1;
    }
    return syscall(number, file->file.fd, vectors, (size_t)count, offset, 0ul);
}

static void perform(const struct file *file, struct file_queue *queue,
                    struct store_request *request)
{
    uint64_t base = (uint64_t)(request->slot - 1) << PAGE_SHIFT;
    uint64_t at, end;
    int error = 0;

    request_bounds(request, &at, &end);
    while (at < end && error == 0) {
        uint32_t count = vectors_gather(request, at, end, file->dummy, queue->vectors);
        ssize_t moved = move_piece(file, request, queue->vectors, count, base + at);

        if (moved > 0)
            at = MUTANT(FILE_READS_SHORT) ? end : at + (uint64_t)moved;
        else if (moved == 0)
            error = EIO; /* the file is shorter than it was */
        else if (errno != EINTR)
            error = errno;
    }
    request_end(request, at, error);
    request_list_append(&queue->done, request);
}

/* ---- many at once ---- */

static void take_ring(struct file *file, struct file_queue *queue)
{
    for (uint32_t i = 0; i < file->rings && queue->place == NULL; i++) {
        struct ring_place *place = &file->places[i];

        if (!atomic_load_explicit(&place->taken, memory_order_relaxed) &&
            !atomic_exchange_explicit(&place->taken, true, memory_order_acquire))
            queue->place = place;
    }
}

static void advance(struct file *file, struct file_queue *queue, bool wait)
{
    bool several = queue->pending.first != NULL && queue->pending.first->next != NULL;

    if (queue->place == NULL && several)
        take_ring(file, queue);
    if (queue->place == NULL)
        return;
    struct ring *ring = queue->place->ring;
    bool good = ring_advance(ring, &queue->pending, wait, &queue->done, &queue->left);
    if (!good) {
        queue->place = NULL;
    } else if (ring_flying(ring) == 0 && queue->pending.first == NULL) {
        atomic_store_explicit(&queue->place->taken, false, memory_order_release);
        queue->place = NULL;
    }
}

/* ---- the contract ---- */

static void count_request(struct file_queue *queue, const struct store_request *request)
{
    bool read = request->operation == STORE_READ;
    _Atomic uint64_t *requests = read ? &queue->reads : &queue->writes;
    _Atomic uint64_t *pages = read ? &queue->pages_read : &queue->pages_written;

    atomic_store_explicit(requests, atomic_load_explicit(requests, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(pages, atomic_load_explicit(pages, memory_order_relaxed) + request->count,
                          memory_order_relaxed);
}

static void file_submit(void *self, uint32_t queue_number, struct store_request *const *requests,
                        uint32_t count)
{
    struct file *file = self;
    struct file_queue *queue = &file->queues[queue_number];
    uint32_t slots = atomic_load_explicit(&file->slots_ready, memory_order_acquire);

    for (uint32_t i = 0; i < count; i++) {
        if (store_has_run(slots, requests[i])) {
            count_request(queue, requests[i]);
            request_list_append(&queue->pending, requests[i]);
        } else {
            request_end(requests[i], 0, EINVAL);
            request_list_append(&queue->done, requests[i]);
        }
    }
    advance(file, queue, false);
}

static uint32_t file_reap(void *self, uint32_t queue_number, struct store_request **ret_requests,
                          uint32_t count, bool wait)
{
    struct file *file = self;
    struct file_queue *queue = &file->queues[queue_number];

    if (count == 0)
        return 0;
    advance(file, queue, wait && queue->done.first == NULL && queue->left.first == NULL);
    while (queue->done.first == NULL) {
        struct store_request *request = request_list_take(&queue->left);

        if (request == NULL && queue->place == NULL)
            request = request_list_take(&queue->pending);
        if (request == NULL)
            break;
        perform(file, queue, request);
    }
    return request_list_take_many(&queue->done, ret_requests, count);
}

static int file_grow(void *self, uint32_t slots)
{
    struct file *file = self;
    int error = page_file_reserve(&file->file, (uint64_t)slots << PAGE_SHIFT);

    if (error == 0)
        atomic_store_explicit(&file->slots_ready, slots, memory_order_release);
    return error;
}

static uint32_t file_counters(void *self, struct store_counter *ret_counters, uint32_t count)
{
    struct file *file = self;
    struct store_counter counters[] = {
        {"file_reads", "File Reads", 0},
        {"file_pages_read", "File Pages Read", 0},
        {"file_writes", "File Writes", 0},
        {"file_pages_written", "File Pages Written", 0},
    };

    for (uint32_t i = 0; i < file->queues_count; i++) {
        struct file_queue *queue = &file->queues[i];

        counters[0].value += atomic_load_explicit(&queue->reads, memory_order_relaxed);
        counters[1].value += atomic_load_explicit(&queue->pages_read, memory_order_relaxed);
        counters[2].value += atomic_load_explicit(&queue->writes, memory_order_relaxed);
        counters[3].value += atomic_load_explicit(&queue->pages_written, memory_order_relaxed);
    }
    for (uint32_t i = 0; i < MIN_OF(count, ARRAY_COUNT(counters)); i++)
        ret_counters[i] = counters[i];
    return ARRAY_COUNT(counters);
}

/* ---- life ---- */

static void file_destroy(void *self)
{
    struct file *file = self;

    for (uint32_t i = 0; i < file->rings; i++)
        ring_destroy(file->places[i].ring);
    page_file_close(&file->file);
    store_memory_unmap(file->dummy, MM_PAGE_SIZE);
    store_memory_unmap(file, file->bytes);
}

static const struct store_ops file_ops = {
    .name = "file",
    .submit = file_submit,
    .reap = file_reap,
    .grow = file_grow,
    .counters = file_counters,
    .destroy = file_destroy,
};

/* As many rings as we get, if one is asked for by name at least one. 0 or -errno. */
static int create_rings(struct file *file, const struct file_config *config, char *ret_text,
                        size_t text_bytes)
{
    uint32_t wanted = config->way == FILE_WAY_SYNC
                          ? 0
                          : MIN_OF(MIN_OF(MAX_OF(config->rings, 1u), RINGS_MAX), config->queues);
    int error = 0;

    while (file->rings < wanted && error == 0) {
        error = ring_create(file->file.fd, file->dummy, &file->places[file->rings].ring);
        file->rings += error == 0;
    }
    if (file->rings > 0 || wanted == 0)
        return 0;
    if (config->way == FILE_WAY_URING) {
        snprintf(ret_text, text_bytes, "no io_uring: %s; or use io=sync", ring_refusal(error));
        return error;
    }
    if (ret_text[0] == '\0')
        snprintf(ret_text, text_bytes,
                 "the page file takes one request after the other: no io_uring: %s",
                 ring_refusal(error));
    return 0;
}

static int create_in(struct file *file, const struct file_config *config, char *ret_text,
                     size_t text_bytes)
{
    struct page_file_config opening = {.path = config->path,
                                       .bytes = (uint64_t)config->slots_ready << PAGE_SHIFT,
                                       .overwrite = config->overwrite,
                                       .buffered = config->buffered};
    int error = page_file_open(&opening, &file->file, ret_text, text_bytes);

    return error == 0 ? create_rings(file, config, ret_text, text_bytes) : error;
}

int file_create(const struct file_config *config, struct store *ret_store, char *ret_text,
                size_t text_bytes)
{
    size_t bytes = sizeof(struct file) + config->queues * sizeof(struct file_queue);
    struct file *file = store_memory_map(bytes);
    void *dummy = store_memory_map(MM_PAGE_SIZE);
    int error = -ENOMEM;

    ret_text[0] = '\0';
    if (file != NULL && dummy != NULL) {
        file->bytes = bytes;
        file->dummy = dummy;
        file->queues_count = config->queues;
        file->slots_ready = config->slots_ready;
        file->file = (struct page_file){.fd = -1, .folder = -1};
        error = create_in(file, config, ret_text, text_bytes);
        if (error != 0) {
            file_destroy(file);
            return error;
        }
        *ret_store = (struct store){.ops = &file_ops,
                                    .self = file,
                                    .slots = config->slots,
                                    .slots_ready = config->slots_ready,
                                    .queues = config->queues};
        return 0;
    }
    snprintf(ret_text, text_bytes, "no memory for the file store; use fewer threads");
    store_memory_unmap(file, bytes);
    store_memory_unmap(dummy, MM_PAGE_SIZE);
    return error;
}

int file_descriptor(const struct store *store)
{
    const struct file *file = store->self;

    return file->file.fd;
}
