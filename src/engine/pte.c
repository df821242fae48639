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

bool pte_move_legal(enum pte_form from, enum pte_form to)
{
    return from == to || legal[from][to];
}

#ifdef MM_CHECKED
/* Whoever stores holds the lock that the change needs, so the word cannot change under us. */
void pte_move_check(const pte *entry, pte_word word)
{
    AUDIT(pte_move_legal(pte_form(pte_load(entry)), pte_form(word)));
}
#endif
