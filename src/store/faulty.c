/*
 * faulty.c - the faulty store: errors, damage and delay by seed, with an account of it all.
 *
 * Two pages are kept for every slot: what it seems to hold, and what it held before that. A write
 * goes to the store below as it is; what went wrong with it is a matter of which page the slot
 * seems to hold from then on. A slot that is not intact is read from here, an intact one is read
 * from below. So damage needs no I/O of its own, and every fault works over every store.
 *
 * Errors are decided when a request comes, all else when it goes. One generator decides, so one
 * schedule of requests gives one sequence of faults. A spin lock guards generator, account and
 * pages, for as long as it takes to copy a run. The lists of a queue belong to its thread.
 */
#include "store/faulty.h"

#include "base/copy.h"
#include "base/random.h"
#include "contract/world.h"
#include "store/request_list.h"
#include "store/spin.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SLOW_NS      1000000u /* if nobody says otherwise */
#define COLLECT_MAX  32u      /* requests taken from below at once */
#define VICTIM_TRIES 16u      /* looks for a slot to misdirect a page to */
#define SPOILED      0xe7     /* fills what a short read did not reach */

struct faulty_slot {
    uint8_t state;   /* enum faulty_slot_state */
    uint8_t current; /* which of the two pages it seems to hold; the other came before, or comes */
};

/* The n-th request of an operation fails. */
struct faulty_trap {
    uint64_t left; /* requests until it fails, that one included; 0: none */
    bool forever;
};

struct faulty_queue {
    struct request_list done;
    struct request_list late; /* done at late_ns */
    uint64_t late_ns;
    uint32_t below; /* requests that the store below has */
} CACHE_ALIGNED;

struct faulty {
    struct store below;
    unsigned char *memory; /* two pages a slot, then the slots */
    size_t bytes;
    _Atomic uint32_t locked;

    /* Guarded by the lock, and so is the memory. */
    struct random_generator random;
    uint64_t seed;
    uint32_t rates[FAULTY_CLASS_COUNT]; /* per million */
    uint64_t counts[FAULTY_CLASS_COUNT], short_reads;
    uint64_t slow_ns;
    struct faulty_trap traps[2]; /* by operation */
    uint32_t growth_rate;        /* per million */
    uint64_t growths_refused;
    struct faulty_slot *slots; /* slot s is slots[s - 1] */

    struct faulty_queue queues[];
};

/* ---- what slots hold; with the lock ---- */

static struct faulty_slot *slot_at(struct faulty *faulty, slot_number number)
{
    return &faulty->slots[number - 1];
}

static unsigned char *page_at(struct faulty *faulty, slot_number number, uint8_t which)
{
    return faulty->memory + (((size_t)(number - 1) * 2 + which) << PAGE_SHIFT);
}

static unsigned char *page_current(struct faulty *faulty, slot_number number)
{
    return page_at(faulty, number, slot_at(faulty, number)->current);
}

static unsigned char *page_other(struct faulty *faulty, slot_number number)
{
    return page_at(faulty, number, slot_at(faulty, number)->current ^ 1);
}

static void slot_turn(struct faulty *faulty, slot_number number, enum faulty_slot_state state)
{
    slot_at(faulty, number)->current ^= 1;
    slot_at(faulty, number)->state = (uint8_t)state;
}

static void run_set(struct faulty *faulty, const struct store_request *request,
                    enum faulty_slot_state state)
{
    for (uint32_t i = 0; i < request->count; i++)
        slot_at(faulty, request->slot + i)->state = (uint8_t)state;
}

/* ---- chance; with the lock ---- */

static bool draw(struct faulty *faulty, enum faulty_class class)
{
    return faulty->rates[class] != 0 &&
           random_below(&faulty->random, FAULTY_MILLION) < faulty->rates[class];
}

static bool draw_and_count(struct faulty *faulty, enum faulty_class class)
{
    bool drawn = draw(faulty, class);

    faulty->counts[class] += drawn;
    return drawn;
}

/* Always the same answer for the same slot and rate. */
static bool slot_is_bad(const struct faulty *faulty, slot_number number)
{
    struct random_generator random;

    if (faulty->rates[FAULTY_BAD] == 0)
        return false;
    random_seed(&random, faulty->seed, number);
    return random_below(&random, FAULTY_MILLION) < faulty->rates[FAULTY_BAD];
}

static bool run_is_bad(struct faulty *faulty, const struct store_request *request)
{
    bool bad = false;

    for (uint32_t i = 0; i < request->count && request->operation == STORE_WRITE; i++)
        bad |= slot_is_bad(faulty, request->slot + i);
    faulty->counts[FAULTY_BAD] += bad;
    return bad;
}

static bool trap_springs(struct faulty_trap *trap)
{
    if (trap->left == 0 || --trap->left != 0)
        return false;
    trap->left = trap->forever;
    return true;
}

/* ---- damage; with the lock. Each tells whether any byte is different now ---- */

static bool bits_flip(struct faulty *faulty, unsigned char *page)
{
    size_t at = random_below(&faulty->random, MM_PAGE_SIZE);

    page[at] ^= (unsigned char)(1 + random_below(&faulty->random, 255));
    return true;
}

/* Some sectors of the new page, never all or none, were not written. */
static bool page_tear(struct faulty *faulty, unsigned char *new_page, const unsigned char *old_page)
{
    const uint32_t sectors = MM_PAGE_SIZE / FAULTY_SECTOR;
    uint64_t old_sectors = 1 + random_below(&faulty->random, (1u << sectors) - 2);
    bool torn = false;

    for (uint32_t i = 0; i < sectors; i++) {
        size_t at = (size_t)i * FAULTY_SECTOR;

        if ((old_sectors >> i & 1) == 0 || memcmp(new_page + at, old_page + at, FAULTY_SECTOR) == 0)
            continue;
        memcpy(new_page + at, old_page + at, FAULTY_SECTOR);
        torn = true;
    }
    return torn;
}

/* The slot, just written, holds again what it held before. */
static bool page_lose(struct faulty *faulty, slot_number number)
{
    if (memcmp(page_current(faulty, number), page_other(faulty, number), MM_PAGE_SIZE) == 0)
        return false;
    slot_turn(faulty, number, FAULTY_SLOT_DESTROYED);
    return true;
}

/* Another slot that holds what it should, or SLOT_NONE if none is found. */
static slot_number victim_find(struct faulty *faulty, slot_number other_than)
{
    for (unsigned i = 0; i < VICTIM_TRIES; i++) {
        slot_number number = 1 + (slot_number)random_below(&faulty->random, faulty->below.slots);

        if (number != other_than && slot_at(faulty, number)->state == FAULTY_SLOT_INTACT)
            return number;
    }
    return SLOT_NONE;
}

static bool page_misdirect(struct faulty *faulty, slot_number number)
{
    slot_number victim = victim_find(faulty, number);
    const unsigned char *page = page_current(faulty, number);

    if (victim == SLOT_NONE)
        return false;
    if (memcmp(page_current(faulty, victim), page, MM_PAGE_SIZE) != 0) {
        memcpy(page_other(faulty, victim), page, MM_PAGE_SIZE);
        slot_turn(faulty, victim, FAULTY_SLOT_DESTROYED);
    }
    return page_lose(faulty, number) || slot_at(faulty, victim)->state == FAULTY_SLOT_DESTROYED;
}

/* ---- how requests end; with the lock ---- */

static slot_number some_page(struct faulty *faulty, const struct store_request *request)
{
    return (slot_number)random_below(&faulty->random, request->count);
}

static bool cut_short(struct faulty *faulty, struct store_request *request)
{
    if (!draw_and_count(faulty, FAULTY_SHORT))
        return false;
    faulty->short_reads += request->operation == STORE_READ;
    request->result = -EIO;
    request->pages_done = some_page(faulty, request);
    return true;
}

static void write_damage(struct faulty *faulty, slot_number number)
{
    struct faulty_slot *slot = slot_at(faulty, number);
    enum faulty_class class = FAULTY_CLASS_COUNT;
    bool damaged = false;

    if (draw(faulty, FAULTY_TORN)) {
        class = FAULTY_TORN;
        damaged = page_tear(faulty, page_current(faulty, number), page_other(faulty, number));
    } else if (draw(faulty, FAULTY_LOST)) {
        class = FAULTY_LOST;
        damaged = page_lose(faulty, number);
    } else if (draw(faulty, FAULTY_MISDIRECTED)) {
        class = FAULTY_MISDIRECTED;
        damaged = page_misdirect(faulty, number);
    } else if (draw(faulty, FAULTY_FLIP_STORED)) {
        class = FAULTY_FLIP_STORED;
        damaged = bits_flip(faulty, page_current(faulty, number));
    }
    if (!damaged)
        return;
    faulty->counts[class]++;
    if (class == FAULTY_TORN || class == FAULTY_FLIP_STORED)
        slot->state = FAULTY_SLOT_DESTROYED;
}

static void write_end(struct faulty *faulty, struct store_request *request)
{
    if (request->result != 0) {
        run_set(faulty, request, FAULTY_SLOT_EMPTY);
        return;
    }
    if (cut_short(faulty, request)) {
        run_set(faulty, request, FAULTY_SLOT_EMPTY);
        for (uint32_t i = 0; i < request->pages_done; i++)
            slot_turn(faulty, request->slot + i, FAULTY_SLOT_EMPTY);
        return;
    }
    for (uint32_t i = 0; i < request->count; i++)
        slot_turn(faulty, request->slot + i, FAULTY_SLOT_INTACT);
    write_damage(faulty, request->slot + some_page(faulty, request));
}

/* What suffers is only this read, so a page that is damaged already is left alone. */
static void read_damage(struct faulty *faulty, slot_number number, unsigned char *page)
{
    if (slot_at(faulty, number)->state != FAULTY_SLOT_INTACT)
        return;
    if (draw(faulty, FAULTY_STALE)) {
        faulty->counts[FAULTY_STALE] += memcmp(page, page_other(faulty, number), MM_PAGE_SIZE) != 0;
        memcpy(page, page_other(faulty, number), MM_PAGE_SIZE);
    } else if (draw_and_count(faulty, FAULTY_FLIP_READ)) {
        bits_flip(faulty, page);
    }
}

static void read_end(struct faulty *faulty, struct store_request *request)
{
    uint32_t damaged;

    if (request->result != 0)
        return;
    if (cut_short(faulty, request)) {
        for (uint32_t i = request->pages_done; i < request->count; i++) {
            if (request->pages[i] != NULL)
                memset(request->pages[i], SPOILED, MM_PAGE_SIZE);
        }
    }
    for (uint32_t i = 0; i < request->pages_done; i++) {
        if (request->pages[i] != NULL &&
            slot_at(faulty, request->slot + i)->state != FAULTY_SLOT_INTACT)
            memcpy(request->pages[i], page_current(faulty, request->slot + i), MM_PAGE_SIZE);
    }
    if (request->result != 0)
        return;
    damaged = some_page(faulty, request);
    if (request->pages[damaged] != NULL)
        read_damage(faulty, request->slot + damaged, request->pages[damaged]);
}

/* ---- how requests begin ---- */

/* With the lock: the error of a request that never gets through, or 0. */
static int request_begin(struct faulty *faulty, const struct store_request *request)
{
    enum faulty_class class =
        request->operation == STORE_READ ? FAULTY_READ_ERROR : FAULTY_WRITE_ERROR;
    int error = 0;

    if (trap_springs(&faulty->traps[request->operation])) {
        faulty->counts[class]++;
        error = -EIO;
    } else if (draw_and_count(faulty, class) || run_is_bad(faulty, request)) {
        error = -EIO;
    } else if (request->operation == STORE_WRITE && draw_and_count(faulty, FAULTY_FULL)) {
        error = -ENOSPC;
    }
    if (request->operation == STORE_WRITE)
        run_set(faulty, request, error != 0 ? FAULTY_SLOT_EMPTY : FAULTY_SLOT_COMING);
    for (uint32_t i = 0; error == 0 && request->operation == STORE_WRITE && i < request->count; i++)
        copy_shared(page_other(faulty, request->slot + i), request->pages[i], MM_PAGE_SIZE);
    return error;
}

/* Does the request get through to the store below? If not, it is done. */
static bool request_passes(struct faulty *faulty, struct faulty_queue *queue,
                           struct store_request *request)
{
    int error;

    if (!store_has_run(faulty->below.slots, request))
        return true;
    spin_acquire(&faulty->locked);
    error = request_begin(faulty, request);
    spin_release(&faulty->locked);
    if (error == 0)
        return true;
    request->result = error;
    request->pages_done = 0;
    request_list_append(&queue->done, request);
    return false;
}

static void pass_on(struct faulty *faulty, uint32_t queue_number,
                    struct store_request *const *requests, uint32_t count)
{
    if (count == 0)
        return;
    faulty->queues[queue_number].below += count;
    faulty->below.ops->submit(faulty->below.self, queue_number, requests, count);
}

static void faulty_submit(void *self, uint32_t queue_number, struct store_request *const *requests,
                          uint32_t count)
{
    struct faulty *faulty = self;
    uint32_t first = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (request_passes(faulty, &faulty->queues[queue_number], requests[i]))
            continue;
        pass_on(faulty, queue_number, requests + first, i - first);
        first = i + 1;
    }
    pass_on(faulty, queue_number, requests + first, count - first);
}

/* ---- reaping ---- */

/* A request came from below. */
static void request_arrive(struct faulty *faulty, struct faulty_queue *queue,
                           struct store_request *request)
{
    bool slow = false, reordered = false;
    uint64_t slow_ns = 0;

    if (store_has_run(faulty->below.slots, request)) {
        spin_acquire(&faulty->locked);
        if (request->operation == STORE_READ)
            read_end(faulty, request);
        else
            write_end(faulty, request);
        slow = draw_and_count(faulty, FAULTY_SLOW);
        reordered = !slow && queue->done.first != NULL && draw_and_count(faulty, FAULTY_REORDERED);
        slow_ns = faulty->slow_ns;
        spin_release(&faulty->locked);
    }
    if (slow) {
        if (queue->late.first == NULL)
            queue->late_ns = world_now_ns() + slow_ns;
        request_list_append(&queue->late, request);
    } else if (reordered) {
        struct request_list behind = queue->done;

        queue->done = (struct request_list){NULL, NULL};
        request_list_append(&queue->done, request);
        request_list_splice(&queue->done, &behind);
    } else {
        request_list_append(&queue->done, request);
    }
}

static void queue_collect(struct faulty *faulty, uint32_t queue_number, bool wait)
{
    struct faulty_queue *queue = &faulty->queues[queue_number];
    struct store_request *arrived[COLLECT_MAX];
    uint32_t count =
        faulty->below.ops->reap(faulty->below.self, queue_number, arrived, COLLECT_MAX, wait);

    queue->below -= count;
    for (uint32_t i = 0; i < count; i++)
        request_arrive(faulty, queue, arrived[i]);
}

/* Late requests whose time has come are done; with `wait`, let it come. */
static void queue_release(struct faulty_queue *queue, bool wait)
{
    _Atomic uint32_t nobody_wakes = 0;
    uint64_t now_ns;

    if (queue->late.first == NULL)
        return;
    now_ns = world_now_ns();
    if (wait && now_ns < queue->late_ns) {
        world_wait(&nobody_wakes, 0, queue->late_ns - now_ns);
        now_ns = world_now_ns();
    }
    if (now_ns >= queue->late_ns)
        request_list_splice(&queue->done, &queue->late);
}

static uint32_t faulty_reap(void *self, uint32_t queue_number, struct store_request **ret_requests,
                            uint32_t count, bool wait)
{
    struct faulty *faulty = self;
    struct faulty_queue *queue = &faulty->queues[queue_number];

    queue_release(queue, false);
    if (queue->below != 0)
        queue_collect(faulty, queue_number, false);
    while (wait && count != 0 && queue->done.first == NULL &&
           (queue->below != 0 || queue->late.first != NULL)) {
        if (queue->below != 0)
            queue_collect(faulty, queue_number, true);
        queue_release(queue, queue->below == 0 && queue->done.first == NULL);
    }
    return request_list_take_many(&queue->done, ret_requests, count);
}

static void faulty_discard(void *self, slot_number first, uint32_t count)
{
    struct faulty *faulty = self;

    spin_acquire(&faulty->locked);
    for (uint32_t i = 0; i < count; i++)
        slot_at(faulty, first + i)->state = FAULTY_SLOT_EMPTY;
    spin_release(&faulty->locked);
    if (faulty->below.ops->discard != NULL)
        faulty->below.ops->discard(faulty->below.self, first, count);
}

/* What the store below says: the device may have something else. */
static bool faulty_holds(void *self, slot_number slot, const void *page)
{
    struct faulty *faulty = self;
    const struct store *below = &faulty->below;

    return below->ops->holds != NULL && below->ops->holds(below->self, slot, page);
}

static int faulty_grow(void *self, uint32_t slots)
{
    struct faulty *faulty = self;
    bool refused;

    spin_acquire(&faulty->locked);
    refused = faulty->growth_rate != 0 &&
              random_below(&faulty->random, FAULTY_MILLION) < faulty->growth_rate;
    faulty->growths_refused += refused;
    spin_release(&faulty->locked);
    return refused ? -ENOSPC : store_grow(&faulty->below, slots);
}

static uint32_t faulty_counters(void *self, struct store_counter *ret_counters, uint32_t count)
{
    struct faulty *faulty = self;

    return store_counters(&faulty->below, ret_counters, count);
}

static void faulty_destroy(void *self)
{
    struct faulty *faulty = self;

    munmap(faulty->memory, faulty->bytes);
    free(faulty);
}

static const struct store_ops faulty_ops = {
    .name = "faulty",
    .submit = faulty_submit,
    .reap = faulty_reap,
    .discard = faulty_discard,
    .holds = faulty_holds,
    .grow = faulty_grow,
    .counters = faulty_counters,
    .destroy = faulty_destroy,
};

/* ---- creation, settings, the account ---- */

int faulty_create(const struct store *below, uint64_t seed, struct store *ret_store)
{
    size_t pages = (size_t)below->slots * 2 << PAGE_SHIFT;
    size_t bytes = pages + MAX_OF(below->slots, 1u) * sizeof(struct faulty_slot);
    size_t head = sizeof(struct faulty) + below->queues * sizeof(struct faulty_queue);
    struct faulty *faulty;

    if (posix_memalign((void **)&faulty, CACHE_LINE, head) != 0)
        return -ENOMEM;
    memset(faulty, 0, head);
    faulty->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (faulty->memory == MAP_FAILED) {
        free(faulty);
        return -ENOMEM;
    }
    faulty->bytes = bytes;
    faulty->slots = (struct faulty_slot *)(faulty->memory + pages);
    faulty->below = *below;
    faulty->slow_ns = SLOW_NS;
    faulty->seed = seed;
    random_seed(&faulty->random, seed, 0);
    *ret_store = (struct store){.ops = &faulty_ops,
                                .self = faulty,
                                .slots = below->slots,
                                .slots_ready = below->slots_ready,
                                .queues = below->queues};
    return 0;
}

const char *faulty_class_name(enum faulty_class class)
{
#define FAULTY_NAME(id, name) [id] = (name),
    static const char *const names[] = {FAULTY_CLASSES(FAULTY_NAME)};
#undef FAULTY_NAME

    return names[class];
}

void faulty_set_rate(struct store *store, enum faulty_class class, uint32_t per_million)
{
    struct faulty *faulty = store->self;

    spin_acquire(&faulty->locked);
    faulty->rates[class] = per_million;
    spin_release(&faulty->locked);
}

void faulty_set_growth(struct store *store, uint32_t per_million)
{
    struct faulty *faulty = store->self;

    spin_acquire(&faulty->locked);
    faulty->growth_rate = per_million;
    spin_release(&faulty->locked);
}

uint64_t faulty_count_growths(const struct store *store)
{
    struct faulty *faulty = store->self;
    uint64_t refused;

    spin_acquire(&faulty->locked);
    refused = faulty->growths_refused;
    spin_release(&faulty->locked);
    return refused;
}

void faulty_set_slow(struct store *store, uint64_t slow_ns)
{
    struct faulty *faulty = store->self;

    spin_acquire(&faulty->locked);
    faulty->slow_ns = slow_ns;
    spin_release(&faulty->locked);
}

void faulty_fail_nth(struct store *store, enum store_operation operation, uint64_t n, bool forever)
{
    struct faulty *faulty = store->self;

    spin_acquire(&faulty->locked);
    faulty->traps[operation] = (struct faulty_trap){.left = n, .forever = forever};
    spin_release(&faulty->locked);
}

void faulty_heal(struct store *store)
{
    struct faulty *faulty = store->self;

    spin_acquire(&faulty->locked);
    memset(faulty->rates, 0, sizeof(faulty->rates));
    memset(faulty->traps, 0, sizeof(faulty->traps));
    faulty->growth_rate = 0;
    spin_release(&faulty->locked);
}

uint64_t faulty_count(const struct store *store, enum faulty_class class)
{
    struct faulty *faulty = store->self;
    uint64_t count;

    spin_acquire(&faulty->locked);
    count = faulty->counts[class];
    spin_release(&faulty->locked);
    return count;
}

uint64_t faulty_count_short_reads(const struct store *store)
{
    struct faulty *faulty = store->self;
    uint64_t count;

    spin_acquire(&faulty->locked);
    count = faulty->short_reads;
    spin_release(&faulty->locked);
    return count;
}

enum faulty_slot_state faulty_slot_state(const struct store *store, slot_number slot)
{
    struct faulty *faulty = store->self;
    enum faulty_slot_state state;

    spin_acquire(&faulty->locked);
    state = (enum faulty_slot_state)slot_at(faulty, slot)->state;
    spin_release(&faulty->locked);
    return state;
}

enum faulty_slot_state faulty_slot_look(const struct store *store, slot_number slot)
{
    return (enum faulty_slot_state)slot_at(store->self, slot)->state;
}

bool faulty_slot_destroyed(const struct store *store, slot_number slot)
{
    return faulty_slot_state(store, slot) == FAULTY_SLOT_DESTROYED;
}
