/*
 * trace.h - what a program touched: page references from a file of any known format, and into one.
 *
 * A reference is a page, the thread that touched it, and whether it wrote. The page of an address
 * is the address divided by the page size; where a format has ids in place of addresses the id is
 * the page. An access that spans several pages gives one reference for each.
 *
 * Formats: our own (docs/trace-format.md); the text of valgrind's lackey; "ADDRESS R|W"; Dinero's
 * din; "l|s ADDRESS BYTES"; libCacheSim's txt, csv and oracleGeneral. Files may be compressed with
 * gzip or zstd, where the build has zlib or libzstd. "-" is standard input.
 *
 * Reading is one pass, in bounded memory. A trace belongs to one thread at a time. Nothing here
 * prints or exits: what goes wrong is a line of text that names the file and the line or the byte.
 */
#ifndef MM_TRACE_TRACE_H
#define MM_TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trace_format {
    TRACE_COMPACT,        /* "memman": our own */
    TRACE_LACKEY,         /* "lackey": " L|S|M ADDRESS,BYTES", "I  ADDRESS,BYTES" */
    TRACE_ADDRESS,        /* "address": "ADDRESS R|W [THREAD]" */
    TRACE_DIN,            /* "din": "0|1|2 ADDRESS"; 0 read, 1 write, 2 instruction */
    TRACE_LS,             /* "ls": "l|s ADDRESS BYTES" */
    TRACE_TXT,            /* "txt": one id a line */
    TRACE_CSV,            /* "csv": an id in a column */
    TRACE_ORACLE_GENERAL, /* "oracleGeneral": records of 24 bytes */
    TRACE_FORMATS,
    TRACE_GUESS = TRACE_FORMATS /* by the first bytes */
};

#define TRACE_PAGE_BYTES    4096u
#define TRACE_THREADS_MAX   65536u
#define TRACE_SOURCE_BYTES  512
#define TRACE_MESSAGE_BYTES 512

struct trace_reference {
    uint64_t page;
    uint32_t thread; /* from 0, below TRACE_THREADS_MAX; 0 where the format has none */
    bool write;
};

/* One line: "FILE:LINE: what" or "FILE: byte N: what". */
struct trace_message {
    char text[TRACE_MESSAGE_BYTES];
};

struct trace_options {
    enum trace_format format; /* TRACE_GUESS by default */
    uint32_t page_bytes;      /* a power of two; our own format brings its own. 0: 4096 */
    uint32_t column;          /* csv: the id's, from 1. 0: 2 */
    bool code;                /* lackey, din: references of instructions too, as reads */
};
#define TRACE_OPTIONS_DEFAULT ((struct trace_options){.format = TRACE_GUESS})

/* What is said of a trace before its first reference. */
struct trace_header {
    enum trace_format format;
    uint32_t page_bytes;
    char source[TRACE_SOURCE_BYTES]; /* who made it of what; "" where the format does not say */
    char filter[TRACE_SOURCE_BYTES]; /* which references were left out; "" where it does not say */
};

struct trace;

/* NULL and the reason. The path must live as long as the trace. */
struct trace *trace_open(const char *path, const struct trace_options *options,
                         struct trace_message *ret_message);
/* The same of bytes that live as long as the trace; the name stands for the file in messages. */
struct trace *trace_open_bytes(const void *bytes, size_t length, const char *name,
                               const struct trace_options *options,
                               struct trace_message *ret_message);
const struct trace_header *trace_header(const struct trace *trace);
/*
 * The next `count` references. Fewer only where the trace ends or is broken: trace_failure() says
 * which. What was read before the broken place is good.
 */
size_t trace_read(struct trace *trace, struct trace_reference ret_references[], size_t count);
/* Why reading stopped before the end of the trace; NULL: it did not. */
const char *trace_failure(const struct trace *trace);
/* All accesses the references were filtered from; 0: not known, or not yet at the end. */
uint64_t trace_accesses(const struct trace *trace);
void trace_close(struct trace *trace);

/* A whole trace in memory. */
struct trace_list {
    struct trace_header header;
    uint64_t accesses; /* as trace_accesses() */
    size_t count;
    struct trace_reference *references;
};

/* At most `count_max` references; more is a failure, and says so. */
bool trace_load(const char *path, const struct trace_options *options, size_t count_max,
                struct trace_list *ret_list, struct trace_message *ret_message);
void trace_list_free(struct trace_list *list);

/*
 * Into a file, or standard output ("-"), in header->format; packed where the name ends in .gz or
 * .zst. What the format cannot say (threads, writes, the header) is left out. oracleGeneral needs
 * the future of each page, so its references are kept in memory until the end.
 *
 * A file gets its name when it is whole: until then it is PATH.PID.part, and what was at PATH
 * stays. The path must live as long as the writer.
 */
struct trace_writer;

struct trace_writer *trace_create(const char *path, const struct trace_header *header,
                                  struct trace_message *ret_message);
/* False: it cannot be written; trace_finish() says why. */
bool trace_write(struct trace_writer *writer, const struct trace_reference references[],
                 size_t count);
/* The end, with how many accesses the references were filtered from (0: not known). */
bool trace_finish(struct trace_writer *writer, uint64_t accesses,
                  struct trace_message *ret_message);
/* Without an end: no file is left. */
void trace_abandon(struct trace_writer *writer);

/* The name as --format takes it. */
const char *trace_format_name(enum trace_format format);
bool trace_format_find(const char *name, enum trace_format *ret_format);

#endif
