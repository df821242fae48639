/*
 * soft.h - the soft machine: a software MMU with accessed and dirty bits, a TLB per thread, and
 * frames in one arena. Implements contract/machine.h; memman.c makes it and calls the accesses.
 */
#ifndef MM_MACHINE_SOFT_H
#define MM_MACHINE_SOFT_H

#include "contract/machine.h"

struct soft;

struct soft_config {
    page_number pages;
    frame_number frames;
    uint32_t threads_max;
    uint32_t tlb_entries; /* power of two; 0: no TLB, every access walks */
    bool impatient;       /* shootdowns fence all threads at once, without a moment's grace */
};

/* 0, -ENOMEM. Frames are populated (owned) and zero. Fills *ret_machine. */
int soft_create(const struct soft_config *config, struct soft **ret_soft,
                struct machine *ret_machine);
void soft_destroy(struct soft *soft);
/* As just created: nothing mapped, frames zero, nobody attached. No thread is in an access. */
void soft_reset(struct soft *soft);

/* Whom to report faults to. Before the first access. */
void soft_bind(struct soft *soft, machine_fault *fault, void *engine);

/* Thread `thread` begins (empties its TLB) or ends its accesses. */
void soft_attach(struct soft *soft, uint32_t thread);
void soft_detach(struct soft *soft, uint32_t thread);

/*
 * Copy bytes out of or into memory, faulting pages in as needed; offset + count may cross pages.
 */
enum fault_result soft_read(struct soft *soft, uint32_t thread, uint64_t offset, void *ret_bytes,
                            size_t count);
enum fault_result soft_write(struct soft *soft, uint32_t thread, uint64_t offset, const void *bytes,
                             size_t count);

/* The frame's memory, for pinned pages and the audit. */
void *soft_frame(const struct soft *soft, frame_number frame);

#endif
