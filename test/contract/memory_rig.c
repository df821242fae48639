/*
 * memory_rig.c - the manager of memory_rig.h, and its pages.
 */
#include "memory_rig.h"

#include <stdio.h>
#include <string.h>

#define ATTEMPTS_MAX 4000u

struct kind soft_kind = {"soft", MM_MACHINE_SOFT, MM_FAULTS_SIGNAL};
struct kind signal_kind = {"Linux by signal", MM_MACHINE_LINUX, MM_FAULTS_SIGNAL};
struct kind thread_kind = {"Linux by thread", MM_MACHINE_LINUX, MM_FAULTS_THREAD};

/* ---- a manager to play with ---- */

struct mm_options options_for(void **state, uint64_t pages, uint64_t frames, uint64_t slots)
{
    const struct kind *kind = *state;
    struct mm_options options;
    mm_options_init(&options);
    options.machine = kind->machine;
    options.faults = kind->faults;
    options.memory_bytes = pages * PAGE;
    options.frames_bytes = frames * PAGE;
    options.pagefile_bytes = slots * PAGE;
    options.threads_max = 8;
    options.region_ptes = 16;
    return options;
}

mm *make(const struct mm_options *options)
{
    mm *manager = NULL;
    struct mm_detail detail = {"untouched"};
    int error = mm_create(options, &manager, &detail);
    if (error == MM_ERROR_UNSUPPORTED && options->machine == MM_MACHINE_LINUX) {
        print_message("skipped: %s\n", detail.text);
        skip();
    }
    if (error != MM_OK) {
        fail_msg("mm_create: %s: %s", mm_error_text(error), detail.text);
    }
    assert_string_equal(detail.text, "");
    return manager;
}

void print_complaint(void *context, const char *text)
{
    (void)context;
    print_message("audit: %s\n", text);
}

void must_be_sound(mm *manager)
{
    struct mm_audit audit = {0, 0};
    struct mm_pages pages;
    mm_freeze(manager);
    mm_audit(manager, print_complaint, NULL, &audit);
    mm_pages(manager, &pages);
    assert_int_equal(mm_thaw(manager), MM_OK);
    assert_true(audit.checks > 0);
    assert_int_equal(audit.violations, 0);
    assert_int_equal(pages.frames, mm_options_of(manager)->frames_bytes / PAGE);
    assert_int_equal(pages.zeroed + pages.free + pages.standby + pages.modified + pages.active +
                         pages.transition + pages.bad,
                     pages.frames);
}

void end(mm *manager)
{
    must_be_sound(manager);
    mm_destroy(manager);
}

uint64_t reserve(mm *manager, uint64_t pages)
{
    uint64_t address = 0;
    assert_int_equal(mm_reserve(manager, pages * PAGE, &address), MM_OK);
    assert_int_equal(address % PAGE, 0);
    return address;
}

void commit(mm *manager, uint64_t address, uint64_t pages)
{
    assert_int_equal(mm_commit(manager, address, pages * PAGE, MM_READ_WRITE), MM_OK);
}

uint64_t claim_all(mm *manager)
{
    uint64_t pages = mm_options_of(manager)->memory_bytes / PAGE;
    uint64_t base = reserve(manager, pages);
    commit(manager, base, pages);
    return base;
}

uint64_t counter_of(const mm *manager, const char *group, const char *key)
{
    struct mm_counter counters[128];
    size_t count = mm_counters(manager, counters, 128);
    for (size_t i = 0; i < count && i < 128; i++) {
        if (strcmp(counters[i].group, group) == 0 && strcmp(counters[i].key, key) == 0) {
            return counters[i].value;
        }
    }
    fail_msg("there is no counter %s.%s", group, key);
    return 0;
}

uint64_t charge_of(const mm *manager)
{
    struct mm_commit_info info;
    mm_commit_info(manager, &info);
    assert_int_equal(info.limit, info.frames + info.slots - info.reserve);
    assert_true(info.charge <= info.limit);
    return info.charge;
}

/* ---- pages ---- */

uint64_t word_of(uint64_t address, uint64_t version)
{
    return (address + version * 0x9e3779b97f4a7c15u) ^ 0x5851f42d4c957f2du;
}

void fill_page(uint64_t *words, uint64_t address, uint64_t version)
{
    for (size_t i = 0; i < WORDS; i++) {
        words[i] = word_of(address + i * sizeof(uint64_t), version);
    }
}

void write_page(mm *manager, uint64_t address, uint64_t version)
{
    uint64_t words[WORDS];
    fill_page(words, address, version);
    assert_int_equal(mm_write(manager, address, words, sizeof(words)), MM_OK);
}

void check_page(mm *manager, uint64_t address, uint64_t version)
{
    uint64_t expected[WORDS], words[WORDS] = {0};
    fill_page(expected, address, version);
    assert_int_equal(mm_read(manager, address, words, sizeof(words)), MM_OK);
    assert_memory_equal(words, expected, sizeof(words));
}

void check_zeros(mm *manager, uint64_t address, uint64_t pages)
{
    static const uint64_t zeros[WORDS];
    uint64_t words[WORDS];
    for (uint64_t page = 0; page < pages; page++) {
        memset(words, 0x5a, sizeof(words));
        assert_int_equal(mm_read(manager, address + page * PAGE, words, sizeof(words)), MM_OK);
        assert_memory_equal(words, zeros, sizeof(words));
    }
}

int try_read(mm *manager, uint64_t address)
{
    uint64_t word;
    return mm_read(manager, address, &word, sizeof(word));
}

int try_write(mm *manager, uint64_t address)
{
    uint64_t word = 0x1234567812345678;
    return mm_write(manager, address, &word, sizeof(word));
}

/* ---- forms ---- */

enum mm_page_form form_of(mm *manager, uint64_t address)
{
    char page[MM_PAGE_BYTES];
    enum mm_page_form form = MM_FORM_COUNT;
    mm_freeze(manager);
    int error = mm_peek(manager, address, page, &form);
    assert_int_equal(mm_thaw(manager), MM_OK);
    assert_int_equal(error, MM_OK);
    return form;
}

void force_form(mm *manager, uint64_t base, uint64_t address, enum mm_page_form wanted)
{
    static uint64_t hand;
    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        enum mm_page_form form = form_of(manager, address);
        if (form == wanted) {
            return;
        }
        bool touch =
            wanted == MM_FORM_VALID || (wanted == MM_FORM_TRANSITION && form == MM_FORM_PAGE_FILE);
        if (touch) {
            assert_int_equal(try_read(manager, address), MM_OK);
        }
        /* Each look stops and starts the workers: out of the frames it takes several pages to get. */
        for (unsigned i = wanted == MM_FORM_PAGE_FILE ? 8 : 1; !touch && i > 0; i--) {
            uint64_t other = base + (THRASH_FIRST + hand++ % THRASH_PAGES) * PAGE;
            assert_int_equal(try_write(manager, other), MM_OK);
        }
    }
    fail_msg("page %d never got form %d", (int)((address - base) / PAGE), (int)wanted);
}

void hold(mm *manager, uint64_t base, uint64_t address, enum holding holding)
{
    if (holding == HELD_STANDBY) { /* clean: what came back from the page file and left again */
        force_form(manager, base, address, MM_FORM_PAGE_FILE);
        assert_int_equal(try_read(manager, address), MM_OK);
    }
    force_form(manager, base, address,
               holding == HELD_VALID ? MM_FORM_VALID
               : holding == HELD_OUT ? MM_FORM_PAGE_FILE
                                     : MM_FORM_TRANSITION);
}
