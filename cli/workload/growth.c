/*
 * growth.c - what a program's own memory does: a stack that grows and shrinks, a heap that grows.
 *
 *   stack:frame=256             calls: each has frame= bytes and writes its page, each return reads
 *                               that of the caller. The thread goes down to a random depth, up or
 *                               down to the next one, and so on; small depths are likelier
 *   heap:objects=16,theta=0.99  a new object is written behind the last one, objects= to a page;
 *                               for each new one three that are there are read, zipf by how new
 *                               their pages are. Where the memory ends the heap is empty again
 *
 * Each thread has its own part of the memory; with more threads than pages some share one.
 */
#include "workload/family.h"

#define PAGE_BYTES (WORKLOAD_WORDS * 8)

/* ---- stack ---------------------------------------------------------------------------------- */

static uint64_t frames_a_page(const struct workload *workload)
{
    return PAGE_BYTES / workload->value[0].number;
}

/* The least of three, so that the stack is deep now and then. */
static uint64_t depth_choose(struct workload_strand *strand)
{
    const uint64_t frames = workload_part_pages(strand->workload) * frames_a_page(strand->workload);
    uint64_t depth = frames;

    for (unsigned i = 0; i < 3; i++) {
        const uint64_t drawn = random_below(&strand->random, frames);
        depth = drawn < depth ? drawn : depth;
    }
    return depth;
}

static void stack_next(struct workload_strand *strand, struct workload_access *ret_access)
{
    if (strand->place == strand->stack.goal) {
        strand->stack.goal = depth_choose(strand);
    }
    ret_access->write = strand->place < strand->stack.goal;
    if (strand->place < strand->stack.goal) {
        strand->place++;
    } else if (strand->place > strand->stack.goal) {
        strand->place--;
    }
    ret_access->page = workload_part_page(strand, strand->place / frames_a_page(strand->workload));
}

const struct workload_family workload_stack = {
    .name = "stack",
    .key = {{.name = "frame",
             .kind = WORKLOAD_NUMBER,
             .wanted = "a number of bytes from 1 to 4096",
             .number = 256,
             .number_max = PAGE_BYTES}},
    .writes = true,
    .next = stack_next};

/* ---- heap ----------------------------------------------------------------------------------- */

enum { HEAP_OBJECTS, HEAP_THETA };

#define TOUCHES 3 /* of older objects, for each new one */

static bool heap_fit(struct workload *workload, const struct workload_scene *scene,
                     struct workload_refusal *ret_refusal)
{
    (void)scene, (void)ret_refusal;
    zipf_init(&workload->zipf, workload_part_pages(workload), workload->value[HEAP_THETA].real);
    return true;
}

static void heap_next(struct workload_strand *strand, struct workload_access *ret_access)
{
    const struct workload *workload = strand->workload;
    const uint64_t objects = workload->value[HEAP_OBJECTS].number;
    const uint64_t done = strand->place / (TOUCHES + 1);
    const uint64_t newest = done / objects;

    ret_access->write = strand->place % (TOUCHES + 1) == 0;
    if (ret_access->write) {
        ret_access->page = workload_part_page(strand, newest);
    } else {
        uint64_t age;
        do {
            age = zipf_rank(&workload->zipf, &strand->random) - 1;
        } while (age > newest);
        ret_access->page = workload_part_page(strand, newest - age);
    }
    if (++strand->place == workload_part_pages(workload) * objects * (TOUCHES + 1)) {
        strand->place = 0;
    }
}

const struct workload_family workload_heap = {
    .name = "heap",
    .key = {[HEAP_OBJECTS] = {.name = "objects",
                              .kind = WORKLOAD_NUMBER,
                              .wanted = "a number from 1 to 4096",
                              .number = 16,
                              .number_max = PAGE_BYTES},
            [HEAP_THETA] = WORKLOAD_THETA},
    .writes = true,
    .fit = heap_fit,
    .next = heap_next};
