/*
 * model_test.c - random calls, some in the middle of a read or a write, against a slow model.
 */
#include "engine_rig.h"

#include "base/copy.h"
#include "base/random.h"

#include <string.h>

#define MODEL_PAGES 24u
#define MODEL_DEPTH 3u /* calls in the middle of a read or write in the middle of a read or write */
#define MODEL_STEPS (UNDER_THREAD_SANITIZER ? 10000u : 30000u)

/* Numbers at depth d are d * ROLES + role. */
enum { USER, USER_B, TRIM, WRITE, SPACE, ROLES };

struct model_page {
    enum protection protection; /* PROTECTION_DECOMMIT: not committed */
    uint64_t seed;
    uint32_t pins;
};

struct model {
    struct rig rig;
    struct model_page pages[MODEL_PAGES];
    struct random_generator generator;
    uint32_t depth, pinned, nested, errors;
    uint64_t last_seed;
    bool injecting;
};

static uint32_t model_thread(const struct model *model, uint32_t role)
{
    return model->depth * ROLES + role;
}

static bool model_chance(struct model *model, unsigned percent)
{
    return random_below(&model->generator, 100) < percent;
}

/* In one OS thread nobody else would ever make a frame, or end the read that is waited for. */
static bool model_may_touch(struct model *model, page_number page)
{
    struct engine *engine = model->rig.engine;
    pte_word word = rig_pte(&model->rig, page);

    if (model->depth == 0) {
        model->injecting = false;
        while (frames_available(engine) < 2) {
            gate_heal(&model->rig);
            trim_pages(engine, rig_thread(&model->rig, model_thread(model, TRIM)), 4);
            write_round(engine, rig_thread(&model->rig, model_thread(model, WRITE)));
        }
        model->injecting = true;
        return true;
    }
    return frames_available(engine) >= 1 &&
           !(pte_form(word) == PTE_TRANSITION &&
             (pfn_load(frame_pfn(engine, pte_frame(word))) & PFN_READING));
}

static enum fault_result model_allows(const struct model_page *page, bool write)
{
    bool allowed = page->protection == PROTECTION_READ_WRITE ||
                   (page->protection == PROTECTION_READ_ONLY && !write);

    return allowed ? FAULT_RESOLVED : FAULT_ACCESS_VIOLATION;
}

/* An error of the store is allowed where the page is in its slot; nothing else may differ. */
static bool model_in_page_error(struct model *model, page_number page, enum fault_result result)
{
    if (result != FAULT_IN_PAGE_ERROR)
        return false;
    assert_int_equal(rig_form(&model->rig, page), PTE_PAGE_FILE);
    model->errors++;
    return true;
}

static void model_read(struct model *model, page_number page)
{
    uint64_t words[MM_PAGE_SIZE / sizeof(uint64_t)];
    enum fault_result result = soft_read(model->rig.soft, model_thread(model, USER),
                                         (uint64_t)page << PAGE_SHIFT, words, sizeof(words));

    /* What the page is now: calls in the middle may have changed it. */
    if (model_in_page_error(model, page, result))
        return;
    assert_int_equal(result, model_allows(&model->pages[page], false));
    if (result == FAULT_RESOLVED && !bytes_hold(words, model->pages[page].seed))
        fail_msg("page %u does not hold seed %u", page, (unsigned)model->pages[page].seed);
}

static void model_write(struct model *model, page_number page)
{
    uint64_t words[MM_PAGE_SIZE / sizeof(uint64_t)], seed = ++model->last_seed;
    enum fault_result result;

    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        words[i] = rig_word_of(seed, i);
    result = soft_write(model->rig.soft, model_thread(model, USER_B), (uint64_t)page << PAGE_SHIFT,
                        words, sizeof(words));
    if (model_in_page_error(model, page, result))
        return;
    assert_int_equal(result, model_allows(&model->pages[page], true));
    if (result == FAULT_RESOLVED)
        model->pages[page].seed = seed;
}

static void model_space(struct model *model, page_number page)
{
    struct engine *engine = model->rig.engine;
    struct model_page *of = &model->pages[page];
    static const enum protection protections[] = {PROTECTION_READ_WRITE, PROTECTION_READ_WRITE,
                                                  PROTECTION_READ_ONLY, PROTECTION_NO_ACCESS};
    enum protection protection = protections[random_below(&model->generator, 4)];
    uint32_t thread = model_thread(model, SPACE);

    if (of->protection == PROTECTION_DECOMMIT) {
        if (space_commit(engine, thread, page, 1, protection) == SPACE_DONE)
            *of = (struct model_page){.protection = protection};
    } else if (model_chance(model, 60)) {
        enum space_result expected =
            of->pins > 0 && protection != PROTECTION_READ_WRITE ? SPACE_BUSY : SPACE_DONE;

        assert_int_equal(space_protect(engine, thread, page, 1, protection), expected);
        of->protection = expected == SPACE_DONE ? protection : of->protection;
    } else {
        enum space_result expected = of->pins > 0 ? SPACE_BUSY : SPACE_DONE;

        assert_int_equal(space_decommit(engine, thread, page, 1), expected);
        of->protection = expected == SPACE_DONE ? PROTECTION_DECOMMIT : of->protection;
    }
}

static void model_pin(struct model *model, page_number page)
{
    struct model_page *of = &model->pages[page];
    frame_number frame;

    if (of->pins > 0) {
        engine_unpin(model->rig.engine, model_thread(model, USER), page);
        of->pins--;
        model->pinned--;
    } else if (model->pinned < 3 && engine_pin(model->rig.engine, model_thread(model, USER), page,
                                               model_chance(model, 50), &frame) == PIN_DONE) {
        assert_int_not_equal(of->protection, PROTECTION_DECOMMIT);
        assert_true(bytes_hold(soft_frame(model->rig.soft, frame), of->seed));
        of->pins++;
        model->pinned++;
    }
}

static void model_step(struct model *model)
{
    struct engine *engine = model->rig.engine;
    page_number page = (page_number)random_below(&model->generator, MODEL_PAGES);
    struct thread *trimmer = rig_thread(&model->rig, model_thread(model, TRIM));
    struct thread *writer = rig_thread(&model->rig, model_thread(model, WRITE));
    uint32_t count = 1 + (uint32_t)random_below(&model->generator, 4);

    switch (random_below(&model->generator, 16)) {
    case 0:
        model_space(model, page);
        break;
    case 1:
        frames_repurpose_ahead(engine, trimmer, count);
        break;
    case 2:
        zero_round(engine, trimmer);
        break;
    case 3:
        if (model_may_touch(model, page))
            model_pin(model, page);
        break;
    case 4:
    case 5:
    case 6:
        trim_pages(engine, trimmer, count);
        break;
    case 7:
    case 8:
        write_round(engine, writer);
        break;
    case 9:
    case 10:
    case 11:
        if (model_may_touch(model, page))
            model_write(model, page);
        break;
    default:
        if (model_may_touch(model, page))
            model_read(model, page);
    }
}

/* In the middle of an I/O: a few calls by others, and now and then an error. */
static void model_disturb(void *context, const struct store_request *request)
{
    struct model *model = context;

    if (model->injecting && model->depth == 0 && model_chance(model, 5))
        gate_fail(&model->rig, request->operation, request->slot, 1);
    if (model->depth + 1 == MODEL_DEPTH)
        return;
    model->depth++;
    for (uint64_t i = random_below(&model->generator, 4); i > 0; i--) {
        model->nested++;
        model_step(model);
    }
    model->depth--;
}

static void model_check(struct model *model)
{
    gate_heal(&model->rig);
    assert_int_equal(rig_audit(&model->rig), 0);
    gate_call(&model->rig, model_disturb, model);
}

static void model_run(const struct rig_config *config, uint64_t seed, uint64_t *dismissed)
{
    static struct model model;

    memset(&model, 0, sizeof(model));
    random_seed(&model.generator, 31, seed);
    rig_begin(&model.rig, config);
    for (page_number page = 0; page < MODEL_PAGES; page++)
        model.pages[page].protection = PROTECTION_READ_WRITE;
    gate_call(&model.rig, model_disturb, &model);
    for (uint32_t step = 0; step < MODEL_STEPS; step++) {
        model_step(&model);
        if (step % 512 == 511)
            model_check(&model);
    }
    for (page_number page = 0; page < MODEL_PAGES; page++)
        while (model.pages[page].pins > 0)
            model_pin(&model, page);
    model_check(&model);
    assert_true(model.nested > MODEL_STEPS / 20);
    assert_true(model.errors > 0);
    assert_true(rig_counter(&model.rig, COUNT_RESCUE_WRITING) > 0);
    *dismissed += rig_counter(&model.rig, COUNT_READ_DISMISSED);
    rig_end(&model.rig);
}

static void random_calls_agree_with_the_model(void **state)
{
    static const struct rig_config configs[] = {
        {.frames = 12, .slots = 20},
        {.frames = 12, .slots = 20, .fault_around = 4, .policy = &policy_aging},
        {.frames = 12, .slots = 20, .first_fit = true, .list_lock_plain = true, .write_batch = 3},
        {.frames = 12, .slots = 20, .no_dirty_bit = true, .region_ptes = 1},
    };
    uint64_t dismissed = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(configs); i++) {
        struct rig_config config = configs[i];

        config.pages = MODEL_PAGES;
        model_run(&config, i, &dismissed);
    }
    assert_true(dismissed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_calls_agree_with_the_model),
    };

    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
