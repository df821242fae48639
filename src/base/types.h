/*
 * types.h - the few words every ring shares: fixed-width integers, page size, alignment, checks.
 *
 * A page is virtual, a frame is physical; both are counted, never pointed at. Page numbers and
 * frame numbers are 32 bits wide, which is 16 TiB of each.
 */
#ifndef MM_BASE_TYPES_H
#define MM_BASE_TYPES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT   12
#define MM_PAGE_SIZE ((size_t)1 << PAGE_SHIFT)

/* One cache line: what two threads write must not share. */
#define CACHE_LINE    64
#define CACHE_ALIGNED __attribute__((aligned(CACHE_LINE)))

/* "No such page, frame or slot." Slot 0 is never used, so 0 means "no slot". */
#define PAGE_NONE  UINT32_MAX
#define FRAME_NONE UINT32_MAX
#define SLOT_NONE  0u

typedef uint32_t page_number;
typedef uint32_t frame_number;
typedef uint32_t slot_number;

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LIKELY(x)      __builtin_expect(!!(x), 1)
#define UNLIKELY(x)    __builtin_expect(!!(x), 0)

/*
 * Each operand is evaluated once: it may be a count that others change. Of the type that both have in
 * common; no constant expression. The names differ where one stands in another.
 */
#define MIN_OF(a, b)        OF_TWO(<, a, b, __COUNTER__)
#define MAX_OF(a, b)        OF_TWO(>, a, b, __COUNTER__)
#define OF_TWO(op, a, b, n) OF_TWO_NAMED(op, a, b, n)
#define OF_TWO_NAMED(op, a, b, n)                                                                  \
    ({                                                                                             \
        const __typeof__(1 ? (a) : (b)) of_a_##n = (a), of_b_##n = (b);                            \
        of_a_##n op of_b_##n ? of_a_##n : of_b_##n;                                                \
    })

#endif
