/*
 * manager_options.c - the options of a manager: defaults, bounds, and whether they fit.
 */
#include "manager.h"

#include "engine/heat.h"
#include "engine/spans.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGES_MAX (1u << 31)
#define SPANS_MAX (1u << 20)
#define HEAT_MAX  4096u

void manager_say(struct mm_detail *ret_detail, const char *format, ...)
{
    if (ret_detail != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(ret_detail->text, sizeof(ret_detail->text), format, arguments);
        va_end(arguments);
    }
}

void manager_note(struct mm_detail *ret_detail, const char *format, ...)
{
    if (ret_detail != NULL) {
        size_t used = strlen(ret_detail->text);
        va_list arguments;
        va_start(arguments, format);
        if (used > 0 && used + 2 < sizeof(ret_detail->text)) {
            used +=
                (size_t)snprintf(ret_detail->text + used, sizeof(ret_detail->text) - used, "; ");
        }
        vsnprintf(ret_detail->text + used, sizeof(ret_detail->text) - used, format, arguments);
        va_end(arguments);
    }
}

void mm_options_init(struct mm_options *options)
{
    *options = (struct mm_options){
        .machine = MM_MACHINE_AUTO,
        .faults = MM_FAULTS_SIGNAL,
        .memory_bytes = (uint64_t)256 << 20,
        .frames_bytes = MM_DEFAULT_SIZE,
        .pagefile_bytes = MM_DEFAULT_SIZE,
        .pagefile_max_bytes = MM_DEFAULT_SIZE,
        .threads_max = 64,
        .policy = NULL,
        .store = "ram",
        .trimmers = 1,
        .writers = 1,
        .zeroers = 1,
        .fault_handlers = 2,
        .standby_percent = MM_DEFAULT_COUNT,
        .trim_batch = MM_DEFAULT_COUNT,
        .write_batch = 256,
        .region_ptes = 256,
        .frame_cache = MM_DEFAULT_COUNT,
        .fault_around = MM_DEFAULT_COUNT,
        .read_cluster = MM_DEFAULT_COUNT,
        .transfer_batch = BATCH_MAX,
        .prefetch = MM_DEFAULT_COUNT,
        .tlb_entries = 1024,
        .list_colours = MM_DEFAULT_COUNT,
        .list_lock_shared = true,
        .backoff = true,
        .dirty_bit = true,
        .latency = true,
        .slot_search = MM_SLOTS_NEXT_FIT,
        .slot_reservation = 64,
    };
}

static bool power_of_two(uint32_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* `value` must be within; says which option is not. */
static bool in_range(const char *name, uint64_t value, uint64_t low, uint64_t high,
                     struct mm_detail *ret_detail)
{
    if (value >= low && value <= high) {
        return true;
    }
    manager_say(ret_detail, "%s is %llu; it must be from %llu to %llu", name,
                (unsigned long long)value, (unsigned long long)low, (unsigned long long)high);
    return false;
}

/* Keeps our own name of the policy, not the caller's string. */
static bool check_policy(struct mm_options *o, struct mm_detail *ret_detail)
{
    const struct policy *policy = o->policy != NULL ? policy_find(o->policy) : NULL;
    char names[128] = "";
    if (o->policy == NULL || policy != NULL) {
        o->policy = policy != NULL ? policy->name : NULL;
        return true;
    }
    for (unsigned i = 0; policies[i] != NULL; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof(names) - used, "%s%s", i > 0 ? ", " : "", policies[i]->name);
    }
    manager_say(ret_detail, "policy '%s' is unknown; there are: %s", o->policy, names);
    return false;
}

static bool check_counts(const struct mm_options *o, struct mm_detail *ret_detail)
{
    if (!in_range("machine", o->machine, 0, MM_MACHINE_LINUX, ret_detail) ||
        !in_range("faults", o->faults, 0, MM_FAULTS_THREAD, ret_detail) ||
        !in_range("slot_search", o->slot_search, 0, MM_SLOTS_FIRST_FIT, ret_detail) ||
        !in_range("map_writable", o->map_writable, 0, MM_MAP_WRITABLE_OFF, ret_detail) ||
        !in_range("balance", o->balance, 0, MM_BALANCE_FAULTS, ret_detail) ||
        !in_range("prefetch_by", o->prefetch_by, 0, MM_PREFETCH_BY_MAJORITY, ret_detail) ||
        !in_range("encrypt", o->encrypt, 0, MM_ENCRYPT_OFF, ret_detail) ||
        !in_range("threads_max", o->threads_max, 1, 65536, ret_detail) ||
        !in_range("trimmers", o->trimmers, 1, 64, ret_detail) ||
        !in_range("writers", o->writers, 1, 64, ret_detail) ||
        !in_range("zeroers", o->zeroers, 0, 64, ret_detail) ||
        !in_range("defragmenters", o->defragmenters, 0, 64, ret_detail) ||
        !in_range("fault_handlers", o->fault_handlers, 1, 64, ret_detail) ||
        !in_range("write_batch", o->write_batch, 1, BATCH_MAX, ret_detail) ||
        !in_range("transfer_batch", o->transfer_batch, 1, BATCH_MAX, ret_detail) ||
        !in_range("region_ptes", o->region_ptes, 1, REGION_PTES_MAX, ret_detail) ||
        !in_range("slot_reservation", o->slot_reservation, 1, RESERVATION_MAX, ret_detail) ||
        !in_range("spans", o->spans, 0, SPANS_MAX, ret_detail) ||
        !in_range("heat", o->heat, 0, HEAT_MAX, ret_detail) ||
        !in_range("tlb_entries", o->tlb_entries, 0, 1u << 20, ret_detail)) {
        return false;
    }
    if ((o->standby_percent != MM_DEFAULT_COUNT &&
         !in_range("standby_percent", o->standby_percent, 1, 90, ret_detail)) ||
        (o->trim_batch != MM_DEFAULT_COUNT &&
         !in_range("trim_batch", o->trim_batch, 1, BATCH_MAX, ret_detail)) ||
        (o->frame_cache != MM_DEFAULT_COUNT &&
         !in_range("frame_cache", o->frame_cache, 0, FRAME_CACHE_MAX - 1, ret_detail)) ||
        (o->fault_around != MM_DEFAULT_COUNT &&
         !in_range("fault_around", o->fault_around, 1, AROUND_MAX, ret_detail)) ||
        (o->read_cluster != MM_DEFAULT_COUNT &&
         !in_range("read_cluster", o->read_cluster, 1, READ_RUN_MAX, ret_detail)) ||
        (o->prefetch != MM_DEFAULT_COUNT &&
         !in_range("prefetch", o->prefetch, 0, READ_RUN_MAX, ret_detail)) ||
        (o->list_colours != MM_DEFAULT_COUNT &&
         !in_range("list_colours", o->list_colours, 1, LIST_COLOURS_MAX, ret_detail))) {
        return false;
    }
    if (!power_of_two(o->region_ptes) || !power_of_two(o->slot_reservation) ||
        (o->tlb_entries != 0 && !power_of_two(o->tlb_entries)) ||
        (o->fault_around != MM_DEFAULT_COUNT && !power_of_two(o->fault_around)) ||
        (o->list_colours != MM_DEFAULT_COUNT && !power_of_two(o->list_colours))) {
        manager_say(ret_detail, "region_ptes, slot_reservation, fault_around, tlb_entries and "
                                "list_colours must be powers of two");
        return false;
    }
    return true;
}

/* Bytes as whole pages, upwards. */
static uint64_t page_count(uint64_t bytes)
{
    return bytes / MM_PAGE_SIZE + (bytes % MM_PAGE_SIZE != 0);
}

int manager_resolve(struct mm_options *o, struct mm_detail *ret_detail)
{
    struct mm_options initial;
    mm_options_init(&initial);
    if (o->memory_bytes == MM_DEFAULT_SIZE) {
        o->memory_bytes = initial.memory_bytes;
    }
    if (o->threads_max == MM_DEFAULT_COUNT) {
        o->threads_max = initial.threads_max;
    }
    if (o->frames_bytes == MM_DEFAULT_SIZE) {
        o->frames_bytes = MAX_OF(o->memory_bytes / 4, MM_PAGE_SIZE);
    }
    if (o->pagefile_bytes == MM_DEFAULT_SIZE) {
        o->pagefile_bytes = o->memory_bytes;
    }
    if (o->pagefile_max_bytes == MM_DEFAULT_SIZE) {
        o->pagefile_max_bytes = o->pagefile_bytes;
    }
    if (!in_range("memory in pages", page_count(o->memory_bytes), 1, PAGES_MAX, ret_detail) ||
        !in_range("frames", page_count(o->frames_bytes), 1, PAGES_MAX, ret_detail) ||
        !in_range("pagefile in pages", page_count(o->pagefile_bytes), 0, PAGES_MAX, ret_detail) ||
        !in_range("largest pagefile in pages", page_count(o->pagefile_max_bytes),
                  page_count(o->pagefile_bytes), PAGES_MAX, ret_detail) ||
        !check_counts(o, ret_detail)) {
        return MM_ERROR_OPTION;
    }
    o->memory_bytes = page_count(o->memory_bytes) * MM_PAGE_SIZE;
    o->frames_bytes = page_count(o->frames_bytes) * MM_PAGE_SIZE;
    o->pagefile_bytes = page_count(o->pagefile_bytes) * MM_PAGE_SIZE;
    o->pagefile_max_bytes = page_count(o->pagefile_max_bytes) * MM_PAGE_SIZE;
    if (o->read_cluster == MM_DEFAULT_COUNT) {
        o->read_cluster = (uint32_t)MAX_OF(1, MIN_OF(64, o->frames_bytes / MM_PAGE_SIZE / 64));
    }
    if (o->prefetch == 0 && o->prefetch_by == MM_PREFETCH_BY_AUTO) {
        o->prefetch_by = MM_PREFETCH_BY_STREAMS;
    }
    if (o->prefetch == MM_DEFAULT_COUNT) {
        o->prefetch = (uint32_t)MIN_OF(READ_RUN_MAX, o->frames_bytes / MM_PAGE_SIZE / 64);
    }
    if (!check_policy(o, ret_detail)) {
        return MM_ERROR_OPTION;
    }
    int error = manager_store_check(o, ret_detail);
    if (error == MM_OK) {
        o->store_frames_bytes = manager_store_frames(o);
    }
    return error;
}

#define MANY_COLOURS  8   /* from here on one trimmer and one writer do not do for all */
#define COLOUR_FRAMES 256 /* fewer are not worth a list of their own */

/* As many as processors, rounded up, so that each finds one that nobody else is at. */
static uint32_t default_colours(uint64_t frames)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t colours = 1;
    while (colours < processors && colours < LIST_COLOURS_MAX &&
           frames / (2 * colours) >= COLOUR_FRAMES) {
        colours *= 2;
    }
    return colours;
}

/* What a policy wants goes before what suits the machine. */
static uint32_t default_standby(const struct mm_options *o)
{
    uint32_t wanted = policy_find(o->policy)->standby_percent;
    return wanted > 0 ? wanted : o->machine == MM_MACHINE_LINUX ? 25 : 20;
}

void manager_resolve_for(struct mm_options *o)
{
    uint64_t frames = manager_frames(o);
    if (o->policy == NULL) {
        /* Without accessed bits the register says nothing; whole neighbourhoods go with one flush. */
        o->policy = o->machine == MM_MACHINE_LINUX ? policy_fifo.name : policy_aging.name;
    }
    if (o->standby_percent == MM_DEFAULT_COUNT) {
        o->standby_percent = default_standby(o);
    }
    if (o->trim_batch == MM_DEFAULT_COUNT) {
        o->trim_batch = (uint32_t)MAX_OF(1, MIN_OF(BATCH_MAX, frames / 16));
    }
    if (o->map_writable == MM_MAP_WRITABLE_AUTO && o->machine == MM_MACHINE_SOFT) {
        o->map_writable = MM_MAP_WRITABLE_OFF; /* no fault of the system to save */
    }
    if (o->fault_around == MM_DEFAULT_COUNT) {
        o->fault_around = o->machine == MM_MACHINE_LINUX ? 8 : 1; /* a fault costs a signal there */
    }
    if (o->frame_cache == MM_DEFAULT_COUNT) {
        o->frame_cache = 32;
    }
    if (o->list_colours == MM_DEFAULT_COUNT) {
        o->list_colours = default_colours(frames);
    }
    if (o->balance == MM_BALANCE_AUTO) {
        /* Nobody's fault should wait until a device has written. */
        o->balance = o->list_colours >= MANY_COLOURS && strcmp(o->store, "ram") == 0
                         ? MM_BALANCE_FAULTS
                         : MM_BALANCE_WORKERS;
    }
    /* All caches together hold at most an eighth of the frames. */
    o->frame_cache = (uint32_t)MIN_OF(o->frame_cache, frames / 8 / o->threads_max);
    o->fault_around = MIN_OF(o->fault_around, o->region_ptes);
}

static uint64_t available_bytes(void)
{
    char line[128];
    unsigned long long kilobytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return (uint64_t)kilobytes * 1024;
}

int manager_check_memory(const struct mm_options *o, struct mm_detail *ret_detail)
{
    uint64_t available = available_bytes();
    uint64_t store = manager_store_memory(o);
    uint64_t tables = o->memory_bytes / MM_PAGE_SIZE * 16 + o->frames_bytes / MM_PAGE_SIZE * 48 +
                      manager_store_grown(o) / MM_PAGE_SIZE * 8 +
                      (uint64_t)o->threads_max * (o->spans * sizeof(struct span) +
                                                  o->heat * HEAT_KINDS * sizeof(uint64_t));
    uint64_t needed = o->frames_bytes + store + tables;
    if (available == 0 || needed <= available) {
        return MM_OK;
    }
    manager_say(ret_detail,
                "%llu MiB are needed (frames %llu, store up to %llu, tables %llu) and %llu MiB "
                "are available; use less --memory, --frames or --pagefile",
                (unsigned long long)(needed >> 20), (unsigned long long)(o->frames_bytes >> 20),
                (unsigned long long)(store >> 20), (unsigned long long)(tables >> 20),
                (unsigned long long)(available >> 20));
    return MM_ERROR_NO_MEMORY;
}
