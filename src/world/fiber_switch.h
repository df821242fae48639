/*
 * fiber_switch.h - a stack of one's own, and going from one to another.
 *
 * A switch saves what a function call must preserve and swaps stack pointers: a few nanoseconds,
 * no system call. Sanitizers are told, so that AddressSanitizer knows the stack and
 * ThreadSanitizer sees the fibers as threads that nothing but the code itself orders.
 */
#ifndef MM_WORLD_FIBER_SWITCH_H
#define MM_WORLD_FIBER_SWITCH_H

#include <stddef.h>

struct fiber_context {
    void *stack_pointer;
    char *stack; /* lowest byte; NULL: the stack that the operating system gave */
    size_t stack_bytes;
    void *sanitizer; /* ThreadSanitizer's fiber, or AddressSanitizer's fake stack */
};

typedef void fiber_entry(void *argument);

/* A stack with a guard page below it, kept for the next fiber. 0 or -ENOMEM. */
int fiber_stack_take(struct fiber_context *context);
void fiber_stack_return(struct fiber_context *context);

/* The first switch to the context calls entry(argument), which must not return. */
void fiber_prepare(struct fiber_context *context, fiber_entry *entry, void *argument);
/* The running stack becomes `from`; continues where `to` stopped. */
void fiber_switch(struct fiber_context *from, struct fiber_context *to);
/* First thing on a new stack: the switch that led here is complete. */
void fiber_arrived(struct fiber_context *self);
/* The context will never run again. */
void fiber_forget(struct fiber_context *context);

/* Between the two, ThreadSanitizer does not see what the fiber does: it is the world's own. */
void fiber_hide_begin(void);
void fiber_hide_end(void);
/* What one fiber did before the first comes before what another does after the second. */
void fiber_order_before(void *what);
void fiber_order_after(void *what);

#endif
