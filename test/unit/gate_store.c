/*
 * gate_store.c - the gated store: a request comes, is held while its gate is shut, and goes or fails.
 */
#include "engine_rig.h"

#include "base/copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HALF_PAGE (MM_PAGE_SIZE / 2)
#define POISON    0xEE

/* ---- bytes ---------------------------------------------------------------------------------- */

unsigned char *gate_bytes(struct rig *rig, slot_number slot)
{
    return rig->gate.bytes + (size_t)(slot - 1) * MM_PAGE_SIZE;
}

/* Half of each page moves when a request comes and half when it goes: a change between tears. */
static void move_half(struct gate_store *gate, const struct store_request *request, size_t half)
{
    for (uint32_t i = 0; i < request->count; i++) {
        if (request->pages[i] == NULL) /* not wanted */
            continue;
        unsigned char *slot = gate->bytes + (size_t)(request->slot - 1 + i) * MM_PAGE_SIZE;
        unsigned char *page = request->pages[i];

        if (request->operation == STORE_READ)
            copy_shared(page + half * HALF_PAGE, slot + half * HALF_PAGE, HALF_PAGE);
        else
            copy_shared(slot + half * HALF_PAGE, page + half * HALF_PAGE, HALF_PAGE);
    }
}

/* What a failed request leaves behind is worth nothing. */
static void spoil(struct gate_store *gate, const struct store_request *request)
{
    for (uint32_t i = 0; i < request->count; i++) {
        if (request->pages[i] == NULL) /* not wanted */
            continue;
        unsigned char *slot = gate->bytes + (size_t)(request->slot - 1 + i) * MM_PAGE_SIZE;

        memset(request->operation == STORE_READ ? request->pages[i] : slot, POISON, MM_PAGE_SIZE);
    }
}

static bool takes_failure(struct gate_store *gate, const struct store_request *request)
{
    for (size_t i = 0; i < ARRAY_COUNT(gate->failures); i++) {
        struct gate_failure *failure = &gate->failures[i];

        if (failure->times == 0 || failure->operation != request->operation ||
            (failure->slot != GATE_ANY_SLOT && failure->slot - request->slot >= request->count))
            continue;
        failure->times -= failure->times != GATE_ALWAYS;
        return true;
    }
    return false;
}

/* ---- as the engine sees it ------------------------------------------------------------------ */

static void gate_submit(void *store, uint32_t queue, struct store_request *const *requests,
                        uint32_t count)
{
    struct gate_store *gate = store;

    for (uint32_t i = 0; i < count; i++) {
        struct store_request *request = requests[i];

        pthread_mutex_lock(&gate->lock);
        if (request->slot == 0 || request->count == 0 ||
            request->slot + request->count - 1 > gate->slots_ready)
            abort();
        gate->log[gate->logged++ % GATE_LOG] =
            (struct gate_record){request->operation, request->slot, request->count, queue};
        move_half(gate, request, 0);
        request->next = NULL;
        if (gate->first[queue] == NULL)
            gate->first[queue] = request;
        else
            gate->last[queue]->next = request;
        gate->last[queue] = request;
        gate->held[request->operation]++;
        pthread_cond_broadcast(&gate->changed);
        pthread_mutex_unlock(&gate->lock);
        if (gate->at_submit != NULL)
            gate->at_submit(gate->at_submit_context, request);
    }
}

static uint32_t gate_reap(void *store, uint32_t queue, struct store_request **ret_requests,
                          uint32_t count, bool wait)
{
    struct gate_store *gate = store;
    uint32_t reaped = 0;

    pthread_mutex_lock(&gate->lock);
    while (reaped < count && gate->first[queue] != NULL) {
        struct store_request *request = gate->first[queue];

        if (gate->shut[request->operation]) {
            if (reaped > 0 || !wait)
                break;
            pthread_cond_wait(&gate->changed, &gate->lock);
            continue;
        }
        gate->first[queue] = request->next;
        gate->held[request->operation]--;
        request->result =
            takes_failure(gate, request) ? -(gate->error != 0 ? gate->error : EIO) : 0;
        request->pages_done = request->result == 0 ? request->count : 0;
        if (request->result == 0)
            move_half(gate, request, 1);
        else
            spoil(gate, request);
        ret_requests[reaped++] = request;
    }
    pthread_mutex_unlock(&gate->lock);
    return reaped;
}

static bool gate_holds(void *self, slot_number slot, const void *page)
{
    const struct gate_store *gate = self;

    return memcmp(gate->bytes + (size_t)(slot - 1) * MM_PAGE_SIZE, page, MM_PAGE_SIZE) == 0;
}

/* One at a time, and never back. */
static int gate_grow(void *store, uint32_t slots)
{
    struct gate_store *gate = store;
    bool grows = atomic_exchange(&gate->growing, true);

    if (grows || slots <= gate->slots_ready || slots > gate->slots)
        abort();
    int error = gate->at_growth == NULL ? 0 : gate->at_growth(gate->at_growth_context, slots);
    if (error == 0)
        atomic_store(&gate->slots_ready, slots);
    atomic_store(&gate->growing, false);
    return error;
}

static const struct store_ops gate_ops = {
    .name = "gate",
    .submit = gate_submit,
    .reap = gate_reap,
    .holds = gate_holds,
    .grow = gate_grow,
};

/* ---- life ----------------------------------------------------------------------------------- */

void gate_create(struct rig *rig, slot_number slots, slot_number ready)
{
    pthread_mutex_init(&rig->gate.lock, NULL);
    pthread_cond_init(&rig->gate.changed, NULL);
    rig->gate.slots = slots;
    rig->gate.slots_ready = ready;
    rig->gate.bytes = calloc(slots + 1, MM_PAGE_SIZE);
    assert_non_null(rig->gate.bytes);
    /* What was never written is worth nothing; a larger store is there for its bitmap. */
    memset(rig->gate.bytes, POISON, (size_t)MIN_OF(slots, 1024) * MM_PAGE_SIZE);
    rig->store = (struct store){&gate_ops, &rig->gate, slots, ready, RIG_THREADS};
}

void gate_destroy(struct rig *rig)
{
    free(rig->gate.bytes);
    pthread_mutex_destroy(&rig->gate.lock);
    pthread_cond_destroy(&rig->gate.changed);
}

/* ---- as tests see it ------------------------------------------------------------------------ */

static void set_gate(struct rig *rig, enum store_operation operation, bool shut)
{
    pthread_mutex_lock(&rig->gate.lock);
    rig->gate.shut[operation] = shut;
    pthread_cond_broadcast(&rig->gate.changed);
    pthread_mutex_unlock(&rig->gate.lock);
}

void gate_shut(struct rig *rig, enum store_operation operation)
{
    set_gate(rig, operation, true);
}

void gate_open(struct rig *rig, enum store_operation operation)
{
    set_gate(rig, operation, false);
}

void gate_wait_held(struct rig *rig, enum store_operation operation, uint32_t count)
{
    pthread_mutex_lock(&rig->gate.lock);
    while (rig->gate.held[operation] < count)
        pthread_cond_wait(&rig->gate.changed, &rig->gate.lock);
    pthread_mutex_unlock(&rig->gate.lock);
}

void gate_fail(struct rig *rig, enum store_operation operation, slot_number slot, uint32_t times)
{
    size_t i = 0;

    pthread_mutex_lock(&rig->gate.lock);
    while (rig->gate.failures[i].times != 0)
        i++;
    rig->gate.failures[i] = (struct gate_failure){operation, slot, times};
    pthread_mutex_unlock(&rig->gate.lock);
}

void gate_heal(struct rig *rig)
{
    pthread_mutex_lock(&rig->gate.lock);
    memset(rig->gate.failures, 0, sizeof(rig->gate.failures));
    pthread_mutex_unlock(&rig->gate.lock);
}

uint32_t gate_count(struct rig *rig, enum store_operation operation)
{
    uint32_t count = 0;

    pthread_mutex_lock(&rig->gate.lock);
    for (uint32_t i = 0; i < MIN_OF(rig->gate.logged, GATE_LOG); i++)
        count += rig->gate.log[i].operation == operation;
    pthread_mutex_unlock(&rig->gate.lock);
    return count;
}

void gate_call(struct rig *rig, gate_callback *callback, void *context)
{
    rig->gate.at_submit = callback;
    rig->gate.at_submit_context = context;
}
