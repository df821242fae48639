/*
 * command.c - `memman trace info|convert|head`.
 */
#include "trace/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "numbers.h"
#include "options.h"
#include "settings.h"
#include "trace/reading.h"

#define BATCH        4096u
#define HEAD_DEFAULT 10u

enum verb { VERB_INFO, VERB_CONVERT, VERB_HEAD, VERBS };

struct request {
    struct trace_options options; /* first: reading.h */
    const char *output;           /* convert */
    enum trace_format to;
    const char *json; /* info */
    uint64_t count;   /* convert, head */
};

/* ---- the command line ----------------------------------------------------------------------- */

static bool to_set(void *target, const char *value)
{
    return trace_format_find(value, &((struct request *)target)->to);
}

static bool output_set(void *target, const char *value)
{
    ((struct request *)target)->output = value;
    return true;
}

static bool json_set(void *target, const char *value)
{
    ((struct request *)target)->json = value;
    return true;
}

static bool count_set(void *target, const char *value)
{
    uint64_t *count = &((struct request *)target)->count;

    return number_parse(value, count) && *count > 0;
}

/* Each verb has the first ones and its own. */
static const struct setting info_settings[] = {READING_SETTINGS, {"json", 0, "a file", json_set}};
static const struct setting convert_settings[] = {
    READING_SETTINGS,
    {"output", 'o', "a file", output_set},
    {"to", 0, READING_FORMATS, to_set},
    {"count", 'n', "a whole number from 1", count_set}};
static const struct setting head_settings[] = {READING_SETTINGS,
                                               {"count", 'n', "a whole number from 1", count_set}};

static const struct {
    const char *name, *command;
    const struct setting *settings;
    unsigned count;
} verbs[VERBS] = {
    [VERB_INFO] = {"info", "memman trace info", info_settings, READING_COUNT + 1},
    [VERB_CONVERT] = {"convert", "memman trace convert", convert_settings, READING_COUNT + 3},
    [VERB_HEAD] = {"head", "memman trace head", head_settings, READING_COUNT + 1},
};

static bool verb_find(int count, char *words[], enum verb *ret_verb)
{
    if (count == 0) {
        line_complain("trace: nothing to do; give info, convert or head, and a file");
        return false;
    }
    for (unsigned verb = 0; verb < VERBS; verb++) {
        if (strcmp(words[0], verbs[verb].name) == 0) {
            *ret_verb = (enum verb)verb;
            return true;
        }
    }
    usage_complain(words[0], "trace has no such word; there are info, convert and head");
    return false;
}

static bool request_take(enum verb verb, int count, char *words[], struct request *ret_request)
{
    const struct settings settings = {verbs[verb].command, verbs[verb].settings, verbs[verb].count,
                                      ret_request};

    if (!settings_take(&settings, &count, words, false)) {
        return false;
    }
    if (count != 1) {
        line_complain(count == 0 ? "trace: %s: no trace; give a file, or - for standard input"
                                 : "trace: %s: one trace at a time",
                      verbs[verb].name);
        return false;
    }
    if (verb == VERB_CONVERT && ret_request->output == NULL) {
        line_complain("trace: convert: where to? give -o FILE, or -o - for standard output");
        return false;
    }
    return true;
}

/* ---- verbs ---------------------------------------------------------------------------------- */

/* What stopped the reading, if anything did. */
static enum exit_code failure_print(const struct trace *trace)
{
    if (trace_failure(trace) == NULL) {
        return EXIT_GOOD;
    }
    line_complain("%s", trace_failure(trace));
    return EXIT_USAGE;
}

static enum exit_code head_print(struct trace *trace, uint64_t count)
{
    const uint32_t page_bytes = trace_header(trace)->page_bytes;
    struct trace_reference reference;
    char address[ADDRESS_TEXT_BYTES];

    for (; count > 0 && trace_read(trace, &reference, 1) == 1; count--) {
        printf("%s %c %" PRIu32 "\n", page_address_print(reference.page, page_bytes, 0, address),
               reference.write ? 'W' : 'R', reference.thread);
    }
    if (fflush(stdout) != 0) {
        perror("memman: standard output");
        return EXIT_REFUSED;
    }
    return failure_print(trace);
}

/* False: the file cannot be written. */
static bool references_move(struct trace *trace, struct trace_writer *writer, uint64_t count)
{
    struct trace_reference references[BATCH];
    size_t taken;

    do {
        taken = trace_read(trace, references, count < BATCH ? (size_t)count : BATCH);
        if (!trace_write(writer, references, taken)) {
            return false;
        }
        count -= taken;
    } while (taken > 0 && count > 0);
    return true;
}

static enum exit_code convert(struct trace *trace, const struct request *request)
{
    struct trace_header header = *trace_header(trace);
    struct trace_message message;
    struct trace_writer *writer;

    header.format = request->to;
    writer = trace_create(request->output, &header, &message);
    if (writer == NULL) {
        line_complain("%s", message.text);
        return EXIT_REFUSED;
    }
    if (references_move(trace, writer, request->count != 0 ? request->count : UINT64_MAX) &&
        trace_failure(trace) != NULL) {
        trace_abandon(writer);
        return failure_print(trace);
    }
    if (!trace_finish(writer, trace_accesses(trace), &message)) {
        line_complain("%s", message.text);
        return EXIT_REFUSED;
    }
    return EXIT_GOOD;
}

enum exit_code trace_command(int count, char *words[])
{
    struct request request = {.options = TRACE_OPTIONS_DEFAULT, .to = TRACE_COMPACT};
    struct trace_message message;
    enum exit_code code;
    enum verb verb;

    if (!verb_find(count, words, &verb) || !request_take(verb, count - 1, words + 1, &request)) {
        return EXIT_USAGE;
    }
    struct trace *trace = trace_open(words[1], &request.options, &message);
    if (trace == NULL) {
        line_complain("%s", message.text);
        return EXIT_USAGE;
    }
    if (verb == VERB_INFO) {
        code = trace_info_print(trace, words[1], request.json);
        code = code == EXIT_GOOD ? failure_print(trace) : code;
    } else if (verb == VERB_HEAD) {
        code = head_print(trace, request.count != 0 ? request.count : HEAD_DEFAULT);
    } else {
        code = convert(trace, &request);
    }
    trace_close(trace);
    return code;
}
