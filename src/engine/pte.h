/*
 * pte.h - the six forms of a page-table entry, in one 64-bit word, after Windows x64.
 *
 *   valid        bit 0; 1 writable in the machine (Dirty1), 6 dirty, 11 may be written,
 *                12..51 frame, 52..59 the policy's register (Windows keeps the age there)
 *   transition   bit 11; 5..9 protection, 12..51 frame that still holds the page
 *   page-file    5..9 protection, 12..31 when it lost its frame (refault.h), 32..63 slot (never 0)
 *   demand-zero  5..9 protection and nothing else
 *   decommitted  protection 0x10 and nothing else
 *   all zero     nothing recorded here: ask the VAD
 *
 * A PTE changes by one 64-bit store. Valid <-> anything only under the region lock; a transition
 * PTE may also be rewritten by the holder of the lock of the frame it names (docs/races.md, R2).
 */
#ifndef MM_ENGINE_PTE_H
#define MM_ENGINE_PTE_H

#include "base/types.h"

#include <stdatomic.h>

typedef uint64_t pte_word;
typedef _Atomic uint64_t pte;

enum pte_form {
    PTE_ZERO,
    PTE_DEMAND_ZERO,
    PTE_DECOMMITTED,
    PTE_PAGE_FILE,
    PTE_TRANSITION,
    PTE_VALID,
    PTE_FORMS
};

/* Windows' 5-bit software protection, as far as it is used. */
enum protection {
    PROTECTION_READ_ONLY = 0x01,
    PROTECTION_READ_WRITE = 0x04,
    PROTECTION_DECOMMIT = 0x10,
    PROTECTION_NO_ACCESS = 0x18
};

#define PTE_BIT_VALID        ((pte_word)1 << 0)
#define PTE_BIT_WRITABLE     ((pte_word)1 << 1)
#define PTE_BIT_DIRTY        ((pte_word)1 << 6)
#define PTE_BIT_WRITE        ((pte_word)1 << 11)
#define PTE_BIT_TRANSITION   ((pte_word)1 << 11)
#define PTE_PROTECTION_SHIFT 5
#define PTE_PROTECTION_MASK  ((pte_word)0x1f << PTE_PROTECTION_SHIFT)
#define PTE_FRAME_SHIFT      12
#define PTE_REGISTER_SHIFT   52
#define PTE_STAMP_SHIFT      12
#define PTE_STAMP_MAX        0xfffffu
#define PTE_SLOT_SHIFT       32

static inline enum pte_form pte_form(pte_word word)
{
    if (word & PTE_BIT_VALID) {
        return PTE_VALID;
    }
    if (word == 0) {
        return PTE_ZERO;
    }
    if (word & PTE_BIT_TRANSITION) {
        return PTE_TRANSITION;
    }
    if (word >> PTE_SLOT_SHIFT) {
        return PTE_PAGE_FILE;
    }
    return word == (pte_word)PROTECTION_DECOMMIT << PTE_PROTECTION_SHIFT ? PTE_DECOMMITTED
                                                                         : PTE_DEMAND_ZERO;
}

static inline bool pte_names_frame(pte_word word)
{
    return pte_form(word) == PTE_VALID || pte_form(word) == PTE_TRANSITION;
}

static inline frame_number pte_frame(pte_word word)
{
    return (frame_number)(word >> PTE_FRAME_SHIFT); /* 32 of the 40 bits are used */
}

static inline slot_number pte_slot(pte_word word)
{
    return (slot_number)(word >> PTE_SLOT_SHIFT);
}

/* Of every form but valid. */
static inline enum protection pte_protection(pte_word word)
{
    return (enum protection)((word & PTE_PROTECTION_MASK) >> PTE_PROTECTION_SHIFT);
}

static inline uint8_t pte_register(pte_word word)
{
    return (uint8_t)(word >> PTE_REGISTER_SHIFT);
}

static inline pte_word pte_with_register(pte_word word, uint8_t value)
{
    return (word & ~((pte_word)0xff << PTE_REGISTER_SHIFT)) | (pte_word)value << PTE_REGISTER_SHIFT;
}

static inline pte_word pte_make_valid(frame_number frame, enum protection protection, bool writable,
                                      uint8_t policy_register)
{
    return PTE_BIT_VALID | (writable ? PTE_BIT_WRITABLE | PTE_BIT_DIRTY : 0) |
           (protection == PROTECTION_READ_WRITE ? PTE_BIT_WRITE : 0) |
           (pte_word)frame << PTE_FRAME_SHIFT | (pte_word)policy_register << PTE_REGISTER_SHIFT;
}

static inline pte_word pte_make_transition(frame_number frame, enum protection protection)
{
    return PTE_BIT_TRANSITION | (pte_word)protection << PTE_PROTECTION_SHIFT |
           (pte_word)frame << PTE_FRAME_SHIFT;
}

/* Page-file form, or demand-zero where there is no slot. */
static inline pte_word pte_make_software(enum protection protection, slot_number slot)
{
    return (pte_word)protection << PTE_PROTECTION_SHIFT | (pte_word)slot << PTE_SLOT_SHIFT;
}

/* Of the page-file form; 0: none. */
static inline uint32_t pte_stamp(pte_word word)
{
    return (uint32_t)(word >> PTE_STAMP_SHIFT) & PTE_STAMP_MAX;
}

static inline pte_word pte_with_stamp(pte_word word, uint32_t stamp)
{
    return (word & ~((pte_word)PTE_STAMP_MAX << PTE_STAMP_SHIFT)) | (pte_word)stamp
                                                                        << PTE_STAMP_SHIFT;
}

#define PTE_WORD_DECOMMITTED ((pte_word)PROTECTION_DECOMMIT << PTE_PROTECTION_SHIFT)

/* One snapshot; decide on the copy. */
static inline pte_word pte_load(const pte *entry)
{
    return atomic_load_explicit((pte *)(uintptr_t)entry, memory_order_acquire);
}

/*
 * X(from, to, why): every change of form that is legal; a change within a form always is. Checked
 * builds look at each store.
 */
#define PTE_MOVES(X)                                                                               \
    X(ZERO, VALID, "first touch")                                                                  \
    X(ZERO, DEMAND_ZERO, "commit or protect of a part of a region")                                \
    X(ZERO, DECOMMITTED, "decommit")                                                               \
    X(DEMAND_ZERO, VALID, "first touch")                                                           \
    X(DEMAND_ZERO, DECOMMITTED, "decommit")                                                        \
    X(DECOMMITTED, DEMAND_ZERO, "commit")                                                          \
    X(DECOMMITTED, ZERO, "release")                                                                \
    X(PAGE_FILE, TRANSITION, "page-in begins")                                                     \
    X(PAGE_FILE, DECOMMITTED, "decommit")                                                          \
    X(TRANSITION, VALID, "rescue, or page-in complete")                                            \
    X(TRANSITION, PAGE_FILE, "repurposed, or page-in failed or dismissed")                         \
    X(TRANSITION, DEMAND_ZERO, "repurposed, and never written")                                    \
    X(TRANSITION, DECOMMITTED, "decommit")                                                         \
    X(VALID, TRANSITION, "trim, or a right taken away")                                            \
    X(VALID, DECOMMITTED, "decommit")

struct pte_move_row {
    enum pte_form from, to;
    const char *name, *why;
};

#define X(from, to, why) +1
enum { PTE_MOVE_COUNT = PTE_MOVES(X) };
#undef X
extern const struct pte_move_row pte_move_table[PTE_MOVE_COUNT];

/* In pte.c: may a PTE go from the one form to the other? */
bool pte_move_legal(enum pte_form from, enum pte_form to);
#ifdef MM_CHECKED
/*
 * The changes of form that were made in this process so far, a bit for each: tests have to make
 * them all. No point of a simulation, and after its first time a change costs a load.
 */
extern uint64_t pte_moves_made;
static inline uint64_t pte_move_bit(enum pte_form from, enum pte_form to)
{
    return (uint64_t)1 << (from * PTE_FORMS + to);
}
void pte_move_check(const pte *entry, pte_word word);
#else
static inline void pte_move_check(const pte *entry, pte_word word)
{
    (void)entry, (void)word;
}
#endif

static inline void pte_store(pte *entry, pte_word word)
{
    pte_move_check(entry, word);
    atomic_store_explicit(entry, word, memory_order_release);
}

#endif
