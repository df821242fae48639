/*
 * select.c - which planted bug is alive in a program of the mutants' build: MEMMAN_MUTANT says it,
 * before main() begins. Unset or empty: none, and the program is healthy.
 */
#include "base/mutant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum mutant mutant_active;

static const char *const names[MUTANT_COUNT] = {
    [MUTANT_NONE] = "",
#define X(name, hint, breaks, what) [MUTANT_##name] = #name,
#include "base/mutants.def"
#undef X
};

__attribute__((constructor)) static void select_mutant(void)
{
    const char *wanted = getenv("MEMMAN_MUTANT");

    for (unsigned i = 0; wanted != NULL && i < MUTANT_COUNT; i++) {
        if (strcmp(wanted, names[i]) == 0) {
            mutant_active = (enum mutant)i;
            return;
        }
    }
    if (wanted != NULL) {
        fprintf(stderr, "MEMMAN_MUTANT: there is no '%s'; src/base/mutants.def lists them\n",
                wanted);
        exit(2);
    }
}
