/*
 * joined.c - the joined store: several stores as one, as several page files are one paging space.
 *
 * Slots are numbered in the order in which they became usable: an extent is a run of them that one
 * part has, in a table that only grows. So what is usable is always 1..slots_ready, whichever part
 * grew last. The part that has the fewest slots grows; if it refuses, the next one is asked.
 *
 * A request is cut at the borders of extents into pieces, requests of our own from a pool of the
 * queue; where the pool is empty the request waits until pieces come back. The pieces of all parts
 * are under way at once, and an error is one of the pages it hit. Nothing is allocated after the
 * start, and nothing is locked: the table is read by everybody and extended by one at a time.
 */
#include "store/joined.h"

#include "base/mutant.h"
#include "store/memory.h"
#include "store/request_list.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define EXTENTS_MAX  256u
#define PIECES       64u
#define COUNTERS_MAX 64u /* of one part */
#define BATCH        32u

/* Slots first..first+count-1 are base..base+count-1 of the part. */
struct extent {
    slot_number first, base;
    uint32_t part;
    _Atomic uint32_t count; /* the last one's grows */
};

/* Used and ready only by who grows. */
struct part {
    struct store below;
    uint32_t used;  /* slots of it that are in extents */
    uint32_t ready; /* slots that it has made usable */
};

/* A stretch of a request that one part has. */
struct piece {
    struct store_request request; /* first: the part gives this back */
    struct store_request *whole;  /* NULL: not in use */
    uint32_t at;                  /* its first page in the whole */
    uint32_t part;
};

struct joined_queue {
    struct request_list done, waiting;
    struct request_list spare; /* pieces */
    uint32_t at;               /* pages of waiting.first that are cut off */
    uint32_t flying[JOINED_PARTS_MAX];
    uint32_t begun_count;
    bool ready;                          /* the spare pieces are listed */
    struct store_request *begun[PIECES]; /* not yet submitted */
    struct store_request *batch[PIECES];
    struct piece pieces[PIECES];
} CACHE_ALIGNED;

struct joined {
    size_t bytes; /* of this block */
    uint32_t slots;
    _Atomic uint32_t slots_ready, parts_count, extents_count;
    struct part parts[JOINED_PARTS_MAX];
    struct extent extents[EXTENTS_MAX];
    struct joined_queue queues[];
};

/* ---- extents ---- */

static uint32_t extent_count(struct extent *extent)
{
    return atomic_load_explicit(&extent->count, memory_order_relaxed);
}

/* The extent of a slot that is usable. */
static struct extent *extent_of(struct joined *joined, slot_number slot)
{
    uint32_t low = 0;
    uint32_t high = atomic_load_explicit(&joined->extents_count, memory_order_acquire);

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (joined->extents[middle].first <= slot)
            low = middle;
        else
            high = middle;
    }
    return &joined->extents[low];
}

/* So many slots more, those of the part that come next. There is room in the table. */
static void extents_append(struct joined *joined, uint32_t number, uint32_t count)
{
    uint32_t used = atomic_load_explicit(&joined->extents_count, memory_order_relaxed);
    uint32_t ready = atomic_load_explicit(&joined->slots_ready, memory_order_relaxed);
    struct part *part = &joined->parts[number];
    struct extent *last = used == 0 ? NULL : &joined->extents[used - 1];

    if (count == 0)
        return;
    if (last != NULL && last->part == number) {
        atomic_store_explicit(&last->count, extent_count(last) + count, memory_order_relaxed);
    } else {
        joined->extents[used] = (struct extent){
            .first = ready + 1, .base = part->used + 1, .part = number, .count = count};
        atomic_store_explicit(&joined->extents_count, used + 1, memory_order_release);
    }
    part->used += count;
    atomic_store_explicit(&joined->slots_ready, ready + count, memory_order_relaxed);
}

/* ---- pieces ---- */

static void pieces_init(struct joined_queue *queue)
{
    for (uint32_t i = 0; i < PIECES; i++)
        request_list_append(&queue->spare, &queue->pieces[i].request);
    queue->ready = true;
}

static bool has_pieces(const struct joined_queue *queue, const struct store_request *whole)
{
    for (uint32_t i = 0; i < PIECES; i++) {
        if (queue->pieces[i].whole == whole)
            return true;
    }
    return false;
}

/* Cut off the next stretch of the whole. */
static void piece_begin(struct joined *joined, struct joined_queue *queue,
                        struct store_request *whole)
{
    struct piece *piece = (struct piece *)request_list_take(&queue->spare);
    slot_number slot = whole->slot + queue->at;
    struct extent *extent = extent_of(joined, slot);
    uint32_t offset = slot - extent->first, left = whole->count - queue->at;
    uint32_t count =
        MUTANT(JOINED_IGNORES_BORDERS) ? left : MIN_OF(left, extent_count(extent) - offset);

    *piece = (struct piece){.request = {.operation = whole->operation,
                                        .slot = extent->base + offset,
                                        .count = count,
                                        .pages = whole->pages + queue->at},
                            .whole = whole,
                            .at = queue->at,
                            .part = extent->part};
    queue->begun[queue->begun_count++] = &piece->request;
    queue->at += count;
}

static void submit_begun(struct joined *joined, uint32_t number)
{
    struct joined_queue *queue = &joined->queues[number];

    for (uint32_t part = 0; queue->begun_count > 0; part++) {
        const struct store *below = &joined->parts[part].below;
        uint32_t count = 0, left = 0;

        for (uint32_t i = 0; i < queue->begun_count; i++) {
            if (((struct piece *)queue->begun[i])->part == part)
                queue->batch[count++] = queue->begun[i];
            else
                queue->begun[left++] = queue->begun[i];
        }
        queue->begun_count = left;
        queue->flying[part] += count;
        if (count > 0)
            below->ops->submit(below->self, number, queue->batch, count);
    }
}

static void queue_go_on(struct joined *joined, uint32_t number)
{
    struct joined_queue *queue = &joined->queues[number];
    struct store_request *whole;

    while ((whole = queue->waiting.first) != NULL && queue->spare.first != NULL) {
        piece_begin(joined, queue, whole);
        if (queue->at == whole->count) {
            request_list_take(&queue->waiting);
            queue->at = 0;
        }
    }
    submit_begun(joined, number);
}

static void piece_end(struct joined_queue *queue, struct piece *piece)
{
    const struct store_request *request = &piece->request;
    struct store_request *whole = piece->whole;

    whole->from_memory &= request->from_memory;
    if (request->result != 0 && piece->at + request->pages_done < whole->pages_done &&
        !MUTANT(JOINED_FORGETS_ERROR)) {
        whole->result = request->result;
        whole->pages_done = piece->at + request->pages_done;
    }
    piece->whole = NULL;
    request_list_append(&queue->spare, &piece->request);
    if (whole != queue->waiting.first && !has_pieces(queue, whole))
        request_list_append(&queue->done, whole);
}

static void part_collect(struct joined *joined, uint32_t number, uint32_t part, bool wait)
{
    struct joined_queue *queue = &joined->queues[number];
    const struct store *below = &joined->parts[part].below;
    struct store_request *reaped[BATCH];
    uint32_t count = below->ops->reap(below->self, number, reaped, BATCH, wait);

    queue->flying[part] -= count;
    for (uint32_t i = 0; i < count; i++)
        piece_end(queue, (struct piece *)reaped[i]);
}

/* What has come back from all parts; with `wait`, something from one of them. Is any left? */
static bool queue_collect(struct joined *joined, uint32_t number, bool wait)
{
    struct joined_queue *queue = &joined->queues[number];
    bool flying = false;

    for (uint32_t part = 0; part < JOINED_PARTS_MAX; part++) {
        if (queue->flying[part] == 0)
            continue;
        part_collect(joined, number, part, wait && queue->done.first == NULL);
        flying |= queue->flying[part] > 0;
    }
    queue_go_on(joined, number);
    return flying || queue->waiting.first != NULL;
}

/* ---- the contract ---- */

static void joined_submit(void *self, uint32_t number, struct store_request *const *requests,
                          uint32_t count)
{
    struct joined *joined = self;
    struct joined_queue *queue = &joined->queues[number];
    uint32_t slots = atomic_load_explicit(&joined->slots_ready, memory_order_relaxed);

    if (!queue->ready)
        pieces_init(queue);
    for (uint32_t i = 0; i < count; i++)
        request_list_admit(&queue->waiting, &queue->done, requests[i], slots);
    queue_go_on(joined, number);
}

static uint32_t joined_reap(void *self, uint32_t number, struct store_request **ret_requests,
                            uint32_t count, bool wait)
{
    struct joined *joined = self;
    struct joined_queue *queue = &joined->queues[number];
    bool more = count != 0 && queue_collect(joined, number, false);

    while (wait && more && queue->done.first == NULL)
        more = queue_collect(joined, number, true);
    return request_list_take_many(&queue->done, ret_requests, count);
}

static void joined_discard(void *self, slot_number first, uint32_t count)
{
    struct joined *joined = self;

    while (count > 0) {
        struct extent *extent = extent_of(joined, first);
        const struct store *below = &joined->parts[extent->part].below;
        uint32_t offset = first - extent->first;
        uint32_t run = MIN_OF(count, extent_count(extent) - offset);

        if (below->ops->discard != NULL)
            below->ops->discard(below->self, extent->base + offset, run);
        first += run;
        count -= run;
    }
}

static bool joined_holds(void *self, slot_number slot, const void *page)
{
    struct joined *joined = self;
    const struct extent *extent = extent_of(joined, slot);
    const struct store *below = &joined->parts[extent->part].below;

    return below->ops->holds != NULL &&
           below->ops->holds(below->self, extent->base + (slot - extent->first), page);
}

/* The part whose slots come last: more of its slots need no extent more. */
static uint32_t last_part(const struct joined *joined, uint32_t extents)
{
    return extents == 0 ? JOINED_PARTS_MAX : joined->extents[extents - 1].part;
}

/*
 * The part with the fewest slots that may have more; NULL: none. Where extents become scarce, the
 * part whose slots come last, as long as it can.
 */
static struct part *part_to_grow(struct joined *joined, uint32_t parts, const uint32_t *planned,
                                 uint32_t refused)
{
    uint32_t extents = atomic_load_explicit(&joined->extents_count, memory_order_relaxed);
    struct part *found = NULL;

    for (uint32_t i = 0; i < parts; i++) {
        struct part *part = &joined->parts[i];

        if ((refused >> i & 1) || part->used + planned[i] >= part->below.slots)
            continue;
        if (extents >= EXTENTS_MAX / 2 && i == last_part(joined, extents) &&
            !MUTANT(JOINED_WASTES_EXTENTS))
            return part;
        if (found == NULL || part->ready < found->ready)
            found = part;
    }
    return found;
}

/*
 * Slots that each part should give, `missing` in all; what it has ready first. 0 or -errno: what
 * parts have made ready all the same is theirs to give the next time.
 */
static int plan_growth(struct joined *joined, uint32_t parts, uint32_t missing, uint32_t *planned)
{
    uint32_t refused = 0;
    int error = -ENOSPC;

    for (uint32_t i = 0; i < parts; i++) {
        planned[i] = MIN_OF(missing, joined->parts[i].ready - joined->parts[i].used);
        missing -= planned[i];
    }
    while (missing > 0) {
        struct part *part = part_to_grow(joined, parts, planned, refused);

        if (part == NULL || (refused != 0 && MUTANT(JOINED_GROWS_ONE_PART)))
            return error;
        uint32_t number = (uint32_t)(part - joined->parts);
        uint32_t more = MIN_OF(missing, part->below.slots - part->ready);
        int result = store_grow(&part->below, part->ready + more);

        if (result == 0) {
            part->ready += more;
            planned[number] += more;
            missing -= more;
        } else {
            refused |= 1u << number;
            error = result;
        }
    }
    return 0;
}

static int joined_grow(void *self, uint32_t slots)
{
    struct joined *joined = self;
    uint32_t parts = atomic_load_explicit(&joined->parts_count, memory_order_acquire);
    uint32_t ready = atomic_load_explicit(&joined->slots_ready, memory_order_relaxed);
    uint32_t planned[JOINED_PARTS_MAX] = {0};
    uint32_t extents = atomic_load_explicit(&joined->extents_count, memory_order_relaxed);
    uint32_t last = last_part(joined, extents), more = 0;
    int error =
        slots > joined->slots ? -ENOSPC : plan_growth(joined, parts, slots - ready, planned);

    for (uint32_t i = 0; i < parts; i++)
        more += planned[i] > 0 && i != last;
    if (error == 0 && extents + more > EXTENTS_MAX)
        error = -ENOSPC;
    if (error == 0 && last < parts) /* first, so that its extent goes on */
        extents_append(joined, last, planned[last]);
    for (uint32_t i = 0; error == 0 && i < parts; i++) {
        if (i != last)
            extents_append(joined, i, planned[i]);
    }
    return error;
}

/* Parts of one kind count the same: the sum. */
static uint32_t joined_counters(void *self, struct store_counter *ret_counters, uint32_t count)
{
    struct joined *joined = self;
    uint32_t parts = atomic_load_explicit(&joined->parts_count, memory_order_acquire), used = 0;
    struct store_counter own[COUNTERS_MAX];

    for (uint32_t part = 0; part < parts; part++) {
        uint32_t found = store_counters(&joined->parts[part].below, own, COUNTERS_MAX);

        for (uint32_t i = 0; i < MIN_OF(found, COUNTERS_MAX); i++) {
            uint32_t at = 0;

            while (at < used && strcmp(ret_counters[at].name, own[i].name) != 0)
                at++;
            if (at < used)
                ret_counters[at].value += own[i].value;
            else if (used < count)
                ret_counters[used++] = own[i];
        }
    }
    return used;
}

static void joined_destroy(void *self)
{
    struct joined *joined = self;

    store_memory_unmap(joined, joined->bytes);
}

static const struct store_ops joined_ops = {
    .name = "joined",
    .submit = joined_submit,
    .reap = joined_reap,
    .discard = joined_discard,
    .holds = joined_holds,
    .grow = joined_grow,
    .counters = joined_counters,
    .destroy = joined_destroy,
};

/* ---- life ---- */

bool joined_is_full(const struct store *store)
{
    const struct joined *joined = store->self;

    return atomic_load_explicit(&joined->parts_count, memory_order_relaxed) == JOINED_PARTS_MAX;
}

int joined_add(struct store *store, const struct store *part)
{
    struct joined *joined = store->self;
    uint32_t count = atomic_load_explicit(&joined->parts_count, memory_order_relaxed);

    if (count == JOINED_PARTS_MAX)
        return -ENOSPC;
    joined->parts[count] = (struct part){.below = *part, .ready = part->slots_ready};
    atomic_store_explicit(&joined->parts_count, count + 1, memory_order_release);
    return 0;
}

int joined_create(const struct store *parts, uint32_t count, uint32_t slots, uint32_t queues,
                  struct store *ret_store)
{
    size_t bytes = sizeof(struct joined) + queues * sizeof(struct joined_queue);
    struct joined *joined = store_memory_map(bytes);

    if (joined == NULL)
        return -ENOMEM;
    joined->bytes = bytes;
    joined->slots = slots;
    *ret_store =
        (struct store){.ops = &joined_ops, .self = joined, .slots = slots, .queues = queues};
    for (uint32_t i = 0; i < count; i++) {
        joined_add(ret_store, &parts[i]);
        extents_append(joined, i, parts[i].slots_ready);
    }
    ret_store->slots_ready = joined->slots_ready;
    return 0;
}

uint32_t joined_part(const struct store *store, slot_number slot, slot_number *ret_slot)
{
    struct extent *extent = extent_of(store->self, slot);

    *ret_slot = extent->base + (slot - extent->first);
    return extent->part;
}
