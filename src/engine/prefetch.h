/*
 * prefetch.h - pages that are read before anybody has touched them.
 */
#ifndef MM_ENGINE_PREFETCH_H
#define MM_ENGINE_PREFETCH_H

#include "base/types.h"
#include "engine/pfn.h"
#include "engine/pte.h"

struct engine;
struct thread;

#define PRIORITY_AHEAD 2 /* of standby: read ahead, and not used yet */

/* A hint: read the pages of the range that are in their slots. Never waits; any thread. */
void prefetch_range(struct engine *engine, page_number first, page_number count);
/* A fault read as far as `next`, in a window of so many pages: perhaps a stream. */
void prefetch_behind(struct engine *engine, page_number next, uint32_t window);
/* A page that had been read ahead was touched first: go on reading. */
void prefetch_beyond(struct engine *engine, page_number page);
static inline bool is_ahead(pfn_word word)
{
    return pfn_priority(word) == PRIORITY_AHEAD;
}
/* A page that was read ahead is about to be mapped; frame lock held. Returns the new word. */
pfn_word prefetch_used(struct engine *engine, struct thread *self, page_number page, pfn_word word);
/* It loses its frame unused. Frame lock held. */
void prefetch_wasted(struct engine *engine, struct thread *self, page_number page);

/* A frame for a page nobody has asked for; FRAME_NONE: there is none. */
frame_number prefetch_take_frame(struct engine *engine, struct thread *self);
/* How many more such pages may lie unused; 0 as well while somebody waits for a frame. */
uint32_t prefetch_room(const struct engine *engine);
/* The page is in its slot, and may be read. */
static inline bool prefetch_is_readable(pte_word word)
{
    return pte_form(word) == PTE_PAGE_FILE && pte_protection(word) != PROTECTION_NO_ACCESS;
}

#endif
