/*
 * audit_test.c - the audit sees every kind of damage, one at a time, done to a sound engine by hand.
 */
#include "engine_rig.h"

#include "base/bitmap.h"

enum {
    DIRTY, /* active and modified */
    CLEAN, /* active, with a slot */
    CLEAN_2,
    NEVER_WRITTEN, /* active, without */
    ON_STANDBY,
    ON_STANDBY_2,
    ON_STANDBY_3,
    ON_MODIFIED,
    ON_MODIFIED_2,
    IN_SLOT,
    IN_SLOT_2,
    DECOMMITTED,
    UNTOUCHED
};

/* Pages in every state, frames in every list, and two frames in a cache. */
static void begin_mixture(struct rig *rig)
{
    rig_begin(rig, &(struct rig_config){.frames = 24, .frame_cache = 2});
    rig_put_in_slot(rig, IN_SLOT, 1);
    rig_put_in_slot(rig, IN_SLOT_2, 2);
    rig_put_clean(rig, ON_STANDBY, 3);
    rig_put_clean(rig, ON_STANDBY_2, 4);
    rig_put_clean(rig, ON_STANDBY_3, 4);
    rig_put_clean(rig, CLEAN, 5);
    rig_put_clean(rig, CLEAN_2, 5);
    rig_trim(rig, TRIMMER, ON_STANDBY);
    rig_trim(rig, TRIMMER, ON_STANDBY_2);
    rig_trim(rig, TRIMMER, ON_STANDBY_3);
    rig_fill(rig, 0, ON_MODIFIED, 6);
    rig_fill(rig, 0, ON_MODIFIED_2, 7);
    rig_trim(rig, TRIMMER, ON_MODIFIED);
    rig_trim(rig, TRIMMER, ON_MODIFIED_2);
    rig_fill(rig, 0, DIRTY, 8);
    rig_read(rig, 0, NEVER_WRITTEN);
    for (page_number page = 40; page < 44; page++)
        rig_fill(rig, 0, page, 9);
    assert_int_equal(space_decommit(rig->engine, OTHER, 40, 4), SPACE_DONE);
    assert_int_equal(space_decommit(rig->engine, OTHER, DECOMMITTED, 1), SPACE_DONE);
    for (int i = 0; i < 2; i++)
        frames_give_back(rig->engine, rig_thread(rig, 3),
                         frames_take(rig->engine, rig_thread(rig, 3), false));
    frames_give_back(rig->engine, rig_thread(rig, 3),
                     frames_take(rig->engine, rig_thread(rig, 4), true));
    assert_int_equal(list_count(rig->engine, LIST_MODIFIED), 2);
    assert_int_equal(list_count(rig->engine, LIST_STANDBY + PRIORITY_NORMAL), 3);
    assert_true(list_count(rig->engine, LIST_FREE) >= 2);
    assert_true(list_count(rig->engine, LIST_ZEROED) >= 2);
    assert_true(atomic_load(&rig_thread(rig, 3)->cache.count) > 0);
}

static struct pfn *pfn_of(struct rig *rig, page_number page)
{
    return frame_pfn(rig->engine, rig_frame(rig, page));
}

static struct pfn *head_of(struct rig *rig, enum list_id list)
{
    return frame_pfn(rig->engine,
                     PFN_FIELD(frame_pfn(rig->engine, rig->engine->lists[list].head), flink));
}

static frame_number first_of(struct rig *rig, enum list_id list)
{
    return (frame_number)(head_of(rig, list) - rig->engine->pfns);
}

static void flip(struct pfn *pfn, pfn_word bits)
{
    atomic_fetch_xor(&pfn->word, bits);
}

static void flip_byte(void *at)
{
    ((unsigned char *)at)[1234] ^= 1;
}

/* One kind of damage each: "what it does", how. */
#define DAMAGES(X)                                                                                 \
    X("back pointer of an active page", PFN_SET_FIELD(pfn_of(rig, DIRTY), page, 60))               \
    X("back pointer of a standby page", PFN_SET_FIELD(pfn_of(rig, ON_STANDBY), page, UNTOUCHED))   \
    X("back pointer out of range", PFN_SET_FIELD(pfn_of(rig, ON_MODIFIED), page, 1u << 30))        \
    X("owner of a free frame", PFN_SET_FIELD(head_of(rig, LIST_FREE), page, UNTOUCHED))            \
    X("owner of a zeroed frame", PFN_SET_FIELD(head_of(rig, LIST_ZEROED), page, DIRTY))            \
    X("PTE names another page's frame", atomic_store(&engine->ptes[CLEAN], rig_pte(rig, CLEAN_2))) \
    X("PTE names a free frame",                                                                    \
      atomic_store(&engine->ptes[UNTOUCHED],                                                       \
                   pte_make_transition(first_of(rig, LIST_FREE), PROTECTION_READ_WRITE)))          \
    X("PTE names a frame that does not exist",                                                     \
      atomic_store(&engine->ptes[UNTOUCHED], pte_make_transition(999, PROTECTION_READ_WRITE)))     \
    X("PTE of an active page in transition",                                                       \
      atomic_store(&engine->ptes[DIRTY],                                                           \
                   pte_make_transition(rig_frame(rig, DIRTY), PROTECTION_READ_WRITE)))             \
    X("PTE of a standby page valid",                                                               \
      atomic_store(&engine->ptes[ON_STANDBY],                                                      \
                   pte_make_valid(rig_frame(rig, ON_STANDBY), PROTECTION_READ_WRITE, false, 0)))   \
    X("PTE of an active page lost",                                                                \
      atomic_store(&engine->ptes[DIRTY], pte_make_software(PROTECTION_READ_WRITE, SLOT_NONE)))     \
    X("PTE in a slot lost", atomic_store(&engine->ptes[IN_SLOT], 0x80))                            \
    X("PTE decommitted", atomic_store(&engine->ptes[UNTOUCHED], PTE_WORD_DECOMMITTED))             \
    X("PTE committed", atomic_store(&engine->ptes[DECOMMITTED], 0x80))                             \
    X("PTE writable, page not modified",                                                           \
      atomic_store(&engine->ptes[CLEAN], rig_pte(rig, CLEAN) | PTE_BIT_WRITABLE | PTE_BIT_DIRTY))  \
    X("PTE and frame disagree about protection",                                                   \
      atomic_store(&engine->ptes[ON_STANDBY],                                                      \
                   pte_make_transition(rig_frame(rig, ON_STANDBY), PROTECTION_READ_ONLY)))         \
    X("valid PTE and frame disagree about protection",                                             \
      atomic_store(&engine->ptes[CLEAN], rig_pte(rig, CLEAN) ^ PTE_BIT_WRITE))                     \
    X("count of zeroed", atomic_fetch_add(&engine->lists[LIST_ZEROED].count, 1))                   \
    X("count of free", atomic_fetch_sub(&engine->lists[LIST_FREE].count, 1))                       \
    X("count of modified", atomic_fetch_add(&engine->lists[LIST_MODIFIED].count, 1))               \
    X("count of standby", atomic_fetch_sub(&engine->lists[LIST_STANDBY + 5].count, 1))             \
    X("count of an empty list", atomic_fetch_add(&engine->lists[LIST_STANDBY + 1].count, 1))       \
    X("forward link skips one",                                                                    \
      PFN_SET_FIELD(pfn_of(rig, ON_STANDBY), flink, rig_frame(rig, ON_STANDBY_3)))                 \
    X("forward link makes a loop",                                                                 \
      PFN_SET_FIELD(pfn_of(rig, ON_STANDBY_2), flink, rig_frame(rig, ON_STANDBY)))                 \
    X("forward link to an active frame",                                                           \
      PFN_SET_FIELD(pfn_of(rig, ON_STANDBY_2), flink, rig_frame(rig, DIRTY)))                      \
    X("forward link to no frame", PFN_SET_FIELD(pfn_of(rig, ON_STANDBY_2), flink, FRAME_NONE))     \
    X("backward link",                                                                             \
      PFN_SET_FIELD(pfn_of(rig, ON_STANDBY_3), blink, rig_frame(rig, ON_STANDBY)))                 \
    X("backward link of the tail", PFN_SET_FIELD(frame_pfn(engine, engine->lists[LIST_FREE].tail), \
                                                 blink, engine->lists[LIST_FREE].head))            \
    X("priority", flip(pfn_of(rig, ON_STANDBY_2), (pfn_word)1 << PFN_PRIORITY_SHIFT))              \
    X("state of a listed frame", flip(pfn_of(rig, ON_STANDBY_2), PFN_STANDBY ^ PFN_MODIFIED))      \
    X("state of an active frame", flip(pfn_of(rig, DIRTY), PFN_ACTIVE ^ PFN_TRANSITION))           \
    X("state of a cached frame",                                                                   \
      flip(frame_pfn(engine, rig_thread(rig, 3)->cache.frames[0]), PFN_ACTIVE))                    \
    X("frame on a list and in a cache",                                                            \
      rig_thread(rig, 3)->cache.frames[0] = first_of(rig, LIST_FREE))                              \
    X("frame in a cache twice",                                                                    \
      rig_thread(rig, 3)->cache.frames[1] = rig_thread(rig, 3)->cache.frames[0];                   \
      atomic_store(&rig_thread(rig, 3)->cache.count, 2))                                           \
    X("frame lost from a cache", atomic_store(&rig_thread(rig, 3)->cache.count, 0))                \
    X("modified bit lost", flip(pfn_of(rig, ON_MODIFIED), PFN_MODIFIED_BIT))                       \
    X("modified bit lost in the working set", flip(pfn_of(rig, DIRTY), PFN_MODIFIED_BIT))          \
    X("modified bit on standby", flip(pfn_of(rig, ON_STANDBY), PFN_MODIFIED_BIT))                  \
    X("slot of a modified page", PFN_SET_FIELD(pfn_of(rig, ON_MODIFIED), slot, 1))                 \
    X("slot of a clean page lost", PFN_SET_FIELD(pfn_of(rig, CLEAN), slot, SLOT_NONE))             \
    X("slot of a free frame", PFN_SET_FIELD(head_of(rig, LIST_FREE), slot, 1))                     \
    X("slot of two pages", atomic_store(&engine->ptes[IN_SLOT], rig_pte(rig, IN_SLOT_2)))          \
    X("slot out of range",                                                                         \
      atomic_store(&engine->ptes[IN_SLOT], pte_make_software(PROTECTION_READ_WRITE, 65)))          \
    X("slot bit lost", bitmap_clear(engine->slot_bits, rig_slot(rig, CLEAN) - 1))                  \
    X("slot bit without an owner", bitmap_set(engine->slot_bits, 63))                              \
    X("count of free slots", atomic_fetch_add(&engine->slot_areas[0].free, 1))                     \
    X("slot retired and not counted", atomic_store(&engine->slot_owners[63], SLOT_OWNER_RETIRED);  \
      bitmap_set(engine->slot_bits, 63); atomic_fetch_sub(&engine->slot_areas[0].free, 1))         \
    X("count of retired slots", atomic_fetch_add(&engine->slots_retired, 1))                       \
    X("count of slots put aside", atomic_fetch_add(&engine->slots_aside, 1))                       \
    X("slot put aside and free", engine->slot_areas[0].suspects[0].aside = true;                   \
      atomic_fetch_add(&engine->slots_aside, 1))                                                   \
    X("resident count", atomic_fetch_add(&engine->regions[0].resident, 1))                         \
    X("resident count of an empty region", atomic_fetch_add(&engine->regions[2].resident, 1))      \
    X("charge", engine->charge++)                                                                  \
    X("charge over the limit", atomic_store(&engine->commit_limit, engine->charge - 1))            \
    X("commit limit", atomic_fetch_sub(&engine->commit_limit, 1))                                  \
    X("byte of a zeroed frame", flip_byte(soft_frame(rig->soft, first_of(rig, LIST_ZEROED))))      \
    X("byte of a clean page", flip_byte(soft_frame(rig->soft, rig_frame(rig, CLEAN))))             \
    X("byte of a standby page", flip_byte(soft_frame(rig->soft, rig_frame(rig, ON_STANDBY))))      \
    X("byte of a page never written",                                                              \
      flip_byte(soft_frame(rig->soft, rig_frame(rig, NEVER_WRITTEN))))                             \
    X("byte in a slot", flip_byte(gate_bytes(rig, rig_slot(rig, ON_STANDBY_2))))                   \
    X("lock of a frame", atomic_store(&pfn_of(rig, CLEAN)->lock, 1))                               \
    X("lock of a free frame", atomic_store(&head_of(rig, LIST_FREE)->lock, 1))                     \
    X("lock of a sentinel", atomic_store(&engine->pfns[engine->lists[LIST_FREE].head].lock, 1))    \
    X("lock of a region", atomic_store(&engine->regions[1].lock, 1))                               \
    X("lock of a list", atomic_store(&engine->lists[LIST_MODIFIED].lock, LOCK_EXCLUSIVE))          \
    X("lock of a list, shared", atomic_store(&engine->lists[LIST_STANDBY].lock, 1))                \
    X("lock of a slot area", atomic_store(&engine->slot_areas[0].lock, 1))                         \
    X("lock of a cache", atomic_store(&engine->threads[3].cache.lock, 1))                          \
    X("lock of the queue", atomic_store(&engine->wait_lock, 1))                                    \
    X("lock of the space", atomic_store(&engine->space_lock, 1))                                   \
    X("reference to an active frame", flip(pfn_of(rig, CLEAN), PFN_REFERENCE_ONE))                 \
    X("reference to a listed frame", flip(pfn_of(rig, ON_MODIFIED), PFN_REFERENCE_ONE))            \
    X("pin of an active frame", flip(pfn_of(rig, CLEAN), PFN_PIN_ONE))                             \
    X("pin of a listed frame", flip(pfn_of(rig, ON_STANDBY), PFN_PIN_ONE))                         \
    X("write in progress", flip(pfn_of(rig, CLEAN), PFN_WRITING))                                  \
    X("read in progress", flip(pfn_of(rig, DIRTY), PFN_READING))                                   \
    X("being given up", flip(pfn_of(rig, ON_STANDBY), PFN_GIVING_UP))                              \
    X("deleted", flip(pfn_of(rig, NEVER_WRITTEN), PFN_DELETED))                                    \
    X("waiters", atomic_fetch_add(&engine->waiters, 1))                                            \
    X("grants", atomic_fetch_add(&engine->grants, 1))                                              \
    X("in flight", atomic_fetch_add(&engine->in_flight, 1))                                        \
    X("pinned", atomic_fetch_add(&engine->pinned, 1))                                              \
    X("in-page block", atomic_fetch_add(&engine->blocks[0].references, 1))

static const char *const damage_names[] = {
#define X(name, how) name,
    DAMAGES(X)
#undef X
};

static void damage(struct rig *rig, size_t which)
{
    struct engine *engine = rig->engine;
    size_t number = 0;

#define X(name, how)                                                                               \
    if (number++ == which) {                                                                       \
        how;                                                                                       \
    }
    DAMAGES(X)
#undef X
}

static void the_audit_sees_every_damage(void **state)
{
    unsigned missed = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(damage_names); i++) {
        struct rig rig;

        begin_mixture(&rig);
        assert_int_equal(rig_audit(&rig), 0);
        assert_int_equal(rig_audit(&rig), 0); /* it changes nothing */
        damage(&rig, i);
        if (rig_audit(&rig) == 0) {
            print_error("the audit does not see: %s\n", damage_names[i]);
            missed++;
        }
        rig_destroy(&rig);
    }
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_audit_sees_every_damage),
    };

    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
