/*
 * slots.c - memman-bench slots: how pages lie in the page file after long use, and what that costs.
 *
 * memman-bench slots [--store NAME] [--slots N] [--seed N]: one row for each way that memory is
 * written, share of the page file in use, and way to place pages. All memory is written once in
 * random order, then written at random until every page was written six times on average; the
 * last half of that is what the row is about. Then the memory is read once, in order.
 *
 * It is about order, not time: the workers are parked, and one thread does their rounds when they
 * would, so that the same seed gives the same figures on every machine and every store.
 */
#include "base/random.h"
#include "manager.h"
#include "measure.h"
#include "memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_LEAST  1024u
#define SLOTS_MOST   (1u << 24)
#define WRITES_EACH  6u /* of a page, on average */
#define DIRTY_TENTHS 9u /* of the frames hold pages that have no slot */

struct slots_options {
    const char *store;
    uint32_t slots;
    uint64_t seed;
};

#define HEAD_FORMAT "%-12s%8s  %-16s%8s%14s%8s%10s%10s%10s%10s%11s\n"

/* How pages get their slots. */
struct placing {
    const char *name;
    bool reserved, moved;
};

/* One row. */
struct trial {
    uint32_t group;   /* neighbours that are written together, aligned */
    unsigned percent; /* of the slots in use */
    const struct placing *placing;
};

struct stage {
    mm *manager;
    struct thread *self;
    uint64_t address;
    uint32_t pages;
    struct random_generator random;
};

/* What the workers would do now; the defragmenter may make one round for each time that is written. */
static void work(const struct stage *stage)
{
    struct engine *engine = stage->manager->engine;
    bool wrote = false;
    while (trim_needed(engine) && trim_round(engine, stage->self)) {
    }
    while (write_needed(engine) && write_round(engine, stage->self)) {
        wrote = true;
    }
    if (wrote && stage->manager->options.defragmenters > 0) {
        defrag_round(engine, stage->self);
    }
}

static void access_page(const struct stage *stage, uint32_t page, bool write)
{
    touch(stage->manager, stage->address + (uint64_t)page * MM_PAGE_BYTES, write);
    work(stage);
}

static void write_group(const struct stage *stage, uint32_t number, uint32_t group)
{
    for (uint32_t page = number * group; page < (number + 1) * group; page++) {
        access_page(stage, page, true);
    }
}

/*
 * What the defragmenter does depends on no time: not on its rests, nor on how often its worker
 * looked before it was frozen.
 */
static void forget_looks(struct engine *engine)
{
    engine->config.defrag_rest_ns = 0;
    PFN_SET_FIELD(engine, defrag_block, 0);
    PFN_SET_FIELD(engine, defrag_word, 0);
    PFN_SET_FIELD(engine, defrag_no_stray, 0);
    PFN_SET_FIELD(engine, defrag_no_source, 0);
}

/* Pages so many that the share of the slots in use is as wanted; the others are in frames. */
static void begin(struct stage *stage, const struct trial *trial,
                  const struct slots_options *options)
{
    struct mm_options made;
    uint32_t frames = options->slots / 8, thread = 0;
    stage->pages = options->slots / 100 * trial->percent + frames / 10 * DIRTY_TENTHS;
    stage->pages -= stage->pages % trial->group;
    bench_options(MM_MACHINE_SOFT, (uint64_t)stage->pages * MM_PAGE_BYTES,
                  (uint64_t)frames * MM_PAGE_BYTES, &made);
    made.pagefile_bytes = (uint64_t)options->slots * MM_PAGE_BYTES;
    made.store = options->store;
    made.threads_max = 1;
    made.defragmenters = trial->placing->moved;
    made.slot_reservation = trial->placing->reserved ? made.slot_reservation : 1;
    stage->manager = make_or_refuse(&made, NULL);
    mm_freeze(stage->manager);
    forget_looks(stage->manager->engine);
    stage->address = commit_all(stage->manager);
    manager_thread(stage->manager, &thread);
    stage->self = &stage->manager->engine->threads[thread];
    random_seed(&stage->random, options->seed, 0);
}

/* From here on; nobody else is at work. */
static void forget_batches(struct engine *engine)
{
    for (uint32_t t = 0; t < engine->config.threads; t++) {
        memset(&engine->threads[t].batch_writes, 0, sizeof(engine->threads[t].batch_writes));
    }
}

static void write_all_once(struct stage *stage, uint32_t group, uint64_t seed)
{
    uint32_t *order = shuffled(stage->pages / group, seed);
    for (uint32_t i = 0; i < stage->pages / group; i++) {
        write_group(stage, order[i], group);
    }
    free(order);
}

static void write_at_random(struct stage *stage, uint32_t group, uint32_t pages)
{
    for (uint32_t i = 0; i < pages / group; i++) {
        write_group(stage, (uint32_t)random_below(&stage->random, stage->pages / group), group);
    }
}

static void run_trial(const struct trial *trial, const struct slots_options *options)
{
    struct mm_fragmentation before, after, scanned;
    struct stage stage;
    begin(&stage, trial, options);
    write_all_once(&stage, trial->group, options->seed);
    write_at_random(&stage, trial->group, (WRITES_EACH / 2 - 1) * stage.pages);
    forget_batches(stage.manager->engine);
    mm_fragmentation(stage.manager, &before);
    write_at_random(&stage, trial->group, WRITES_EACH / 2 * stage.pages);
    mm_fragmentation(stage.manager, &after);
    for (uint32_t page = 0; page < stage.pages; page++) {
        access_page(&stage, page, false);
    }
    mm_fragmentation(stage.manager, &scanned);
    uint64_t written = after.pages_written - before.pages_written;
    uint64_t moved = after.pages_moved - before.pages_moved;
    printf("%-12s%6.1f %%  %-16s%8.2f%9" PRIu64 "%5" PRIu64 "%8.2f%10" PRIu64 "%10" PRIu64
           "%8.1f %%%8.1f %%%11.2f\n",
           trial->group == 1 ? "one by one" : "eights",
           (double)after.slots_used * 100 / (double)after.slots, trial->placing->name,
           (double)written / (double)(after.writes - before.writes), after.batch_writes_p50,
           after.batch_writes_p99,
           (double)(scanned.pages_read - after.pages_read) / (double)(scanned.reads - after.reads),
           after.free_runs, after.free_run_max, after.unusable * 100, after.contiguity * 100,
           (double)(written + moved) / (double)written);
    fflush(stdout);
    mm_destroy(stage.manager);
}

/* Decimal, and within the bounds. */
static bool parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *ret_number)
{
    char *end;
    *ret_number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && *ret_number >= least &&
           *ret_number <= most;
}

static bool parse(int count, char **arguments, struct slots_options *options)
{
    for (int i = 0; i < count; i += 2) {
        const char *value = i + 1 < count ? arguments[i + 1] : "";
        uint64_t slots;
        if (strcmp(arguments[i], "--store") == 0 && *value != '\0') {
            options->store = value;
        } else if (strcmp(arguments[i], "--slots") == 0 &&
                   parse_number(value, SLOTS_LEAST, SLOTS_MOST, &slots)) {
            options->slots = (uint32_t)slots;
        } else if (strcmp(arguments[i], "--seed") != 0 ||
                   !parse_number(value, 0, UINT64_MAX, &options->seed)) {
            fprintf(stderr,
                    "memman-bench: slots '%s %s' is not --store NAME, --seed N or --slots %u..%u\n",
                    arguments[i], value, SLOTS_LEAST, SLOTS_MOST);
            return false;
        }
    }
    return true;
}

int bench_slots(int count, char **arguments)
{
    static const struct placing placings[] = {
        {"next-fit", false, false},
        {"next-fit, moved", false, true},
        {"reserved", true, false},
        {"reserved, moved", true, true},
    };
    static const uint32_t groups[] = {1, 8};
    static const unsigned percents[] = {50, 70, 90};
    struct slots_options options = {"ram", 65536, 1};
    if (!parse(count, arguments, &options)) {
        return 2;
    }
    printf("MemoryManager %s, %u slots on %s, %u frames, seed %" PRIu64 "\n", MM_VERSION,
           options.slots, options.store, options.slots / 8, options.seed);
    printf(HEAD_FORMAT, "written", "in use", "slots", "pages/", "writes/batch", "pages/", "free",
           "longest", "useless", "in", "write");
    printf(HEAD_FORMAT, "", "", "", "write", "p50  p99", "read", "runs", "free run", "to batch",
           "order", "amplified");
    for (size_t i = 0; i < ARRAY_COUNT(groups) * ARRAY_COUNT(percents); i++) {
        for (size_t p = 0; p < ARRAY_COUNT(placings); p++) {
            run_trial(&(struct trial){groups[i / ARRAY_COUNT(percents)],
                                      percents[i % ARRAY_COUNT(percents)], &placings[p]},
                      &options);
        }
    }
    return 0;
}
