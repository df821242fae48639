/*
 * compressed.c - the compressed store: pages packed into memory, over another store.
 *
 * A page that is written is packed with LZ4 into the arena; one that repeats a single word costs
 * nothing but its place in the table. What does not pack well, or finds no room, goes to the same
 * slot of the store below. So a page is at one place at a time: its word in the table says where,
 * and whoever overwrites or discards it frees what was there before. What is read from the arena
 * says so (from_memory).
 *
 * A request is looked at page by page when it is submitted. Stretches that belong below become
 * parts, requests of our own from a pool of the queue; where the pool is empty the request waits
 * until parts come back. Nothing is allocated after the start. A slot has one owner at a time, which
 * is the engine's business; only the arena has a lock, a short one.
 */
#include "store/compressed.h"

#include "base/copy.h"
#include "base/mutant.h"
#include "contract/world.h"
#include "store/arena.h"
#include "store/memory.h"
#include "store/request_list.h"

#include <errno.h>
#include <lz4.h>

#define PACKED_MAX (MM_PAGE_SIZE / 4 * 3) /* a page that takes more is not worth the processor */
#define PARTS      32u
#define PAGE_WORDS (MM_PAGE_SIZE / sizeof(uint64_t))

/* Where a slot's page is. Below as well: nothing was written yet, or it was discarded. */
enum place { PLACE_BELOW, PLACE_PACKED, PLACE_REPEATED };

struct compressed_slot {
    uint64_t word;       /* REPEATED: the page is this word, over and over */
    uint32_t first_cell; /* PACKED: in the arena */
    uint16_t bytes;
    uint8_t place;
    uint8_t written_below; /* the store below holds something for it */
};

/* X(id, JSON key, title) */
#define COMPRESSED_COUNTS(X)                                                                       \
    X(PAGES_IN, "pages_in", "Pages Given to the Store")                                            \
    X(PACKED, "pages_packed", "Pages Packed")                                                      \
    X(REPEATED, "pages_repeated", "Pages of One Repeated Word")                                    \
    X(DENSE, "pages_incompressible", "Pages That Do Not Pack")                                     \
    X(NO_ROOM, "pages_no_room", "Pages That Found No Room")                                        \
    X(HITS, "hits", "Pages Read from Memory")                                                      \
    X(BELOW, "reads_below", "Pages Read from Below")                                               \
    X(PACKED_BYTES, "packed_bytes", "Bytes of Packed Pages")

enum count {
#define X(id, key, title) COUNT_##id,
    COMPRESSED_COUNTS(X)
#undef X
        COUNT_LIMIT
};

/* A stretch of a request that goes below. */
struct part {
    struct store_request request; /* first: the store below gives this back */
    struct store_request *parent; /* NULL: not in use */
    uint32_t at;                  /* its first page in the parent */
};

struct compressed_queue {
    struct request_list done, waiting;
    struct request_list spare; /* parts */
    uint32_t at;               /* pages of waiting.first that were looked at */
    uint32_t flying;           /* parts that are below */
    bool ready;                /* the spare parts are listed */
    _Atomic uint64_t counts[COUNT_LIMIT];
    struct part parts[PARTS];
    LZ4_stream_t stream;
    uint64_t page[PAGE_WORDS]; /* what is being packed holds still here */
    unsigned char packed[PACKED_MAX];
} CACHE_ALIGNED;

struct compressed {
    struct store below;
    _Atomic uint32_t slots_ready;
    size_t bytes; /* of the whole mapping */
    uint64_t budget_bytes;
    struct arena arena;
    struct compressed_queue *queues;
    struct compressed_slot *slots; /* slot s is slots[s - 1] */
};

static void count_add(struct compressed_queue *queue, enum count count, uint64_t more)
{
    _Atomic uint64_t *counter = &queue->counts[count];

    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

/* ---- one page ---- */

/* Whatever the slot held is gone. */
static void slot_release(struct compressed *compressed, slot_number number)
{
    struct compressed_slot *slot = &compressed->slots[number - 1];
    const struct store *below = &compressed->below;

    if (slot->place == PLACE_PACKED && !MUTANT(COMPRESSED_LEAKS_OLD_CHUNK))
        arena_free(&compressed->arena, slot->first_cell, slot->bytes);
    if (slot->written_below && below->ops->discard != NULL)
        below->ops->discard(below->self, number, 1);
    if (!MUTANT(COMPRESSED_FREES_TWICE))
        slot->place = PLACE_BELOW;
    slot->written_below = false;
}

static bool page_repeats(const uint64_t *words)
{
    size_t limit = PAGE_WORDS / (MUTANT(COMPRESSED_LOOKS_AT_HALF) ? 2 : 1);

    for (size_t i = 1; i < limit; i++) {
        if (words[i] != words[0])
            return false;
    }
    return true;
}

/* Pack queue->page. False: it does not pack, or there is no room. */
static bool page_pack(struct compressed *compressed, struct compressed_queue *queue,
                      struct compressed_slot *slot)
{
    int packed = LZ4_compress_fast_extState(&queue->stream, (const char *)queue->page,
                                            (char *)queue->packed, MM_PAGE_SIZE, PACKED_MAX, 1);

    if (packed <= 0) {
        count_add(queue, COUNT_DENSE, 1);
        return false;
    }
    uint32_t cell = arena_keep(&compressed->arena, queue->packed, (uint32_t)packed);
    if (cell == ARENA_NO_CELL) {
        count_add(queue, COUNT_NO_ROOM, 1);
        return false;
    }
    slot->first_cell = cell;
    slot->bytes = (uint16_t)packed;
    slot->place = PLACE_PACKED;
    count_add(queue, COUNT_PACKED, 1);
    count_add(queue, COUNT_PACKED_BYTES, (uint64_t)packed);
    return true;
}

/* Write a page. False: it must go below. */
static bool page_keep(struct compressed *compressed, struct compressed_queue *queue,
                      slot_number number, const void *page)
{
    struct compressed_slot *slot = &compressed->slots[number - 1];
    struct compressed_slot before = *slot;

    count_add(queue, COUNT_PAGES_IN, 1);
    slot_release(compressed, number);
    world_work(WORLD_COPY_PAGE, 1);
    copy_shared(queue->page, page, MM_PAGE_SIZE);
    if (page_repeats(queue->page)) {
        slot->word = queue->page[0];
        slot->place = PLACE_REPEATED;
        count_add(queue, COUNT_REPEATED, 1);
        return true;
    }
    if (page_pack(compressed, queue, slot))
        return true;
    if (MUTANT(COMPRESSED_BELIEVES_OLD_PLACE))
        *slot = before;
    slot->written_below = true;
    return false;
}

static int slot_unpack(const struct compressed *compressed, const struct compressed_slot *slot,
                       unsigned char *packed, void *ret_page)
{
    if (slot->place == PLACE_REPEATED) {
        uint64_t *words = ret_page;

        for (size_t i = 0; i < PAGE_WORDS; i++)
            words[i] = slot->word;
        return 0;
    }
    arena_fetch(&compressed->arena, slot->first_cell, slot->bytes, packed);
    int unpacked = LZ4_decompress_safe((const char *)packed, ret_page, slot->bytes, MM_PAGE_SIZE);
    return unpacked == (int)MM_PAGE_SIZE ? 0 : -EBADMSG;
}

/* Read a page that is here; 0 or -EBADMSG. */
static int page_fetch(struct compressed *compressed, struct compressed_queue *queue,
                      const struct compressed_slot *slot, void *ret_page)
{
    world_work(WORLD_COPY_PAGE, 1);
    count_add(queue, COUNT_HITS, 1);
    return slot_unpack(compressed, slot, queue->packed, ret_page);
}

static void request_fail(struct store_request *request, uint32_t page, int error)
{
    if (page < request->pages_done) {
        request->result = error;
        request->pages_done = page;
    }
}

/* What can be done for the page here and now. False: it is a matter of the store below. */
static bool page_serve(struct compressed *compressed, struct compressed_queue *queue,
                       struct store_request *request, uint32_t at)
{
    slot_number number = request->slot + at;
    const struct compressed_slot *slot = &compressed->slots[number - 1];

    if (request->operation == STORE_WRITE)
        return page_keep(compressed, queue, number, request->pages[at]);
    if (slot->place == PLACE_BELOW) {
        count_add(queue, COUNT_BELOW, 1);
        return false;
    }
    int error = page_fetch(compressed, queue, slot, request->pages[at]);
    if (error != 0)
        request_fail(request, at, error);
    return true;
}

/* ---- requests and their parts ---- */

static void parts_init(struct compressed_queue *queue)
{
    for (uint32_t i = 0; i < PARTS; i++)
        request_list_append(&queue->spare, &queue->parts[i].request);
    queue->ready = true;
}

static struct part *part_begin(struct compressed_queue *queue, struct store_request *parent,
                               uint32_t at)
{
    struct part *part = (struct part *)request_list_take(&queue->spare);

    *part = (struct part){.request = {.operation = parent->operation,
                                      .slot = parent->slot + at,
                                      .pages = parent->pages + at},
                          .parent = parent,
                          .at = at};
    parent->from_memory = MUTANT(COMPRESSED_CLAIMS_MEMORY);
    return part;
}

static bool has_parts(const struct compressed_queue *queue, const struct store_request *request)
{
    for (uint32_t i = 0; i < PARTS; i++) {
        if (queue->parts[i].parent == request)
            return true;
    }
    return false;
}

/*
 * Go on with the request; its new parts join the batch. A page that is not wanted is read along
 * only between two that are. False: no part is left, it goes on when one comes back.
 */
static bool request_go_on(struct compressed *compressed, struct compressed_queue *queue,
                          struct store_request *request, struct store_request **batch,
                          uint32_t *batched)
{
    struct part *part = NULL;

    for (; queue->at < request->count; queue->at++) {
        uint32_t at = queue->at;

        if (request->pages[at] == NULL)
            continue;
        if (part == NULL && queue->spare.first == NULL)
            return false;
        if (page_serve(compressed, queue, request, at)) {
            part = NULL;
            continue;
        }
        if (part == NULL) {
            part = part_begin(queue, request, at);
            batch[(*batched)++] = &part->request;
        }
        part->request.count = at - part->at + 1;
    }
    return true;
}

static void queue_go_on(struct compressed *compressed, uint32_t number)
{
    struct compressed_queue *queue = &compressed->queues[number];
    const struct store *below = &compressed->below;
    struct store_request *batch[PARTS], *request;
    uint32_t batched = 0;

    while ((request = queue->waiting.first) != NULL &&
           request_go_on(compressed, queue, request, batch, &batched)) {
        queue->at = 0;
        request_list_take(&queue->waiting);
        if (!has_parts(queue, request))
            request_list_append(&queue->done, request);
    }
    queue->flying += batched;
    if (batched != 0)
        below->ops->submit(below->self, number, batch, batched);
}

static void part_end(struct compressed_queue *queue, struct part *part)
{
    struct store_request *parent = part->parent;

    if (part->request.result != 0 && !MUTANT(COMPRESSED_FORGETS_ERROR))
        request_fail(parent, part->at + part->request.pages_done, part->request.result);
    part->parent = NULL;
    request_list_append(&queue->spare, &part->request);
    if (parent != queue->waiting.first && !has_parts(queue, parent))
        request_list_append(&queue->done, parent);
}

static void queue_collect(struct compressed *compressed, uint32_t number, bool wait)
{
    struct compressed_queue *queue = &compressed->queues[number];
    const struct store *below = &compressed->below;
    struct store_request *reaped[PARTS];
    uint32_t count = below->ops->reap(below->self, number, reaped, PARTS, wait);

    for (uint32_t i = 0; i < count; i++)
        part_end(queue, (struct part *)reaped[i]);
    queue->flying -= count;
    queue_go_on(compressed, number);
}

/* ---- the contract ---- */

static void compressed_submit(void *self, uint32_t number, struct store_request *const *requests,
                              uint32_t count)
{
    struct compressed *compressed = self;
    struct compressed_queue *queue = &compressed->queues[number];
    uint32_t slots = atomic_load_explicit(&compressed->slots_ready, memory_order_relaxed);

    if (!queue->ready)
        parts_init(queue);
    for (uint32_t i = 0; i < count; i++)
        request_list_admit(&queue->waiting, &queue->done, requests[i], slots);
    queue_go_on(compressed, number);
}

static uint32_t compressed_reap(void *self, uint32_t number, struct store_request **ret_requests,
                                uint32_t count, bool wait)
{
    struct compressed *compressed = self;
    struct compressed_queue *queue = &compressed->queues[number];

    if (queue->flying != 0)
        queue_collect(compressed, number, false);
    while (wait && count != 0 && queue->done.first == NULL && queue->flying != 0)
        queue_collect(compressed, number, true);
    return request_list_take_many(&queue->done, ret_requests, count);
}

static void compressed_discard(void *self, slot_number first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        slot_release(self, first + i);
}

static bool compressed_holds(void *self, slot_number slot, const void *page)
{
    struct compressed *compressed = self;
    const struct store *below = &compressed->below;
    uint64_t held[PAGE_WORDS];
    unsigned char packed[PACKED_MAX];

    if (compressed->slots[slot - 1].place == PLACE_BELOW)
        return below->ops->holds != NULL && below->ops->holds(below->self, slot, page);
    world_work(WORLD_COPY_PAGE, 1);
    return slot_unpack(compressed, &compressed->slots[slot - 1], packed, held) == 0 &&
           same_shared(held, page, MM_PAGE_SIZE);
}

static int compressed_grow(void *self, uint32_t slots)
{
    struct compressed *compressed = self;
    int error = store_grow(&compressed->below, slots);

    if (error == 0)
        atomic_store_explicit(&compressed->slots_ready, slots, memory_order_relaxed);
    return error;
}

static uint64_t count_of(const struct compressed *compressed, enum count count)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < compressed->below.queues; i++)
        sum += atomic_load_explicit(&compressed->queues[i].counts[count], memory_order_relaxed);
    return sum;
}

static uint32_t compressed_counters(void *self, struct store_counter *ret_counters, uint32_t count)
{
    struct compressed *compressed = self;
    uint64_t packed = count_of(compressed, COUNT_PACKED) * MM_PAGE_SIZE;
    const struct store_counter counters[] = {
#define X(id, key, title) {key, title, count_of(compressed, COUNT_##id)},
        COMPRESSED_COUNTS(X)
#undef X
            {"packed_percent", "Packed Size, % of the Pages",
             packed == 0 ? 0 : count_of(compressed, COUNT_PACKED_BYTES) * 100 / packed},
        {"budget_frames", "Frames That the Store Takes", compressed->budget_bytes / MM_PAGE_SIZE},
        {"used_bytes", "Bytes of Them in Use", arena_used_bytes(&compressed->arena)},
    };
    uint32_t own = ARRAY_COUNT(counters), fits = MIN_OF(own, count);

    for (uint32_t i = 0; i < fits; i++)
        ret_counters[i] = counters[i];
    return own + store_counters(&compressed->below, ret_counters + fits, count - fits);
}

static void compressed_destroy(void *self)
{
    struct compressed *compressed = self;

    store_memory_unmap(compressed, compressed->bytes);
}

static const struct store_ops compressed_ops = {
    .name = "compressed",
    .submit = compressed_submit,
    .reap = compressed_reap,
    .discard = compressed_discard,
    .holds = compressed_holds,
    .grow = compressed_grow,
    .counters = compressed_counters,
    .destroy = compressed_destroy,
};

/* The next `bytes` of a mapping. */
static void *carve(unsigned char **at, size_t bytes)
{
    void *begin = *at;

    *at += (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    return begin;
}

int compressed_create(const struct store *below, uint64_t budget_bytes, struct store *ret_store)
{
    uint32_t cells = arena_cells(budget_bytes + MUTANT(COMPRESSED_OVER_BUDGET) * MM_PAGE_SIZE);
    size_t cell_bytes = (size_t)cells * ARENA_CELL_BYTES, links = cells * sizeof(uint32_t);
    size_t queues = below->queues * sizeof(struct compressed_queue);
    size_t slots = (size_t)below->slots * sizeof(struct compressed_slot);
    size_t bytes = sizeof(struct compressed) + cell_bytes + links + queues + slots + 5 * CACHE_LINE;
    unsigned char *at = store_memory_map(bytes);

    if (at == NULL)
        return -ENOMEM;
    struct compressed *compressed = carve(&at, sizeof(*compressed));
    compressed->below = *below;
    compressed->slots_ready = below->slots_ready;
    compressed->bytes = bytes;
    compressed->budget_bytes = budget_bytes;
    compressed->queues = carve(&at, queues);
    compressed->slots = carve(&at, slots);
    unsigned char *memory = carve(&at, cell_bytes);
    arena_init(&compressed->arena, cells, memory, carve(&at, links));
    *ret_store = (struct store){.ops = &compressed_ops,
                                .self = compressed,
                                .slots = below->slots,
                                .slots_ready = below->slots_ready,
                                .queues = below->queues};
    return 0;
}

struct arena *compressed_arena(const struct store *store)
{
    struct compressed *compressed = store->self;

    return &compressed->arena;
}

bool compressed_look(const struct store *store, slot_number slot, void *ret_page)
{
    const struct compressed *compressed = store->self;
    unsigned char packed[PACKED_MAX];

    return compressed->slots[slot - 1].place != PLACE_BELOW &&
           slot_unpack(compressed, &compressed->slots[slot - 1], packed, ret_page) == 0;
}

bool compressed_exists(void)
{
    return true;
}
