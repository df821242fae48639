/*
 * machine.h - contract: the memory-management unit the engine stands on.
 *
 * A machine maps pages to frames for the user's loads and stores, and holds the frames' bytes.
 * It decides nothing. Whatever it maps, the engine told it to; a mapping may disappear only by
 * unmap(); a fault is reported to the engine and taken again when the engine returns.
 *
 * The engine calls map(), place(), make_writable(), sample_accessed(), failed() and zero() with the PTE region's lock
 * held, so they must not wait; everything else with no spin lock held. `thread` is the number of the engine
 * thread that calls (0..threads_max-1): per-thread transfer windows belong to it.
 *
 * Unmapping a page that is not mapped, and mapping a page that is mapped already, are legal: the
 * engine lets go of a page in two steps, and a rescuer may be in between.
 */
#ifndef MM_CONTRACT_MACHINE_H
#define MM_CONTRACT_MACHINE_H

#include "base/types.h"

/* One page to map. */
struct machine_map {
    page_number page;
    frame_number frame;
    bool writable; /* else the first write faults */
    /*
     * NULL: the frame holds the content already. Else the buffer that fill_buffer() returned, or
     * machine.zeros: the machine puts these bytes into the frame before anybody can see the page.
     */
    const void *source;
};

/* What unmap() found; may be NULL where the caller does not ask. */
struct machine_unmapped {
    bool accessed; /* false where the machine cannot tell */
    bool written;  /* a store went through this mapping */
};

enum machine_protection { MACHINE_NO_ACCESS, MACHINE_READ_ONLY, MACHINE_READ_WRITE };

struct machine_ops {
    const char *name;
    /*
     * A buffer for page content that will be mapped into `frame`: the soft machine gives the
     * frame's own memory, so no copy is made; others give transfer window `window` of the thread.
     */
    void *(*fill_buffer)(void *machine, uint32_t thread, uint32_t window, frame_number frame);
    /*
     * The content of the frames as buffers to write from, windows 0..count-1 of the thread. The
     * pages are on no list and may be rescued and written meanwhile.
     */
    void (*content)(void *machine, uint32_t thread, uint32_t count, const page_number *pages,
                    const frame_number *frames, void **ret_buffers);
    /* Clear a frame that no page owns. NULL: frames without an owner have no content here. */
    void (*zero)(void *machine, frame_number frame);
    /*
     * Map pages of one PTE region, ascending. Over a live mapping it ends with at least the wanted
     * right; a right that is too much lasts until the next unmap(). Lock held: never waits.
     */
    void (*map)(void *machine, uint32_t thread, uint32_t count, const struct machine_map *maps);
    /*
     * Put content in place for a later map() with source NULL, without mapping it; rules and
     * arguments as for map(). NULL: what is in the buffer of fill_buffer() is in place.
     */
    void (*place)(void *machine, uint32_t thread, uint32_t count, const struct machine_map *maps);
    /* Let a page that is mapped be written. Lock held. A page not mapped is left alone. */
    void (*make_writable)(void *machine, uint32_t thread, page_number page);
    /*
     * Unmap scattered pages with one flush. On return no thread can read or write them through an
     * old mapping. `ret_unmapped` may be NULL. Where two calls overlap, one of them is told what was
     * written; the engine references a frame until its own call has returned.
     */
    void (*unmap)(void *machine, uint32_t thread, uint32_t count, const page_number *pages,
                  struct machine_unmapped *ret_unmapped);
    /*
     * The same, and pages in between may be unmapped too (they fault once more) where that saves
     * flushes. NULL: it would save none.
     */
    void (*unmap_near)(void *machine, uint32_t thread, uint32_t count, const page_number *pages,
                       struct machine_unmapped *ret_unmapped);
    /*
     * Read and clear the accessed bits of pages. NULL: this machine has none. From sample_end() on,
     * at the latest, an access sets them again.
     * May be called with the region's lock held.
     */
    void (*sample_accessed)(void *machine, uint32_t count, const page_number *pages,
                            bool *ret_accessed);
    /* The samples of a look at many pages have been taken. Present where sample_accessed() is. */
    void (*sample_end)(void *machine);
    /*
     * The page, which has no mapping, cannot be read back: the fault that the machine reported will
     * end as FAULT_IN_PAGE_ERROR. Lock held: never waits for a device. A later touch must be
     * reported again, soon if not at once. NULL: the result of the fault says enough.
     */
    void (*failed)(void *machine, uint32_t thread, page_number page);
    /*
     * The pages' contents are given up; they are unmapped already. NULL: nothing to do, because
     * content belongs to frames and not to pages. Until it returned, no content may be filled
     * in for these pages.
     */
    void (*release)(void *machine, uint32_t thread, uint32_t count, const page_number *pages);
    /* The user's rights to a range changed. NULL: the engine's own check is enough. 0 or -errno. */
    int (*protect)(void *machine, page_number first, page_number count,
                   enum machine_protection protection);
};

struct machine {
    const struct machine_ops *ops;
    void *self;
    const void *zeros;   /* MM_PAGE_SIZE zero bytes, usable as machine_map.source */
    bool dirty_tracking; /* false: every page is mapped writable and counts as written */
    /*
     * true: content belongs to the page (a file at fixed offsets), and a frame is an account;
     * machine_map.source is then needed for every page that has no content yet.
     */
    bool content_by_page;
};

/* How a fault ended, told to the machine that reported it. */
enum fault_result {
    FAULT_RESOLVED = 0,     /* take the access again */
    FAULT_ACCESS_VIOLATION, /* not committed, or a write to read-only memory */
    FAULT_IN_PAGE_ERROR,    /* the store could not give the content back */
};

/*
 * The engine's entry for machines: an access to `page` did not get through. `thread` is the engine
 * thread number it runs as. Called with no lock held; may wait for frames and for the store.
 */
typedef enum fault_result machine_fault(void *engine, uint32_t thread, page_number page,
                                        bool write);

#endif
