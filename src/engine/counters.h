/*
 * counters.h - what the engine counts: tables of counters, of latencies, and of the phases of a fault.
 *
 * Each thread counts for itself; a reader sums. The names are Windows' where Windows has the
 * counter (object Memory); CLI and JSON print whatever stands here.
 */
#ifndef MM_ENGINE_COUNTERS_H
#define MM_ENGINE_COUNTERS_H

/* X(id, group, key, title) */
#define COUNTERS(X)                                                                                \
    X(FAULT_DEMAND_ZERO, "faults", "demand_zero", "Demand Zero Faults")                            \
    X(FAULT_TRANSITION, "faults", "transition", "Transition Faults")                               \
    X(FAULT_HARD, "faults", "hard", "Hard Faults")                                                 \
    X(FAULT_HARD_COMPRESSED, "faults", "hard_compressed", "Hard Faults from Memory")               \
    X(FAULT_COLLIDED, "faults", "collided", "Collided Faults")                                     \
    X(FAULT_WRITE_PROTECT, "faults", "write_protect", "Write Protect Faults")                      \
    X(MAPPED_WRITABLE, "faults", "mapped_writable", "Pages Mapped Writable before a Write")        \
    X(FAULT_IN_PAGE_ERROR, "faults", "in_page_error", "In-Page Errors")                            \
    X(FAULT_ACCESS_VIOLATION, "faults", "access_violation", "Access Violations")                   \
    X(FAULT_SPURIOUS, "faults", "spurious", "Spurious Faults")                                     \
    X(RESCUE_STANDBY, "rescues", "standby", "Rescues from Standby")                                \
    X(RESCUE_MODIFIED, "rescues", "modified", "Rescues from Modified")                             \
    X(RESCUE_WRITING, "rescues", "writing", "Rescues during a Write")                              \
    X(RESCUE_AROUND, "rescues", "fault_around", "Rescues by Fault-Around")                         \
    X(TRIMMED_CLEAN, "moves", "trimmed_clean", "Pages Trimmed Clean")                              \
    X(TRIMMED_DIRTY, "moves", "trimmed_dirty", "Pages Trimmed Dirty")                              \
    X(WRITTEN, "moves", "written", "Modified Pages Written")                                       \
    X(REPURPOSED, "moves", "repurposed", "Transition Pages RePurposed")                            \
    X(ZEROED, "moves", "zeroed", "Pages Zeroed")                                                   \
    X(PREFETCHED, "moves", "prefetched", "Pages Prefetched")                                       \
    X(PREFETCH_USED, "moves", "prefetch_used", "Prefetched Pages Used")                            \
    X(PREFETCH_WASTED, "moves", "prefetch_wasted", "Prefetched Pages Never Used")                  \
    X(PREFETCH_LATE, "moves", "prefetch_late", "Faults on Pages Being Prefetched")                 \
    X(PREFETCH_POLLUTED, "moves", "prefetch_polluted", "Hard Faults on Pages Pushed Out")          \
    X(DEFRAGMENTED, "moves", "defragmented", "Slots Moved")                                        \
    X(UNCHANGED, "moves", "unchanged", "Modified Pages Found Unchanged")                           \
    X(DELETED, "moves", "deleted", "Pages Deleted")                                                \
    X(SLOT_GIVEN_BACK, "moves", "slots_given_back", "Slots Given Back at First Write")             \
    X(SLOT_RETIRED, "moves", "slots_retired", "Slots Retired after Failed Writes")                 \
    X(IO_READS, "io", "reads", "Page Reads")                                                       \
    X(IO_PAGES_READ, "io", "pages_read", "Pages Input")                                            \
    X(READ_AROUND, "io", "pages_read_around", "Pages Input with a Neighbour")                      \
    X(IO_WRITES, "io", "writes", "Page Writes")                                                    \
    X(IO_PAGES_WRITTEN, "io", "pages_written", "Pages Output")                                     \
    X(IO_ERRORS, "io", "errors", "I/O Errors")                                                     \
    X(DEFRAG_READS, "defrag", "reads", "Reads to Move Slots")                                      \
    X(DEFRAG_PAGES_READ, "defrag", "pages_read", "Pages Read to Be Moved")                         \
    X(DEFRAG_WRITES, "defrag", "writes", "Writes to Move Slots")                                   \
    X(DEFRAG_PAGES_WRITTEN, "defrag", "pages_written", "Pages Written to Be Moved")                \
    X(DEFRAG_ABORTED, "defrag", "aborted", "Slot Moves Given Up")                                  \
    X(DEFRAG_EMPTIED, "defrag", "emptied", "Runs of Slots Emptied")                                \
    X(FRAME_WAITS, "waits", "frame", "Waits for a Frame")                                          \
    X(FRAME_WAIT_NS, "waits", "frame_ns", "Nanoseconds in Waits for a Frame")                      \
    X(FRAME_WAITS_LATE, "waits", "frame_late", "Waits for a Frame over 1 s")                       \
    X(FAULT_RETRIES, "waits", "fault_retries", "Faults Taken Again")                               \
    X(READ_DISMISSED, "waits", "reads_dismissed", "Reads Dismissed")                               \
    X(UNLINK_SHARED, "lists", "unlink_shared", "Unlinks under a Shared Lock")                      \
    X(UNLINK_EXCLUSIVE, "lists", "unlink_exclusive", "Unlinks under an Exclusive Lock")            \
    X(PAGEFILE_EXTENDED, "pagefile", "extensions", "Page File Extensions")                         \
    X(PAGEFILE_REFUSED, "pagefile", "refused", "Page File Extensions Refused")                     \
    X(TRIM_AHEAD, "trims", "ahead", "Trims ahead of Need")                                         \
    X(TRIM_WAITED_FOR, "trims", "waited_for", "Trims while a Thread Waited")                       \
    X(TRIM_BY_WAITER, "trims", "by_waiter", "Trims by Who Waits")                                  \
    X(TRIM_PAGES_AHEAD, "trims", "pages_ahead", "Pages Trimmed ahead of Need")                     \
    X(TRIM_PAGES_WAITED_FOR, "trims", "pages_waited_for", "Pages Trimmed while a Thread Waited")   \
    X(TRIM_PAGES_BY_WAITER, "trims", "pages_by_waiter", "Pages Trimmed by Who Waits")              \
    X(REFAULT_EIGHTH, "refaults", "eighth", "Refaults within 1/8 of the Frames")                   \
    X(REFAULT_QUARTER, "refaults", "quarter", "Refaults within 1/4 of the Frames")                 \
    X(REFAULT_HALF, "refaults", "half", "Refaults within 1/2 of the Frames")                       \
    X(REFAULT_FRAMES, "refaults", "frames", "Refaults within the Frames")                          \
    X(REFAULT_TWICE, "refaults", "twice", "Refaults within 2 x the Frames")                        \
    X(REFAULT_FOUR_TIMES, "refaults", "four_times", "Refaults within 4 x the Frames")              \
    X(REFAULT_BEYOND, "refaults", "beyond", "Refaults beyond")                                     \
    X(FLUSHES, "machine", "flushes", "Batched Unmaps")                                             \
    X(FLUSHED_PAGES, "machine", "flushed_pages", "Pages Unmapped in Batches")

enum counter {
#define X(id, group, key, title) COUNT_##id,
    COUNTERS(X)
#undef X
        COUNTER_COUNT
};

/* X(id, name) */
#define LATENCIES(X)                                                                               \
    X(DEMAND_ZERO, "demand_zero")                                                                  \
    X(TRANSITION, "transition")                                                                    \
    X(HARD, "hard")                                                                                \
    X(COMPRESSED, "compressed")                                                                    \
    X(WRITE_PROTECT, "write_protect")                                                              \
    X(COLLIDED, "collided")                                                                        \
    X(FRAME_WAIT, "frame_wait")                                                                    \
    X(READ, "read")                                                                                \
    X(UNMAP, "unmap")

enum latency {
#define X(id, name) LATENCY_##id,
    LATENCIES(X)
#undef X
        LATENCY_COUNT,
    LATENCY_NONE = LATENCY_COUNT
};
#define FAULT_KINDS LATENCY_FRAME_WAIT /* the latencies before it are of faults */

/*
 * X(id, key, title): what a fault may be at. A machine that copies as it maps is filling. Help that
 * a thread gives before it queues for a frame is part of the wait.
 */
#define PHASES(X)                                                                                  \
    X(ENGINE, "engine", "Engine")                                                                  \
    X(FRAME, "frame", "Frame")                                                                     \
    X(FRAME_WAIT, "frame_wait", "No frame")                                                        \
    X(FILL, "fill", "Fill")                                                                        \
    X(READ, "read", "Read")                                                                        \
    X(READ_WAIT, "read_wait", "Collided")                                                          \
    X(MAP, "map", "Map")

enum fault_phase {
#define X(id, key, title) PHASE_##id,
    PHASES(X)
#undef X
        FAULT_PHASES
};

#endif
