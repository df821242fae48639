/*
 * engine_rig.c - puts engine, soft machine and gated store together, and looks inside.
 */
#include "engine_rig.h"

#include "base/copy.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE_WORDS (MM_PAGE_SIZE / sizeof(uint64_t))

/* ---- life ----------------------------------------------------------------------------------- */

static void count_stuck(void *context, const char *text)
{
    struct rig *rig = context;

    if (rig->stuck == 0)
        snprintf(rig->stuck_text, sizeof(rig->stuck_text), "%s", text);
    atomic_fetch_add(&rig->stuck, 1);
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value != 0 ? value : otherwise;
}

static struct engine_config engine_config_of(struct rig *rig, const struct rig_config *config)
{
    struct engine_config made = {
        .pages = or_default(config->pages, 64),
        .frames = or_default(config->frames, 16),
        .slots = config->no_slots ? 0 : or_default(config->slots, 64),
        .threads = RIG_THREADS,
        .vads_max = 8,
        .trim_batch = or_default(config->trim_batch, 64),
        .write_batch = or_default(config->write_batch, 64),
        .region_ptes = or_default(config->region_ptes, 16),
        .frame_cache = config->frame_cache,
        .fault_around = or_default(config->fault_around, 1),
        .read_cluster = or_default(config->read_cluster, 1),
        .standby_percent = or_default(config->standby_percent, 25),
        .list_colours = config->list_colours,
        .balance_in_faults = config->balance_in_faults,
        .list_lock_shared = !config->list_lock_plain,
        .backoff = true,
        .dirty_bit = !config->no_dirty_bit,
        .map_writable = config->map_writable,
        .latency = true,
        .spans = config->spans,
        .heat = config->heat,
        .slots_next_fit = !config->first_fit,
        .slot_reservation = config->slot_reservation,
        .growth_step = config->growth_step,
        .defrag_rounds = config->defrag_rounds,
        .prefetch = config->prefetch,
        .guess_by = config->guess_by,
        .defrag_batch = or_default(config->defrag_batch, 64),
        .complain = count_stuck,
        .complain_context = rig,
    };

    memcpy(made.workers, config->workers, sizeof(made.workers));
    return made;
}

static void reserve_and_commit(struct rig *rig, const struct rig_config *config, page_number pages)
{
    page_number first = PAGE_NONE;

    assert_int_equal(space_reserve(rig->engine, OTHER, pages, &first), SPACE_DONE);
    assert_int_equal(first, 0);
    if (!config->no_commit)
        assert_int_equal(space_commit(rig->engine, OTHER, 0, or_default(config->commit, pages),
                                      PROTECTION_READ_WRITE),
                         SPACE_DONE);
}

void rig_begin(struct rig *rig, const struct rig_config *config)
{
    struct engine_config made = engine_config_of(rig, config);
    const struct soft_config soft = {
        .pages = made.pages, .frames = made.frames, .threads_max = RIG_THREADS, .tlb_entries = 16};
    size_t bytes = engine_bytes(&made);

    memset(rig, 0, sizeof(*rig));
    assert_int_equal(soft_create(&soft, &rig->soft, &rig->machine), 0);
    rig->machine.dirty_tracking &= !config->blind_machine;
    gate_create(rig, made.slots, config->grows ? config->slots_first : made.slots);
    rig->memory = aligned_alloc(CACHE_LINE, bytes);
    assert_non_null(rig->memory);
    memset(rig->memory, 0, bytes);
    rig->engine = engine_init(rig->memory, &made, &rig->machine, &rig->store,
                              config->policy != NULL ? config->policy : &policy_fifo);
    soft_bind(rig->soft, engine_fault, rig->engine);
    for (uint32_t thread = 0; thread < RIG_USERS; thread++)
        soft_attach(rig->soft, thread);
    reserve_and_commit(rig, config, made.pages);
}

void rig_start_workers(struct rig *rig)
{
    assert_int_equal(engine_start(rig->engine, RIG_WORKERS), 0);
    rig->working = true;
}

void rig_stop_workers(struct rig *rig)
{
    if (rig->working)
        engine_stop(rig->engine);
    rig->working = false;
}

static void remember_complaint(void *context, const struct audit_complaint *complaint)
{
    struct rig *rig = context;

    if (rig->complaints++ == 0)
        rig->complaint = complaint->what;
}

uint64_t rig_audit(struct rig *rig)
{
    struct audit_result result = {0};

    rig->complaints = 0;
    rig->complaint = NULL;
    gate_call(rig, NULL, NULL);
    engine_audit(rig->engine, remember_complaint, rig, &result);
    assert_true(result.checks > 0);
    assert_int_equal(result.violations, rig->complaints);
    return result.violations;
}

void rig_end(struct rig *rig)
{
    rig_stop_workers(rig);
    if (rig_audit(rig) != 0)
        fail_msg("the audit complains %u times, first: %s", (unsigned)rig->complaints,
                 rig->complaint);
    rig_destroy(rig);
}

void rig_destroy(struct rig *rig)
{
    rig_stop_workers(rig);
    for (uint32_t thread = 0; thread < RIG_USERS; thread++)
        soft_detach(rig->soft, thread);
    soft_destroy(rig->soft);
    free(rig->memory);
    gate_destroy(rig);
}

/* ---- what the engine knows ------------------------------------------------------------------ */

struct thread *rig_thread(struct rig *rig, uint32_t thread)
{
    return &rig->engine->threads[thread];
}

pte_word rig_pte(struct rig *rig, page_number page)
{
    return pte_load(&rig->engine->ptes[page]);
}

enum pte_form rig_form(struct rig *rig, page_number page)
{
    return pte_form(rig_pte(rig, page));
}

frame_number rig_frame(struct rig *rig, page_number page)
{
    assert_true(rig_form(rig, page) == PTE_VALID || rig_form(rig, page) == PTE_TRANSITION);
    return pte_frame(rig_pte(rig, page));
}

pfn_word rig_word(struct rig *rig, page_number page)
{
    return pfn_load(frame_pfn(rig->engine, rig_frame(rig, page)));
}

enum pfn_state rig_state(struct rig *rig, page_number page)
{
    return pfn_state(rig_word(rig, page));
}

slot_number rig_slot(struct rig *rig, page_number page)
{
    if (rig_form(rig, page) == PTE_PAGE_FILE)
        return pte_slot(rig_pte(rig, page));
    return PFN_FIELD(frame_pfn(rig->engine, rig_frame(rig, page)), slot);
}

uint64_t rig_counter(struct rig *rig, enum counter counter)
{
    uint64_t sum = 0;

    for (uint32_t thread = 0; thread < RIG_THREADS; thread++)
        sum += PFN_FIELD(rig_thread(rig, thread), counters[counter]);
    return sum;
}

uint64_t rig_moves(struct rig *rig, enum move_why why)
{
    uint64_t sum = 0;

    for (uint32_t thread = 0; thread < RIG_THREADS; thread++)
        sum += PFN_FIELD(rig_thread(rig, thread), moves[why]);
    return sum;
}

uint64_t rig_slots_used(struct rig *rig)
{
    struct engine *engine = rig->engine;

    return engine->config.slots - slots_free(engine) - PFN_FIELD(engine, slots_aside) -
           PFN_FIELD(engine, slots_retired);
}

/* ---- what users and workers do -------------------------------------------------------------- */

uint64_t rig_word_of(uint64_t seed, size_t index)
{
    return seed == 0 ? 0 : (seed << 32 | index) * 0x9E3779B97F4A7C15u;
}

enum fault_result rig_read(struct rig *rig, uint32_t thread, page_number page)
{
    uint64_t word;

    return soft_read(rig->soft, thread, (uint64_t)page << PAGE_SHIFT, &word, sizeof(word));
}

enum fault_result rig_write(struct rig *rig, uint32_t thread, page_number page)
{
    uint64_t word = 1;

    return soft_write(rig->soft, thread, (uint64_t)page << PAGE_SHIFT, &word, sizeof(word));
}

void rig_fill(struct rig *rig, uint32_t thread, page_number page, uint64_t seed)
{
    uint64_t words[PAGE_WORDS];

    for (size_t i = 0; i < PAGE_WORDS; i++)
        words[i] = rig_word_of(seed, i);
    assert_int_equal(
        soft_write(rig->soft, thread, (uint64_t)page << PAGE_SHIFT, words, sizeof(words)),
        FAULT_RESOLVED);
}

bool bytes_hold(const void *bytes, uint64_t seed)
{
    bool same = true;

    for (size_t i = 0; i < PAGE_WORDS; i++)
        same &= load_word((const char *)bytes + i * sizeof(uint64_t)) == rig_word_of(seed, i);
    return same;
}

bool rig_holds(struct rig *rig, uint32_t thread, page_number page, uint64_t seed)
{
    uint64_t words[PAGE_WORDS];

    return soft_read(rig->soft, thread, (uint64_t)page << PAGE_SHIFT, words, sizeof(words)) ==
               FAULT_RESOLVED &&
           bytes_hold(words, seed);
}

void rig_expect(struct rig *rig, uint32_t thread, page_number page, uint64_t seed)
{
    if (!rig_holds(rig, thread, page, seed))
        fail_msg("page %u does not hold seed %u", page, (unsigned)seed);
}

void rig_detach(struct rig *rig, uint32_t thread, page_number page, struct trim_batch *batch)
{
    bool detached;

    assert_int_equal(rig_form(rig, page), PTE_VALID);
    region_lock(rig->engine, rig_thread(rig, thread), page);
    detached = trim_detach(rig->engine, rig_thread(rig, thread), page, batch);
    region_unlock(rig->engine, rig_thread(rig, thread), page);
    assert_true(detached);
}

void rig_trim(struct rig *rig, uint32_t thread, page_number page)
{
    struct trim_batch batch = {.count = 0};

    rig_detach(rig, thread, page, &batch);
    trim_finish(rig->engine, rig_thread(rig, thread), &batch);
}

void rig_page_out(struct rig *rig, page_number page)
{
    if (rig_form(rig, page) == PTE_VALID)
        rig_trim(rig, TRIMMER, page);
    for (unsigned i = 0;
         rig_form(rig, page) == PTE_TRANSITION && rig_state(rig, page) == PFN_MODIFIED; i++) {
        assert_true(i < 64);
        write_round(rig->engine, rig_thread(rig, WRITER));
    }
    while (rig_form(rig, page) == PTE_TRANSITION)
        assert_int_equal(frames_repurpose_ahead(rig->engine, rig_thread(rig, OTHER), 1), 1);
}

void rig_put_in_slot(struct rig *rig, page_number page, uint64_t seed)
{
    rig_fill(rig, 0, page, seed);
    rig_page_out(rig, page);
    assert_int_equal(rig_form(rig, page), PTE_PAGE_FILE);
}

void rig_put_clean(struct rig *rig, page_number page, uint64_t seed)
{
    rig_put_in_slot(rig, page, seed);
    rig_expect(rig, 0, page, seed);
    assert_int_equal(rig_state(rig, page), PFN_ACTIVE);
    assert_int_not_equal(rig_slot(rig, page), SLOT_NONE);
}

/* ---- threads -------------------------------------------------------------------------------- */

static void *touch(void *argument)
{
    struct rig_toucher *toucher = argument;
    uint64_t offset = (uint64_t)toucher->page << PAGE_SHIFT;

    toucher->word = 1;
    toucher->result = toucher->write ? soft_write(toucher->rig->soft, toucher->thread, offset,
                                                  &toucher->word, sizeof(toucher->word))
                                     : soft_read(toucher->rig->soft, toucher->thread, offset,
                                                 &toucher->word, sizeof(toucher->word));
    atomic_store(&toucher->done, true);
    return NULL;
}

void rig_touch_begin(struct rig_toucher *toucher, struct rig *rig, uint32_t thread,
                     page_number page, bool write)
{
    toucher->rig = rig;
    toucher->thread = thread;
    toucher->page = page;
    toucher->write = write;
    atomic_store(&toucher->done, false);
    assert_int_equal(pthread_create(&toucher->id, NULL, touch, toucher), 0);
}

void rig_touch_end(struct rig_toucher *toucher)
{
    pthread_join(toucher->id, NULL);
}

struct scene {
    struct rig *rig;
    rig_scene *act;
    unsigned left; /* so many writes are disturbed */
};

static void disturb(void *context, const struct store_request *request)
{
    struct scene *scene = context;

    if (request->operation != STORE_WRITE || scene->left == 0)
        return;
    scene->left--;
    scene->act(scene->rig);
}

bool rig_write_with(struct rig *rig, rig_scene *act)
{
    struct scene scene = {rig, act, 1};
    bool any;

    gate_call(rig, disturb, &scene);
    any = write_round(rig->engine, rig_thread(rig, WRITER));
    assert_int_equal(scene.left, 0);
    gate_call(rig, NULL, NULL);
    return any;
}

void rig_write_all(struct rig *rig)
{
    for (unsigned i = 0; list_count(rig->engine, LIST_MODIFIED) > 0; i++) {
        assert_true(i < 100);
        write_round(rig->engine, rig_thread(rig, WRITER));
    }
}

void rig_check_modified(struct rig *rig, page_number page)
{
    assert_int_equal(rig_state(rig, page), PFN_MODIFIED);
    assert_int_equal(rig_word(rig, page) & PFN_WRITING, 0);
    assert_int_equal(pfn_references(rig_word(rig, page)), 0);
    assert_int_equal(list_count(rig->engine, LIST_MODIFIED), 1);
    assert_int_equal(rig_slots_used(rig), 0);
}

void rig_end_with(struct rig *rig, page_number page, uint64_t seed)
{
    assert_int_equal(rig_audit(rig), 0);
    rig_page_out(rig, page);
    assert_int_equal(rig_form(rig, page), PTE_PAGE_FILE);
    assert_true(bytes_hold(gate_bytes(rig, rig_slot(rig, page)), seed));
    rig_expect(rig, 1, page, seed);
    assert_int_equal(rig_slots_used(rig), 1);
    rig_end(rig);
}

static void *pinner_run(void *argument)
{
    struct rig_pinner *pinner = argument;
    frame_number frame;

    if (engine_pin(pinner->rig->engine, pinner->thread, pinner->page, false, &frame) == PIN_DONE)
        atomic_store(&pinner->pinned, true);
    return NULL;
}

void rig_pin_begin(struct rig_pinner *pinner, struct rig *rig, uint32_t thread, page_number page)
{
    *pinner = (struct rig_pinner){.rig = rig, .thread = thread, .page = page};
    assert_int_equal(pthread_create(&pinner->id, NULL, pinner_run, pinner), 0);
}

void rig_pin_waits(struct rig_pinner *pinner)
{
    for (unsigned i = 0; i < 50; i++) {
        rig_nap();
        assert_false(atomic_load(&pinner->pinned));
    }
}

void rig_pin_end(struct rig_pinner *pinner)
{
    pthread_join(pinner->id, NULL);
    assert_true(pinner->pinned);
    engine_unpin(pinner->rig->engine, pinner->thread, pinner->page);
}

void rig_nap(void)
{
    usleep(1000);
}

/* ---- death ---------------------------------------------------------------------------------- */

#ifdef MM_COVERAGE
void __gcov_dump(void);

/* What the child counted on its way to the end counts too. */
static void keep_counts(int number)
{
    (void)number;
    __gcov_dump();
}
#endif

static _Noreturn void die(rig_act *act, void *argument, int output)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* cmocka's would go on with the next test */
#ifdef MM_COVERAGE
    signal(SIGABRT, keep_counts);
#endif
    alarm(20); /* whoever waits for ever dies of something else */
    dup2(output, STDERR_FILENO);
    act(argument);
    _exit(0);
}

void rig_expect_death(rig_act *act, void *argument, const char *text)
{
    char output[4096] = "";
    size_t length = 0;
    ssize_t more;
    int ends[2], status;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        die(act, argument, ends[1]);
    close(ends[1]);
    while ((more = read(ends[0], output + length, sizeof(output) - 1 - length)) > 0)
        length += (size_t)more;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("should have died of SIGABRT: status %#x, printed \"%s\"", (unsigned)status,
                 output);
    if (strstr(output, text) == NULL)
        fail_msg("should have printed \"%s\", printed \"%s\"", text, output);
}
