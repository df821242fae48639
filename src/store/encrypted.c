/*
 * encrypted.c - the encrypted store: the device below gets sealed pages, the engine gets its own.
 *
 * A write must not change its source, so it is sealed into staging memory, a piece at a time: as
 * many pages as are to be had of those that all queues share. When a piece is written the next one
 * of the same run takes its place. A queue that gets nothing and has nothing under way has one page
 * of its own, so it always gets on. A read is opened where it arrives.
 *
 * Tag and write count of each slot stay in memory; a slot is readable only between a write that
 * succeeded and whatever comes next. No locks: a slot has one owner at a time, a queue one thread;
 * what is shared is taken and given back by one atomic word for 64 pages.
 */
#include "store/encrypted.h"

#include "base/mutant.h"
#include "store/checksum.h"
#include "store/cipher.h"
#include "store/memory.h"
#include "store/request_list.h"
#include "store/slot_content.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define PIECE_PAGES_MAX 256u
#define PIECES          256u
#define WORD_BITS       64u
#define BATCH           32u

struct sealed_slot {
    _Atomic uint64_t word;
    unsigned char tag[CIPHER_TAG_BYTES];
    _Atomic uint64_t checksum; /* of the plain page */
};

/* A part of a write, sealed and on its way. */
struct piece {
    struct store_request below;
    struct store_request *whole;
    uint32_t first;  /* page of the whole that it begins with */
    uint32_t staged; /* pages of staging memory that it has; a queue's own piece: 1 */
    void *pages[PIECE_PAGES_MAX];
};

struct encrypted_queue {
    struct request_list waiting; /* writes not begun */
    struct request_list done;
    uint32_t flying; /* reads and pieces below */
    struct piece *own;
} CACHE_ALIGNED;

struct encrypted {
    struct store below;
    struct cipher *cipher;
    struct sealed_slot *slots; /* slot s is slots[s - 1] */
    size_t slots_bytes;
    unsigned char *staging; /* shared pages, then one for each queue */
    size_t staging_bytes;
    uint32_t staging_words;
    struct piece *pieces; /* shared ones, then one for each queue */
    size_t pieces_bytes;
    _Atomic uint64_t staging_free[ENCRYPTED_STAGING_MAX / WORD_BITS]; /* a bit for each page */
    _Atomic uint64_t pieces_free[PIECES / WORD_BITS];
    size_t bytes; /* of this block */
    struct encrypted_queue queues[];
};

/* ---- what is shared ---- */

/* Take up to `wanted` free ones; their numbers. */
static uint32_t take_bits(_Atomic uint64_t *words, uint32_t count, uint32_t wanted,
                          uint16_t *ret_numbers)
{
    uint32_t taken = 0;

    for (uint32_t i = 0; i < count && taken < wanted; i++) {
        uint64_t seen = atomic_load_explicit(&words[i], memory_order_relaxed);
        uint64_t left = seen;

        do {
            left = seen;
            for (uint32_t n = taken; n < wanted && left != 0; n++)
                left &= left - 1;
        } while (seen != 0 && !atomic_compare_exchange_weak_explicit(&words[i], &seen, left,
                                                                     memory_order_acquire,
                                                                     memory_order_relaxed));
        for (uint64_t mine = seen & ~left; mine != 0; mine &= mine - 1)
            ret_numbers[taken++] = (uint16_t)(i * WORD_BITS + (uint32_t)__builtin_ctzll(mine));
    }
    return taken;
}

static void give_bit(_Atomic uint64_t *words, size_t number)
{
    atomic_fetch_or_explicit(&words[number / WORD_BITS], (uint64_t)1 << number % WORD_BITS,
                             memory_order_release);
}

static void *staging_page(const struct encrypted *encrypted, size_t number)
{
    return encrypted->staging + (number << PAGE_SHIFT);
}

static bool piece_is_shared(const struct encrypted *encrypted, const struct piece *piece)
{
    return piece < encrypted->pieces + PIECES;
}

/* Staging memory for up to `wanted` pages in all, as far as there is any. */
static void piece_stage(struct encrypted *encrypted, struct piece *piece, uint32_t wanted)
{
    uint16_t numbers[PIECE_PAGES_MAX];
    uint32_t more = 0;

    if (piece_is_shared(encrypted, piece) && piece->staged < wanted)
        more = take_bits(encrypted->staging_free, encrypted->staging_words, wanted - piece->staged,
                         numbers);
    for (uint32_t i = 0; i < more; i++)
        piece->pages[piece->staged++] = staging_page(encrypted, numbers[i]);
}

static void piece_give_back(struct encrypted *encrypted, struct piece *piece)
{
    piece->whole = NULL;
    if (!piece_is_shared(encrypted, piece))
        return;
    while (piece->staged > 0) {
        const unsigned char *page = piece->pages[--piece->staged];

        give_bit(encrypted->staging_free, (size_t)(page - encrypted->staging) >> PAGE_SHIFT);
    }
    give_bit(encrypted->pieces_free, (size_t)(piece - encrypted->pieces));
}

/* A piece with at least one page for a write of so many; NULL: nothing is to be had now. */
static struct piece *piece_take(struct encrypted *encrypted, struct encrypted_queue *queue,
                                uint32_t wanted)
{
    uint16_t number;

    if (take_bits(encrypted->pieces_free, ARRAY_COUNT(encrypted->pieces_free), 1, &number) == 1) {
        struct piece *piece = &encrypted->pieces[number];

        piece_stage(encrypted, piece, MIN_OF(wanted, PIECE_PAGES_MAX));
        if (piece->staged > 0)
            return piece;
        piece_give_back(encrypted, piece);
    }
    return queue->own->whole == NULL ? queue->own : NULL;
}

/* ---- slots ---- */

static void slot_seal(struct encrypted *encrypted, slot_number number, const void *page,
                      void *ret_page)
{
    struct sealed_slot *slot = &encrypted->slots[number - 1];
    uint64_t count = content_write_begin(&slot->word);

    atomic_store_explicit(&slot->checksum, page_checksum(page), memory_order_release);
    if (MUTANT(ENCRYPTED_LEAVES_FIRST_PLAIN) && number == 1)
        memcpy(ret_page, page, MM_PAGE_SIZE);
    else
        cipher_seal(encrypted->cipher, number, count, page, ret_page, slot->tag);
}

static bool slot_open(struct encrypted *encrypted, slot_number number, void *page)
{
    struct sealed_slot *slot = &encrypted->slots[number - 1];
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);

    if (!content_is_known(word))
        return false;
    if (MUTANT(ENCRYPTED_LEAVES_FIRST_PLAIN) && number == 1)
        return true;
    return (cipher_open(encrypted->cipher, number, content_writes(word), page, slot->tag) ||
            MUTANT(ENCRYPTED_IGNORES_TAG)) &&
           word == atomic_load_explicit(&slot->word, memory_order_relaxed);
}

static bool encrypted_holds(void *self, slot_number number, const void *page)
{
    struct encrypted *encrypted = self;
    struct sealed_slot *slot = &encrypted->slots[number - 1];
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);

    return content_is_known(word) &&
           page_checksum(page) == atomic_load_explicit(&slot->checksum, memory_order_acquire) &&
           word == atomic_load_explicit(&slot->word, memory_order_relaxed);
}

/* ---- writes ---- */

/* Seal the next pages of the whole, as many as the piece has room for. */
static void piece_seal(struct encrypted *encrypted, struct piece *piece)
{
    const struct store_request *whole = piece->whole;
    uint32_t count = MIN_OF(piece->staged, whole->count - piece->first);

    for (uint32_t i = 0; i < count; i++)
        slot_seal(encrypted, whole->slot + piece->first + i, whole->pages[piece->first + i],
                  piece->pages[i]);
    piece->below = (struct store_request){.operation = STORE_WRITE,
                                          .slot = whole->slot + piece->first,
                                          .count = count,
                                          .pages = piece->pages};
}

static void whole_end(struct encrypted_queue *queue, struct store_request *whole, int result,
                      uint32_t pages_done)
{
    whole->result = result;
    whole->pages_done = pages_done;
    request_list_append(&queue->done, whole);
}

/* The piece was written or not. Returns whether it goes on with the next part of its whole. */
static bool piece_end(struct encrypted *encrypted, struct encrypted_queue *queue,
                      struct piece *piece)
{
    struct store_request *whole = piece->whole;
    const struct store_request *below = &piece->below;
    struct sealed_slot *slots = &encrypted->slots[below->slot - 1];

    for (uint32_t i = 0; i < below->count; i++) {
        if (below->result == 0)
            content_write_end(&slots[i].word);
        else
            content_forget(&slots[i].word);
    }
    if (below->result == 0) {
        piece->first += below->count;
        if (piece->first < whole->count) {
            piece_stage(encrypted, piece, MIN_OF(whole->count - piece->first, PIECE_PAGES_MAX));
            piece_seal(encrypted, piece);
            return true;
        }
        whole_end(queue, whole, 0, whole->count);
    } else {
        /* What the whole wrote before and will not write is nobody's any more either. */
        for (uint32_t i = 0; i < whole->count; i++)
            content_forget(&encrypted->slots[whole->slot - 1 + i].word);
        whole_end(queue, whole, below->result, piece->first + below->pages_done);
    }
    piece_give_back(encrypted, piece);
    return false;
}

static void begin_waiting(struct encrypted *encrypted, uint32_t queue_number)
{
    struct encrypted_queue *queue = &encrypted->queues[queue_number];
    const struct store *below = &encrypted->below;
    struct store_request *begun[BATCH];
    uint32_t count = 0;

    while (queue->waiting.first != NULL) {
        struct piece *piece = piece_take(encrypted, queue, queue->waiting.first->count);

        if (piece == NULL)
            break;
        piece->whole = request_list_take(&queue->waiting);
        piece->first = 0;
        piece_seal(encrypted, piece);
        begun[count++] = &piece->below;
        queue->flying++;
        if (count == BATCH) {
            below->ops->submit(below->self, queue_number, begun, count);
            count = 0;
        }
    }
    if (count > 0)
        below->ops->submit(below->self, queue_number, begun, count);
}

/* ---- reads ---- */

static void read_end(struct encrypted *encrypted, struct store_request *request)
{
    for (uint32_t i = 0; i < request->count && request->result == 0; i++) {
        if (request->pages[i] != NULL &&
            !slot_open(encrypted, request->slot + i, request->pages[i])) {
            request->result = -EBADMSG;
            request->pages_done = i;
        }
    }
}

/* ---- the contract ---- */

static void encrypted_submit(void *self, uint32_t queue_number,
                             struct store_request *const *requests, uint32_t count)
{
    struct encrypted *encrypted = self;
    struct encrypted_queue *queue = &encrypted->queues[queue_number];
    const struct store *below = &encrypted->below;

    for (uint32_t i = 0; i < count; i++) {
        struct store_request *request = requests[i];

        if (!store_has_run(below->slots, request)) {
            whole_end(queue, request, -EINVAL, 0);
        } else if (request->operation == STORE_WRITE) {
            request_list_append(&queue->waiting, request);
        } else {
            queue->flying++;
            below->ops->submit(below->self, queue_number, &requests[i], 1);
        }
    }
    begin_waiting(encrypted, queue_number);
}

static struct piece *piece_of(const struct encrypted *encrypted,
                              const struct store_request *request)
{
    uintptr_t at = (uintptr_t)request, pieces = (uintptr_t)encrypted->pieces;

    return at >= pieces && at < pieces + encrypted->pieces_bytes ? (struct piece *)at : NULL;
}

static void take_finished(struct encrypted *encrypted, uint32_t queue_number, bool wait)
{
    struct encrypted_queue *queue = &encrypted->queues[queue_number];
    const struct store *below = &encrypted->below;
    struct store_request *reaped[BATCH], *again[BATCH];
    uint32_t goes_on = 0;
    uint32_t count = below->ops->reap(below->self, queue_number, reaped, BATCH, wait);

    for (uint32_t i = 0; i < count; i++) {
        struct piece *piece = piece_of(encrypted, reaped[i]);

        if (piece == NULL) {
            read_end(encrypted, reaped[i]);
            request_list_append(&queue->done, reaped[i]);
        } else if (piece_end(encrypted, queue, piece)) {
            again[goes_on++] = &piece->below;
        }
    }
    queue->flying -= count - goes_on;
    if (goes_on > 0)
        below->ops->submit(below->self, queue_number, again, goes_on);
}

static uint32_t encrypted_reap(void *self, uint32_t queue_number,
                               struct store_request **ret_requests, uint32_t count, bool wait)
{
    struct encrypted *encrypted = self;
    struct encrypted_queue *queue = &encrypted->queues[queue_number];

    if (count == 0)
        return 0;
    do {
        begin_waiting(encrypted, queue_number);
        if (queue->flying > 0)
            take_finished(encrypted, queue_number, wait && queue->done.first == NULL);
    } while (wait && queue->done.first == NULL &&
             (queue->flying > 0 || queue->waiting.first != NULL));
    begin_waiting(encrypted, queue_number);
    return request_list_take_many(&queue->done, ret_requests, count);
}

static void encrypted_discard(void *self, slot_number first, uint32_t count)
{
    struct encrypted *encrypted = self;
    const struct store *below = &encrypted->below;

    for (uint32_t i = 0; i < count; i++)
        content_forget(&encrypted->slots[first - 1 + i].word);
    if (below->ops->discard != NULL)
        below->ops->discard(below->self, first, count);
}

static int encrypted_grow(void *self, uint32_t slots)
{
    struct encrypted *encrypted = self;

    return store_grow(&encrypted->below, slots);
}

static uint32_t encrypted_counters(void *self, struct store_counter *ret_counters, uint32_t count)
{
    struct encrypted *encrypted = self;

    return store_counters(&encrypted->below, ret_counters, count);
}

/* ---- life ---- */

static void encrypted_destroy(void *self)
{
    struct encrypted *encrypted = self;

    if (encrypted->cipher != NULL)
        cipher_destroy(encrypted->cipher);
    store_memory_unmap(encrypted->slots, encrypted->slots_bytes);
    store_memory_unmap(encrypted->staging, encrypted->staging_bytes);
    store_memory_unmap(encrypted->pieces, encrypted->pieces_bytes);
    store_memory_unmap(encrypted, encrypted->bytes);
}

static const struct store_ops encrypted_ops = {
    .name = "encrypted",
    .submit = encrypted_submit,
    .reap = encrypted_reap,
    .discard = encrypted_discard,
    .holds = encrypted_holds,
    .grow = encrypted_grow,
    .counters = encrypted_counters,
    .destroy = encrypted_destroy,
};

/* Everything free; each queue has its own piece with its own page. */
static void hand_out(struct encrypted *encrypted, uint32_t queues)
{
    for (uint32_t i = 0; i < encrypted->staging_words; i++)
        atomic_init(&encrypted->staging_free[i], UINT64_MAX);
    for (uint32_t i = 0; i < ARRAY_COUNT(encrypted->pieces_free); i++)
        atomic_init(&encrypted->pieces_free[i], UINT64_MAX);
    for (uint32_t i = 0; i < queues; i++) {
        struct piece *own = &encrypted->pieces[PIECES + i];

        own->staged = 1;
        own->pages[0] = staging_page(encrypted, (size_t)encrypted->staging_words * WORD_BITS + i);
        encrypted->queues[i].own = own;
    }
}

static bool map_parts(struct encrypted *encrypted, uint32_t staging_pages)
{
    uint32_t queues = encrypted->below.queues;

    staging_pages = MIN_OF(MAX_OF(staging_pages, 1u), ENCRYPTED_STAGING_MAX);
    encrypted->staging_words = (staging_pages + WORD_BITS - 1) / WORD_BITS;
    encrypted->slots_bytes = MAX_OF(encrypted->below.slots, 1u) * sizeof(encrypted->slots[0]);
    encrypted->staging_bytes = ((size_t)encrypted->staging_words * WORD_BITS + queues)
                               << PAGE_SHIFT;
    encrypted->pieces_bytes = (PIECES + queues) * sizeof(encrypted->pieces[0]);
    encrypted->slots = store_memory_map(encrypted->slots_bytes);
    encrypted->staging = store_memory_map(encrypted->staging_bytes);
    encrypted->pieces = store_memory_map(encrypted->pieces_bytes);
    if (encrypted->slots == NULL || encrypted->staging == NULL || encrypted->pieces == NULL)
        return false;
    hand_out(encrypted, queues);
    return true;
}

int encrypted_create(const struct store *below, uint32_t staging_pages, struct store *ret_store,
                     char *ret_text, size_t text_bytes)
{
    size_t bytes = sizeof(struct encrypted) + below->queues * sizeof(struct encrypted_queue);
    struct encrypted *encrypted = store_memory_map(bytes);
    int error = -ENOMEM;

    snprintf(ret_text, text_bytes, "no memory to encrypt the page file; use less --pagefile");
    if (encrypted == NULL)
        return error;
    encrypted->bytes = bytes;
    encrypted->below = *below;
    if (map_parts(encrypted, staging_pages))
        error = cipher_create(&encrypted->cipher, ret_text, text_bytes);
    if (error != 0) {
        encrypted_destroy(encrypted);
        return error;
    }
    ret_text[0] = '\0';
    *ret_store = (struct store){.ops = &encrypted_ops,
                                .self = encrypted,
                                .slots = below->slots,
                                .slots_ready = below->slots_ready,
                                .queues = below->queues};
    return 0;
}

const struct cipher *encrypted_cipher(const struct store *store)
{
    const struct encrypted *encrypted = store->self;

    return encrypted->cipher;
}
