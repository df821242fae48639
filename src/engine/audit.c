/*
 * audit.c - everything against everything, when nothing moves.
 *
 * The lists are walked and each frame is marked where it was found; then every frame, every PTE
 * and every slot must agree with each other and with the counts. Also the bytes: zeroed frames are
 * zero, and a clean page equals its slot.
 */
#include "base/bitmap.h"
#include "base/copy.h"
#include "engine/engine.h"
#include "engine/lists.h"

struct audit {
    struct engine *engine;
    struct thread *self;
    audit_complain *complain;
    void *context;
    struct audit_result result;
};

static void check(struct audit *audit, bool good, struct audit_complaint complaint)
{
    audit->result.checks++;
    if (!good) {
        audit->result.violations++;
        audit->complain(audit->context, &complaint);
    }
}

#define CHECK_EQUAL(audit, what_text, frame_number, page_number, slot_number, want, have)          \
    do {                                                                                           \
        uint64_t want_ = (want), have_ = (have);                                                   \
        check(audit, want_ == have_,                                                               \
              (struct audit_complaint){what_text, frame_number, page_number, slot_number, want_,   \
                                       have_});                                                    \
    } while (0)

#define CHECK_TRUE(audit, what_text, frame_number, page_number, condition)                         \
    CHECK_EQUAL(audit, what_text, frame_number, page_number, SLOT_NONE, 1, !!(condition))

/*
 * Where a frame was found is marked in its block field, which says until then which colour has it.
 * A second walk of the lists restores that.
 */
#define MARK_LISTED (BLOCK_NONE - 1)
#define MARK_CACHED (BLOCK_NONE - 2)

static void mark(struct audit *audit, frame_number frame, uint32_t before, uint32_t how)
{
    struct pfn *pfn = frame_pfn(audit->engine, frame);
    CHECK_EQUAL(audit,
                "a frame is on one list or in one cache only, and its entry names the colour",
                frame, PFN_FIELD(pfn, page), SLOT_NONE, before, PFN_FIELD(pfn, block));
    PFN_SET_FIELD(pfn, block, how);
}

static void check_listed(struct audit *audit, enum list_id id, uint32_t colour, frame_number frame)
{
    struct pfn *pfn = frame_pfn(audit->engine, frame);
    pfn_word word = pfn_load(pfn);
    page_number page = PFN_FIELD(pfn, page);
    mark(audit, frame, colour, MARK_LISTED);
    CHECK_EQUAL(audit, "a frame's state is its list's", frame, page, SLOT_NONE,
                list_of(audit->engine, id, colour)->state, pfn_state(word));
    if (id >= LIST_STANDBY) {
        CHECK_EQUAL(audit, "a standby page's priority is its list's (0x1A/0x8884)", frame, page,
                    SLOT_NONE, id - LIST_STANDBY, pfn_priority(word));
    }
    CHECK_EQUAL(audit, "a frame on a list has no references and no pins (0x4E/0x9A)", frame, page,
                SLOT_NONE, 0, pfn_references(word) + pfn_pins(word));
    frame_number before = PFN_FIELD(pfn, blink);
    CHECK_TRUE(audit, "the previous frame's link points here (0x4E/0x02)", frame, page,
               before < engine_pfns(audit->engine) &&
                   PFN_FIELD(frame_pfn(audit->engine, before), flink) == frame);
}

static void audit_list(struct audit *audit, enum list_id id, uint32_t colour)
{
    struct engine *engine = audit->engine;
    struct page_list *list = list_of(engine, id, colour);
    uint64_t walked = 0;
    frame_number last = list->head;
    frame_number frame = PFN_FIELD(frame_pfn(engine, list->head), flink);
    while (frame != list->tail && walked <= engine->config.frames) {
        if (frame >= engine->config.frames) {
            CHECK_TRUE(audit, "a list's link is a frame (0x4E/0x02)", frame, PAGE_NONE, false);
            return;
        }
        check_listed(audit, id, colour, frame);
        walked++;
        last = frame;
        frame = PFN_FIELD(frame_pfn(engine, frame), flink);
    }
    CHECK_EQUAL(audit, "a list's count is its length (0x4E/0x01)", FRAME_NONE, PAGE_NONE, SLOT_NONE,
                PFN_FIELD(list, count), walked);
    CHECK_EQUAL(audit, "a sentinel's lock is free", FRAME_NONE, PAGE_NONE, SLOT_NONE, 0,
                PFN_FIELD(frame_pfn(engine, list->head), lock) |
                    PFN_FIELD(frame_pfn(engine, list->tail), lock));
    CHECK_EQUAL(audit, "a list's last frame is its tail's (0x4E/0x02)", FRAME_NONE, PAGE_NONE,
                SLOT_NONE, last, PFN_FIELD(frame_pfn(engine, list->tail), blink));
    CHECK_EQUAL(audit, "a list's lock is free", FRAME_NONE, PAGE_NONE, SLOT_NONE, 0,
                PFN_FIELD(list, lock));
}

/* The marks of a list's frames give way to what was there. */
static void restore_colours(struct engine *engine, enum list_id id, uint32_t colour)
{
    const struct page_list *list = list_of(engine, id, colour);
    frame_number frame = PFN_FIELD(frame_pfn(engine, list->head), flink);
    while (frame < engine->config.frames &&
           PFN_FIELD(frame_pfn(engine, frame), block) == MARK_LISTED) {
        PFN_SET_FIELD(frame_pfn(engine, frame), block, colour);
        frame = PFN_FIELD(frame_pfn(engine, frame), flink);
    }
}

static void audit_caches(struct audit *audit)
{
    struct engine *engine = audit->engine;
    for (uint32_t t = 0; t < engine->config.threads; t++) {
        struct frame_cache *cache = &engine->threads[t].cache;
        CHECK_EQUAL(audit, "a frame cache's lock is free", FRAME_NONE, PAGE_NONE, SLOT_NONE, 0,
                    PFN_FIELD(cache, lock));
        for (uint32_t i = 0; i < PFN_FIELD(cache, count); i++) {
            frame_number frame = cache->frames[i];
            enum pfn_state state = pfn_state(pfn_load(frame_pfn(engine, frame)));
            mark(audit, frame, BLOCK_NONE, MARK_CACHED);
            CHECK_TRUE(audit, "a cached frame is free or zeroed", frame, PAGE_NONE,
                       state == PFN_FREE || state == PFN_ZEROED);
        }
    }
}

/* ---- bytes ---- */

/* Where the frame's content can be read. */
static const void *frame_content(struct audit *audit, frame_number frame, page_number page)
{
    void *buffer = NULL;
    audit->engine->machine.ops->content(audit->engine->machine.self, audit->self->number, 1, &page,
                                        &frame, &buffer);
    return buffer;
}

/* A clean page equals its slot, or zeros where it has none. */
static void audit_clean_bytes(struct audit *audit, frame_number frame)
{
    struct pfn *pfn = frame_pfn(audit->engine, frame);
    slot_number slot = PFN_FIELD(pfn, slot);
    _Alignas(8) unsigned char expected[MM_PAGE_SIZE] = {0};
    if (slot != SLOT_NONE &&
        store_read_page(&audit->engine->store, audit->self->number, slot, expected) != 0) {
        return; /* the store says so itself; the page is intact in its frame */
    }
    CHECK_EQUAL(audit, "a clean page equals its slot", frame, PFN_FIELD(pfn, page), slot, 0,
                memcmp(frame_content(audit, frame, PFN_FIELD(pfn, page)), expected, MM_PAGE_SIZE) !=
                    0);
}

static void audit_zero_bytes(struct audit *audit, frame_number frame)
{
    CHECK_EQUAL(audit, "a zeroed frame is zero", frame, PAGE_NONE, SLOT_NONE, 0,
                memcmp(frame_content(audit, frame, PAGE_NONE), audit->engine->machine.zeros,
                       MM_PAGE_SIZE) != 0);
}

/* ---- frames ---- */

static void audit_owned_frame(struct audit *audit, frame_number frame)
{
    struct engine *engine = audit->engine;
    struct pfn *pfn = frame_pfn(engine, frame);
    pfn_word word = pfn_load(pfn);
    page_number page = PFN_FIELD(pfn, page);
    slot_number slot = PFN_FIELD(pfn, slot);
    bool active = pfn_state(word) == PFN_ACTIVE;
    CHECK_TRUE(audit, "an owned frame names a page", frame, page, page < engine->config.pages);
    if (page >= engine->config.pages) {
        return;
    }
    pte_word entry = pte_load(&engine->ptes[page]);
    CHECK_EQUAL(audit, "an active frame's PTE is valid, a listed one's in transition (0x1A/0x403)",
                frame, page, slot, active ? PTE_VALID : PTE_TRANSITION, pte_form(entry));
    CHECK_EQUAL(audit, "the PTE names the frame (0x1A/0x411)", frame, page, slot, frame,
                pte_frame(entry));
    CHECK_TRUE(audit, "PTE and frame agree about the protection", frame, page,
               active ? !(entry & PTE_BIT_WRITE) == (pfn_protection(word) != PROTECTION_READ_WRITE)
                      : pte_protection(entry) == pfn_protection(word));
    CHECK_TRUE(audit, "a modified page has no slot", frame, page,
               !(word & PFN_MODIFIED_BIT) || slot == SLOT_NONE ||
                   engine->config.map_writable != MAP_WATCHED);
    CHECK_TRUE(audit, "a page on modified is modified, one on standby is not", frame, page,
               active || !(word & PFN_MODIFIED_BIT) == (pfn_state(word) == PFN_STANDBY));
    CHECK_TRUE(audit, "a page mapped writable is modified", frame, page,
               !active || !(entry & PTE_BIT_WRITABLE) || (word & PFN_MODIFIED_BIT));
    if (!(word & PFN_MODIFIED_BIT)) {
        audit_clean_bytes(audit, frame);
    }
}

static void audit_frame(struct audit *audit, frame_number frame, uint32_t *ret_pinned)
{
    struct engine *engine = audit->engine;
    struct pfn *pfn = frame_pfn(engine, frame);
    pfn_word word = pfn_load(pfn);
    enum pfn_state state = pfn_state(word);
    uint32_t mark = PFN_FIELD(pfn, block);
    bool found = mark == MARK_LISTED || mark == MARK_CACHED;
    if (mark == MARK_CACHED) {
        PFN_SET_FIELD(pfn, block, BLOCK_NONE);
    }
    CHECK_EQUAL(audit, "a frame's lock is free", frame, PFN_FIELD(pfn, page), SLOT_NONE, 0,
                PFN_FIELD(pfn, lock));
    CHECK_TRUE(audit, "a frame is on a list or active, and nothing is in flight", frame,
               PFN_FIELD(pfn, page), found != (state == PFN_ACTIVE) && state != PFN_TRANSITION);
    CHECK_EQUAL(audit, "no I/O and no reference is left", frame, PFN_FIELD(pfn, page), SLOT_NONE, 0,
                (word & (PFN_READING | PFN_WRITING | PFN_GIVING_UP | PFN_DELETED)) +
                    pfn_references(word));
    *ret_pinned += pfn_pins(word) > 0;
    if (state == PFN_ACTIVE || state == PFN_STANDBY || state == PFN_MODIFIED) {
        audit_owned_frame(audit, frame);
    } else {
        CHECK_EQUAL(audit, "a frame without owner has no slot", frame, PAGE_NONE,
                    PFN_FIELD(pfn, slot), SLOT_NONE, PFN_FIELD(pfn, slot));
        CHECK_EQUAL(audit, "a frame without owner names no page", frame, PFN_FIELD(pfn, page),
                    PFN_FIELD(pfn, slot), PAGE_NONE, PFN_FIELD(pfn, page));
        if (state == PFN_ZEROED && !engine->machine.content_by_page) {
            audit_zero_bytes(audit, frame);
        }
    }
}

/* ---- PTEs and slots ---- */

/* The slot is in use and nobody else has named it; it is marked by clearing its bit. */
static void claim_slot(struct audit *audit, slot_number slot, page_number page)
{
    struct engine *engine = audit->engine;
    bool possible = slot <= engine_slots(engine);
    CHECK_TRUE(audit, "a slot is used by one page, and is marked used", FRAME_NONE, page,
               possible && slots_in_use(engine, slot));
    if (possible) {
        bitmap_clear(engine->slot_bits, slot - 1);
        CHECK_EQUAL(audit, "the reverse map names the slot's page", FRAME_NONE, page, slot, page,
                    slot_owner_page(slots_owner(engine, slot)));
        CHECK_EQUAL(audit, "no slot is being moved", FRAME_NONE, page, slot, 0,
                    PFN_FIELD(engine, slot_owners[slot - 1]) & SLOT_OWNER_MARKS);
    }
}

/* Of the slots that no page has claimed. */
static uint64_t count_retired(struct audit *audit)
{
    struct engine *engine = audit->engine;
    uint64_t retired = 0;
    for (slot_number slot = 1; slot <= engine->config.slots; slot++) {
        retired += slots_is_retired(engine, slot);
    }
    CHECK_EQUAL(audit, "the count of retired slots is right", FRAME_NONE, PAGE_NONE, SLOT_NONE,
                PFN_FIELD(engine, slots_retired), retired);
    return retired;
}

static uint64_t count_aside(struct audit *audit)
{
    struct engine *engine = audit->engine;
    uint64_t aside = 0;
    for (uint32_t area = 0; area < engine->slot_area_count; area++) {
        for (uint32_t i = 0; i < SUSPECTS_MAX; i++) {
            aside += engine->slot_areas[area].suspects[i].aside;
        }
    }
    CHECK_EQUAL(audit, "the count of slots put aside is right", FRAME_NONE, PAGE_NONE, SLOT_NONE,
                PFN_FIELD(engine, slots_aside), aside);
    return aside;
}

static void audit_slots(struct audit *audit)
{
    struct engine *engine = audit->engine;
    uint64_t used = 0, retired;
    for (page_number page = 0; page < engine->config.pages; page++) {
        slot_number slot = page_slot(engine, page);
        if (slot != SLOT_NONE) {
            claim_slot(audit, slot, page);
            used++;
        }
    }
    retired = count_retired(audit) + count_aside(audit);
    CHECK_EQUAL(audit, "no slot is lost: what no page has is free, put aside or retired",
                FRAME_NONE, PAGE_NONE, SLOT_NONE, retired,
                bitmap_count(engine->slot_bits, engine->config.slots));
    for (page_number page = 0; page < engine->config.pages; page++) {
        slot_number slot = page_slot(engine, page);
        if (slot != SLOT_NONE && slot <= engine_slots(engine)) {
            bitmap_set(engine->slot_bits, slot - 1);
        }
    }
    CHECK_EQUAL(audit, "the count of free slots is right", FRAME_NONE, PAGE_NONE, SLOT_NONE,
                engine_slots(engine) - used - retired, slots_free(engine));
}

/* Blocks and runs name each other. */
static void audit_reservations(struct audit *audit)
{
    struct engine *engine = audit->engine;
    uint32_t blocks = (engine->config.pages >> engine->run_shift) + 1;
    uint32_t runs = engine->config.slots >> engine->run_shift, reserved = 0;
    for (uint32_t block = 0; engine->run_shift > 0 && block < blocks; block++) {
        uint32_t run = PFN_FIELD(engine, reservations[block]);
        page_number first = block << engine->run_shift;
        CHECK_TRUE(audit, "a block's run is its own", FRAME_NONE, first,
                   run <= runs && (run == 0 || engine->run_owners[run - 1] == block + 1));
        reserved += run != 0;
    }
    for (uint32_t run = 0; engine->run_shift > 0 && run < runs; run++) {
        reserved -= engine->run_owners[run] != 0;
    }
    CHECK_EQUAL(audit, "a reserved run's block knows of it", FRAME_NONE, PAGE_NONE, SLOT_NONE, 0,
                reserved);
}

static void audit_ptes(struct audit *audit)
{
    struct engine *engine = audit->engine;
    uint64_t committed = 0;
    for (uint32_t region = 0; region < engine->region_count; region++) {
        uint64_t resident = 0;
        page_number first = region << engine->region_shift;
        page_number end = MIN_OF(first + engine->config.region_ptes, engine->config.pages);
        for (page_number page = first; page < end; page++) {
            pte_word word = pte_load(&engine->ptes[page]);
            committed += word == 0 ? space_inherited(engine, page) != PROTECTION_DECOMMIT
                                   : word != PTE_WORD_DECOMMITTED;
            resident += pte_form(word) == PTE_VALID;
            if (pte_names_frame(word)) {
                frame_number frame = pte_frame(word);
                CHECK_TRUE(audit, "the frame a PTE names points back (0x1A/0x404)", frame, page,
                           frame < engine->config.frames &&
                               PFN_FIELD(frame_pfn(engine, frame), page) == page);
            }
        }
        CHECK_EQUAL(audit, "a region's resident count is right", FRAME_NONE, first, SLOT_NONE,
                    resident, PFN_FIELD(&engine->regions[region], resident));
        CHECK_EQUAL(audit, "a region's lock is free", FRAME_NONE, first, SLOT_NONE, 0,
                    PFN_FIELD(&engine->regions[region], lock));
    }
    CHECK_EQUAL(audit, "the commit charge is the number of committed pages", FRAME_NONE, PAGE_NONE,
                SLOT_NONE, engine->charge, committed);
    CHECK_EQUAL(audit, "the commit limit is frames + slots - reserve - bad frames", FRAME_NONE,
                PAGE_NONE, SLOT_NONE,
                (uint64_t)engine->config.frames + engine_slots(engine) -
                    growth_reserve(engine, engine_slots(engine)) - list_count(engine, LIST_BAD),
                PFN_FIELD(engine, commit_limit));
    /* The limit of before: the charge may be above the present one by the slots retired since. */
    CHECK_TRUE(audit, "the charge is within the limit", FRAME_NONE, PAGE_NONE,
               engine->charge <= PFN_FIELD(engine, commit_limit));
}

static void audit_rest(struct audit *audit, uint32_t pinned)
{
    struct engine *engine = audit->engine;
    CHECK_EQUAL(audit, "the count of pinned frames is right", FRAME_NONE, PAGE_NONE, SLOT_NONE,
                PFN_FIELD(engine, pinned), pinned);
    CHECK_EQUAL(audit, "the space lock and the queue's lock are free", FRAME_NONE, PAGE_NONE,
                SLOT_NONE, 0, PFN_FIELD(engine, space_lock) | PFN_FIELD(engine, wait_lock));
    for (uint32_t i = 0; i < engine->slot_area_count; i++) {
        CHECK_EQUAL(audit, "a slot area's lock is free", FRAME_NONE, PAGE_NONE, SLOT_NONE, 0,
                    PFN_FIELD(&engine->slot_areas[i], lock));
        CHECK_EQUAL(audit, "a slot area counts no slot as being moved", FRAME_NONE, PAGE_NONE,
                    SLOT_NONE, 0, PFN_FIELD(&engine->slot_areas[i], moving));
    }
    CHECK_EQUAL(audit, "nobody waits and nothing is promised or in flight", FRAME_NONE, PAGE_NONE,
                SLOT_NONE, 0,
                PFN_FIELD(engine, waiters) + PFN_FIELD(engine, grants) +
                    PFN_FIELD(engine, in_flight));
    CHECK_EQUAL(audit, "no round of the defragmenter is under way", FRAME_NONE, PAGE_NONE,
                SLOT_NONE, 0, PFN_FIELD(engine, defrag_sets));
    CHECK_EQUAL(audit, "what was read ahead was used or wasted, or waits on its list", FRAME_NONE,
                PAGE_NONE, SLOT_NONE, engine_counter(engine, COUNT_PREFETCHED),
                engine_counter(engine, COUNT_PREFETCH_USED) +
                    engine_counter(engine, COUNT_PREFETCH_WASTED) +
                    list_count(engine, (enum list_id)(LIST_STANDBY + PRIORITY_AHEAD)));
    for (uint32_t i = 0; i < engine->block_count; i++) {
        CHECK_EQUAL(audit, "no in-page block is in use", FRAME_NONE, PAGE_NONE, SLOT_NONE, 0,
                    PFN_FIELD(&engine->blocks[i], references));
    }
}

void engine_audit(struct engine *engine, audit_complain *complain, void *context,
                  struct audit_result *ret_result)
{
    struct audit audit = {
        .engine = engine, .self = &engine->threads[0], .complain = complain, .context = context};
    uint32_t pinned = 0;
    for (uint32_t i = 0; i < LIST_COUNT * engine->colours; i++) {
        audit_list(&audit, (enum list_id)(i % LIST_COUNT), i / LIST_COUNT);
    }
    audit_caches(&audit);
    for (frame_number frame = 0; frame < engine->config.frames; frame++) {
        audit_frame(&audit, frame, &pinned);
    }
    for (uint32_t i = 0; i < LIST_COUNT * engine->colours; i++) {
        restore_colours(engine, (enum list_id)(i % LIST_COUNT), i / LIST_COUNT);
    }
    audit_ptes(&audit);
    audit_slots(&audit);
    audit_reservations(&audit);
    audit_rest(&audit, pinned);
    *ret_result = audit.result;
}
