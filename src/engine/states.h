/*
 * states.h - the states of a frame and every legal move between them: one table.
 *
 * From it come the enums, the names, the check of each move in checked builds, the move counters,
 * `memman states` and the picture in the docs. State values are Windows' _MMLISTS (4, modified
 * without write, has no use here and stays free).
 *
 * Two different things are called transition, as in Windows: the frame's state 7 (in flight, on no
 * list) and the format of a PTE (the frame still holds the page and can be rescued).
 */
#ifndef MM_ENGINE_STATES_H
#define MM_ENGINE_STATES_H

#include "base/types.h"

/* X(name, value, meaning, list) */
#define PFN_STATES(X)                                                                              \
    X(ZEROED, 0, "nobody owns it, its bytes are zeros", "zeroed")                                  \
    X(FREE, 1, "nobody owns it, its bytes are somebody's old ones", "free")                        \
    X(STANDBY, 2, "left the working set; its content is also in its slot (or all zeros)",          \
      "standby 0..7")                                                                              \
    X(MODIFIED, 3, "left the working set; must be written before it can be reused", "modified")    \
    X(BAD, 5, "taken out of service", "bad")                                                       \
    X(ACTIVE, 6, "in the working set, mapped by a valid PTE", "none")                              \
    X(TRANSITION, 7, "in flight: being read, written, trimmed or given up", "none")

/* X(why, from, to, meaning, locks) */
#define PFN_MOVES(X)                                                                               \
    X(ZERO, FREE, ZEROED, "a zero thread or the faulting thread cleared it",                       \
      "none: only the taker knows the frame")                                                      \
    X(DEMAND_ZERO, ZEROED, ACTIVE, "first touch", "region")                                        \
    X(READ_START, FREE, TRANSITION, "hard fault: the read begins", "region")                       \
    X(READ_START_ZEROED, ZEROED, TRANSITION, "hard fault into a zeroed frame", "region")           \
    X(READ_DONE, TRANSITION, ACTIVE, "hard fault: the read is complete", "region, page")           \
    X(READ_AHEAD, TRANSITION, STANDBY, "read ahead: the content is complete",                      \
      "region, page, list")                                                                        \
    X(READ_FAIL, TRANSITION, FREE, "the read failed: in-page error", "region, page")               \
    X(READ_DISMISS, TRANSITION, FREE, "the PTE changed during the read", "region, page")           \
    X(TRIM, ACTIVE, TRANSITION, "removed from the working set, not yet unmapped", "region, page")  \
    X(TRIM_CLEAN, TRANSITION, STANDBY, "unmapped, and the slot is valid (or never written)",       \
      "page, list")                                                                                \
    X(TRIM_DIRTY, TRANSITION, MODIFIED, "unmapped, and written since it was read", "page, list")   \
    X(RESCUE_STANDBY, STANDBY, ACTIVE, "transition fault", "region, page, list")                   \
    X(RESCUE_MODIFIED, MODIFIED, ACTIVE, "transition fault", "region, page, list")                 \
    X(RESCUE_IN_FLIGHT, TRANSITION, ACTIVE, "transition fault while being trimmed or written",     \
      "region, page")                                                                              \
    X(WRITE_START, MODIFIED, TRANSITION, "taken by the modified writer", "list, page (try)")       \
    X(WRITE_DONE, TRANSITION, STANDBY, "written", "page, list")                                    \
    X(WRITE_FAIL, TRANSITION, MODIFIED, "the write failed", "page, list")                          \
    X(WRITE_AGAIN, TRANSITION, MODIFIED, "rescued, written and trimmed during the write",          \
      "page, list")                                                                                \
    X(REPURPOSE_START, STANDBY, TRANSITION, "taken for somebody else", "list, page (try)")         \
    X(REPURPOSE, TRANSITION, FREE, "the owner's PTE has its slot back", "page")                    \
    X(DELETE_ACTIVE, ACTIVE, TRANSITION, "decommitted, not yet unmapped", "region, page")          \
    X(DELETE_STANDBY, STANDBY, TRANSITION, "decommitted", "region, page, list")                    \
    X(DELETE_MODIFIED, MODIFIED, TRANSITION, "decommitted", "region, page, list")                  \
    X(DELETED, TRANSITION, FREE, "decommitted, and the last holder let go", "page, list")          \
    X(RETIRE, FREE, BAD, "taken out of service", "none: only the taker knows the frame")           \
    X(RETIRE_ZEROED, ZEROED, BAD, "taken out of service", "none: only the taker knows the frame")

enum pfn_state {
#define X(name, value, meaning, list) PFN_##name = value,
    PFN_STATES(X)
#undef X
        PFN_STATE_LIMIT = 8
};

enum move_why {
#define X(why, from, to, meaning, locks) WHY_##why,
    PFN_MOVES(X)
#undef X
        WHY_COUNT
};

struct state_row {
    const char *name, *meaning, *list;
    enum pfn_state value;
};

struct move_row {
    const char *why, *meaning, *locks;
    enum pfn_state from, to;
};

#define STATE_COUNT 7
extern const struct state_row state_table[STATE_COUNT];
extern const struct move_row move_table[WHY_COUNT];

/* The state's name; "?" for a value that is none. */
const char *state_name(unsigned value);

#endif
