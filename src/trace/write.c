/*
 * write.c - references into a file of any format.
 */
#include "trace/compact.h"
#include "trace/hash.h"
#include "trace/output.h"
#include "trace/page_map.h"
#include "trace/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES           128
#define HEADER_BYTES         2048
#define ORACLE_GENERAL_BYTES 24
#define PAGES_START          65536u

static const char no_memory[] = "no memory for all its references";

struct trace_writer {
    struct output output;
    struct trace_header header;
    uint64_t references;
    const char *refused; /* why it cannot go on, beside a failed write; NULL: it can */

    /* Our own format. */
    uint32_t thread;
    uint64_t last_page[TRACE_THREADS_MAX];

    /* oracleGeneral: all of it, until the end. */
    uint64_t *pages;
    size_t pages_room;
};

/* ---- our own format ------------------------------------------------------------------------- */

static void token_write(struct trace_writer *writer, compact_token token)
{
    unsigned char *bytes = output_room(&writer->output, COMPACT_TOKEN_BYTES);

    output_pass(&writer->output, compact_put(bytes, token));
}

/* One line of printable text, whatever was in it. */
static const char *text_of(const char *text, char ret_text[TRACE_SOURCE_BYTES])
{
    snprintf(ret_text, TRACE_SOURCE_BYTES, "%s", text);
    compact_clean(ret_text);
    return ret_text;
}

static void header_write(struct trace_writer *writer)
{
    char source[TRACE_SOURCE_BYTES], filter[TRACE_SOURCE_BYTES];
    char *bytes = (char *)output_room(&writer->output, HEADER_BYTES);
    int count = snprintf(bytes, HEADER_BYTES, COMPACT_MAGIC "page-bytes %" PRIu32 "\n",
                         writer->header.page_bytes);

    if (writer->header.source[0] != '\0') {
        count += snprintf(bytes + count, HEADER_BYTES - (size_t)count, "source %s\n",
                          text_of(writer->header.source, source));
    }
    if (writer->header.filter[0] != '\0') {
        count += snprintf(bytes + count, HEADER_BYTES - (size_t)count, "filter %s\n",
                          text_of(writer->header.filter, filter));
    }
    count += snprintf(bytes + count, HEADER_BYTES - (size_t)count, "\n");
    output_pass(&writer->output, (size_t)count);
}

static void compact_write(struct trace_writer *writer, const struct trace_reference *reference)
{
    uint64_t *last_page = &writer->last_page[reference->thread];

    if (reference->thread != writer->thread) {
        token_write(writer, COMPACT_THREAD);
        token_write(writer, reference->thread);
        writer->thread = reference->thread;
    }
    token_write(writer, compact_reference(reference->page, *last_page, reference->write));
    *last_page = reference->page;
}

static void compact_end(struct trace_writer *writer, uint64_t accesses)
{
    unsigned char *bytes;
    uint64_t sum;

    token_write(writer, COMPACT_END);
    token_write(writer, writer->references);
    token_write(writer, accesses);
    sum = output_hash(&writer->output);
    bytes = output_room(&writer->output, HASH_BYTES);
    for (unsigned i = 0; i < HASH_BYTES; i++) {
        bytes[i] = (unsigned char)(sum >> 8 * i);
    }
    output_pass(&writer->output, HASH_BYTES);
}

/* ---- text ----------------------------------------------------------------------------------- */

/* A line of a format that has addresses. */
static int address_print(const struct trace_writer *writer, const struct trace_reference *reference,
                         char *line)
{
    const uint64_t address = reference->page * writer->header.page_bytes;
    const bool write = reference->write;
    int count;

    switch (writer->header.format) {
    case TRACE_LACKEY:
        return snprintf(line, LINE_BYTES, " %c %08" PRIx64 ",1\n", write ? 'S' : 'L', address);
    case TRACE_ADDRESS:
        count = snprintf(line, LINE_BYTES, "%" PRIx64 " %c", address, write ? 'W' : 'R');
        count += reference->thread != 0
                     ? snprintf(line + count, LINE_BYTES - 40, " %" PRIu32 "\n", reference->thread)
                     : snprintf(line + count, LINE_BYTES - 40, "\n");
        return count;
    case TRACE_DIN:
        return snprintf(line, LINE_BYTES, "%d %" PRIx64 "\n", write, address);
    default: /* TRACE_LS */
        return snprintf(line, LINE_BYTES, "%c 0x%" PRIx64 " 1\n", write ? 's' : 'l', address);
    }
}

static void line_write(struct trace_writer *writer, const struct trace_reference *reference)
{
    char *line = (char *)output_room(&writer->output, LINE_BYTES);
    int count;

    if (writer->header.format == TRACE_TXT) {
        count = snprintf(line, LINE_BYTES, "%" PRIu64 "\n", reference->page);
    } else if (writer->header.format == TRACE_CSV) {
        count = snprintf(line, LINE_BYTES, "%" PRIu64 ",%" PRIu64 ",%" PRIu32 "\n",
                         writer->references, reference->page, writer->header.page_bytes);
    } else if (reference->page > UINT64_MAX / writer->header.page_bytes) {
        writer->refused = "its pages are ids that are too large to be addresses; give memman, txt, "
                          "csv or oracleGeneral";
        return;
    } else {
        count = address_print(writer, reference, line);
    }
    output_pass(&writer->output, (size_t)count);
}

/* ---- oracleGeneral -------------------------------------------------------------------------- */

static bool page_keep(struct trace_writer *writer, uint64_t page)
{
    if (writer->references == writer->pages_room) {
        const size_t room = writer->pages_room != 0 ? writer->pages_room * 2 : PAGES_START;
        uint64_t *grown = reallocarray(writer->pages, room, sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        writer->pages = grown;
        writer->pages_room = room;
    }
    writer->pages[writer->references] = page;
    return true;
}

static void number_put(unsigned char **bytes, uint64_t number, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        *(*bytes)++ = (unsigned char)(number >> 8 * i);
    }
}

/* When each is touched next: found from the end; -1: never. */
static bool next_find(const uint64_t *pages, int64_t *ret_next, size_t count)
{
    struct page_map map = {.count = 0};
    int64_t *seen = malloc((count + 1) * sizeof(*seen));
    size_t at = count;

    while (seen != NULL && at > 0) {
        const size_t known = map.count;
        uint64_t number;
        if (!page_map_add(&map, pages[at - 1], &number)) {
            break;
        }
        at--;
        ret_next[at] = number == known ? -1 : seen[number];
        seen[number] = (int64_t)at;
    }
    page_map_free(&map);
    free(seen);
    return at == 0;
}

static void oracle_general_end(struct trace_writer *writer)
{
    const size_t count = writer->references;
    int64_t *next = malloc((count + 1) * sizeof(*next));

    if (next == NULL || !next_find(writer->pages, next, count)) {
        writer->refused = no_memory;
        free(next);
        return;
    }
    for (size_t at = 0; at < count; at++) {
        unsigned char *bytes = output_room(&writer->output, ORACLE_GENERAL_BYTES);
        number_put(&bytes, at, 4);
        number_put(&bytes, writer->pages[at], 8);
        number_put(&bytes, writer->header.page_bytes, 4);
        number_put(&bytes, (uint64_t)next[at], 8);
        output_pass(&writer->output, ORACLE_GENERAL_BYTES);
    }
    free(next);
}

/* ---- public --------------------------------------------------------------------------------- */

struct trace_writer *trace_create(const char *path, const struct trace_header *header,
                                  struct trace_message *ret_message)
{
    struct trace_writer *writer = calloc(1, sizeof(*writer));

    if (writer == NULL) {
        snprintf(ret_message->text, sizeof(ret_message->text), "%.200s: no memory", path);
        return NULL;
    }
    if (!output_open(&writer->output, path, header->format == TRACE_COMPACT, ret_message)) {
        free(writer);
        return NULL;
    }
    writer->header = *header;
    if (header->format == TRACE_COMPACT) {
        header_write(writer);
    }
    return writer;
}

bool trace_write(struct trace_writer *writer, const struct trace_reference references[],
                 size_t count)
{
    for (size_t at = 0; at < count && writer->output.failure == 0 && writer->refused == NULL;
         at++) {
        switch (writer->header.format) {
        case TRACE_COMPACT:
            compact_write(writer, &references[at]);
            break;
        case TRACE_ORACLE_GENERAL:
            writer->refused = page_keep(writer, references[at].page) ? NULL : no_memory;
            break;
        default:
            line_write(writer, &references[at]);
        }
        writer->references++;
    }
    return writer->output.failure == 0 && writer->refused == NULL;
}

static void writer_free(struct trace_writer *writer)
{
    free(writer->pages);
    free(writer);
}

bool trace_finish(struct trace_writer *writer, uint64_t accesses, struct trace_message *ret_message)
{
    bool finished = true;

    if (writer->header.format == TRACE_COMPACT) {
        compact_end(writer, accesses);
    } else if (writer->header.format == TRACE_ORACLE_GENERAL && writer->refused == NULL) {
        oracle_general_end(writer);
    }
    if (writer->refused != NULL) {
        snprintf(ret_message->text, sizeof(ret_message->text), "%.200s: cannot be written: %s",
                 writer->output.name, writer->refused);
        output_abandon(&writer->output);
        finished = false;
    } else {
        finished = output_finish(&writer->output, ret_message);
    }
    writer_free(writer);
    return finished;
}

void trace_abandon(struct trace_writer *writer)
{
    output_abandon(&writer->output);
    writer_free(writer);
}
