/*
 * options.h - the options of a run: one table that parsing, help, JSON and "repeat with" read.
 *
 * An option has a value when it was given, has a default here, or the manager chose one
 * (options_resolve).
 */
#ifndef MM_CLI_OPTIONS_H
#define MM_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memman.h"

enum option {
    OPTION_MACHINE,
    OPTION_FAULTS,
    OPTION_MEMORY,
    OPTION_FRAMES,
    OPTION_PAGEFILE,
    OPTION_STORE,
    OPTION_OVERWRITE,
    OPTION_ENCRYPT,
    OPTION_THREADS,
    OPTION_ACCESSES,
    OPTION_SECONDS,
    OPTION_WORKLOAD,
    OPTION_WRITE_RATIO,
    OPTION_SEED,
    OPTION_POLICY,
    OPTION_TRIMMERS,
    OPTION_WRITERS,
    OPTION_ZEROERS,
    OPTION_DEFRAGMENTERS,
    OPTION_FAULT_HANDLERS,
    OPTION_STANDBY,
    OPTION_TRIM_BATCH,
    OPTION_WRITE_BATCH,
    OPTION_REGION_PTES,
    OPTION_FRAME_CACHE,
    OPTION_FAULT_AROUND,
    OPTION_READ_CLUSTER,
    OPTION_TRANSFER_BATCH,
    OPTION_PREFETCH,
    OPTION_PREFETCH_BY,
    OPTION_TLB,
    OPTION_LIST_COLOURS,
    OPTION_BALANCE,
    OPTION_LIST_LOCK,
    OPTION_BACKOFF,
    OPTION_DIRTY_BIT,
    OPTION_MAP_WRITABLE,
    OPTION_SLOT_SEARCH,
    OPTION_SLOT_RESERVATION,
    OPTION_LATENCY,
    OPTION_VERIFY,
    OPTION_JSON,
    OPTION_SLOT_MAP,
    OPTION_TRACE,
    OPTION_REPORT,
    OPTION_QUIET,
    OPTION_COUNT
};

enum option_kind {
    OPTION_CHOICE,      /* number is the index into the choices */
    OPTION_SIZE,        /* number is bytes */
    OPTION_FRAMES_SIZE, /* the same, or to be found: then it is not present, and real is SLOWDOWN */
    OPTION_RANGE,       /* the same, or A..B: number is A, number_max is B */
    OPTION_NUMBER,      /* where it has choices, "on|off": 0 is off, on is OPTION_NUMBER_ON */
    OPTION_POWER_OF_TWO, /* or 0 where the minimum allows it */
    OPTION_REAL,
    OPTION_TEXT,
    OPTION_FILE, /* where to write; about the report, not about the run */
    OPTION_FLAG,
};

/* The manager chooses the number. */
#define OPTION_NUMBER_ON MM_DEFAULT_COUNT

struct option_info {
    const char *name;
    enum option_kind kind;
    uint64_t minimum, maximum;
    const char *choices; /* "a|b" */
    const char *initial; /* default as text; NULL: the manager chooses, or none */
    const char *heading; /* in the help, before this option */
    const char *help;
};
extern const struct option_info option_table[OPTION_COUNT];

struct option_value {
    bool given;   /* on the command line */
    bool present; /* given or by default */
    uint64_t number, number_max;
    double real;
    const char *text;
};

struct options {
    struct option_value value[OPTION_COUNT];
    bool help;
};

/* Prints one line to stderr and returns false where the words are no options. */
bool options_parse(struct options *ret_options, int count, char *const words[]);

/* "auto" or "auto:SLOWDOWN", from 1: frames that are enough for no more than that. */
#define SLOWDOWN_DEFAULT 1.1
bool frames_are_auto(const char *text);
/* False: the slowdown is none. */
bool slowdown_parse(const char *text, double *ret_slowdown);

bool option_find(const char *name, size_t length, enum option *ret_option);
/* Give the option this value; one line to stderr and false where it cannot have it, with `shown` as
 * the words at fault. The text must live as long as the options. */
bool option_set(struct options *options, enum option option, const char *shown, const char *text);

/* What the manager is asked for. */
void options_engine(const struct options *options, struct mm_options *ret_engine);
/* Fill in what the manager chose. */
void options_resolve(struct options *options, const struct mm_options *engine);

/* The value as one would write it on the command line. */
#define OPTION_VALUE_BYTES 512
void option_value_print(const struct options *options, enum option option,
                        char ret_text[OPTION_VALUE_BYTES]);
/* Its name as JSON keys are written: list-lock becomes list_lock. */
#define OPTION_KEY_BYTES 32
void option_key_print(enum option option, char ret_key[OPTION_KEY_BYTES]);
/* "1G", or "1G..8G" */
void range_print(uint64_t from, uint64_t to, char ret_text[OPTION_VALUE_BYTES]);
/* The command that repeats the run. */
void options_print_command(const struct options *options, char *ret_text, size_t bytes);

/* One line to stderr, whatever bytes are in it: "memman: ...". */
void line_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same: "memman: WORD: reason". */
void usage_complain(const char *word, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Which of the names looks most like the word; NULL where none does. */
const char *name_nearest(const char *word, const char *const names[], unsigned count);

#endif
