/*
 * pte.c - which changes of a PTE's form are legal.
 */
#include "engine/pte.h"

#include "engine/lock.h"

static const bool legal[PTE_FORMS][PTE_FORMS] = {
#define X(from, to, why) [PTE_##from][PTE_##to] = true,
    PTE_MOVES(X)
#undef X
};

const struct pte_move_row pte_move_table[PTE_MOVE_COUNT] = {
#define X(from, to, why) {PTE_##from, PTE_##to, #from " to " #to, why},
    PTE_MOVES(X)
#undef X
};

bool pte_move_legal(enum pte_form from, enum pte_form to)
{
    return from == to || legal[from][to];
}

#ifdef MM_CHECKED
_Static_assert(PTE_FORMS *PTE_FORMS <= 64, "a bit for each change of form");
uint64_t pte_moves_made;

/* Whoever stores holds the lock that the change needs, so the word cannot change under us. */
void pte_move_check(const pte *entry, pte_word word)
{
    enum pte_form from = pte_form(pte_load(entry)), to = pte_form(word);
    uint64_t bit = pte_move_bit(from, to);
    AUDIT(pte_move_legal(from, to));
    if ((__atomic_load_n(&pte_moves_made, __ATOMIC_RELAXED) & bit) == 0) {
        __atomic_fetch_or(&pte_moves_made, bit, __ATOMIC_RELAXED);
    }
}
#endif
