/*
 * mutant.h - planted bugs, for the tests that prove that the tests are not blind.
 *
 * mutants.def lists them. Where one would be, the code asks MUTANT(NAME). In what ships that is a
 * constant, false, of which no code is left. The mutants' build (MM_MUTANTS) has all of them; which
 * one is alive is said in the environment, MEMMAN_MUTANT=NAME (test/mutants/select.c).
 */
#ifndef MM_BASE_MUTANT_H
#define MM_BASE_MUTANT_H

#include "base/types.h"

enum mutant {
    MUTANT_NONE,
#define X(name, hint, breaks, what) MUTANT_##name,
#include "base/mutants.def"
#undef X
    MUTANT_COUNT
};

#ifdef MM_MUTANTS
extern enum mutant mutant_active; /* set before main() */
#define MUTANT(name) UNLIKELY(mutant_active == MUTANT_##name)
#elif defined(MM_TEST)
/* A test is compiled once, for what ships and for the mutants' build. */
bool mutant_in_a_test(void) __attribute__((error("a test must not depend on a planted bug")));
#define MUTANT(name) mutant_in_a_test()
#else
#define MUTANT(name) (MUTANT_##name == MUTANT_NONE)
#endif

#endif
