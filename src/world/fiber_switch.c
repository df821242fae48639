/*
 * fiber_switch.c - stacks, and the switch between them for x86-64 and arm64.
 */
#include "world/fiber_switch.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#define STACK_BYTES ((size_t)128 << 10)
#define GUARD_BYTES ((size_t)4096)
#define KEPT_MAX    1200u

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef MM_SANITIZE_THREAD
#include <sanitizer/tsan_interface.h>
#endif

/* ---- stacks ---- */

static char *kept[KEPT_MAX];
static unsigned kept_count;

int fiber_stack_take(struct fiber_context *context)
{
    char *stack = kept_count > 0 ? kept[--kept_count] : NULL;

    if (stack == NULL) {
        stack = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stack == MAP_FAILED)
            return -ENOMEM;
        mprotect(stack, GUARD_BYTES, PROT_NONE);
        stack += GUARD_BYTES;
    }
    *context = (struct fiber_context){.stack = stack, .stack_bytes = STACK_BYTES};
    return 0;
}

void fiber_stack_return(struct fiber_context *context)
{
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(context->stack, context->stack_bytes);
#endif
    if (kept_count < KEPT_MAX)
        kept[kept_count++] = context->stack;
    else
        munmap(context->stack - GUARD_BYTES, GUARD_BYTES + context->stack_bytes);
    context->stack = NULL;
}

/* ---- what the sanitizers are told ---- */

#ifdef __SANITIZE_ADDRESS__
static struct fiber_context *left; /* by the switch under way */
#endif

static void announce_leave(struct fiber_context *from, struct fiber_context *to)
{
    (void)from, (void)to;
#ifdef __SANITIZE_ADDRESS__
    left = from;
    __sanitizer_start_switch_fiber(&from->sanitizer, to->stack, to->stack_bytes);
#endif
#ifdef MM_SANITIZE_THREAD
    if (from->sanitizer == NULL)
        from->sanitizer = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->sanitizer, __tsan_switch_to_fiber_no_sync);
#endif
}

void fiber_arrived(struct fiber_context *self)
{
    (void)self;
#ifdef __SANITIZE_ADDRESS__
    const void *stack;
    size_t bytes;

    __sanitizer_finish_switch_fiber(self->sanitizer, &stack, &bytes);
    if (left->stack == NULL) { /* the operating system's: only now do we learn where it is */
        left->stack = (char *)(uintptr_t)stack;
        left->stack_bytes = bytes;
    }
#endif
}

void fiber_forget(struct fiber_context *context)
{
#ifdef MM_SANITIZE_THREAD
    if (context->sanitizer != NULL)
        __tsan_destroy_fiber(context->sanitizer);
#endif
    context->sanitizer = NULL;
}

static void announce_new(struct fiber_context *context)
{
    context->sanitizer = NULL;
#ifdef MM_SANITIZE_THREAD
    context->sanitizer = __tsan_create_fiber(0);
#endif
}

#ifdef MM_SANITIZE_THREAD
/* Of the sanitizer's run time; no header declares them. */
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#endif

void fiber_hide_begin(void)
{
#ifdef MM_SANITIZE_THREAD
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
}

void fiber_hide_end(void)
{
#ifdef MM_SANITIZE_THREAD
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
#endif
}

void fiber_order_after(void *what)
{
    (void)what;
#ifdef MM_SANITIZE_THREAD
    __tsan_acquire(what);
#endif
}

void fiber_order_before(void *what)
{
    (void)what;
#ifdef MM_SANITIZE_THREAD
    __tsan_release(what);
#endif
}

/* ---- the switch ---- */

#if defined(__x86_64__)

/* Saves the six registers a call preserves and swaps the stacks; nobody changes the control words. */
__asm__(".pushsection .text\n"
        ".type memman_fiber_swap, @function\n"
        "memman_fiber_swap:\n" /* rdi: where to keep our stack pointer, rsi: the other's */
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".type memman_fiber_begin, @function\n"
        "memman_fiber_begin:\n" /* r12: entry, r13: its argument */
        "    xorl %ebp, %ebp\n"
        "    movq %r13, %rdi\n"
        "    callq *%r12\n"
        "    ud2\n"
        ".popsection\n");
void memman_fiber_swap(void **ret_stack_pointer, void *stack_pointer);
void memman_fiber_begin(void);

static void prepare_stack(struct fiber_context *context, fiber_entry *entry, void *argument)
{
    uintptr_t *top = (uintptr_t *)(void *)(context->stack + context->stack_bytes);

    *--top = 0; /* two words, so that the stack is aligned as before a call */
    *--top = 0;
    *--top = (uintptr_t)memman_fiber_begin;
    *--top = 0;                   /* rbp */
    *--top = 0;                   /* rbx */
    *--top = (uintptr_t)entry;    /* r12 */
    *--top = (uintptr_t)argument; /* r13 */
    *--top = 0;                   /* r14 */
    *--top = 0;                   /* r15 */
    context->stack_pointer = top;
}

#elif defined(__aarch64__)

__asm__(".pushsection .text\n"
        ".type memman_fiber_swap, @function\n"
        "memman_fiber_swap:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".type memman_fiber_begin, @function\n"
        "memman_fiber_begin:\n" /* x19: entry, x20: its argument */
        "    mov x0, x20\n"
        "    blr x19\n"
        "    brk #0\n"
        ".popsection\n");
void memman_fiber_swap(void **ret_stack_pointer, void *stack_pointer);
void memman_fiber_begin(void);

static void prepare_stack(struct fiber_context *context, fiber_entry *entry, void *argument)
{
    uintptr_t *frame = (uintptr_t *)(void *)(context->stack + context->stack_bytes - 160);

    for (unsigned i = 0; i < 160 / sizeof(*frame); i++)
        frame[i] = 0;
    frame[0] = (uintptr_t)entry;               /* x19 */
    frame[1] = (uintptr_t)argument;            /* x20 */
    frame[11] = (uintptr_t)memman_fiber_begin; /* x30 */
    context->stack_pointer = frame;
}

#else
#error "fiber_switch.c: write the switch for this processor"
#endif

void fiber_prepare(struct fiber_context *context, fiber_entry *entry, void *argument)
{
    announce_new(context);
    prepare_stack(context, entry, argument);
}

void fiber_switch(struct fiber_context *from, struct fiber_context *to)
{
    announce_leave(from, to);
    memman_fiber_swap(&from->stack_pointer, to->stack_pointer);
    fiber_arrived(from);
}
