/*
 * trace.c - opens a trace, finds its format, and hands out its references.
 */
#include "trace/compact.h"
#include "trace/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUESS_BYTES    4096u
#define BATCH          4096u
#define LIST_START     65536u
#define PAGE_BYTES_MAX (1u << 30)

static const char *const format_names[TRACE_FORMATS] = {
    [TRACE_COMPACT] = "memman",  [TRACE_LACKEY] = "lackey",
    [TRACE_ADDRESS] = "address", [TRACE_DIN] = "din",
    [TRACE_LS] = "ls",           [TRACE_TXT] = "txt",
    [TRACE_CSV] = "csv",         [TRACE_ORACLE_GENERAL] = "oracleGeneral",
};

const char *trace_format_name(enum trace_format format)
{
    return format < TRACE_FORMATS ? format_names[format] : "";
}

bool trace_format_find(const char *name, enum trace_format *ret_format)
{
    for (unsigned format = 0; format < TRACE_FORMATS; format++) {
        if (strcmp(name, format_names[format]) == 0) {
            *ret_format = (enum trace_format)format;
            return true;
        }
    }
    return false;
}

/* ---- what goes wrong ------------------------------------------------------------------------ */

/* A failed read below explains it better than what is missing because of it. */
static bool is_explained(struct trace *trace)
{
    if (trace->input.failure[0] == '\0') {
        return false;
    }
    memcpy(trace->failure, trace->input.failure, sizeof(trace->failure));
    return true;
}

enum step trace_break_line(struct trace *trace, const char *format, ...)
{
    char why[TRACE_MESSAGE_BYTES / 2];
    va_list arguments;

    if (!is_explained(trace)) {
        va_start(arguments, format);
        vsnprintf(why, sizeof(why), format, arguments);
        va_end(arguments);
        snprintf(trace->failure, sizeof(trace->failure), "%.200s:%llu: %s", trace->input.name,
                 (unsigned long long)trace->input.line, why);
    }
    return STEP_BROKEN;
}

enum step trace_break_byte(struct trace *trace, uint64_t position, const char *format, ...)
{
    char why[TRACE_MESSAGE_BYTES / 2];
    va_list arguments;

    if (!is_explained(trace)) {
        va_start(arguments, format);
        vsnprintf(why, sizeof(why), format, arguments);
        va_end(arguments);
        snprintf(trace->failure, sizeof(trace->failure), "%.200s: byte %llu: %s", trace->input.name,
                 (unsigned long long)position, why);
    }
    return STEP_BROKEN;
}

const char *trace_failure(const struct trace *trace)
{
    return trace->failure[0] != '\0' ? trace->failure : NULL;
}

/* ---- open ----------------------------------------------------------------------------------- */

/* Numbers of 24 bytes a record have zero bytes everywhere; text has none. */
static enum trace_format guess(const unsigned char *bytes, size_t length)
{
    if (length >= strlen(COMPACT_MAGIC) &&
        memcmp(bytes, COMPACT_MAGIC, strlen(COMPACT_MAGIC)) == 0) {
        return TRACE_COMPACT;
    }
    if (memchr(bytes, '\0', length) != NULL) {
        return oracle_general_guess(bytes, length) ? TRACE_ORACLE_GENERAL : TRACE_GUESS;
    }
    return text_guess((const char *)bytes, length);
}

static unsigned shift_of(uint32_t page_bytes)
{
    return (unsigned)__builtin_ctz(page_bytes);
}

static bool format_begin(struct trace *trace)
{
    switch (trace->header.format) {
    case TRACE_COMPACT:
        trace->step = compact_step;
        return compact_begin(trace);
    case TRACE_ORACLE_GENERAL:
        trace->step = oracle_general_step;
        return true;
    default:
        trace->step = text_step;
        return true;
    }
}

static bool begin(struct trace *trace, struct trace_message *ret_message)
{
    const struct trace_options *options = &trace->options;
    size_t length = 0;

    trace->header.format = options->format;
    trace->header.page_bytes = options->page_bytes != 0 ? options->page_bytes : TRACE_PAGE_BYTES;
    if ((trace->header.page_bytes & (trace->header.page_bytes - 1)) != 0 ||
        trace->header.page_bytes > PAGE_BYTES_MAX) {
        snprintf(ret_message->text, sizeof(ret_message->text),
                 "%u: a page must be a power of two bytes, at most 1G", trace->header.page_bytes);
        return false;
    }
    if (options->format == TRACE_GUESS) {
        length = input_look(&trace->input, GUESS_BYTES);
        trace->header.format =
            guess(input_at(&trace->input), length < GUESS_BYTES ? length : GUESS_BYTES);
    }
    if (trace->header.format == TRACE_GUESS) {
        if (!is_explained(trace)) {
            snprintf(trace->failure, sizeof(trace->failure),
                     "%.200s: %s; name its format if it is one", trace->input.name,
                     length == 0 ? "is empty" : "looks like no trace that is known here");
        }
    } else if (format_begin(trace)) {
        trace->page_shift = shift_of(trace->header.page_bytes);
        return true;
    }
    memcpy(ret_message->text, trace->failure, sizeof(ret_message->text));
    return false;
}

static struct trace *open_new(const struct trace_options *options,
                              struct trace_message *ret_message)
{
    struct trace *trace = calloc(1, sizeof(*trace));

    if (trace == NULL) {
        snprintf(ret_message->text, sizeof(ret_message->text), "no memory for a trace");
    } else {
        trace->options = options != NULL ? *options : TRACE_OPTIONS_DEFAULT;
        if (trace->options.column == 0) {
            trace->options.column = 2;
        }
    }
    return trace;
}

static struct trace *opened(struct trace *trace, bool input, struct trace_message *ret_message)
{
    if (!input) {
        free(trace);
        return NULL;
    }
    if (!begin(trace, ret_message)) {
        trace_close(trace);
        return NULL;
    }
    return trace;
}

struct trace *trace_open(const char *path, const struct trace_options *options,
                         struct trace_message *ret_message)
{
    struct trace *trace = open_new(options, ret_message);

    return trace == NULL ? NULL
                         : opened(trace, input_open(&trace->input, path, ret_message), ret_message);
}

struct trace *trace_open_bytes(const void *bytes, size_t length, const char *name,
                               const struct trace_options *options,
                               struct trace_message *ret_message)
{
    struct trace *trace = open_new(options, ret_message);

    return trace == NULL
               ? NULL
               : opened(trace, input_open_bytes(&trace->input, bytes, length, name, ret_message),
                        ret_message);
}

void trace_close(struct trace *trace)
{
    if (trace != NULL) {
        input_close(&trace->input);
        free(trace->last_page);
        free(trace);
    }
}

/* ---- read ----------------------------------------------------------------------------------- */

enum step access_set(struct trace *trace, uint64_t address, uint64_t bytes, bool write,
                     uint32_t thread)
{
    const uint64_t last = address + (bytes > 0 ? bytes - 1 : 0);

    if (bytes > ACCESS_BYTES_MAX) {
        return trace_break_line(trace, "an access of %llu bytes; one has at most 1G",
                                (unsigned long long)bytes);
    }
    if (last < address) {
        return trace_break_line(trace, "an access past the end of all addresses");
    }
    trace->access =
        (struct access){.page = address >> trace->page_shift,
                        .pages = (last >> trace->page_shift) - (address >> trace->page_shift) + 1,
                        .thread = thread,
                        .write = write};
    return STEP_ACCESS;
}

static bool access_next(struct trace *trace)
{
    enum step step;

    if (trace->over) {
        return false;
    }
    do {
        step = trace->step(trace);
    } while (step == STEP_NOTHING);
    trace->over = step != STEP_ACCESS;
    if (step == STEP_END) {
        is_explained(trace);
    }
    return step == STEP_ACCESS;
}

size_t trace_read(struct trace *trace, struct trace_reference ret_references[], size_t count)
{
    struct access *access = &trace->access;
    size_t done = 0;

    while (done < count && (access->pages > 0 || access_next(trace))) {
        ret_references[done++] = (struct trace_reference){
            .page = access->page, .thread = access->thread, .write = access->write};
        access->page++;
        access->pages--;
        trace->references++;
    }
    return done;
}

const struct trace_header *trace_header(const struct trace *trace)
{
    return &trace->header;
}

uint64_t trace_accesses(const struct trace *trace)
{
    return trace->accesses;
}

/* ---- whole ---------------------------------------------------------------------------------- */

static bool list_grow(struct trace_list *list, size_t *room)
{
    const size_t more = *room == 0 ? LIST_START : *room * 2;
    struct trace_reference *grown = reallocarray(list->references, more, sizeof(*grown));

    if (grown != NULL) {
        list->references = grown;
        *room = more;
    }
    return grown != NULL;
}

static bool list_read(struct trace *trace, size_t count_max, struct trace_list *list,
                      struct trace_message *ret_message)
{
    size_t room = 0, count;

    do {
        if (room - list->count < BATCH && !list_grow(list, &room)) {
            snprintf(ret_message->text, sizeof(ret_message->text),
                     "%.200s: no memory for its references", trace->input.name);
            return false;
        }
        count = trace_read(trace, list->references + list->count, BATCH);
        list->count += count;
        if (list->count > count_max) {
            snprintf(ret_message->text, sizeof(ret_message->text),
                     "%.200s: has more than %zu references", trace->input.name, count_max);
            return false;
        }
    } while (count == BATCH);
    memcpy(ret_message->text, trace->failure, sizeof(ret_message->text));
    list->header = trace->header;
    list->accesses = trace->accesses;
    return trace->failure[0] == '\0';
}

bool trace_load(const char *path, const struct trace_options *options, size_t count_max,
                struct trace_list *ret_list, struct trace_message *ret_message)
{
    struct trace *trace = trace_open(path, options, ret_message);
    struct trace_list list = {.count = 0};
    const bool loaded = trace != NULL && list_read(trace, count_max, &list, ret_message);

    trace_close(trace);
    if (loaded) {
        *ret_list = list;
    } else {
        free(list.references);
    }
    return loaded;
}

void trace_list_free(struct trace_list *list)
{
    free(list->references);
    *list = (struct trace_list){.count = 0};
}
