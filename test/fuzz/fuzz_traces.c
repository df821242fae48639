/*
 * fuzz_traces.c - an input is a trace: its first byte names the format, the second how it is read.
 *
 * It is read to its end or to one line that says what is wrong. The same must come whether
 * references are taken one at a time or many, and what was read must come back the same from a file
 * of our own format.
 */
#include "fuzz.h"

#include "trace/trace.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME       "input"
#define COUNT_MAX  20000u
#define BATCH_LONG 1000u

#define REQUIRE(condition, ...)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "fuzz_traces: " __VA_ARGS__);                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct taken {
    struct trace_header header;
    struct trace_reference references[COUNT_MAX];
    size_t count;
    uint64_t accesses;
    bool opened, whole;
    char failure[TRACE_MESSAGE_BYTES];
};

static bool is_line(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~') {
            return false;
        }
    }
    return *text != '\0';
}

static void refuse(struct taken *taken, const char *line)
{
    snprintf(taken->failure, sizeof(taken->failure), "%s", line);
    REQUIRE(is_line(line), "no line: '%s'", line);
    REQUIRE(strncmp(line, NAME ":", strlen(NAME ":")) == 0, "no name in it: %s", line);
}

/* No more than there is room for: one line may be an access of many pages. */
static void take(const unsigned char *bytes, size_t count, const struct trace_options *options,
                 size_t batch, struct taken *ret_taken)
{
    struct trace_message message = {""};
    struct trace *trace = trace_open_bytes(bytes, count, NAME, options, &message);
    struct taken *taken = ret_taken;
    size_t got = batch;

    taken->count = 0;
    taken->accesses = 0;
    taken->whole = false;
    taken->failure[0] = '\0';
    taken->opened = trace != NULL;
    if (trace == NULL) {
        refuse(taken, message.text);
        return;
    }
    taken->header = *trace_header(trace);
    REQUIRE(taken->header.format < TRACE_FORMATS, "no format was found, and none refused");
    while (got == batch && taken->count < COUNT_MAX) {
        const size_t room = COUNT_MAX - taken->count;
        batch = batch < room ? batch : room;
        got = trace_read(trace, taken->references + taken->count, batch);
        REQUIRE(got <= batch, "more references than asked for");
        taken->count += got;
    }
    taken->whole = got < batch;
    taken->accesses = trace_accesses(trace);
    if (taken->whole) {
        struct trace_reference none;
        REQUIRE(trace_read(trace, &none, 1) == 0, "a reference after the end");
    }
    if (trace_failure(trace) != NULL) {
        REQUIRE(taken->whole, "broken, and going on");
        refuse(taken, trace_failure(trace));
    }
    trace_close(trace);
}

static void compare(const struct taken *one, const struct taken *two, const char *what)
{
    REQUIRE(one->count == two->count, "%s: %zu references, %zu before", what, two->count,
            one->count);
    for (size_t at = 0; at < one->count; at++) {
        const struct trace_reference *first = &one->references[at], *second = &two->references[at];
        REQUIRE(first->thread < TRACE_THREADS_MAX, "thread %u", first->thread);
        REQUIRE(first->page == second->page && first->thread == second->thread &&
                    first->write == second->write,
                "%s: reference %zu is another", what, at);
    }
}

static size_t file_take(const char *path, unsigned char **ret_bytes)
{
    FILE *file = fopen(path, "rb");
    long length;

    REQUIRE(file != NULL && fseek(file, 0, SEEK_END) == 0, "no file %s", path);
    length = ftell(file);
    rewind(file);
    *ret_bytes = malloc((size_t)length + 1);
    REQUIRE(*ret_bytes != NULL && fread(*ret_bytes, 1, (size_t)length, file) == (size_t)length,
            "%s cannot be read", path);
    fclose(file);
    return (size_t)length;
}

/* Packed or not: what is written reads back. */
static void check_written(const struct taken *taken, bool packed)
{
    static struct taken again;
    struct trace_header header = taken->header;
    struct trace_message message = {""};
    unsigned char *bytes;
    size_t length;
    char path[64];

    snprintf(path, sizeof(path), "/tmp/fuzz-traces-%d%s", (int)getpid(), packed ? ".gz" : "");
    header.format = TRACE_COMPACT;
    struct trace_writer *writer = trace_create(path, &header, &message);
    if (writer == NULL && strstr(message.text, "built without") != NULL) {
        return;
    }
    REQUIRE(writer != NULL, "not written: %s", message.text);
    REQUIRE(trace_write(writer, taken->references, taken->count) &&
                trace_finish(writer, taken->accesses, &message),
            "not written: %s", message.text);
    length = file_take(path, &bytes);
    unlink(path);
    take(bytes, length, NULL, COUNT_MAX, &again);
    free(bytes);
    REQUIRE(again.failure[0] == '\0', "what was written is refused: %s", again.failure);
    compare(taken, &again, "written");
    REQUIRE(again.accesses == taken->accesses, "written: accesses");
    REQUIRE(again.header.page_bytes == header.page_bytes, "written: bytes of a page");
    REQUIRE(strcmp(again.header.source, header.source) == 0 &&
                strcmp(again.header.filter, header.filter) == 0,
            "written: the header");
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t count)
{
    static const uint32_t page_bytes[] = {0, 4096, 1, 65536};
    static struct taken once, again;
    struct trace_options options = TRACE_OPTIONS_DEFAULT;

    if (count < 2) {
        return 0;
    }
    options.format = (enum trace_format)(bytes[0] % (TRACE_FORMATS + 1));
    options.code = (bytes[1] & 1) != 0;
    options.page_bytes = page_bytes[bytes[1] >> 1 & 3];
    options.column = bytes[1] >> 3 & 3;
    take(bytes + 2, count - 2, &options, COUNT_MAX, &once);
    take(bytes + 2, count - 2, &options, (bytes[1] & 32) != 0 ? BATCH_LONG : 1, &again);
    REQUIRE(once.opened == again.opened && strcmp(once.failure, again.failure) == 0,
            "said before: %s, now: %s", once.failure, again.failure);
    compare(&once, &again, "again");
    if (once.opened) {
        check_written(&once, (bytes[1] & 64) != 0);
    }
    return 0;
}
