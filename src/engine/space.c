/*
 * space.c - the address space: reserve, commit, decommit, protect, release, and the commit charge.
 *
 * Everything here runs under the space lock, a sleeping lock outside all others, so system calls
 * of the machine are allowed under it. A fault never takes it: an all-zero PTE is looked up in the
 * VADs by sequence count, under the region lock that every change of the PTE needs too.
 *
 * Commit is charged when memory is committed: frames + slots - reserve >= charge, always. So a full
 * page file is a refused commit and never a stuck fault; whether it can grow is a matter of growth.c. Slots that are retired are missing on the
 * left from then on: what is charged stays so, and nothing is added until there is room again.
 */
#include "base/mutant.h"
#include "engine/engine.h"
#include "engine/lists.h"

/* ---- VADs ---- */

static void space_change_begin(struct engine *engine)
{
    atomic_fetch_add_explicit(&engine->space_sequence, 1, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
}

static void space_change_end(struct engine *engine)
{
    atomic_fetch_add_explicit(&engine->space_sequence, 1, memory_order_seq_cst);
}

/* Index of the last VAD that begins at or before the page; `count` if there is none. */
static uint32_t find_vad(const struct vad *vads, uint32_t count, page_number page)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (PFN_FIELD((struct vad *)(uintptr_t)&vads[middle], first) <= page) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? count : low - 1;
}

enum protection space_inherited(struct engine *engine, page_number page)
{
    for (unsigned round = 0;; round++) {
        uint32_t before = atomic_load_explicit(&engine->space_sequence, memory_order_acquire);
        uint32_t count = PFN_FIELD(engine, vad_count);
        uint32_t found = (before & 1) && !MUTANT(SPACE_READ_WITHOUT_RECHECK)
                             ? count
                             : find_vad(engine->vads, count, page);
        enum protection protection = PROTECTION_DECOMMIT;
        if (found < count) {
            struct vad *vad = &engine->vads[found];
            if (page - PFN_FIELD(vad, first) < PFN_FIELD(vad, count)) {
                protection = (enum protection)PFN_FIELD(vad, protection);
            }
        }
        atomic_thread_fence(memory_order_acquire);
        if (((before & 1) == 0 &&
             atomic_load_explicit(&engine->space_sequence, memory_order_relaxed) == before) ||
            MUTANT(SPACE_READ_WITHOUT_RECHECK)) {
            return protection;
        }
        world_pause(round, engine->config.backoff);
    }
}

/* The VAD that holds the whole range, or NULL. Space lock held. */
static struct vad *vad_of_range(struct engine *engine, page_number first, page_number count)
{
    uint32_t found = find_vad(engine->vads, engine->vad_count, first);
    if (found >= engine->vad_count || count == 0) {
        return NULL;
    }
    struct vad *vad = &engine->vads[found];
    uint64_t end = (uint64_t)vad->first + vad->count;
    return (uint64_t)first + count <= end ? vad : NULL;
}

static void copy_vad(struct vad *to, struct vad *from)
{
    PFN_SET_FIELD(to, first, PFN_FIELD(from, first));
    PFN_SET_FIELD(to, count, PFN_FIELD(from, count));
    PFN_SET_FIELD(to, protection, PFN_FIELD(from, protection));
}

static void insert_vad(struct engine *engine, uint32_t at, page_number first, page_number count)
{
    struct vad *vads = engine->vads;
    space_change_begin(engine);
    for (uint32_t i = engine->vad_count; i > at; i--) {
        copy_vad(&vads[i], &vads[i - 1]);
    }
    PFN_SET_FIELD(&vads[at], first, first);
    PFN_SET_FIELD(&vads[at], count, count);
    PFN_SET_FIELD(&vads[at], protection, PROTECTION_DECOMMIT);
    PFN_SET_FIELD(engine, vad_count, engine->vad_count + 1);
    space_change_end(engine);
}

static void remove_vad(struct engine *engine, uint32_t at)
{
    space_change_begin(engine);
    for (uint32_t i = at; i + 1 < engine->vad_count; i++) {
        copy_vad(&engine->vads[i], &engine->vads[i + 1]);
    }
    PFN_SET_FIELD(engine, vad_count, engine->vad_count - 1);
    space_change_end(engine);
}

/* First fit. */
enum space_result space_reserve(struct engine *engine, uint32_t thread, page_number count,
                                page_number *ret_first)
{
    struct thread *self = &engine->threads[thread];
    enum space_result result = SPACE_NO_ROOM;
    page_number from = 0;
    lock_acquire_sleeping(self, &engine->space_lock, RANK_SPACE);
    for (uint32_t i = 0; i <= engine->vad_count && count > 0; i++) {
        page_number end = i < engine->vad_count ? engine->vads[i].first : engine->config.pages;
        if (end - from >= count && engine->vad_count < engine->config.vads_max) {
            insert_vad(engine, i, from, count);
            *ret_first = from;
            result = SPACE_DONE;
            break;
        }
        from = i < engine->vad_count ? end + engine->vads[i].count : end;
    }
    lock_release_sleeping(self, &engine->space_lock, RANK_SPACE);
    return result;
}

/* ---- commit charge ---- */

static void set_charge(struct engine *engine, uint64_t charge)
{
    PFN_SET_FIELD(engine, charge, charge);
}

static bool is_committed(struct engine *engine, const struct vad *vad, page_number page)
{
    pte_word word = pte_load(&engine->ptes[page]);
    if (word == 0) {
        return PFN_FIELD((struct vad *)(uintptr_t)vad, protection) != PROTECTION_DECOMMIT;
    }
    return word != PTE_WORD_DECOMMITTED;
}

static page_number count_committed(struct engine *engine, const struct vad *vad, page_number first,
                                   page_number count)
{
    page_number committed = 0;
    for (page_number page = first; page < first + count; page++) {
        committed += is_committed(engine, vad, page);
    }
    return committed;
}

uint64_t space_missing(struct engine *engine, page_number first, page_number count)
{
    struct vad *vad = vad_of_range(engine, first, count);
    uint64_t limit = engine_commit_limit(engine);
    uint64_t wanted =
        vad == NULL ? 0 : engine->charge + count - count_committed(engine, vad, first, count);
    return wanted > limit ? wanted - limit : 0;
}

/* ---- commit ---- */

static enum machine_protection machine_rights(enum protection protection)
{
    return protection == PROTECTION_READ_WRITE  ? MACHINE_READ_WRITE
           : protection == PROTECTION_READ_ONLY ? MACHINE_READ_ONLY
                                                : MACHINE_NO_ACCESS;
}

static int set_rights(struct engine *engine, page_number first, page_number count,
                      enum protection protection)
{
    return engine->machine.ops->protect == NULL
               ? 0
               : engine->machine.ops->protect(engine->machine.self, first, count,
                                              machine_rights(protection));
}

/* What the engine lets users do to a page now. */
static enum protection rights_of(struct engine *engine, struct vad *vad, page_number page)
{
    pte_word word = pte_load(&engine->ptes[page]);
    if (pte_form(word) == PTE_VALID) {
        return word & PTE_BIT_WRITE ? PROTECTION_READ_WRITE : PROTECTION_READ_ONLY;
    }
    return word == 0 ? (enum protection)PFN_FIELD(vad, protection) : pte_protection(word);
}

/*
 * The machine refused a change, and may have made a part of it: the rights that the engine knows,
 * once more. Nothing has to be split for that, so it is not refused for want of mappings; where it
 * is refused all the same, too few rights are a signal to who uses them and no lost byte.
 */
static void restore_rights(struct engine *engine, struct vad *vad, page_number first,
                           page_number count)
{
    page_number page = first, end = first + count;
    while (page < end) {
        page_number run = page + 1;
        enum protection protection = rights_of(engine, vad, page);
        while (run < end && rights_of(engine, vad, run) == protection) {
            run++;
        }
        set_rights(engine, page, run - page, protection);
        page = run;
    }
}

/* All or nothing. */
static bool change_rights(struct engine *engine, struct vad *vad, page_number first,
                          page_number count, enum protection protection)
{
    bool done = set_rights(engine, first, count, protection) == 0;
    if (!done) {
        restore_rights(engine, vad, first, count);
    }
    return done;
}

/* Tell the machine about the runs of pages that are not committed yet. All or nothing. */
static bool open_runs(struct engine *engine, struct vad *vad, page_number first, page_number count,
                      enum protection protection)
{
    page_number page = first, end = first + count;
    while (page < end) {
        page_number run = page;
        while (run < end && !is_committed(engine, vad, run)) {
            run++;
        }
        if (run > page && set_rights(engine, page, run - page, protection) != 0) {
            if (!MUTANT(COMMIT_LEAVES_RIGHTS_OPEN)) {
                restore_rights(engine, vad, first, run - first);
            }
            return false;
        }
        page = MAX_OF(run, page + 1);
    }
    return true;
}

static void commit_ptes(struct engine *engine, struct thread *self, struct vad *vad,
                        page_number first, page_number count, enum protection protection)
{
    bool whole = first == vad->first && count == vad->count &&
                 PFN_FIELD(vad, protection) == PROTECTION_DECOMMIT;
    for (page_number page = first; page < first + count; page++) {
        if (is_committed(engine, vad, page) || (whole && pte_load(&engine->ptes[page]) == 0)) {
            continue;
        }
        region_lock(engine, self, page);
        pte_store(&engine->ptes[page], pte_make_software(protection, SLOT_NONE));
        region_unlock(engine, self, page);
    }
    if (whole) { /* untouched pages need no PTE: they inherit from the VAD */
        space_change_begin(engine);
        PFN_SET_FIELD(vad, protection, protection);
        space_change_end(engine);
    }
}

enum space_result space_commit(struct engine *engine, uint32_t thread, page_number first,
                               page_number count, enum protection protection)
{
    struct thread *self = &engine->threads[thread];
    enum space_result result = SPACE_NO_REGION;
    lock_acquire_sleeping(self, &engine->space_lock, RANK_SPACE);
    struct vad *vad = vad_of_range(engine, first, count);
    if (vad != NULL) {
        uint64_t added =
            count - (MUTANT(COMMIT_CHARGES_TWICE) ? 0 : count_committed(engine, vad, first, count));
        uint64_t limit = engine_commit_limit(engine);
        if (engine->charge + added > limit + MUTANT(COMMIT_ONE_TOO_MANY)) {
            result = SPACE_LIMIT;
        } else if (!open_runs(engine, vad, first, count, protection)) {
            result = SPACE_REFUSED;
            if (MUTANT(COMMIT_LEAKS_WHEN_REFUSED)) {
                set_charge(engine, engine->charge + added);
            }
        } else {
            commit_ptes(engine, self, vad, first, count, protection);
            set_charge(engine, engine->charge + added);
            result = SPACE_DONE;
        }
    }
    lock_release_sleeping(self, &engine->space_lock, RANK_SPACE);
    growth_call(engine);
    return result;
}

/* ---- decommit ---- */

/*
 * The frame has lost its owner; frame lock held. Whoever still holds it lets it go to the free
 * list. A slot that is being written is the writer's to give back.
 */
static void delete_frame(struct engine *engine, struct thread *self, frame_number frame,
                         struct trim_batch *batch)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    pfn_word word = pfn_load(pfn);
    slot_number slot = PFN_FIELD(pfn, slot);
    pfn_word deleted = ((pfn_with_state(word, PFN_TRANSITION) & ~PFN_MODIFIED_BIT) | PFN_DELETED) +
                       PFN_REFERENCE_ONE;
    if (slot != SLOT_NONE) {
        PFN_SET_FIELD(pfn, slot, SLOT_NONE);
        slots_give_back(engine, self, slot);
    }
    if (is_ahead(word) && !MUTANT(AHEAD_DELETED_IS_NOT_WASTED)) {
        prefetch_wasted(engine, self, PFN_FIELD(pfn, page));
    }
    switch (pfn_state(word)) {
    case PFN_ACTIVE:
        frame_move(engine, self, frame, deleted, WHY_DELETE_ACTIVE);
        break;
    case PFN_STANDBY:
        list_unlink(engine, self, standby_list(word), frame);
        frame_move(engine, self, frame, deleted, WHY_DELETE_STANDBY);
        break;
    case PFN_MODIFIED:
        list_unlink(engine, self, LIST_MODIFIED, frame);
        frame_move(engine, self, frame, deleted, WHY_DELETE_MODIFIED);
        break;
    default:
        frame_update(engine, frame, deleted);
        break;
    }
    trim_batch_add(engine, batch, frame, word);
}

enum delete_result { DELETE_DONE, DELETE_AGAIN, DELETE_PINNED };

/* A page that a frame holds; region lock held. */
static enum delete_result delete_resident(struct engine *engine, struct thread *self,
                                          page_number page, pte_word seen, struct trim_batch *batch)
{
    frame_number frame = pte_frame(seen);
    struct pfn *pfn = frame_pfn(engine, frame);
    enum delete_result result = DELETE_DONE;
    frame_lock(engine, self, frame);
    pfn_word word = pfn_load(pfn);
    if (pte_load(&engine->ptes[page]) != seen || (word & PFN_GIVING_UP)) {
        result = DELETE_AGAIN;
    } else if (pfn_pins(word) > 0 && !MUTANT(DECOMMIT_TAKES_PINNED)) {
        result = DELETE_PINNED;
    } else {
        if (pte_form(seen) == PTE_VALID) {
            region_count_resident(engine, page, -1);
        }
        /* The reader sees it and gives frame and slot back. */
        if ((word & PFN_READING) && !MUTANT(DECOMMIT_IGNORES_READER)) {
            frame_update(engine, frame, word | PFN_DELETED);
        } else {
            delete_frame(engine, self, frame, batch);
        }
        pte_store(&engine->ptes[page], PTE_WORD_DECOMMITTED);
    }
    frame_unlock(engine, self, frame);
    return result;
}

/* One page becomes decommitted; region lock held. */
static enum delete_result delete_page(struct engine *engine, struct thread *self, page_number page,
                                      struct trim_batch *batch)
{
    pte_word seen = pte_load(&engine->ptes[page]);
    switch (pte_form(seen)) {
    case PTE_VALID:
    case PTE_TRANSITION:
        return delete_resident(engine, self, page, seen, batch);
    case PTE_PAGE_FILE:
        if (!MUTANT(DECOMMIT_LEAKS_SLOT)) {
            slots_give_back(engine, self, pte_slot(seen));
        }
        break;
    default:
        break;
    }
    pte_store(&engine->ptes[page], PTE_WORD_DECOMMITTED);
    return DELETE_DONE;
}

/* The pages are unmapped and their contents given up; then the frames are nobody's. */
static void finish_deletes(struct engine *engine, struct thread *self, struct trim_batch *batch)
{
    struct let_go_batch going = {0};
    const struct machine_ops *machine = engine->machine.ops;
    if (batch->count == 0) {
        return;
    }
    lock_check_none_held(self);
    trim_batch_count(engine, batch);
    if (!MUTANT(DECOMMIT_LEAVES_MAPPED)) {
        machine->unmap(engine->machine.self, self->number, batch->count, batch->pages, NULL);
    }
    if (machine->release != NULL && !MUTANT(DECOMMIT_KEEPS_CONTENT)) {
        machine->release(engine->machine.self, self->number, batch->count, batch->pages);
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        let_go_lock(engine, self, &going, batch->frames[i]);
        generation_check(engine, batch->frames[i], batch->generations[i]);
        let_go_add(engine, self, &going, batch->frames[i],
                   frame_let_go(engine, self, batch->frames[i], WHY_DELETED, WHY_DELETED));
    }
    let_go_flush(engine, self, &going);
    atomic_fetch_sub_explicit(&engine->in_flight, batch->count, memory_order_seq_cst);
    batch->count = batch->counted = 0;
    frames_grant(engine, self);
}

static bool any_pinned(struct engine *engine, struct thread *self, page_number first,
                       page_number count)
{
    bool pinned = false;
    if (PFN_FIELD(engine, pinned) == 0 || MUTANT(DECOMMIT_TAKES_PINNED)) {
        return false;
    }
    for (page_number page = first; page < first + count && !pinned; page++) {
        region_lock(engine, self, page);
        pte_word word = pte_load(&engine->ptes[page]);
        pinned = pte_form(word) == PTE_VALID &&
                 pfn_pins(pfn_load(frame_pfn(engine, pte_frame(word)))) > 0;
        region_unlock(engine, self, page);
    }
    return pinned;
}

/* Space lock held. Pages in front of one that was pinned in the last moment are gone. */
static enum space_result decommit_locked(struct engine *engine, struct thread *self,
                                         struct vad *vad, page_number first, page_number count)
{
    struct trim_batch batch = {.count = 0};
    enum space_result result = SPACE_DONE;
    unsigned round = 0;
    if (any_pinned(engine, self, first, count)) {
        return SPACE_BUSY;
    }
    if (!change_rights(engine, vad, first, count, PROTECTION_DECOMMIT)) {
        return SPACE_REFUSED;
    }
    page_number page = first;
    while (page < first + count && result == SPACE_DONE) {
        bool committed = is_committed(engine, vad, page);
        region_lock(engine, self, page);
        enum delete_result deleted = delete_page(engine, self, page, &batch);
        region_unlock(engine, self, page);
        if (deleted == DELETE_AGAIN) {
            world_pause(round++, engine->config.backoff);
        } else if (deleted == DELETE_PINNED) {
            result = SPACE_BUSY;
        } else {
            set_charge(engine, engine->charge - (committed || MUTANT(DECOMMIT_UNCHARGES_TWICE)));
            page++;
        }
        if (batch.count == BATCH_MAX) {
            finish_deletes(engine, self, &batch);
        }
    }
    finish_deletes(engine, self, &batch);
    slots_unreserve(engine, self, first, page - first);
    return result;
}

enum space_result space_decommit(struct engine *engine, uint32_t thread, page_number first,
                                 page_number count)
{
    struct thread *self = &engine->threads[thread];
    enum space_result result = SPACE_NO_REGION;
    lock_acquire_sleeping(self, &engine->space_lock, RANK_SPACE);
    struct vad *vad = vad_of_range(engine, first, count);
    if (vad != NULL) {
        result = decommit_locked(engine, self, vad, first, count);
        frames_tell(engine, self, first, count);
    }
    lock_release_sleeping(self, &engine->space_lock, RANK_SPACE);
    return result;
}

enum space_result space_release(struct engine *engine, uint32_t thread, page_number first)
{
    struct thread *self = &engine->threads[thread];
    enum space_result result = SPACE_NO_REGION;
    lock_acquire_sleeping(self, &engine->space_lock, RANK_SPACE);
    uint32_t found = find_vad(engine->vads, engine->vad_count, first);
    if (found < engine->vad_count && engine->vads[found].first == first) {
        page_number count = engine->vads[found].count;
        result = decommit_locked(engine, self, &engine->vads[found], first, count);
        if (result == SPACE_DONE) {
            remove_vad(engine, found);
            for (page_number page = first; page < first + count; page++) {
                region_lock(engine, self, page);
                pte_store(&engine->ptes[page], 0);
                region_unlock(engine, self, page);
            }
        }
        frames_tell(engine, self, first, count);
    }
    lock_release_sleeping(self, &engine->space_lock, RANK_SPACE);
    return result;
}

/* ---- protect ---- */

/* A page in a frame; region lock held. A right that is taken away needs a flush: trim it. */
static enum delete_result protect_resident(struct engine *engine, struct thread *self,
                                           page_number page, pte_word seen,
                                           enum protection protection, struct trim_batch *batch)
{
    pte *entry = &engine->ptes[page];
    frame_number frame = pte_frame(seen);
    struct pfn *pfn = frame_pfn(engine, frame);
    frame_lock(engine, self, frame);
    pfn_word word = pfn_load(pfn);
    if (pte_load(entry) != seen || (word & PFN_GIVING_UP)) {
        frame_unlock(engine, self, frame);
        return DELETE_AGAIN;
    }
    word = (word & ~((pfn_word)0x1f << PFN_PROTECTION_SHIFT)) | (pfn_word)protection
                                                                    << PFN_PROTECTION_SHIFT;
    bool revoke = pte_form(seen) == PTE_VALID && protection != PROTECTION_READ_WRITE &&
                  !MUTANT(PROTECT_WITHOUT_FLUSH);
    if (revoke && pfn_pins(word) > 0) {
        frame_unlock(engine, self, frame);
        return DELETE_PINNED;
    }
    /* A trimmer that has not unmapped the page yet leaves the old rights to the machine. */
    if (pte_form(seen) == PTE_TRANSITION && protection != PROTECTION_READ_WRITE &&
        !MUTANT(PROTECT_LEAVES_IT_TO_THE_TRIMMER) && pfn_state(word) == PFN_TRANSITION &&
        pfn_references(word) > 0) {
        word += PFN_REFERENCE_ONE;
        trim_batch_add(engine, batch, frame, word);
    }
    frame_update(engine, frame, word);
    if (pte_form(seen) == PTE_TRANSITION) {
        pte_store(entry, pte_make_transition(frame, protection));
    } else if (!revoke) {
        pte_store(entry, seen | PTE_BIT_WRITE);
    }
    frame_unlock(engine, self, frame);
    return revoke && !trim_detach(engine, self, page, batch) ? DELETE_PINNED : DELETE_DONE;
}

static enum delete_result protect_page(struct engine *engine, struct thread *self, page_number page,
                                       enum protection protection, struct trim_batch *batch)
{
    enum delete_result result = DELETE_DONE;
    region_lock(engine, self, page);
    pte_word seen = pte_load(&engine->ptes[page]);
    enum pte_form form = pte_form(seen);
    if (form == PTE_VALID || form == PTE_TRANSITION) {
        result = protect_resident(engine, self, page, seen, protection, batch);
    } else {
        pte_store(&engine->ptes[page],
                  pte_with_stamp(pte_make_software(protection, pte_slot(seen)), pte_stamp(seen)));
    }
    region_unlock(engine, self, page);
    return result;
}

static enum space_result protect_locked(struct engine *engine, struct thread *self,
                                        page_number first, page_number count,
                                        enum protection protection)
{
    struct trim_batch batch = {.count = 0};
    enum space_result result = SPACE_DONE;
    unsigned round = 0;
    page_number page = first;
    while (page < first + count && result == SPACE_DONE) {
        enum delete_result done = protect_page(engine, self, page, protection, &batch);
        if (done == DELETE_AGAIN) {
            world_pause(round++, engine->config.backoff);
        } else if (done == DELETE_PINNED) {
            result = SPACE_BUSY;
        } else {
            page++;
        }
        if (batch.count == BATCH_MAX) {
            trim_finish(engine, self, &batch);
        }
    }
    trim_finish(engine, self, &batch);
    return result;
}

enum space_result space_protect(struct engine *engine, uint32_t thread, page_number first,
                                page_number count, enum protection protection)
{
    struct thread *self = &engine->threads[thread];
    enum space_result result = SPACE_NO_REGION;
    lock_acquire_sleeping(self, &engine->space_lock, RANK_SPACE);
    struct vad *vad = vad_of_range(engine, first, count);
    if (vad != NULL && count_committed(engine, vad, first, count) != count) {
        result = SPACE_NOT_COMMITTED;
    } else if (vad != NULL && protection != PROTECTION_READ_WRITE &&
               any_pinned(engine, self, first, count)) {
        result = SPACE_BUSY;
    } else if (vad != NULL) {
        /*
         * In the machine first, which may refuse. An access in between that the engine does not
         * allow yet faults, because the page is not mapped or mapped to be watched.
         */
        result = change_rights(engine, vad, first, count, protection)
                     ? protect_locked(engine, self, first, count, protection)
                     : SPACE_REFUSED;
    }
    lock_release_sleeping(self, &engine->space_lock, RANK_SPACE);
    return result;
}
