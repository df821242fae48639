/*
 * oracle.c - marks, versions and the checks of accesses and pages.
 */
#include "oracle.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define BODY_WORDS   (WORKLOAD_WORDS - 1)
#define VERSION_MASK (((uint64_t)1 << 48) - 1)
#define WRITER_SHIFT 48

bool oracle_init(struct oracle *oracle, const struct memory *memory, bool checked)
{
    oracle->memory = memory;
    oracle->shadow = NULL;
    complaints_init(&oracle->complaints);
    if (checked) {
        oracle->shadow = calloc(memory->pages, sizeof(*oracle->shadow));
    }
    return oracle->shadow || !checked;
}

void oracle_free(struct oracle *oracle)
{
    free(oracle->shadow);
    oracle->shadow = NULL;
}

/* ---- what must be there -------------------------------------------------------------------- */

/* Never 0, which is the mark of nobody. */
static uint64_t mark_of(uint64_t page, uint64_t version)
{
    return random_hash(page * 0x9e3779b97f4a7c15u + version) | 1;
}

static uint32_t mark_word(uint64_t version)
{
    return 1 + (uint32_t)((version - 1) % BODY_WORDS);
}

/* The mark that a page of this version has in a word of its body. */
static uint64_t body_expected(uint64_t page, uint64_t version, uint32_t word)
{
    if (version < word) {
        return 0;
    }
    return mark_of(page, version - (version - word) % BODY_WORDS);
}

/* version 32 bits, page 16, writer 8, check 8, which is never 0: nor is the header of a write. */
static uint64_t header_of(uint64_t page, uint64_t version, uint64_t writer)
{
    if (version == 0) {
        return 0;
    }
    writer &= 0xff;
    return (version & UINT32_MAX) | (page & 0xffff) << 32 | writer << 48 |
           (random_hash(mark_of(page, version) + writer) % 255 + 1) << 56;
}

/* ---- complaints ---------------------------------------------------------------------------- */

static void complain_error(struct oracle *oracle, const struct workload_access *access,
                           uint32_t thread, uint32_t word, int error)
{
    complaints_add(&oracle->complaints,
                   "page %" PRIu64 " at 0x%" PRIx64 ", thread %" PRIu32 ", %s access: %s",
                   access->page, memory_address(oracle->memory, access->page, word), thread,
                   access->write ? "write" : "read", mm_error_text(error));
}

static void complain_body(struct oracle *oracle, const struct workload_access *access,
                          uint32_t thread, uint32_t word, uint64_t version, uint64_t got)
{
    complaints_add(&oracle->complaints,
                   "page %" PRIu64 " at 0x%" PRIx64 ", thread %" PRIu32 ", %s access: word %" PRIu32
                   " of version %" PRIu64 " must be 0x%016" PRIx64 ", it is 0x%016" PRIx64,
                   access->page, memory_address(oracle->memory, access->page, word), thread,
                   access->write ? "write" : "read", word, version,
                   body_expected(access->page, version, word), got);
}

static void complain_header(struct oracle *oracle, const struct workload_access *access,
                            uint32_t thread, uint64_t first, uint64_t last, uint64_t got)
{
    complaints_add(&oracle->complaints,
                   "page %" PRIu64 " at 0x%" PRIx64 ", thread %" PRIu32
                   ", read access: the header must be of version %" PRIu64 " to %" PRIu64
                   ", it is 0x%016" PRIx64 ": version %" PRIu64 ", page (low 16 bits) %" PRIu64
                   ", writer %" PRIu64,
                   access->page, memory_address(oracle->memory, access->page, 0), thread, first,
                   last, got, got & UINT32_MAX, got >> 32 & 0xffff, got >> 48 & 0xff);
}

/*
 * A fence between the shadow and the page. gcc knows no fences under ThreadSanitizer; there the
 * words themselves are atomic, and the processors that it runs on keep loads and stores in order.
 */
static inline void order_keep(int order)
{
#if !defined(__SANITIZE_THREAD__) || defined(__clang__)
    __atomic_thread_fence(order);
#else
    (void)order;
#endif
}

/* ---- accesses ------------------------------------------------------------------------------ */

static int timed_load(const struct oracle *oracle, uint64_t address, struct histogram *latency,
                      uint64_t *ret_word)
{
    if (!latency) {
        return memory_load(oracle->memory, address, ret_word);
    }
    const uint64_t begin = clock_ns(CLOCK_MONOTONIC);
    const int error = memory_load(oracle->memory, address, ret_word);
    histogram_record(latency, clock_ns(CLOCK_MONOTONIC) - begin);
    return error;
}

static int timed_store(const struct oracle *oracle, uint64_t address, uint64_t word,
                       struct histogram *latency)
{
    if (!latency) {
        return memory_store(oracle->memory, address, word);
    }
    const uint64_t begin = clock_ns(CLOCK_MONOTONIC);
    const int error = memory_store(oracle->memory, address, word);
    histogram_record(latency, clock_ns(CLOCK_MONOTONIC) - begin);
    return error;
}

static void access_unchecked(struct oracle *oracle, const struct workload_access *access,
                             uint32_t thread, struct histogram *latency)
{
    const uint64_t address = memory_address(oracle->memory, access->page, 0);
    uint64_t word = mark_of(access->page, thread);
    const int error = access->write ? timed_store(oracle, address, word, latency)
                                    : timed_load(oracle, address, latency, &word);

    if (error) {
        complain_error(oracle, access, thread, 0, error);
    }
}

/*
 * Wait for the turn to write a page; returns the version to write. The holder may be waiting for a
 * frame, so a waiter soon gives its CPU away, and then stops asking for it at all for a while.
 */
static uint64_t write_begin(struct oracle_shadow *shadow)
{
    for (unsigned attempt = 0;; attempt++) {
        const uint64_t version =
            __atomic_load_n(&shadow->completed, __ATOMIC_ACQUIRE) & VERSION_MASK;
        uint64_t expected = version;

        if (__atomic_load_n(&shadow->issued, __ATOMIC_RELAXED) == version &&
            __atomic_compare_exchange_n(&shadow->issued, &expected, version + 1, false,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            /* Whoever sees a word of this write must see that it was issued. */
            order_keep(__ATOMIC_RELEASE);
            return version + 1;
        }
        if (attempt < 64) {
#if defined(__x86_64__) || defined(__i386__)
            __builtin_ia32_pause();
#endif
        } else if (attempt < 128) {
            sched_yield();
        } else {
            nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
        }
    }
}

/* The first touch is a store, without a load before it: that is another kind of fault. */
static void access_write(struct oracle *oracle, const struct workload_access *access,
                         uint32_t thread, struct histogram *latency)
{
    const struct memory *memory = oracle->memory;
    struct oracle_shadow *shadow = &oracle->shadow[access->page];
    const uint64_t version = write_begin(shadow);
    /* The word of the version before; of the first version a word that must be zero still. */
    const uint32_t word = version > 1 ? mark_word(version - 1) : 2;
    uint64_t got = 0;

    int error = timed_store(oracle, memory_address(memory, access->page, mark_word(version)),
                            mark_of(access->page, version), latency);
    if (!error) {
        error = memory_store(memory, memory_address(memory, access->page, 0),
                             header_of(access->page, version, thread));
    }
    if (!error) {
        error = memory_load(memory, memory_address(memory, access->page, word), &got);
    }
    if (error) {
        complain_error(oracle, access, thread, word, error);
    } else if (got != body_expected(access->page, version, word)) {
        complain_body(oracle, access, thread, word, version, got);
    }
    __atomic_store_n(&shadow->completed, version | (uint64_t)thread << WRITER_SHIFT,
                     __ATOMIC_RELEASE);
}

/* Is it the header of some version from first to last? */
static bool header_is_good(uint64_t page, uint64_t first, uint64_t last, uint64_t header)
{
    /* The header has the low 32 bits of the version; the rest follows from the range. */
    const uint64_t version = first + (uint32_t)((uint32_t)header - (uint32_t)first);

    if (header == 0) {
        return first == 0;
    }
    return version <= last && header == header_of(page, version, header >> 48);
}

static void access_read(struct oracle *oracle, const struct workload_access *access,
                        uint32_t thread, struct histogram *latency)
{
    const struct memory *memory = oracle->memory;
    const struct oracle_shadow *shadow = &oracle->shadow[access->page];
    const uint64_t completed = __atomic_load_n(&shadow->completed, __ATOMIC_ACQUIRE);
    const uint64_t first = completed & VERSION_MASK;
    uint64_t header, body = 0;

    int error = timed_load(oracle, memory_address(memory, access->page, 0), latency, &header);
    if (!error) {
        error = memory_load(memory, memory_address(memory, access->page, access->word), &body);
    }
    /* Whatever was seen, its write was issued before this look at `issued`. */
    order_keep(__ATOMIC_ACQUIRE);
    const uint64_t last = __atomic_load_n(&shadow->issued, __ATOMIC_ACQUIRE);

    if (error) {
        complain_error(oracle, access, thread, 0, error);
        return;
    }
    const bool header_good =
        first == last ? header == header_of(access->page, first, completed >> WRITER_SHIFT)
                      : header_is_good(access->page, first, last, header);
    if (!header_good) {
        complain_header(oracle, access, thread, first, last, header);
        return;
    }
    /* Fewer versions than words: each word has changed once at most. */
    if (last - first < BODY_WORDS && body != body_expected(access->page, first, access->word) &&
        body != body_expected(access->page, last, access->word)) {
        complain_body(oracle, access, thread, access->word, last, body);
    }
}

void oracle_access(struct oracle *oracle, const struct workload_access *access, uint32_t thread,
                   struct histogram *latency)
{
    if (!oracle->shadow) {
        access_unchecked(oracle, access, thread, latency);
    } else if (access->write) {
        access_write(oracle, access, thread, latency);
    } else {
        access_read(oracle, access, thread, latency);
    }
}

/* ---- pages at the end ---------------------------------------------------------------------- */

static uint64_t word_expected(const struct oracle *oracle, uint64_t page, uint32_t word)
{
    const uint64_t completed = oracle->shadow[page].completed;
    const uint64_t version = completed & VERSION_MASK;

    return word == 0 ? header_of(page, version, completed >> WRITER_SHIFT)
                     : body_expected(page, version, word);
}

static void page_check(struct oracle *oracle, uint64_t page, enum mm_page_form form,
                       const uint64_t words[WORKLOAD_WORDS])
{
    static const char *const form_names[MM_FORM_COUNT] = {"not committed", "demand-zero", "valid",
                                                          "transition", "page file"};
    uint32_t wrong = 0, first = 0;

    for (uint32_t word = WORKLOAD_WORDS; word-- > 0;) {
        if (words[word] != word_expected(oracle, page, word)) {
            wrong++;
            first = word;
        }
    }
    if (wrong > 0 || form == MM_FORM_NOT_COMMITTED) {
        complaints_add(&oracle->complaints,
                       "page %" PRIu64 " at 0x%" PRIx64 ", at the end, found as %s: %" PRIu32
                       " words of version %" PRIu64 " are wrong; word %" PRIu32
                       " must be 0x%016" PRIx64 ", it is 0x%016" PRIx64,
                       page, memory_address(oracle->memory, page, first), form_names[form], wrong,
                       oracle->shadow[page].completed & VERSION_MASK, first,
                       word_expected(oracle, page, first), words[first]);
    }
}

void oracle_check_pages(struct oracle *oracle, struct oracle_pages *ret_pages)
{
    const struct memory *memory = oracle->memory;
    _Alignas(MM_PAGE_BYTES) uint64_t words[WORKLOAD_WORDS];
    struct oracle_pages pages = {0};

    for (uint64_t page = 0; oracle->shadow && page < memory->pages; page++) {
        enum mm_page_form form = MM_FORM_NOT_COMMITTED;
        const int error = mm_peek(memory->manager, memory_address(memory, page, 0), words, &form);

        pages.checked++;
        if (error) {
            complaints_add(&oracle->complaints, "page %" PRIu64 " at 0x%" PRIx64 ", at the end: %s",
                           page, memory_address(memory, page, 0), mm_error_text(error));
            continue;
        }
        pages.by_form[form]++;
        page_check(oracle, page, form, words);
    }
    *ret_pages = pages;
}
