/*
 * compact_read.c - reads our own format (docs/trace-format.md).
 */
#include "trace/compact.h"
#include "trace/reader.h"

#include <stdlib.h>
#include <string.h>

#define THREADS_START 16u

/* ---- header --------------------------------------------------------------------------------- */

static enum step page_bytes_set(struct trace *trace, const char *value)
{
    char *end;
    const unsigned long bytes = strtoul(value, &end, 10);

    if (*value < '0' || *value > '9' || *end != '\0' || bytes == 0 || bytes > (1ul << 30) ||
        (bytes & (bytes - 1)) != 0) {
        return trace_break_line(trace,
                                "page-bytes %.20s: a page has a power of two bytes, at most "
                                "1G",
                                value);
    }
    trace->header.page_bytes = (uint32_t)bytes;
    return STEP_NOTHING;
}

static void text_set(char text[TRACE_SOURCE_BYTES], const char *value)
{
    strncpy(text, value, TRACE_SOURCE_BYTES - 1);
    text[TRACE_SOURCE_BYTES - 1] = '\0';
}

/* A word that is not known here is passed over: later versions may say more. */
static enum step header_line(struct trace *trace, char *line)
{
    char *value = strchr(line, ' ');

    if (value == NULL || value == line) {
        return trace_break_line(trace, "a line of the header is a word and what it says");
    }
    *value++ = '\0';
    compact_clean(value);
    if (strcmp(line, "page-bytes") == 0) {
        return page_bytes_set(trace, value);
    }
    if (strcmp(line, "source") == 0) {
        text_set(trace->header.source, value);
    } else if (strcmp(line, "filter") == 0) {
        text_set(trace->header.filter, value);
    }
    return STEP_NOTHING;
}

bool compact_begin(struct trace *trace)
{
    struct hash *hash = hash_new();
    enum input_line taken;
    char *line;
    size_t length;

    if (hash == NULL) {
        trace_break_line(trace, "no memory for its checksum");
        return false;
    }
    input_hash_begin(&trace->input, hash);
    for (bool first = true;; first = false) {
        taken = input_take_line(&trace->input, &line, &length);
        if (taken != INPUT_LINE) {
            trace_break_line(trace, taken == INPUT_END ? "the header does not end"
                                                       : "a line of the header is too long");
            return false;
        }
        if (first &&
            (length + 1 != strlen(COMPACT_MAGIC) || memcmp(line, COMPACT_MAGIC, length) != 0)) {
            trace_break_line(trace, "is not '%.*s'", (int)strlen(COMPACT_MAGIC) - 1, COMPACT_MAGIC);
            return false;
        }
        if (length == 0) {
            return true;
        }
        if (!first && header_line(trace, line) == STEP_BROKEN) {
            return false;
        }
    }
}

/* ---- references ----------------------------------------------------------------------------- */

static enum step token_take(struct trace *trace, compact_token *ret_token)
{
    const size_t have = input_look(&trace->input, COMPACT_TOKEN_BYTES);
    const size_t count = compact_get(input_at(&trace->input), have, ret_token);

    if (count == 0) {
        return trace_break_byte(trace, input_position(&trace->input),
                                have < COMPACT_TOKEN_BYTES ? "the trace ends before its end mark"
                                                           : "no number is as long as this one");
    }
    input_pass(&trace->input, count);
    return STEP_NOTHING;
}

/* A number that a command takes; at most 64 bits. */
static enum step number_take(struct trace *trace, uint64_t *ret_number)
{
    const uint64_t position = input_position(&trace->input);
    compact_token token;

    if (token_take(trace, &token) == STEP_BROKEN) {
        return STEP_BROKEN;
    }
    if (token > UINT64_MAX) {
        return trace_break_byte(trace, position, "no number here has more than 64 bits");
    }
    *ret_number = (uint64_t)token;
    return STEP_NOTHING;
}

/* Room for the last page of thread number `thread`. */
static bool threads_fit(struct trace *trace, uint32_t thread)
{
    uint32_t threads = trace->threads != 0 ? trace->threads : THREADS_START;
    uint64_t *grown;

    while (threads <= thread) {
        threads *= 2;
    }
    if (threads == trace->threads) {
        return true;
    }
    grown = reallocarray(trace->last_page, threads, sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    memset(grown + trace->threads, 0, (threads - trace->threads) * sizeof(*grown));
    trace->last_page = grown;
    trace->threads = threads;
    return true;
}

static enum step thread_take(struct trace *trace)
{
    const uint64_t position = input_position(&trace->input);
    uint64_t thread = 0;

    if (number_take(trace, &thread) == STEP_BROKEN) {
        return STEP_BROKEN;
    }
    if (thread >= TRACE_THREADS_MAX) {
        return trace_break_byte(trace, position, "thread %llu; they are below %u",
                                (unsigned long long)thread, TRACE_THREADS_MAX);
    }
    trace->thread = (uint32_t)thread;
    return STEP_NOTHING;
}

static enum step end_take(struct trace *trace)
{
    uint64_t references = 0, accesses = 0, position, sum = 0, found;

    if (number_take(trace, &references) == STEP_BROKEN ||
        number_take(trace, &accesses) == STEP_BROKEN) {
        return STEP_BROKEN;
    }
    found = input_hash(&trace->input);
    position = input_position(&trace->input);
    if (input_look(&trace->input, HASH_BYTES) < HASH_BYTES) {
        return trace_break_byte(trace, position, "the trace ends before its checksum");
    }
    for (unsigned i = HASH_BYTES; i-- > 0;) {
        sum = sum << 8 | input_at(&trace->input)[i];
    }
    if (sum != found) {
        return trace_break_byte(trace, position, "the checksum is wrong: the trace is damaged");
    }
    if (references != trace->references) {
        return trace_break_byte(trace, position, "%llu references, it says it has %llu",
                                (unsigned long long)trace->references,
                                (unsigned long long)references);
    }
    input_pass(&trace->input, HASH_BYTES);
    if (input_look(&trace->input, 1) > 0) {
        return trace_break_byte(trace, input_position(&trace->input), "something follows the end");
    }
    trace->accesses = accesses;
    return STEP_END;
}

static enum step reference_set(struct trace *trace, compact_token token)
{
    const compact_token packed = token - COMPACT_COMMANDS;
    const uint64_t zigzag = (uint64_t)(packed >> 1);

    if (packed >> 1 > UINT64_MAX) {
        return trace_break_byte(trace, input_position(&trace->input),
                                "no page is as far away as this one");
    }
    if (trace->thread >= trace->threads && !threads_fit(trace, trace->thread)) {
        return trace_break_byte(trace, input_position(&trace->input), "no memory for a thread");
    }
    trace->last_page[trace->thread] += zigzag >> 1 ^ (0 - (zigzag & 1));
    trace->access = (struct access){.page = trace->last_page[trace->thread],
                                    .pages = 1,
                                    .thread = trace->thread,
                                    .write = (packed & 1) != 0};
    return STEP_ACCESS;
}

enum step compact_step(struct trace *trace)
{
    const uint64_t position = input_position(&trace->input);
    compact_token token;

    if (token_take(trace, &token) == STEP_BROKEN) {
        return STEP_BROKEN;
    }
    if (token >= COMPACT_COMMANDS) {
        return reference_set(trace, token);
    }
    switch ((enum compact_command)token) {
    case COMPACT_END:
        return end_take(trace);
    case COMPACT_THREAD:
        return thread_take(trace);
    default:
        return trace_break_byte(trace, position, "command %u is not known", (unsigned)token);
    }
}
