/*
 * faults.c - the store of a simulated world, and what goes wrong in it.
 *
 * RAM, in some worlds two of it as one or packed pages over it, on it a store that goes wrong by seed, on that one that finds out; on top a layer of our own
 * that sees what the engine is told. It knows the page of each read by the frame that is read into,
 * so the oracle can ask for every in-page error whether that page's read failed; and each failed
 * read must have a cause in the account of the faulty store: damage, or a fault of its own.
 * Where nothing may go wrong the engine stands on the bare device.
 */
#include "sim/faults.h"

#include "sim/sim.h"
#include "store/checked.h"
#include "store/compressed.h"
#include "store/joined.h"
#include "store/ram.h"

#include <errno.h>
#include <stdlib.h>

#define STREAM_FAULTS 4u

struct faults {
    struct sim *sim;
    struct store ram[2], joined, compressed, faulty, checked;
    struct store *device;                  /* the first ram, joined or compressed */
    unsigned char page[MM_PAGE_SIZE];      /* of faults_content() */
    bool plain;                            /* nothing goes wrong: the device alone */
    uint32_t *page_errors;                 /* by page: failed reads that the engine was told of */
    uint64_t reads_refused, reads_damaged; /* failed reads of pages that are not destroyed */
    bool growing;
    _Atomic uint32_t slots_ready; /* what the engine may use */
};

/* ---- what the engine is told ---- */

/* The page that is being read into this buffer; PAGE_NONE: it is no frame's. */
static page_number page_of_buffer(const struct faults *faults, const void *buffer)
{
    const struct assembly *assembly = &faults->sim->assembly;
    uintptr_t begin = (uintptr_t)soft_frame(assembly->soft, 0);
    uintptr_t offset = (uintptr_t)buffer - begin;
    uint64_t frame = offset >> PAGE_SHIFT;

    if ((uintptr_t)buffer < begin || frame >= assembly->config.engine.frames)
        return PAGE_NONE;
    return PFN_FIELD(frame_pfn(assembly->engine, (frame_number)frame), page);
}

/* Is there a fault for each failed read of an intact page, of the kind that it ended with? */
static bool reads_explained(const struct faults *faults)
{
    const struct store *faulty = &faults->faulty;

    return faults->reads_refused <=
               faulty_count(faulty, FAULTY_READ_ERROR) + faulty_count_short_reads(faulty) &&
           faults->reads_damaged <=
               faulty_count(faulty, FAULTY_STALE) + faulty_count(faulty, FAULTY_FLIP_READ);
}

/* The page of a run that is at fault: the first one where the whole request was refused. */
static uint32_t culprit(const struct store_request *request)
{
    return request->result == -EBADMSG ? request->pages_done : 0;
}

static void see_failed_read(struct faults *faults, const struct store_request *request)
{
    slot_number slot = request->slot + culprit(request);
    page_number page = page_of_buffer(faults, request->pages[culprit(request)]);
    enum faulty_slot_state state;

    if (page == PAGE_NONE)
        return; /* an audit, which draws its own conclusions */
    /* A run that fails excuses nobody: the page that was touched must be read again alone. */
    faults->page_errors[page] += request->count == 1;
    state = faulty_slot_state(&faults->faulty, slot);
    if (state == FAULTY_SLOT_DESTROYED)
        return;
    if (state != FAULTY_SLOT_INTACT)
        fibers_fail("oracle: a page was read from a slot without content: page %u slot %u", page,
                    slot);
    faults->reads_damaged += request->result == -EBADMSG;
    faults->reads_refused += request->result != -EBADMSG;
    if (!reads_explained(faults))
        fibers_fail("oracle: an intact page could not be read: page %u slot %u, error %d", page,
                    slot, request->result);
}

static void watch_submit(void *self, uint32_t queue, struct store_request *const *requests,
                         uint32_t count)
{
    struct faults *faults = self;

    for (uint32_t i = 0; i < count; i++) {
        if (!store_has_run(faults->slots_ready, requests[i]))
            fibers_fail("oracle: a slot is used that is not there yet: slot %u + %u of %u",
                        requests[i]->slot, requests[i]->count, faults->slots_ready);
    }
    faults->checked.ops->submit(faults->checked.self, queue, requests, count);
}

static uint32_t watch_reap(void *self, uint32_t queue, struct store_request **ret_requests,
                           uint32_t count, bool wait)
{
    struct faults *faults = self;
    uint32_t reaped =
        faults->checked.ops->reap(faults->checked.self, queue, ret_requests, count, wait);

    for (uint32_t i = 0; i < reaped; i++) {
        if (ret_requests[i]->operation == STORE_READ && ret_requests[i]->result != 0)
            see_failed_read(faults, ret_requests[i]);
    }
    return reaped;
}

static void watch_discard(void *self, slot_number first, uint32_t count)
{
    struct faults *faults = self;

    if (faults->checked.ops->discard != NULL)
        faults->checked.ops->discard(faults->checked.self, first, count);
}

/* A device takes its time over it, for one at a time. */
static int watch_grow(void *self, uint32_t slots)
{
    struct faults *faults = self;
    _Atomic uint32_t nobody_wakes = 0;
    int error;

    if (faults->growing)
        fibers_fail("oracle: the store is asked to grow by two at once");
    if (slots <= faults->slots_ready || slots > sim_value(faults->sim, SIM_PAGEFILE))
        fibers_fail("oracle: the store is asked to grow to %u slots: it has %u", slots,
                    faults->slots_ready);
    faults->growing = true;
    world_wait(&nobody_wakes, 0, 1 + 4 * sim_value(faults->sim, SIM_LATENCY));
    error = store_grow(&faults->checked, slots);
    if (error == 0)
        faults->slots_ready = slots;
    faults->growing = false;
    return error;
}

static bool watch_holds(void *self, slot_number slot, const void *page)
{
    struct faults *faults = self;

    return faults->checked.ops->holds(faults->checked.self, slot, page);
}

static const struct store_ops watch_ops = {
    .name = "watched",
    .submit = watch_submit,
    .reap = watch_reap,
    .discard = watch_discard,
    .holds = watch_holds,
    .grow = watch_grow,
};

/* ---- life ---- */

static void set_rates(struct faults *faults)
{
    for (unsigned class = 0; class < FAULT_CLASSES; class ++)
        faulty_set_rate(&faults->faulty, (enum faulty_class) class,
                        (uint32_t)sim_value(faults->sim, SIM_FAULT_FIRST + class));
    faulty_set_growth(&faults->faulty, (uint32_t)sim_value(faults->sim, SIM_GROWTH_REFUSED));
}

static int create_part(struct faults *faults, unsigned number, slot_number ready, slot_number slots,
                       uint32_t queues)
{
    int error = ram_create(slots, queues, &faults->ram[number]);

    if (error == 0) {
        ram_set_latency(&faults->ram[number], sim_value(faults->sim, SIM_LATENCY));
        ram_set_ready(&faults->ram[number], ready);
    }
    return error;
}

/* What lies at the bottom; each of two has a part of the slots, and may grow to all of them. */
static int create_device(struct faults *faults, slot_number slots, uint32_t queues)
{
    uint64_t kind = sim_value(faults->sim, SIM_STORE);
    slot_number ready = faults->slots_ready, first = kind == 2 ? ready / 3 : ready;
    int error = create_part(faults, 0, first, slots, queues);

    faults->device = &faults->ram[0];
    if (error == 0 && kind == 1) {
        faults->device = &faults->compressed;
        error = compressed_create(&faults->ram[0], sim_value(faults->sim, SIM_STORE_BUDGET),
                                  &faults->compressed);
    } else if (error == 0 && kind == 2) {
        faults->device = &faults->joined;
        error = create_part(faults, 1, ready - first, slots, queues);
        if (error == 0)
            error = joined_create(faults->ram, 2, slots, queues, &faults->joined);
    }
    return error;
}

static int create_store(void *context, slot_number slots, uint32_t queues, struct store *ret_store)
{
    struct faults *faults = context;
    struct random_generator random;
    int error;

    faults->slots_ready = (slot_number)sim_value(faults->sim, SIM_PAGEFILE_START);
    error = create_device(faults, slots, queues);
    *ret_store = *faults->device;
    if (error != 0 || faults->plain)
        return error;
    random_seed(&random, faults->sim->options->seed, STREAM_FAULTS);
    error = faulty_create(faults->device, random_next(&random), &faults->faulty);
    if (error == 0)
        error = checked_create(&faults->faulty, &faults->checked);
    if (error == 0)
        set_rates(faults);
    *ret_store = (struct store){.ops = &watch_ops,
                                .self = faults,
                                .slots = slots,
                                .slots_ready = faults->slots_ready,
                                .queues = queues};
    return error;
}

/* Every world has a store of its own. */
static void reset_store(void *context, struct store *store)
{
    (void)context;
    (void)store;
}

static void destroy_store(void *context, struct store *store)
{
    struct faults *faults = context;

    (void)store;
    if (faults->checked.ops != NULL)
        store_destroy(&faults->checked);
    if (faults->faulty.ops != NULL)
        store_destroy(&faults->faulty);
    if (faults->compressed.ops != NULL)
        store_destroy(&faults->compressed);
    if (faults->joined.ops != NULL)
        store_destroy(&faults->joined);
    for (unsigned i = 0; i < ARRAY_COUNT(faults->ram); i++) {
        if (faults->ram[i].ops != NULL)
            store_destroy(&faults->ram[i]);
    }
}

int faults_create(struct sim *sim)
{
    struct faults *faults = calloc(1, sizeof(*faults));

    sim->faults = faults;
    if (faults == NULL)
        return -ENOMEM;
    faults->sim = sim;
    faults->plain = sim_value(sim, SIM_PAGEFILE_START) == sim_value(sim, SIM_PAGEFILE);
    for (unsigned class = 0; class < FAULT_CLASSES; class ++)
        faults->plain &= sim_value(sim, SIM_FAULT_FIRST + class) == 0;
    faults->page_errors = calloc(sim_value(sim, SIM_MEMORY), sizeof(*faults->page_errors));
    sim->store = (struct assembly_store){create_store, reset_store, destroy_store, faults};
    return faults->page_errors == NULL ? -ENOMEM : 0;
}

void faults_destroy(struct sim *sim)
{
    if (sim->faults != NULL)
        free(sim->faults->page_errors);
    free(sim->faults);
    sim->faults = NULL;
}

/* ---- what the oracle asks ---- */

/* A read under way may have failed already without anybody having heard of it. */
static uint64_t errors_before(void *context, page_number page)
{
    struct faults *faults = context;
    struct engine *engine = faults->sim->assembly.engine;
    pte_word entry;
    bool reading;

    fibers_points_off();
    entry = pte_load(&engine->ptes[page]);
    reading = pte_form(entry) == PTE_TRANSITION &&
              (pfn_load(frame_pfn(engine, pte_frame(entry))) & PFN_READING);
    fibers_points_on();
    return faults->page_errors[page] - (reading && faults->page_errors[page] > 0);
}

static bool excused(void *context, page_number page, uint64_t before)
{
    struct faults *faults = context;

    return faults->page_errors[page] > before;
}

void faults_bind(struct sim *sim)
{
    if (sim->faults->plain)
        return;
    sim->oracle.context = sim->faults;
    sim->oracle.faults = errors_before;
    sim->oracle.excused = excused;
}

bool faults_possible(const struct sim *sim)
{
    return !sim->faults->plain;
}

/* The clock stands still in an audit: a device would never answer. */
void faults_pause(struct sim *sim, bool pause)
{
    struct faults *faults = sim->faults;

    for (unsigned i = 0; i < ARRAY_COUNT(faults->ram); i++) {
        if (faults->ram[i].ops != NULL)
            ram_set_latency(&faults->ram[i], pause ? 0 : sim_value(sim, SIM_LATENCY));
    }
    if (faults->plain)
        return;
    if (pause)
        faulty_heal(&faults->faulty);
    else if (!sim->healed)
        set_rates(faults);
}

void faults_heal(struct sim *sim)
{
    if (!sim->faults->plain)
        faulty_heal(&sim->faults->faulty);
}

bool faults_growth(const struct sim *sim)
{
    return !sim->faults->plain && faulty_count_growths(&sim->faults->faulty) > 0;
}

const void *faults_content(const struct sim *sim, slot_number slot)
{
    struct faults *faults = sim->faults;
    uint32_t part = 0;

    if (!faults->plain && faulty_slot_look(&faults->faulty, slot) != FAULTY_SLOT_INTACT)
        return NULL;
    if (faults->device == &faults->compressed &&
        compressed_look(&faults->compressed, slot, faults->page))
        return faults->page;
    if (faults->device == &faults->joined)
        part = joined_part(&faults->joined, slot, &slot);
    return ram_slot(&faults->ram[part], slot);
}

void faults_take_counts(struct sim *sim)
{
    for (unsigned class = 0; class < FAULT_CLASSES && !sim->faults->plain; class ++)
        sim->result->injected[class] =
            faulty_count(&sim->faults->faulty, (enum faulty_class) class);
}
