/*
 * info.c - `memman trace info`: what a trace holds, as a whole and of each thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numbers.h"
#include "options.h"
#include "report/json_writer.h"
#include "trace/command.h"
#include "trace/page_map.h"

#define BATCH 4096u

struct counts {
    uint64_t references, writes;
};

struct info {
    struct counts all;
    struct counts *thread; /* TRACE_THREADS_MAX */
    uint32_t threads;      /* the highest number and one */
    struct page_map pages;
    unsigned char *written; /* a byte for each page, by its number in the map */
    size_t written_room;
    uint64_t pages_written, first, last;
};

/* ---- count ---------------------------------------------------------------------------------- */

static bool written_fit(struct info *info)
{
    const size_t room = info->written_room != 0 ? info->written_room * 2 : BATCH;
    unsigned char *grown;

    if (info->pages.count <= info->written_room) {
        return true;
    }
    grown = realloc(info->written, room);
    if (grown != NULL) {
        memset(grown + info->written_room, 0, room - info->written_room);
        info->written = grown;
        info->written_room = room;
    }
    return grown != NULL;
}

static bool reference_count(struct info *info, const struct trace_reference *reference)
{
    struct counts *thread = &info->thread[reference->thread];
    uint64_t number;

    if (!page_map_add(&info->pages, reference->page, &number) || !written_fit(info)) {
        return false;
    }
    info->all.references++;
    thread->references++;
    if (reference->write) {
        info->all.writes++;
        thread->writes++;
        info->pages_written += info->written[number] == 0;
        info->written[number] = 1;
    }
    info->threads = reference->thread < info->threads ? info->threads : reference->thread + 1;
    info->first = reference->page < info->first ? reference->page : info->first;
    info->last = reference->page > info->last ? reference->page : info->last;
    return true;
}

static bool trace_count(struct trace *trace, struct info *info)
{
    struct trace_reference references[BATCH];
    size_t count;

    do {
        count = trace_read(trace, references, BATCH);
        for (size_t at = 0; at < count; at++) {
            if (!reference_count(info, &references[at])) {
                return false;
            }
        }
    } while (count == BATCH);
    return true;
}

static uint32_t threads_used(const struct info *info)
{
    uint32_t used = 0;

    for (uint32_t thread = 0; thread < info->threads; thread++) {
        used += info->thread[thread].references > 0;
    }
    return used;
}

/* ---- print ---------------------------------------------------------------------------------- */

const char *page_address_print(uint64_t page, uint32_t page_bytes, uint32_t offset,
                               char ret_text[ADDRESS_TEXT_BYTES])
{
    __extension__ const unsigned __int128 address = (unsigned __int128)page * page_bytes + offset;
    const uint64_t high = (uint64_t)(address >> 64), low = (uint64_t)address;

    if (high != 0) {
        snprintf(ret_text, ADDRESS_TEXT_BYTES, "%" PRIx64 "%016" PRIx64, high, low);
    } else {
        snprintf(ret_text, ADDRESS_TEXT_BYTES, "%" PRIx64, low);
    }
    return ret_text;
}

static void text_print(const struct trace *trace, const struct info *info)
{
    const struct trace_header *header = trace_header(trace);
    const uint64_t accesses = trace_accesses(trace);
    char number[NUMBER_TEXT_BYTES];

    printf("format         %s\n", trace_format_name(header->format));
    if (header->source[0] != '\0') {
        printf("source         %s\n", header->source);
    }
    if (header->filter[0] != '\0') {
        printf("filter         %s\n", header->filter);
    }
    printf("page           %s bytes\n", number_print(header->page_bytes, number));
    if (accesses > 0 && info->all.references > 0) {
        printf("accesses       %s", number_print(accesses, number));
        printf(", %.1f for each reference\n", (double)accesses / (double)info->all.references);
    }
    printf("references     %s\n", number_print(info->all.references, number));
    printf("writes         %s\n", number_print(info->all.writes, number));
    printf("pages          %s", number_print(info->pages.count, number));
    printf(" (%s)\n", size_print(info->pages.count * header->page_bytes, number));
    printf("pages written  %s\n", number_print(info->pages_written, number));
    if (info->pages.count > 0) {
        char first[ADDRESS_TEXT_BYTES], last[ADDRESS_TEXT_BYTES];
        printf("addresses      %s to %s\n",
               page_address_print(info->first, header->page_bytes, 0, first),
               page_address_print(info->last, header->page_bytes, header->page_bytes - 1, last));
    }
    printf("threads        %" PRIu32 "\n", threads_used(info));
    for (uint32_t thread = 0; threads_used(info) > 1 && thread < info->threads; thread++) {
        if (info->thread[thread].references > 0) {
            printf("  %-5" PRIu32 "%20s references", thread,
                   number_print(info->thread[thread].references, number));
            printf("%16s writes\n", number_print(info->thread[thread].writes, number));
        }
    }
}

static void json_print(const struct trace *trace, const struct info *info, FILE *file)
{
    const struct trace_header *header = trace_header(trace);
    struct json_writer json = {.file = file, .first = true};

    json_begin(&json, NULL, '{');
    json_string(&json, "format", trace_format_name(header->format));
    json_string(&json, "source", header->source);
    json_string(&json, "filter", header->filter);
    json_number(&json, "page_bytes", header->page_bytes);
    json_number(&json, "accesses", trace_accesses(trace));
    json_number(&json, "references", info->all.references);
    json_number(&json, "writes", info->all.writes);
    json_number(&json, "pages", info->pages.count);
    json_number(&json, "pages_written", info->pages_written);
    json_begin(&json, "threads", '[');
    for (uint32_t thread = 0; thread < info->threads; thread++) {
        if (info->thread[thread].references > 0) {
            json_begin(&json, NULL, '{');
            json_number(&json, "thread", thread);
            json_number(&json, "references", info->thread[thread].references);
            json_number(&json, "writes", info->thread[thread].writes);
            json_end(&json, '}');
        }
    }
    json_end(&json, ']');
    json_end(&json, '}');
    fputc('\n', file);
}

static enum exit_code info_print(const struct trace *trace, const struct info *info,
                                 const char *json)
{
    FILE *file = json == NULL || strcmp(json, "-") == 0 ? stdout : fopen(json, "w");

    if (file == NULL) {
        line_complain("--json %.512s: cannot be written (%s); give another file", json,
                      strerror(errno));
        return EXIT_REFUSED;
    }
    if (json != NULL) {
        json_print(trace, info, file);
    } else {
        text_print(trace, info);
    }
    if ((file == stdout ? fflush(file) : fclose(file)) != 0) {
        line_complain("%.512s: the description could not be written (%s)",
                      json != NULL ? json : "standard output", strerror(errno));
        return EXIT_REFUSED;
    }
    return EXIT_GOOD;
}

enum exit_code trace_info_print(struct trace *trace, const char *path, const char *json)
{
    struct info info = {.first = UINT64_MAX};
    enum exit_code code = EXIT_REFUSED;

    info.thread = calloc(TRACE_THREADS_MAX, sizeof(*info.thread));
    if (info.thread == NULL || !trace_count(trace, &info)) {
        line_complain("%.512s: no memory for all its pages", path);
    } else if (trace_failure(trace) != NULL) {
        code = EXIT_GOOD; /* who called says it */
    } else {
        code = info_print(trace, &info, json);
    }
    page_map_free(&info.pages);
    free(info.written);
    free(info.thread);
    return code;
}
