/*
 * trace.c - the life of one page or one frame in a simulated world, move by move.
 */
#include "sim/trace.h"

#include "sim/sim.h"

#include <inttypes.h>

static void line_begin(const struct trace *trace)
{
    fprintf(trace->file, "%9" PRIu64 " %10.3f us  %-10s %2u  ", fibers_steps(),
            (double)world_now_ns() / 1000, fibers_name(), fibers_self());
}

/* ---- a PTE ---- */

static const char *protection_name(unsigned protection)
{
    return protection == PROTECTION_READ_WRITE  ? "read-write"
           : protection == PROTECTION_READ_ONLY ? "read-only"
                                                : "no access";
}

static void print_pte(const struct trace *trace, pte_word entry)
{
    FILE *file = trace->file;

    switch (pte_form(entry)) {
    case PTE_VALID:
        fprintf(file, "valid, frame %u%s%s", pte_frame(entry),
                entry & PTE_BIT_WRITE ? "" : ", read-only",
                entry & PTE_BIT_WRITABLE ? ", mapped writable" : "");
        break;
    case PTE_TRANSITION:
        fprintf(file, "transition, frame %u, %s", pte_frame(entry),
                protection_name(pte_protection(entry)));
        break;
    case PTE_PAGE_FILE:
        fprintf(file, "page file, slot %u, %s", pte_slot(entry),
                protection_name(pte_protection(entry)));
        break;
    case PTE_DEMAND_ZERO:
        fprintf(file, "demand-zero, %s", protection_name(pte_protection(entry)));
        break;
    case PTE_DECOMMITTED:
        fprintf(file, "decommitted");
        break;
    case PTE_ZERO:
    default:
        fprintf(file, "all zero");
        break;
    }
}

/* The policy's register alone is no change worth a line. */
static void look_at_pte(struct trace *trace, struct sim *sim, page_number page)
{
    pte_word entry = pte_load(&sim->assembly.engine->ptes[page]);
    pte_word shown = pte_form(entry) == PTE_VALID ? pte_with_register(entry, 0) : entry;

    if (trace->begun && shown == trace->entry)
        return;
    line_begin(trace);
    fprintf(trace->file, "PTE of page %u: ", page);
    if (trace->begun) {
        print_pte(trace, trace->entry);
        fprintf(trace->file, " -> ");
    }
    print_pte(trace, shown);
    fputc('\n', trace->file);
    trace->entry = shown;
}

/* ---- a frame ---- */

/* The oldest remembered move after `after` of the frame traced, or of a frame of the page traced. */
static const struct move_record *next_move(const struct trace *trace, const struct engine *engine,
                                           uint64_t after)
{
    const struct move_record *best = NULL;

    for (uint32_t t = 0; t < engine->config.threads; t++) {
        for (unsigned i = 0; i < MOVE_RING; i++) {
            const struct move_record *record = &engine->threads[t].ring[i];

            if (record->sequence > after &&
                (trace->of_frame ? record->frame : record->page) == trace->number &&
                (best == NULL || record->sequence < best->sequence))
                best = record;
        }
    }
    return best;
}

/* A record is complete some points after its number was drawn: only what was printed is done with. */
static void take_moves(struct trace *trace, struct sim *sim)
{
    const struct engine *engine = sim->assembly.engine;
    const struct move_record *record;

    while ((record = next_move(trace, engine, trace->moves)) != NULL) {
        const struct move_row *row = &move_table[record->why];

        line_begin(trace);
        fprintf(trace->file, "frame %u: %s -> %s  %s (%s)\n", record->frame, state_name(row->from),
                state_name(row->to), row->why, row->meaning);
        trace->moves = record->sequence;
    }
}

static void print_flags(FILE *file, pfn_word word)
{
    fprintf(file, "%s%s%s%s%s references %u pins %u", word & PFN_MODIFIED_BIT ? " modified" : "",
            word & PFN_WRITING ? " writing" : "", word & PFN_READING ? " reading" : "",
            word & PFN_GIVING_UP ? " given up" : "", word & PFN_DELETED ? " deleted" : "",
            pfn_references(word), pfn_pins(word));
}

static void look_at_words(struct trace *trace, struct sim *sim, frame_number frame)
{
    const pfn_word shown = ~(PFN_STATE_MASK | ~(pfn_word)0 << PFN_GENERATION_SHIFT);
    struct pfn *pfn = frame_pfn(sim->assembly.engine, frame);
    pfn_word word = pfn_load(pfn);
    uint32_t page = PFN_FIELD(pfn, page), slot = PFN_FIELD(pfn, slot);

    if (trace->begun && (word & shown) == (trace->word & shown) && page == trace->page &&
        slot == trace->slot)
        return;
    line_begin(trace);
    fprintf(trace->file, "frame %u: %s", frame, state_name(pfn_state(word)));
    if (page == PAGE_NONE)
        fprintf(trace->file, ", no page");
    else
        fprintf(trace->file, ", page %u slot %u", page, slot);
    print_flags(trace->file, word);
    fputc('\n', trace->file);
    trace->word = word;
    trace->page = page;
    trace->slot = slot;
}

void trace_look(struct trace *trace, struct sim *sim)
{
    struct engine *engine = sim->assembly.engine;
    frame_number frame = trace->number;

    take_moves(trace, sim);
    if (trace->of_frame) {
        look_at_words(trace, sim, frame);
    } else {
        look_at_pte(trace, sim, trace->number);
        if (pte_form(trace->entry) == PTE_VALID || pte_form(trace->entry) == PTE_TRANSITION) {
            frame = pte_frame(trace->entry);
            if (frame < engine->config.frames)
                look_at_words(trace, sim, frame);
        }
    }
    trace->begun = true;
}
