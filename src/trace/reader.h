/*
 * reader.h - a trace that is being read, as the readers of its format see it.
 */
#ifndef MM_TRACE_READER_H
#define MM_TRACE_READER_H

#include "trace/input.h"
#include "trace/trace.h"

/* The longest single access that is believed. */
#define ACCESS_BYTES_MAX ((uint64_t)1 << 30)

/* What one step of a reader came to. */
enum step {
    STEP_ACCESS,  /* trace->access holds the next access */
    STEP_NOTHING, /* a line without one; go on */
    STEP_END,
    STEP_BROKEN, /* trace->failure says how */
};

/* One access as its line says it: pages one after the other. */
struct access {
    uint64_t page;
    uint64_t pages;
    uint32_t thread;
    bool write;
};

struct trace {
    struct input input;
    struct trace_options options;
    struct trace_header header;
    unsigned page_shift;
    enum step (*step)(struct trace *trace);
    struct access access; /* what is left of it */
    bool over;
    uint64_t accesses;   /* says the format, at its end */
    uint64_t references; /* read so far */
    uint32_t thread;     /* our own format: who is at work */
    uint64_t *last_page; /* our own format: of each thread */
    uint32_t threads;    /* there is room for in last_page */
    char failure[TRACE_MESSAGE_BYTES];
};

/* Break with a line that begins "FILE:LINE: " or "FILE: byte N: ". */
enum step trace_break_line(struct trace *trace, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum step trace_break_byte(struct trace *trace, uint64_t position, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An access of so many bytes, as pages; STEP_ACCESS, or STEP_BROKEN where it cannot be. */
enum step access_set(struct trace *trace, uint64_t address, uint64_t bytes, bool write,
                     uint32_t thread);

/* Text (text.c): one step for each format, and what format the first bytes look like. */
enum step text_step(struct trace *trace);
enum trace_format text_guess(const char *bytes, size_t length);

/* Our own format (compact_read.c). */
/* The header; false: broken. */
bool compact_begin(struct trace *trace);
enum step compact_step(struct trace *trace);

/* libCacheSim's records (oracle_general.c). */
#define ORACLE_GENERAL_BYTES 24
enum step oracle_general_step(struct trace *trace);
/* Whether the first bytes look like them. */
bool oracle_general_guess(const unsigned char *bytes, size_t length);

#endif
