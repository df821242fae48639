/*
 * workload.c - the families' names and keys in and out of text, and what all streams share.
 */
#include "workload/workload.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numbers.h"
#include "workload/family.h"
#include "workload/mix.h"
#include "workload/replay.h"

#define SHOWN_MAX 60 /* of a text that is refused */

static const struct workload_family *const families[] = {
    &workload_uniform,  &workload_sequential, &workload_zipf,    &workload_loop,   &workload_stride,
    &workload_trace,    &workload_ycsb,       &workload_hotcold, &workload_phases, &workload_stack,
    &workload_heap,     &workload_chase,      &workload_matrix,  &workload_sort,   &workload_bfs,
    &workload_pagerank, &workload_masim,      &workload_mix,
};
#define FAMILIES (sizeof(families) / sizeof(families[0]))

enum { COMMON_THINK, COMMON_APART, COMMON_SCATTER };

static const struct workload_key common_key[WORKLOAD_COMMON_MAX] = {
    [COMMON_THINK] = {.name = "think",
                      .kind = WORKLOAD_NUMBER,
                      .wanted = "a number of nanoseconds from 1 to 1000000000",
                      .number_max = 1000000000},
    [COMMON_APART] = WORKLOAD_SWITCH("apart", 0),
    [COMMON_SCATTER] = WORKLOAD_SWITCH("scatter", 0)};

bool workload_refuse(struct workload_refusal *ret_refusal, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(ret_refusal->text, sizeof(ret_refusal->text), format, arguments);
    va_end(arguments);
    return false;
}

bool workload_span_fits(const char *key, uint64_t pages, const struct workload_scene *scene,
                        struct workload_refusal *ret_refusal)
{
    return pages <= scene->pages ||
           workload_refuse(ret_refusal,
                           "%s=%llu: the memory has only %llu pages; give less, or a larger "
                           "--memory",
                           key, (unsigned long long)pages, (unsigned long long)scene->pages);
}

bool workload_frames_known(const char *key, const struct workload_scene *scene,
                           struct workload_refusal *ret_refusal)
{
    return scene->frames != WORKLOAD_FRAMES_OPEN ||
           workload_refuse(ret_refusal,
                           "%s: is chosen by the frames, and they by the workload; give one of the "
                           "two, as in %s=1000",
                           key, key);
}

/* ---- text in -------------------------------------------------------------------------------- */

static bool text_equals(const char *text, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(text, name, length) == 0;
}

static int shown(size_t length)
{
    return length < SHOWN_MAX ? (int)length : SHOWN_MAX;
}

/* Adds the i-th of `count` names to a list: "a", "a and b", "a, b and c". */
static void name_add(char *list, size_t size, const char *name, size_t i, size_t count)
{
    const size_t length = strlen(list);

    snprintf(list + length, size - length, "%s%s",
             i == 0           ? ""
             : i + 1 == count ? " and "
                              : ", ",
             name);
}

static size_t keys_count(const struct workload_family *family)
{
    size_t count = 0;

    while (family->key[count].name != NULL) {
        count++;
    }
    return count;
}

static bool key_refuse(const struct workload_family *family, const char *key, size_t length,
                       struct workload_refusal *ret_refusal)
{
    const size_t count = keys_count(family);
    char names[128] = "";

    for (size_t i = 0; i < count; i++) {
        name_add(names, sizeof(names), family->key[i].name, i, count);
    }
    return workload_refuse(ret_refusal,
                           "%.*s: workload %s has no such key; its keys: %s; of all: think, apart "
                           "and scatter",
                           shown(length), key, family->name, count > 0 ? names : "none");
}

static bool value_set(const struct workload_key *key, const char *text,
                      struct workload_value *ret_value)
{
    struct workload_value value = {0, 0};
    bool good = false;

    switch (key->kind) {
    case WORKLOAD_NUMBER:
        good = number_parse(text, &value.number) && value.number > 0 &&
               (key->number_max == 0 || value.number <= key->number_max);
        break;
    case WORKLOAD_REAL:
        good = real_parse(text, &value.real) && value.real > 0 && value.real <= key->real_max;
        break;
    case WORKLOAD_CHOICE:
        while (key->choices[value.number] != NULL &&
               strcmp(key->choices[value.number], text) != 0) {
            value.number++;
        }
        good = key->choices[value.number] != NULL;
        break;
    }
    if (good) {
        *ret_value = value;
    }
    return good;
}

static bool pair_parse(struct workload *workload, const char *pair, size_t length,
                       struct workload_refusal *ret_refusal)
{
    const struct workload_family *family = workload->family;
    const char *equals = memchr(pair, '=', length);
    const size_t key_length = equals ? (size_t)(equals - pair) : length;
    const struct workload_key *key = NULL;
    struct workload_value *to = NULL;
    char value[64] = "";

    if (equals && length - key_length - 1 < sizeof(value)) {
        memcpy(value, equals + 1, length - key_length - 1);
        value[length - key_length - 1] = '\0';
    }
    for (unsigned i = 0; family->key[i].name != NULL; i++) {
        if (text_equals(pair, key_length, family->key[i].name)) {
            key = &family->key[i];
            to = &workload->value[i];
        }
    }
    for (unsigned i = 0; i < WORKLOAD_COMMON_MAX && key == NULL; i++) {
        if (text_equals(pair, key_length, common_key[i].name)) {
            key = &common_key[i];
            to = &workload->common[i];
        }
    }
    if (key != NULL) {
        return value_set(key, value, to) ||
               workload_refuse(ret_refusal, "%.*s: %s must be %s", shown(length), pair, key->name,
                               key->wanted);
    }
    return key_refuse(family, pair, key_length, ret_refusal);
}

/* A file's name has no comma; it is opened when the workload is fitted. */
static bool path_parse(struct workload *workload, const char **pair,
                       struct workload_refusal *ret_refusal)
{
    const char *path = *pair + (**pair == ':');
    const size_t length = strcspn(path, ",");

    if (length == 0 || length >= WORKLOAD_PATH_BYTES || text_equals(path, length, "-")) {
        return workload_refuse(ret_refusal,
                               "%.*s: workload %s is %s:FILE[,key=value]; the file has a name of "
                               "at most %d bytes, without a comma",
                               shown(length > 0 ? length : 1), length > 0 ? path : ":",
                               workload->family->name, workload->family->name,
                               WORKLOAD_PATH_BYTES - 1);
    }
    memcpy(workload->path, path, length);
    *pair = path + length;
    return true;
}

static bool family_find(const char *text, size_t length, struct workload *workload,
                        struct workload_refusal *ret_refusal)
{
    char names[256] = "";

    for (unsigned i = 0; i < FAMILIES; i++) {
        if (text_equals(text, length, families[i]->name)) {
            workload->family = families[i];
            workload->writes = families[i]->writes;
            for (unsigned key = 0; families[i]->key[key].name != NULL; key++) {
                workload->value[key].number = families[i]->key[key].number;
                workload->value[key].real = families[i]->key[key].real;
            }
            return true;
        }
        name_add(names, sizeof(names), families[i]->name, i, FAMILIES);
    }
    return workload_refuse(ret_refusal, "%.*s: no such workload; there are %s", shown(length), text,
                           names);
}

bool workload_parse(const char *text, struct workload *ret_workload,
                    struct workload_refusal *ret_refusal)
{
    struct workload workload = {.family = NULL};
    const size_t name_length = strcspn(text, ":");
    const char *pair = text + name_length;

    if (!family_find(text, name_length, &workload, ret_refusal) ||
        (workload.family->path && !path_parse(&workload, &pair, ret_refusal)) ||
        (workload.family == &workload_mix && !mix_parse(&workload, &pair, ret_refusal))) {
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

/* ---- text out ------------------------------------------------------------------------------- */

static void value_print(const struct workload_key *key, const struct workload_value *value,
                        char ret_text[NUMBER_TEXT_BYTES])
{
    switch (key->kind) {
    case WORKLOAD_NUMBER:
        snprintf(ret_text, NUMBER_TEXT_BYTES, "%llu", (unsigned long long)value->number);
        break;
    case WORKLOAD_REAL:
        real_print(value->real, ret_text);
        break;
    case WORKLOAD_CHOICE:
        snprintf(ret_text, NUMBER_TEXT_BYTES, "%s", key->choices[value->number]);
        break;
    }
}

/* ",name=value", or ':' in front where it is the first. */
static void pair_print(char text[WORKLOAD_TEXT_BYTES], const struct workload_key *key,
                       const struct workload_value *value, bool *first)
{
    const size_t length = strlen(text);
    char shown_value[NUMBER_TEXT_BYTES];

    value_print(key, value, shown_value);
    snprintf(text + length, WORKLOAD_TEXT_BYTES - length, "%c%s=%s", *first ? ':' : ',', key->name,
             shown_value);
    *first = false;
}

void workload_print(const struct workload *workload, char ret_text[WORKLOAD_TEXT_BYTES])
{
    const struct workload_family *family = workload->family;
    bool first = !family->path;

    if (workload->mix != NULL) {
        mix_print(workload->mix, ret_text);
        return;
    }
    snprintf(ret_text, WORKLOAD_TEXT_BYTES, "%s%s%s", family->name, family->path ? ":" : "",
             workload->path);
    for (unsigned i = 0; family->key[i].name != NULL; i++) {
        pair_print(ret_text, &family->key[i], &workload->value[i], &first);
    }
    for (unsigned i = 0; i < WORKLOAD_COMMON_MAX; i++) {
        if (workload->common[i].number != 0) {
            pair_print(ret_text, &common_key[i], &workload->common[i], &first);
        }
    }
}

/* ---- streams -------------------------------------------------------------------------------- */

bool workload_fit(struct workload *workload, const struct workload_scene *scene,
                  struct workload_refusal *ret_refusal)
{
    struct workload_scene part = *scene;

    if (workload->common[COMMON_APART].number != 0) {
        part.pages /= scene->threads;
        if (scene->frames != WORKLOAD_FRAMES_OPEN) {
            part.frames = scene->frames / scene->threads;
        }
        part.threads = 1;
    }
    if (part.pages == 0) {
        return workload_refuse(ret_refusal,
                               "apart=on: %u threads cannot share %llu pages; give a larger "
                               "--memory, or less --threads",
                               scene->threads, (unsigned long long)scene->pages);
    }
    workload->pages = part.pages;
    workload->threads = part.threads;
    scatter_init(&workload->places, part.pages, random_hash(scene->seed + 1));
    return workload->family->fit == NULL || workload->family->fit(workload, &part, ret_refusal);
}

void workload_release(struct workload *workload)
{
    replay_free(workload->replay);
    free(workload->masim);
    mix_free(workload->mix);
    workload->replay = NULL;
    workload->masim = NULL;
    workload->mix = NULL;
}

bool workload_has_writes(const struct workload *workload)
{
    return workload->writes;
}

static void strand_init(struct workload_strand *strand, const struct workload *workload,
                        uint64_t seed, uint32_t thread, double write_ratio)
{
    const bool apart = workload->common[COMMON_APART].number != 0;

    *strand = (struct workload_strand){.workload = workload,
                                       .thread = apart ? 0 : thread,
                                       .first_page = apart ? thread * workload->pages : 0,
                                       .write_ratio = write_ratio};
    random_seed(&strand->random, seed, thread);
    if (workload->family->begin != NULL) {
        workload->family->begin(strand);
    }
}

/* Strands that are not used are not touched: there may be many streams. */
void workload_stream_init(struct workload_stream *stream, const struct workload *workload,
                          uint64_t seed, uint32_t thread, double write_ratio)
{
    const struct workload_mix *mix = workload->mix;

    stream->workload = workload;
    if (mix == NULL) {
        strand_init(&stream->strand[0], workload, seed, thread, write_ratio);
        return;
    }
    random_seed(&stream->random, mix_seed(seed, WORKLOAD_MIX_MAX), thread);
    for (unsigned i = 0; i < mix->count; i++) {
        strand_init(&stream->strand[i], &mix->workload[i], mix_seed(seed, i), thread, write_ratio);
    }
}

static void strand_next(struct workload_strand *strand, struct workload_access *ret_access)
{
    const struct workload *workload = strand->workload;

    workload->family->next(strand, ret_access);
    if (workload->common[COMMON_SCATTER].number != 0) {
        ret_access->page = scatter_of(&workload->places, ret_access->page);
    }
    ret_access->page += strand->first_page;
    ret_access->think = workload->common[COMMON_THINK].number;

    /* One number serves twice: the upper 53 bits choose read or write, the lower 11 the word. */
    const uint64_t bits = random_next(&strand->random);
    if (!workload->writes) {
        ret_access->write = random_fraction_of(bits) < strand->write_ratio;
    }
    ret_access->word = 1 + (uint32_t)((bits & 2047) * (WORKLOAD_WORDS - 1) >> 11);
}

void workload_stream_next(struct workload_stream *stream, struct workload_access *ret_access)
{
    const struct workload_mix *mix = stream->workload->mix;
    const unsigned turn = mix != NULL ? mix_choose(mix, &stream->random) : 0;

    strand_next(&stream->strand[turn], ret_access);
}
