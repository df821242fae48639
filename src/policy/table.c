/*
 * table.c - every policy that the engine can be given, by name.
 */
#include "contract/policy.h"

#include <string.h>

const struct policy *const policies[] = {
    &policy_aging,       &policy_age,     &policy_clock,     &policy_fifo, &policy_segmented_fifo,
    &policy_generations, &policy_clock2q, &policy_two_queue, NULL,
};

const struct policy *policy_find(const char *name)
{
    for (const struct policy *const *policy = policies; *policy != NULL; policy++) {
        if (strcmp((*policy)->name, name) == 0)
            return *policy;
    }
    return NULL;
}
