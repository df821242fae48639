/*
 * policy.h - contract: whom to trim. Numbers in, wishes out; the engine checks every wish.
 *
 * Each resident page has an 8-bit register that only the policy interprets; it is kept in the
 * valid PTE where Windows keeps the age. Pure functions: no state of their own, any thread.
 */
#ifndef MM_CONTRACT_POLICY_H
#define MM_CONTRACT_POLICY_H

#include "base/types.h"

/* How a page came into the working set. */
enum policy_birth { POLICY_DEMAND_ZERO, POLICY_HARD, POLICY_RESCUE };

struct policy {
    const char *name;
    const char *caption;
    /* The register of a page that has just become active. */
    uint8_t (*birth)(enum policy_birth how);
    /*
     * One look at `count` resident pages in address order. `accessed` says which were used since
     * the last look (all false where the machine has no accessed bits). Updates the
     * registers; marks at most `wanted` victims. `pass` is 0 at first and grows while the goal of
     * the trim is not met: at POLICY_PASS_LAST every page may be taken. The passes of one trim are
     * one look: registers age in pass 0 only, and `accessed` is all false in the others.
     * Returns the number of victims.
     */
    uint32_t (*choose)(uint32_t count, uint8_t *registers, const bool *accessed, uint32_t wanted,
                       unsigned pass, bool *ret_victim);
};

#define POLICY_PASS_LAST 2u

extern const struct policy policy_aging_register;
extern const struct policy policy_fifo;

#endif
