/*
 * workload.c - the workloads: their names and keys, and the streams they give.
 */
#include "workload/workload.h"

#include <stdio.h>
#include <string.h>

#include "numbers.h"

#define THETA_MAX 20.0

static const char *const kind_names[WORKLOAD_KINDS] = {"uniform", "sequential", "zipf", "loop",
                                                       "stride"};
static const char *const kind_keys[WORKLOAD_KINDS] = {"none", "none", "theta and scatter", "pages",
                                                      "step"};

/* ---- text ---------------------------------------------------------------------------------- */

static bool text_equals(const char *text, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(text, name, length) == 0;
}

static bool number_of(const char *text, uint64_t *ret_number)
{
    uint64_t number;

    if (!number_parse(text, &number) || number == 0) {
        return false;
    }
    *ret_number = number;
    return true;
}

static bool theta_of(const char *text, double *ret_theta)
{
    double theta;

    if (!real_parse(text, &theta) || !(theta > 0.0) || theta > THETA_MAX) {
        return false;
    }
    *ret_theta = theta;
    return true;
}

/* Sets one key; *ret_wanted is what its value should be, NULL where the key does not exist. */
static bool key_set(struct workload *workload, const char *key, size_t key_length,
                    const char *value, const char **ret_wanted)
{
    *ret_wanted = NULL;
    if (workload->kind == WORKLOAD_ZIPF && text_equals(key, key_length, "theta")) {
        *ret_wanted = "a number over 0 and at most 20";
        return theta_of(value, &workload->theta);
    }
    if (workload->kind == WORKLOAD_ZIPF && text_equals(key, key_length, "scatter")) {
        *ret_wanted = "on or off";
        workload->scattered = strcmp(value, "on") == 0;
        return workload->scattered || strcmp(value, "off") == 0;
    }
    if (workload->kind == WORKLOAD_LOOP && text_equals(key, key_length, "pages")) {
        *ret_wanted = "a number of pages from 1";
        return number_of(value, &workload->loop_pages);
    }
    if (workload->kind == WORKLOAD_STRIDE && text_equals(key, key_length, "step")) {
        *ret_wanted = "a number of pages from 1";
        return number_of(value, &workload->step);
    }
    return false;
}

static bool pair_parse(struct workload *workload, const char *pair, size_t length,
                       struct workload_refusal *ret_refusal)
{
    const char *equals = memchr(pair, '=', length);
    const size_t key_length = equals ? (size_t)(equals - pair) : length;
    const char *wanted = NULL;
    char value[64] = "";

    if (equals && length - key_length - 1 < sizeof(value)) {
        memcpy(value, equals + 1, length - key_length - 1);
        value[length - key_length - 1] = '\0';
    }
    if (key_set(workload, pair, key_length, value, &wanted)) {
        return true;
    }
    if (wanted) {
        snprintf(ret_refusal->text, sizeof(ret_refusal->text), "%.*s: %.*s must be %s",
                 (int)(length < 60 ? length : 60), pair, (int)key_length, pair, wanted);
    } else {
        snprintf(ret_refusal->text, sizeof(ret_refusal->text),
                 "%.*s: workload %s has no such key; its keys: %s",
                 (int)(key_length < 60 ? key_length : 60), pair, kind_names[workload->kind],
                 kind_keys[workload->kind]);
    }
    return false;
}

bool workload_parse(const char *text, struct workload *ret_workload,
                    struct workload_refusal *ret_refusal)
{
    struct workload workload = {
        .kind = WORKLOAD_KINDS, .theta = 0.99, .scattered = true, .step = 17};
    const size_t name_length = strcspn(text, ":");
    const char *pair = text + name_length;

    for (unsigned kind = 0; kind < WORKLOAD_KINDS; kind++) {
        if (text_equals(text, name_length, kind_names[kind])) {
            workload.kind = (enum workload_kind)kind;
        }
    }
    if (workload.kind == WORKLOAD_KINDS) {
        snprintf(ret_refusal->text, sizeof(ret_refusal->text),
                 "%.*s: no such workload; there are uniform, sequential, zipf, loop and stride",
                 (int)(name_length < 60 ? name_length : 60), text);
        return false;
    }
    while (*pair != '\0') {
        pair++; /* the ':' or the ',' */
        const size_t length = strcspn(pair, ",");
        if (!pair_parse(&workload, pair, length, ret_refusal)) {
            return false;
        }
        pair += length;
    }
    *ret_workload = workload;
    return true;
}

void workload_print(const struct workload *workload, char ret_text[WORKLOAD_TEXT_BYTES])
{
    const char *name = kind_names[workload->kind];
    const size_t size = WORKLOAD_TEXT_BYTES;
    char theta[NUMBER_TEXT_BYTES];

    switch (workload->kind) {
    case WORKLOAD_ZIPF:
        snprintf(ret_text, size, "%s:theta=%s,scatter=%s", name, real_print(workload->theta, theta),
                 workload->scattered ? "on" : "off");
        break;
    case WORKLOAD_LOOP:
        snprintf(ret_text, size, "%s:pages=%llu", name, (unsigned long long)workload->loop_pages);
        break;
    case WORKLOAD_STRIDE:
        snprintf(ret_text, size, "%s:step=%llu", name, (unsigned long long)workload->step);
        break;
    default:
        snprintf(ret_text, size, "%s", name);
    }
}

/* ---- streams ------------------------------------------------------------------------------- */

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

bool workload_fit(struct workload *workload, uint64_t pages, uint64_t frames, uint64_t seed,
                  struct workload_refusal *ret_refusal)
{
    if (workload->loop_pages > pages) {
        snprintf(ret_refusal->text, sizeof(ret_refusal->text),
                 "pages=%llu: the memory has only %llu pages; give less, or a larger --memory",
                 (unsigned long long)workload->loop_pages, (unsigned long long)pages);
        return false;
    }
    if (workload->kind == WORKLOAD_LOOP && workload->loop_pages == 0) {
        workload->loop_pages = frames < pages ? frames + 1 : pages;
    }
    workload->pages = pages;
    zipf_init(&workload->zipf, pages, workload->theta);
    scatter_init(&workload->scatter, pages, random_hash(seed));
    return true;
}

void workload_stream_init(struct workload_stream *stream, const struct workload *workload,
                          uint64_t seed, uint32_t thread, uint32_t threads, double write_ratio)
{
    const uint64_t span = workload->kind == WORKLOAD_LOOP ? workload->loop_pages : workload->pages;

    *stream = (struct workload_stream){.workload = workload, .write_ratio = write_ratio};
    random_seed(&stream->random, seed, thread);
    stream->place = (uint64_t)((unsigned __int128)span * thread / threads);
    stream->round_length = span / common_divisor(span, workload->step);
}

static uint64_t place_advance(struct workload_stream *stream, uint64_t span, uint64_t step)
{
    const uint64_t page = stream->place;

    stream->place = (page + step % span) % span;
    return page;
}

static uint64_t stride_advance(struct workload_stream *stream)
{
    const struct workload *workload = stream->workload;
    const uint64_t page = place_advance(stream, workload->pages, workload->step);

    if (++stream->round_done == stream->round_length) {
        stream->round_done = 0;
        stream->place = (stream->place + 1) % workload->pages;
    }
    return page;
}

static uint64_t page_next(struct workload_stream *stream)
{
    const struct workload *workload = stream->workload;

    switch (workload->kind) {
    case WORKLOAD_SEQUENTIAL:
        return place_advance(stream, workload->pages, 1);
    case WORKLOAD_LOOP:
        return place_advance(stream, workload->loop_pages, 1);
    case WORKLOAD_STRIDE:
        return stride_advance(stream);
    case WORKLOAD_ZIPF: {
        const uint64_t rank = zipf_rank(&workload->zipf, &stream->random) - 1;
        return workload->scattered ? scatter_of(&workload->scatter, rank) : rank;
    }
    default:
        return random_below(&stream->random, workload->pages);
    }
}

void workload_stream_next(struct workload_stream *stream, struct workload_access *ret_access)
{
    ret_access->page = page_next(stream);

    /* One number serves twice: the upper 53 bits choose read or write, the lower 11 the word. */
    const uint64_t bits = random_next(&stream->random);
    ret_access->write = random_fraction_of(bits) < stream->write_ratio;
    ret_access->word = 1 + (uint32_t)((bits & 2047) * (WORKLOAD_WORDS - 1) >> 11);
}
