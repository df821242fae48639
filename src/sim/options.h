/*
 * options.h - what one simulated world is made of: one table that drawing, the command line, JSON,
 * shrinking and "repeat with" read.
 *
 * A value is drawn from the seed unless it was given. Names are those of `memman run` where it has
 * the option. Sizes are kept in pages.
 */
#ifndef MM_SIM_OPTIONS_H
#define MM_SIM_OPTIONS_H

#include "base/types.h"

#define SIM_THREADS_MAX   16u
#define SIM_ACCESSORS_MAX 256u /* --cpus: user threads */

enum sim_kind { SIM_NUMBER, SIM_SIZE, SIM_POWER, SIM_CHOICE };

/*
 * X(id, name, kind, least, most, simplest, choices, help): `simplest` is what --shrink tries first.
 */
#define SIM_OPTIONS(X)                                                                             \
    X(FRAMES, "frames", SIM_SIZE, 1, 4096, 1, NULL, "physical memory")                             \
    X(MEMORY, "memory", SIM_SIZE, 1, 65536, 1, NULL, "virtual memory")                             \
    X(PAGEFILE, "pagefile", SIM_SIZE, 0, 65536, 0, NULL, "page file; 0 for none")                  \
    X(REGIONS, "regions", SIM_NUMBER, 1, 16, 1, NULL, "reserved regions of the memory")            \
    X(THREADS, "threads", SIM_NUMBER, 1, SIM_THREADS_MAX, 1, NULL, "user threads")                 \
    X(OPERATIONS, "operations", SIM_NUMBER, 0, 1000000, 0, NULL,                                   \
      "operations of each user before the faults end")                                             \
    X(STEPS, "steps", SIM_NUMBER, 1, 1000000000, 1, NULL, "steps before the faults end")           \
    X(PAUSES, "pauses", SIM_NUMBER, 1, 64, 1, NULL, "full audits on the way")                      \
    X(WORKLOAD, "workload", SIM_CHOICE, 0, 2, 0, "uniform|zipf|sequential",                        \
      "which pages are used")                                                                      \
    X(SHARED, "shared", SIM_NUMBER, 0, 100, 100, NULL,                                             \
      "percent of the accesses to any page, not to one's own part")                                \
    X(POLICY, "policy", SIM_CHOICE, 0, 7, 3, /* as policies[] */                                   \
      "aging|age|clock|fifo|segfifo|mglru|clock2q|2q", "which pages are trimmed")                  \
    X(TRIMMERS, "trimmers", SIM_NUMBER, 1, 8, 1, NULL, "threads that trim")                        \
    X(WRITERS, "writers", SIM_NUMBER, 1, 8, 1, NULL, "threads that write modified pages")          \
    X(ZEROERS, "zeroers", SIM_NUMBER, 0, 8, 0, NULL, "threads that zero free frames")              \
    X(BALANCERS, "balancers", SIM_NUMBER, 0, 8, 0, NULL, "threads that watch over the balance")    \
    X(GROWERS, "growers", SIM_NUMBER, 0, 8, 0, NULL, "threads that extend the page file")          \
    X(DEFRAGMENTERS, "defragmenters", SIM_NUMBER, 0, 8, 0, NULL, "threads that move slots")        \
    X(PREFETCHERS, "prefetchers", SIM_NUMBER, 0, 8, 0, NULL, "threads that read ahead")            \
    X(TRIM_BATCH, "trim-batch", SIM_NUMBER, 1, 512, 1, NULL, "pages per unmap")                    \
    X(WRITE_BATCH, "write-batch", SIM_NUMBER, 1, 512, 1, NULL, "pages per round of the writer")    \
    X(REGION_PTES, "region-ptes", SIM_POWER, 1, 512, 1, NULL, "PTEs under one lock")               \
    X(FRAME_CACHE, "frame-cache", SIM_NUMBER, 0, 63, 0, NULL, "free frames kept per thread")       \
    X(FAULT_AROUND, "fault-around", SIM_POWER, 1, 64, 1, NULL,                                     \
      "pages looked at around a transition fault")                                                 \
    X(READ_CLUSTER, "read-cluster", SIM_NUMBER, 1, 256, 1, NULL, "pages that one read may bring")  \
    X(PREFETCH, "prefetch", SIM_NUMBER, 0, 256, 0, NULL,                                           \
      "pages that a stream is read ahead at once; 0: off")                                         \
    X(GUESS_BY, "guess-by", SIM_NUMBER, 0, 15, 0, NULL,                                            \
      "what a fault reads with its page: neighbours 1, followers 2, stride 4, majority 8")         \
    X(STANDBY_PERCENT, "standby-percent", SIM_NUMBER, 0, 100, 25, NULL,                            \
      "of the frames that trimming keeps available")                                               \
    X(TLB, "tlb", SIM_POWER, 0, 1024, 0, NULL, "TLB entries per thread; 0: off")                   \
    X(LIST_COLOURS, "list-colours", SIM_POWER, 1, 256, 1, NULL, "parts of each page list")         \
    X(BALANCE, "balance", SIM_CHOICE, 0, 1, 0, "workers|faults", "who trims and writes ahead")     \
    X(LIST_LOCK, "list-lock", SIM_CHOICE, 0, 1, 0, "exclusive|shared",                             \
      "how a page is unlinked from a list")                                                        \
    X(BACKOFF, "backoff", SIM_CHOICE, 0, 1, 0, "off|on", "exponential back-off of spin locks")     \
    X(DIRTY_BIT, "dirty-bit", SIM_CHOICE, 0, 1, 1, "off|on", "off: every mapped page is written")  \
    X(MAP_WRITABLE, "map-writable", SIM_CHOICE, 0, 2, 0, "off|on|auto",                            \
      "pages are mapped writable before they are written")                                         \
    X(SLOT_SEARCH, "slot-search", SIM_CHOICE, 0, 1, 0, "next-fit|first-fit",                       \
      "how free slots are found")                                                                  \
    X(SLOT_RESERVATION, "slot-reservation", SIM_POWER, 1, 64, 1, NULL,                             \
      "slots kept together for neighbouring pages")                                                \
    X(STORE, "store", SIM_CHOICE, 0, 2, 0, "ram|compressed|joined", "what the page file is")       \
    X(STORE_BUDGET, "store-budget", SIM_NUMBER, 1, 16777216, 1, NULL,                              \
      "compressed: bytes for packed pages")                                                        \
    X(OP_READ, "op-read", SIM_NUMBER, 0, 1000, 0, NULL, "weight of: read a word")                  \
    X(OP_WRITE, "op-write", SIM_NUMBER, 0, 1000, 0, NULL, "write one's word of a page")            \
    X(OP_ACROSS, "op-across", SIM_NUMBER, 0, 1000, 0, NULL, "read over a page boundary")           \
    X(OP_FILL, "op-fill", SIM_NUMBER, 0, 1000, 0, NULL, "write most of a page")                    \
    X(OP_SCAN, "op-scan", SIM_NUMBER, 0, 1000, 0, NULL, "read and check a whole page")             \
    X(OP_PIN, "op-pin", SIM_NUMBER, 0, 1000, 0, NULL, "pin, use directly, unpin")                  \
    X(OP_COMMIT, "op-commit", SIM_NUMBER, 0, 1000, 0, NULL, "decommit and commit a run")           \
    X(OP_PROTECT, "op-protect", SIM_NUMBER, 0, 1000, 0, NULL, "change the rights of a run")        \
    X(OP_RESERVE, "op-reserve", SIM_NUMBER, 0, 1000, 0, NULL, "release and reserve a region")      \
    X(OP_RETIRE, "op-retire", SIM_NUMBER, 0, 1000, 0, NULL, "take a frame out of service")         \
    X(OP_DETACH, "op-detach", SIM_NUMBER, 0, 1000, 0, NULL, "leave the machine and come back")     \
    X(OP_PREFETCH, "op-prefetch", SIM_NUMBER, 0, 1000, 0, NULL,                                    \
      "weight of: ask for a run to be read ahead")                                                 \
    X(FAULT_READ_ERROR, "fault-read-error", SIM_NUMBER, 0, 1000000, 0, NULL,                       \
      "per million: reads refused")                                                                \
    X(FAULT_WRITE_ERROR, "fault-write-error", SIM_NUMBER, 0, 1000000, 0, NULL,                     \
      "per million: writes refused")                                                               \
    X(FAULT_FULL, "fault-full", SIM_NUMBER, 0, 1000000, 0, NULL,                                   \
      "per million: writes that find no room")                                                     \
    X(FAULT_SHORT, "fault-short", SIM_NUMBER, 0, 1000000, 0, NULL,                                 \
      "per million: requests that end half way")                                                   \
    X(FAULT_TORN, "fault-torn", SIM_NUMBER, 0, 1000000, 0, NULL,                                   \
      "per million: pages stored in part")                                                         \
    X(FAULT_LOST, "fault-lost", SIM_NUMBER, 0, 1000000, 0, NULL,                                   \
      "per million: writes that never happen")                                                     \
    X(FAULT_MISDIRECTED, "fault-misdirected", SIM_NUMBER, 0, 1000000, 0, NULL,                     \
      "per million: pages written to another slot")                                                \
    X(FAULT_FLIP_STORED, "fault-flip-stored", SIM_NUMBER, 0, 1000000, 0, NULL,                     \
      "per million: pages stored with a wrong byte")                                               \
    X(FAULT_STALE, "fault-stale", SIM_NUMBER, 0, 1000000, 0, NULL,                                 \
      "per million: reads of what was there before")                                               \
    X(FAULT_FLIP_READ, "fault-flip-read", SIM_NUMBER, 0, 1000000, 0, NULL,                         \
      "per million: reads with a wrong byte")                                                      \
    X(FAULT_SLOW, "fault-slow", SIM_NUMBER, 0, 1000000, 0, NULL, "per million: requests delayed")  \
    X(FAULT_REORDERED, "fault-reordered", SIM_NUMBER, 0, 1000000, 0, NULL,                         \
      "per million: requests overtaken")                                                           \
    X(FAULT_BAD, "fault-bad-slot", SIM_NUMBER, 0, 1000000, 0, NULL,                                \
      "per million: slots that refuse every write")                                                \
    X(LATENCY, "store-latency", SIM_NUMBER, 0, 1000000, 0, NULL, "of the page file, ns")           \
    X(STRATEGY, "strategy", SIM_CHOICE, 0, 1, 0, "random|pct", "how the next thread is chosen")    \
    X(SWITCH_CHANCE, "switch-chance", SIM_NUMBER, 1, 65536, 64, NULL,                              \
      "random: of 65,536 points, how many switch")                                                 \
    X(DEPTH, "depth", SIM_NUMBER, 1, 16, 2, NULL, "pct: bug depth")                                \
    X(RELAXED, "relaxed-points", SIM_CHOICE, 0, 1, 0, "off|on", "points at relaxed accesses too")  \
    X(LATE_STORES, "late-stores", SIM_CHOICE, 0, 1, 0, "off|on", "others see plain stores late")   \
    X(EARLY_CHANCE, "early-chance", SIM_NUMBER, 0, 65536, 0, NULL,                                 \
      "of 65,536 points, how many end a wait for no reason")                                       \
    X(NET, "safety-net", SIM_CHOICE, 0, 1, 0, "off|on",                                            \
      "ticks behind the wake-ups; off: a lost one is a deadlock")                                  \
    X(LOOK_EVERY, "look-every", SIM_NUMBER, 1, 65536, 1, NULL, "steps between two looks at all")   \
    X(PAGEFILE_START, "pagefile-start", SIM_SIZE, 0, 65536, 65536, NULL,                           \
      "page file at first; grows to --pagefile")                                                   \
    X(GROWTH_STEP, "growth-step", SIM_NUMBER, 1, 65536, 1, NULL,                                   \
      "slots by which it grows, or more")                                                          \
    X(GROWTH_REFUSED, "growth-refused", SIM_NUMBER, 0, 1000000, 0, NULL,                           \
      "per million: extensions refused")                                                           \
    X(LATE_RESERVATION, "late-reservation", SIM_CHOICE, 0, 1, 0, "off|on",                         \
      "no slots are reserved in every other round, so that pages lie apart")

enum sim_option {
#define X(id, name, kind, least, most, simplest, choices, help) SIM_##id,
    SIM_OPTIONS(X)
#undef X
        SIM_OPTION_COUNT
};

#define SIM_FAULT_FIRST SIM_FAULT_READ_ERROR
#define SIM_FAULT_LAST  SIM_FAULT_BAD

struct sim_option_row {
    const char *name;
    enum sim_kind kind;
    uint64_t least, most, simplest;
    const char *choices, *help;
};
extern const struct sim_option_row sim_option_table[SIM_OPTION_COUNT];

struct sim_options {
    uint64_t seed;
    uint64_t value[SIM_OPTION_COUNT];
    bool given[SIM_OPTION_COUNT];
};

#define SIM_VALUE_BYTES   32
#define SIM_COMMAND_BYTES 2048

/* Everything that was not given, from the seed; then what does not go together is made to fit. */
void sim_draw(struct sim_options *options);
/* The value as one would write it. */
void sim_value_print(const struct sim_options *options, enum sim_option option,
                     char ret_text[SIM_VALUE_BYTES]);
/* What repeats this world; `called` is how this program was. */
void sim_command_print(const struct sim_options *options, const char *called,
                       char ret_text[SIM_COMMAND_BYTES]);
/* The text as a value of the option; false: it is none. */
bool sim_value_parse(enum sim_option option, const char *text, uint64_t *ret_value);
/* A whole number and nothing else. */
bool sim_number_parse(const char *text, uint64_t *ret_number);
/* What a value must be. */
void sim_wanted_print(enum sim_option option, char *ret_text, size_t bytes);

#endif
