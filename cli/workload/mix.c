/*
 * mix.c - several workloads at once, each with its share of the accesses.
 *
 *   mix:WEIGHT*WORKLOAD[+WEIGHT*WORKLOAD...]   at most 8. Each access of a thread is one of theirs,
 *                                              drawn by weight; the thread is in each of them where
 *                                              that one's last access left it
 *
 * A workload is NAME[:key=value,...] as it is by itself, with think=, apart= and scatter= for its
 * own accesses. All share the memory, as all threads do. The write ratio is of those that do not
 * say themselves what they write.
 */
#include "workload/mix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numbers.h"

#define SHOWN_MAX 60

/* ---- text in -------------------------------------------------------------------------------- */

static bool part_refuse(const char *text, struct workload_refusal *ret_refusal)
{
    return workload_refuse(ret_refusal,
                           "%.*s: workload mix is mix:WEIGHT*WORKLOAD+WEIGHT*WORKLOAD..., at most "
                           "%d of them, none a mix, their weights over 0 and at most 1000000",
                           SHOWN_MAX, *text != '\0' ? text : "mix", WORKLOAD_MIX_MAX);
}

/* WEIGHT*WORKLOAD, which is cut. */
static bool part_take(char *text, struct workload_mix *mix, struct workload_refusal *ret_refusal)
{
    char *star = strchr(text, '*');
    double weight = 0;

    if (star == NULL || mix->count == WORKLOAD_MIX_MAX) {
        return part_refuse(text, ret_refusal);
    }
    *star = '\0';
    if (!real_parse(text, &weight) || !(weight > 0 && weight <= WEIGHT_MAX)) {
        *star = '*';
        return part_refuse(text, ret_refusal);
    }
    if (!workload_parse(star + 1, &mix->workload[mix->count], ret_refusal)) {
        return false;
    }
    if (mix->workload[mix->count].family == &workload_mix) {
        return part_refuse(star + 1, ret_refusal);
    }
    mix->weight[mix->count++] = weight;
    return true;
}

/* Behind the next part, at its '+' or the end; a '+' that no weight follows is one of a name. */
static char *part_end(char *text)
{
    for (; *text != '\0'; text++) {
        const size_t weight = *text == '+' ? strspn(text + 1, "0123456789.e-") : 0;
        if (weight > 0 && text[1 + weight] == '*') {
            break;
        }
    }
    return text;
}

static bool parts_take(const char *text, struct workload_mix *mix,
                       struct workload_refusal *ret_refusal)
{
    char copy[WORKLOAD_TEXT_BYTES], *part = copy;
    double sum = 0, below = 0;

    snprintf(copy, sizeof(copy), "%s", text);
    for (bool last = false; !last;) {
        char *end = part_end(part);
        last = *end == '\0';
        *end = '\0';
        if (!part_take(part, mix, ret_refusal)) {
            return false;
        }
        sum += mix->weight[mix->count - 1];
        part = end + 1;
    }
    for (unsigned i = 0; i < mix->count; i++) {
        below += mix->weight[i];
        mix->below[i] = below / sum;
    }
    return true;
}

bool mix_parse(struct workload *workload, const char **text, struct workload_refusal *ret_refusal)
{
    const char *parts = *text + (**text == ':');
    const size_t length = strlen(parts);
    struct workload_mix mix = {.count = 0};

    if (length >= sizeof(workload->parts)) {
        return workload_refuse(ret_refusal, "%.*s...: a mix has at most %zu bytes", SHOWN_MAX,
                               parts, sizeof(workload->parts) - 1);
    }
    if (!parts_take(parts, &mix, ret_refusal)) {
        return false;
    }
    memcpy(workload->parts, parts, length + 1);
    workload->writes = true;
    for (unsigned i = 0; i < mix.count; i++) {
        workload->writes = workload->writes && mix.workload[i].writes;
    }
    *text = parts + length;
    return true;
}

/* ---- text out ------------------------------------------------------------------------------- */

/* Its length, which may be more than what there is room for. */
static size_t parts_print(const struct workload_mix *mix, char ret_text[WORKLOAD_TEXT_BYTES])
{
    size_t used = (size_t)snprintf(ret_text, WORKLOAD_TEXT_BYTES, "mix:");

    for (unsigned i = 0; i < mix->count && used < WORKLOAD_TEXT_BYTES; i++) {
        char part[WORKLOAD_TEXT_BYTES], weight[NUMBER_TEXT_BYTES];

        workload_print(&mix->workload[i], part);
        used += (size_t)snprintf(ret_text + used, WORKLOAD_TEXT_BYTES - used, "%s%s*%s",
                                 i > 0 ? "+" : "", real_print(mix->weight[i], weight), part);
    }
    return used;
}

void mix_print(const struct workload_mix *mix, char ret_text[WORKLOAD_TEXT_BYTES])
{
    parts_print(mix, ret_text);
}

/* ---- the family ----------------------------------------------------------------------------- */

void mix_free(struct workload_mix *mix)
{
    for (unsigned i = 0; mix != NULL && i < mix->count; i++) {
        workload_release(&mix->workload[i]);
    }
    free(mix);
}

static bool parts_fit(struct workload_mix *mix, const struct workload_scene *scene,
                      struct workload_refusal *ret_refusal)
{
    char text[WORKLOAD_TEXT_BYTES];

    for (unsigned i = 0; i < mix->count; i++) {
        struct workload_scene part = *scene;

        part.seed = mix_seed(scene->seed, i);
        if (!workload_fit(&mix->workload[i], &part, ret_refusal)) {
            return false;
        }
    }
    return parts_print(mix, text) < sizeof(text) ||
           workload_refuse(ret_refusal,
                           "mix: with all its keys it is longer than %zu bytes; give fewer "
                           "workloads, or shorter names of files",
                           sizeof(text) - 1);
}

static bool mix_fit(struct workload *workload, const struct workload_scene *scene,
                    struct workload_refusal *ret_refusal)
{
    struct workload_mix *mix = calloc(1, sizeof(*mix));

    if (mix == NULL) {
        return workload_refuse(ret_refusal, "mix: no memory for it");
    }
    if (!parts_take(workload->parts, mix, ret_refusal) || !parts_fit(mix, scene, ret_refusal)) {
        mix_free(mix);
        return false;
    }
    workload->mix = mix;
    return true;
}

const struct workload_family workload_mix = {.name = "mix", .fit = mix_fit};
