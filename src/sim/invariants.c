/*
 * invariants.c - what must hold in a simulated world: at any step of all that is not locked, and in
 * full when nothing moves.
 *
 * A look sees every state in between, so each check names whose locks protect what it compares and
 * leaves out what somebody holds. Numbers such as 0x4E/0x9A are the Windows bug checks for the same.
 */
#include "engine/lists.h"
#include "sim/sim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY       UINT32_MAX
#define WHOLE_EVERY  64u /* looks; the others see a part of the frames and pages each */
#define PART_FRAMES  8u
#define PART_REGIONS 2u

/* Where something was found in this look. */
struct invariants {
    uint32_t *slot_owner; /* by slot: page, or NOBODY */
    uint8_t *listed;      /* by frame: 1 + list */
    uint32_t walked;      /* a bit for each list that this look went through */
    bool whole;           /* this look is at everything */
    uint32_t looks, frame_hand, region_hand;
};

int invariants_create(struct sim *sim)
{
    const struct engine_config *config = &sim->assembly.config.engine;
    struct invariants *made = calloc(1, sizeof(*made));

    sim->invariants = made;
    if (made == NULL)
        return -ENOMEM;
    made->slot_owner = calloc((size_t)config->slots + 1, sizeof(*made->slot_owner));
    made->listed = calloc(config->frames, sizeof(*made->listed));
    return made->slot_owner == NULL || made->listed == NULL ? -ENOMEM : 0;
}

void invariants_destroy(struct sim *sim)
{
    if (sim->invariants != NULL) {
        free(sim->invariants->slot_owner);
        free(sim->invariants->listed);
        free(sim->invariants);
    }
    sim->invariants = NULL;
}

/* ---- complaints ---- */

#define HOLDS(sim, condition, what, frame, page)                                                   \
    do {                                                                                           \
        (sim)->result->checks++;                                                                   \
        if (UNLIKELY(!(condition)))                                                                \
            broken(sim, what, frame, page);                                                        \
    } while (0)

static _Noreturn void broken(struct sim *sim, const char *what, frame_number frame,
                             page_number page)
{
    struct engine *engine = sim->assembly.engine;
    char about_frame[160] = "", about_page[96] = "";

    if (frame < engine->config.frames) {
        struct pfn *pfn = frame_pfn(engine, frame);
        pfn_word word = pfn_load(pfn);

        snprintf(about_frame, sizeof(about_frame),
                 "; frame %u %s word 0x%" PRIx64 " page %d slot %u", frame,
                 state_name(pfn_state(word)), word, (int)PFN_FIELD(pfn, page),
                 PFN_FIELD(pfn, slot));
    }
    if (page < engine->config.pages)
        snprintf(about_page, sizeof(about_page), "; page %u PTE 0x%" PRIx64, page,
                 pte_load(&engine->ptes[page]));
    fibers_fail("invariant: %s%s%s", what, about_frame, about_page);
}

/* ---- locks ---- */

static bool frame_unlocked(struct engine *engine, frame_number frame)
{
    return PFN_FIELD(frame_pfn(engine, frame), lock) == 0;
}

static bool region_unlocked(struct engine *engine, page_number page)
{
    return PFN_FIELD(page_region(engine, page), lock) == 0;
}

/* ---- lists ---- */

/* The list's lock is free: its links and its count are what they should be. */
static void look_at_list(struct sim *sim, enum list_id id, uint32_t colour)
{
    struct engine *engine = sim->assembly.engine;
    struct page_list *list = list_of(engine, id, colour);
    frame_number before = list->head, frame = PFN_FIELD(frame_pfn(engine, list->head), flink);
    uint32_t walked = 0;

    for (; frame != list->tail;
         before = frame, frame = PFN_FIELD(frame_pfn(engine, frame), flink)) {
        struct pfn *pfn;

        HOLDS(sim, frame < engine->config.frames && walked <= engine->config.frames,
              "a list's link is a frame (0x4E/0x02)", frame, PAGE_NONE);
        pfn = frame_pfn(engine, frame);
        HOLDS(sim, PFN_FIELD(pfn, blink) == before, "a list's links are symmetric (0x4E/0x02)",
              frame, PAGE_NONE);
        HOLDS(sim, sim->invariants->listed[frame] == 0, "a frame is on one list only", frame,
              PAGE_NONE);
        sim->invariants->listed[frame] = (uint8_t)(1 + id);
        HOLDS(sim, PFN_FIELD(pfn, block) == colour, "a listed frame names its list's colour", frame,
              PAGE_NONE);
        if (frame_unlocked(engine, frame)) {
            pfn_word word = pfn_load(pfn);

            HOLDS(sim, pfn_state(word) == list->state, "a listed frame has its list's state", frame,
                  PAGE_NONE);
            HOLDS(sim, id < LIST_STANDBY || standby_list(word) == id,
                  "a standby page's priority is its list's (0x1A/0x8884)", frame, PAGE_NONE);
            HOLDS(sim, pfn_references(word) == 0 && pfn_pins(word) == 0,
                  "a listed frame has no references and no pins (0x4E/0x9A)", frame, PAGE_NONE);
        }
        walked++;
    }
    HOLDS(sim, walked == PFN_FIELD(list, count), "a list's count is its length (0x4E/0x01)",
          FRAME_NONE, PAGE_NONE);
}

static void look_at_lists(struct sim *sim)
{
    struct engine *engine = sim->assembly.engine;

    memset(sim->invariants->listed, 0, engine->config.frames);
    for (unsigned id = 0; id < LIST_COUNT; id++) {
        bool all = true;

        for (uint32_t colour = 0; colour < engine->colours; colour++) {
            if (PFN_FIELD(list_of(engine, (enum list_id)id, colour), lock) == 0)
                look_at_list(sim, (enum list_id)id, colour);
            else
                all = false;
        }
        sim->invariants->walked |= (uint32_t)all << id;
    }
}

/* None of the lists that were walked has it. */
static bool unlisted(const struct sim *sim, frame_number frame)
{
    return sim->invariants->walked == 0 || sim->invariants->listed[frame] == 0;
}

/* Its own list has it, or was not walked. */
static bool listed_right(const struct sim *sim, frame_number frame, pfn_word word)
{
    enum list_id id = pfn_state(word) == PFN_STANDBY ? standby_list(word) : LIST_MODIFIED;

    return !(sim->invariants->walked >> id & 1) || sim->invariants->listed[frame] == 1 + id;
}

/* ---- frames ---- */

static void claim_slot(struct sim *sim, slot_number slot, frame_number frame, page_number page)
{
    struct engine *engine = sim->assembly.engine;
    uint32_t *owner = sim->invariants->slot_owner;

    HOLDS(sim, slot <= engine_slots(engine), "a slot is one of the page file's", frame, page);
    HOLDS(sim, slots_in_use(engine, slot), "a page's slot is marked used", frame, page);
    HOLDS(sim, slot_owner_page(slots_owner(engine, slot)) == page,
          "the reverse map names the slot's page", frame, page);
    if (!sim->invariants->whole)
        return;
    HOLDS(sim, owner[slot] == NOBODY || owner[slot] == page, "a slot has one owner", frame, page);
    owner[slot] = page;
}

/* Nobody reads, writes, trims or stores to it: its bytes can be compared. */
static bool owed_content(const struct sim *sim, pfn_word word)
{
    return sim->invariants->whole && !(word & (PFN_MODIFIED_BIT | PFN_WRITING | PFN_READING)) &&
           pfn_references(word) == 0;
}

static bool same_content(const struct sim *sim, frame_number frame, slot_number slot)
{
    static const unsigned char zeros[MM_PAGE_SIZE];
    const void *content = slot == SLOT_NONE ? zeros : faults_content(sim, slot);

    return content == NULL ||
           memcmp(content, soft_frame(sim->assembly.soft, frame), MM_PAGE_SIZE) == 0;
}

/* A frame that nobody has locked and a page owns. */
static void look_at_owned(struct sim *sim, frame_number frame, pfn_word word)
{
    struct engine *engine = sim->assembly.engine;
    struct pfn *pfn = frame_pfn(engine, frame);
    page_number page = PFN_FIELD(pfn, page);
    slot_number slot = PFN_FIELD(pfn, slot);
    bool active = pfn_state(word) == PFN_ACTIVE;
    pte_word entry;

    HOLDS(sim, page < engine->config.pages, "an owned frame names a page", frame, page);
    HOLDS(sim, !(word & (PFN_READING | PFN_GIVING_UP | PFN_DELETED)),
          "a frame at rest is not on its way", frame, page);
    HOLDS(sim,
          !(word & PFN_MODIFIED_BIT) || slot == SLOT_NONE ||
              engine->config.map_writable != MAP_WATCHED,
          "a modified page has no slot", frame, page);
    HOLDS(sim, active || !(word & PFN_MODIFIED_BIT) == (pfn_state(word) == PFN_STANDBY),
          "a page on modified is modified, one on standby is not", frame, page);
    HOLDS(sim, active || listed_right(sim, frame, word), "a frame at rest is on its list", frame,
          page);
    HOLDS(sim, !active || unlisted(sim, frame), "an active frame is on no list", frame, page);
    HOLDS(sim, !owed_content(sim, word) || same_content(sim, frame, slot),
          "a clean page is what its slot holds, or zeros without one", frame, page);
    if (slot != SLOT_NONE)
        claim_slot(sim, slot, frame, page);
    if (!region_unlocked(engine, page))
        return;
    entry = pte_load(&engine->ptes[page]);
    HOLDS(sim, pte_form(entry) == (active ? PTE_VALID : PTE_TRANSITION),
          "an active frame's PTE is valid, a listed one's in transition (0x1A/0x403)", frame, page);
    HOLDS(sim, pte_frame(entry) == frame, "the PTE names the frame (0x1A/0x411)", frame, page);
    HOLDS(sim, !active || !(entry & PTE_BIT_WRITABLE) || (word & PFN_MODIFIED_BIT),
          "a page mapped writable is modified", frame, page);
    HOLDS(sim,
          active ? !(entry & PTE_BIT_WRITE) == (pfn_protection(word) != PROTECTION_READ_WRITE)
                 : pte_protection(entry) == pfn_protection(word),
          "PTE and frame agree about the protection", frame, page);
}

static void look_at_frame(struct sim *sim, frame_number frame)
{
    struct engine *engine = sim->assembly.engine;
    pfn_word word = pfn_load(frame_pfn(engine, frame));

    if (!frame_unlocked(engine, frame))
        return;
    switch (pfn_state(word)) {
    case PFN_ACTIVE:
    case PFN_STANDBY:
    case PFN_MODIFIED:
        look_at_owned(sim, frame, word);
        break;
    case PFN_TRANSITION:
        HOLDS(sim, pfn_references(word) > 0 || (word & (PFN_READING | PFN_GIVING_UP | PFN_DELETED)),
              "a frame in flight is held by somebody", frame, PAGE_NONE);
        HOLDS(sim, unlisted(sim, frame), "a frame in flight is on no list", frame, PAGE_NONE);
        break;
    case PFN_FREE:
    case PFN_ZEROED:
    case PFN_BAD:
        HOLDS(sim, pfn_pins(word) == 0 && !(word & (PFN_WRITING | PFN_READING)),
              "a frame without owner has no pins and no I/O", frame, PAGE_NONE);
        break;
    default:
        broken(sim, "a frame has a state of the table", frame, PAGE_NONE);
    }
}

/* ---- pages ---- */

static void look_at_page(struct sim *sim, page_number page)
{
    struct engine *engine = sim->assembly.engine;
    pte_word entry = pte_load(&engine->ptes[page]);
    enum pte_form form = pte_form(entry);
    frame_number frame = pte_frame(entry);
    struct pfn *pfn;

    if (form == PTE_PAGE_FILE)
        claim_slot(sim, pte_slot(entry), FRAME_NONE, page);
    if (form != PTE_VALID && form != PTE_TRANSITION)
        return;
    HOLDS(sim, frame < engine->config.frames, "a PTE names a frame (0x1A/0x402)", FRAME_NONE, page);
    pfn = frame_pfn(engine, frame);
    if (!frame_unlocked(engine, frame))
        return;
    HOLDS(sim, PFN_FIELD(pfn, page) == page, "the frame a PTE names points back (0x1A/0x404)",
          frame, page);
    HOLDS(sim, (pfn_state(pfn_load(pfn)) == PFN_ACTIVE) == (form == PTE_VALID),
          "a valid PTE's frame is active, a transition PTE's is not", frame, page);
}

/* Returns how many pages are resident; 0 where somebody has the region locked. */
static uint32_t look_at_region(struct sim *sim, uint32_t region)
{
    struct engine *engine = sim->assembly.engine;
    page_number first = region << engine->region_shift;
    page_number end = MIN_OF(first + engine->config.region_ptes, engine->config.pages);
    uint32_t resident = 0;

    if (PFN_FIELD(&engine->regions[region], lock) != 0)
        return 0;
    for (page_number page = first; page < end; page++) {
        look_at_page(sim, page);
        resident += pte_form(pte_load(&engine->ptes[page])) == PTE_VALID;
    }
    HOLDS(sim, resident == PFN_FIELD(&engine->regions[region], resident),
          "a region's resident count is right", FRAME_NONE, first);
    return resident;
}

/* ---- slots on the move ---- */

/* After all that names a slot was looked at. What somebody has locked is left out, as everywhere. */
static void look_at_moves(struct sim *sim, const struct slot_area *area)
{
    struct engine *engine = sim->assembly.engine;
    uint32_t moving = 0;

    if (PFN_FIELD(area, lock) != 0)
        return;
    for (slot_number slot = area->first; slot < area->first + area->count; slot++) {
        uint64_t marks = PFN_FIELD(engine, slot_owners[slot - 1]) & SLOT_OWNER_MARKS;
        page_number page = slot_owner_page(slots_owner(engine, slot));

        moving += (marks & SLOT_OWNER_MOVING) != 0;
        HOLDS(sim, marks == 0 || slots_in_use(engine, slot), "a slot that is being moved is in use",
              FRAME_NONE, page);
        HOLDS(sim, marks != SLOT_OWNER_GIVEN_BACK, "only a slot that is being moved is freed later",
              FRAME_NONE, page);
        HOLDS(sim, !(marks & SLOT_OWNER_GIVEN_BACK) || sim->invariants->slot_owner[slot] == NOBODY,
              "nobody names a slot that was given back", FRAME_NONE, page);
    }
    HOLDS(sim, moving == PFN_FIELD(area, moving), "an area counts the slots that are being moved",
          FRAME_NONE, PAGE_NONE);
}

/* ---- the look ---- */

static void look_at_everything(struct sim *sim)
{
    struct engine *engine = sim->assembly.engine;
    uint64_t resident = 0;

    memset(sim->invariants->slot_owner, 0xff,
           ((size_t)engine->config.slots + 1) * sizeof(*sim->invariants->slot_owner));
    look_at_lists(sim);
    for (frame_number frame = 0; frame < engine->config.frames; frame++)
        look_at_frame(sim, frame);
    for (uint32_t region = 0; region < engine->region_count; region++)
        resident += look_at_region(sim, region);
    for (uint32_t i = 0; i < engine->slot_area_count; i++)
        look_at_moves(sim, &engine->slot_areas[i]);
    HOLDS(sim, resident <= engine->config.frames, "no more pages are resident than frames",
          FRAME_NONE, PAGE_NONE);
}

/* The next few of each, round and round. */
static void look_at_part(struct sim *sim)
{
    struct engine *engine = sim->assembly.engine;
    struct invariants *own = sim->invariants;

    for (uint32_t i = 0; i < MIN_OF(PART_FRAMES, engine->config.frames); i++) {
        own->frame_hand = (own->frame_hand + 1) % engine->config.frames;
        look_at_frame(sim, own->frame_hand);
    }
    for (uint32_t i = 0; i < MIN_OF(PART_REGIONS, engine->region_count); i++) {
        own->region_hand = (own->region_hand + 1) % engine->region_count;
        look_at_region(sim, own->region_hand);
    }
}

void invariants_look(struct sim *sim)
{
    struct engine *engine = sim->assembly.engine;

    sim->invariants->walked = 0;
    sim->invariants->whole = sim->invariants->looks++ % WHOLE_EVERY == 0;
    if (sim->invariants->whole)
        look_at_everything(sim);
    else
        look_at_part(sim);
    if (PFN_FIELD(engine, space_lock) == 0) {
        HOLDS(sim, PFN_FIELD(engine, charge) <= PFN_FIELD(engine, commit_limit),
              "the commit charge is within its limit", FRAME_NONE, PAGE_NONE);
        HOLDS(sim,
              PFN_FIELD(engine, commit_limit) ==
                  (uint64_t)frames_in_service(engine) + engine_slots(engine) -
                      (engine_slots(engine) == 0 ? 0 : engine_reserve(engine->config.frames)),
              "the commit limit is frames + slots - reserve", FRAME_NONE, PAGE_NONE);
    }
}

/* ---- the audit ---- */

static void complain(void *context, const struct audit_complaint *complaint)
{
    (void)context;
    fibers_fail("audit: %s; frame %d page %d slot %d: expected %" PRIu64 ", found %" PRIu64,
                complaint->what, (int)complaint->frame, (int)complaint->page, (int)complaint->slot,
                complaint->expected, complaint->found);
}

/* The right that the engine keeps for a page, in whatever form it is. */
static uint8_t right_of_page(struct engine *engine, page_number page)
{
    pte_word entry = pte_load(&engine->ptes[page]);
    enum protection protection;

    if (pte_form(entry) == PTE_ZERO)
        protection = space_inherited(engine, page);
    else if (pte_form(entry) == PTE_VALID)
        protection = (enum protection)pfn_protection(pfn_load(frame_pfn(engine, pte_frame(entry))));
    else
        protection = pte_protection(entry);
    return protection == PROTECTION_DECOMMIT ? RIGHT_NONE : oracle_right_of(protection);
}

/* Pages are committed, and may be read and written, as the oracle has it. */
static void audit_rights(struct sim *sim)
{
    for (page_number page = 0; page < sim->oracle.page_count; page++)
        HOLDS(sim,
              (sim->oracle.pages[page].rights & right_of_page(sim->assembly.engine, page)) != 0,
              "a page has the rights that were asked for", FRAME_NONE, page);
}

void invariants_audit(struct sim *sim)
{
    struct audit_result result;

    sim->invariants->looks = 0; /* at everything */
    invariants_look(sim);
    engine_audit(sim->assembly.engine, complain, sim, &result);
    sim->result->checks += result.checks;
    audit_rights(sim);
}
