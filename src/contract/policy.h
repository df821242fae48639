/*
 * policy.h - contract: whom to trim. Numbers in, wishes out; the engine checks every wish.
 *
 * Each resident page has an 8-bit register that only the policy interprets; it is kept in the
 * valid PTE where Windows keeps the age. Pure functions: no state of their own, any thread. A page
 * that was read in beside the one that was touched is born with a register of 0.
 */
#ifndef MM_CONTRACT_POLICY_H
#define MM_CONTRACT_POLICY_H

#include "base/types.h"

/* How a page came into the working set. */
enum policy_birth { POLICY_DEMAND_ZERO, POLICY_HARD, POLICY_RESCUE };

/* One look at some resident pages, those of a region in address order. */
struct policy_look {
    uint32_t count;       /* less than 65,536 */
    uint32_t wanted;      /* victims, at most */
    unsigned pass;        /* 0 at first; grows while the goal of the trim is not met */
    uint8_t *registers;   /* updated by the look */
    const bool *accessed; /* used since the last look; all false without accessed bits */
    const bool *modified; /* may have to be written before its frame can be had */
    bool *ret_victim;
};

struct policy {
    const char *name;
    const char *caption;
    /* Of the frames, how many per cent its trims keep available; 0: it is all the same to it. */
    uint32_t standby_percent;
    /* The register of a page that has just become active. */
    uint8_t (*birth)(enum policy_birth how);
    /*
     * Updates the registers and marks the victims: at POLICY_PASS_LAST every page may be taken. The
     * passes of one trim are one look: registers age in pass 0 only, and `accessed` is all false in
     * the others. Returns the number of victims.
     */
    uint32_t (*choose)(const struct policy_look *look);
};

#define POLICY_PASS_LAST 2u

extern const struct policy policy_aging;
extern const struct policy policy_age;
extern const struct policy policy_clock;
extern const struct policy policy_fifo;
extern const struct policy policy_segmented_fifo;
extern const struct policy policy_generations;
extern const struct policy policy_clock2q;
extern const struct policy policy_two_queue;

/* All of them, the first is the default where there are accessed bits. NULL behind the last. */
extern const struct policy *const policies[];
/* NULL: there is none of that name. */
const struct policy *policy_find(const char *name);

#endif
