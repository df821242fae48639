/*
 * guess.h - what a hard fault reads besides its page.
 */
#ifndef MM_ENGINE_GUESS_H
#define MM_ENGINE_GUESS_H

#include "base/types.h"
#include "contract/store.h"
#include "engine/pte.h"

struct engine;
struct thread;

#define GUESSES_MAX          8 /* pages that a fault reads with its own */
#define GUESS_PLACES_A_FRAME 3 /* of what is known of pages, five bytes each */

/* What they are by; any of them together. */
#define GUESS_NEIGHBOURS 1u
#define GUESS_FOLLOWERS  2u
#define GUESS_STRIDE     4u
#define GUESS_MAJORITY   8u

/* Pages that a fault reads with its own because they may be missed next. */
struct guesses {
    uint32_t count;
    page_number pages[GUESSES_MAX];
    frame_number frames[GUESSES_MAX];
    pte_word entries[GUESSES_MAX]; /* as published */
    void *buffers[GUESSES_MAX];
    struct store_request request[GUESSES_MAX];
};

/* A page was not there when it was touched; `hard`: its read is about to be waited for. */
void guess_missed(struct engine *engine, struct thread *self, page_number page, bool hard);
/*
 * The page's read was published: publish those of what may be missed next, with the same block. No
 * lock held.
 */
void guess_publish(struct engine *engine, struct thread *self, page_number page, uint32_t block,
                   struct guesses *ret);
/* Their reads, one each; the thread's transfer windows from `window` on are free. */
void guess_requests(struct engine *engine, struct thread *self, uint32_t window,
                    struct guesses *guesses, struct store_request **ret_requests);
/* The reads are over, good or not. No lock held. */
void guess_settle(struct engine *engine, struct thread *self, struct guesses *guesses);
/* The page was guessed, and not touched yet. */
bool guess_is_open(const struct engine *engine, page_number page);
/* If it was guessed: it is used now, or loses its frame. Returns whether it was. */
bool guess_used(struct engine *engine, page_number page);
bool guess_wasted(struct engine *engine, page_number page);
/* A page that might have been rescued loses its frame to one that is read ahead. */
void guess_pushed_out(struct engine *engine, page_number page);

#endif
