/*
 * rows.c - a judging for programs: CSV, a row for each policy at each size of each trace, and JSON.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "judge/judging.h"
#include "memman.h"

/* ---- CSV ------------------------------------------------------------------------------------ */

void text_print_csv(const char *text, FILE *file)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, file);
        return;
    }
    fputc('"', file);
    for (; *text != '\0'; text++) {
        fputs(*text == '"' ? "\"\"" : (const char[]){*text, '\0'}, file);
    }
    fputc('"', file);
}

static void ratio_print_csv(double ratio, FILE *file)
{
    if (isnan(ratio)) {
        fputc(',', file);
    } else {
        fprintf(file, ",%.6g", ratio);
    }
}

static void row_print_csv(const struct judging *judging, unsigned trace, unsigned size,
                          unsigned policy, FILE *file)
{
    const struct judged_trace *judged = &judging->trace[trace];
    const struct verdict *verdict = &judged->verdict[size][policy];

    text_print_csv(judged->path, file);
    fprintf(file, ",%" PRIu64 ",%" PRIu32 ",%s,%" PRIu32 ",%s", judged->references, judged->pages,
            judging->size[size].text, judged->frames[size], judging->policy[policy]->name);
    fprintf(file, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, verdict->first,
            verdict->hard, verdict->soft, verdict->written, verdict->looks);
    fprintf(file, ",%.10g", judged_cost(judging, verdict));
    for (unsigned i = 0; i < RATIOS; i++) {
        ratio_print_csv(judged_ratio(judging, trace, size, policy, (enum judged_ratio)i), file);
    }
    fputc('\n', file);
}

void judging_print_csv(const struct judging *judging, FILE *file)
{
    fputs("trace,references,pages,size,frames,policy,first,hard,soft,written,looks,cost_us,"
          "hard_of_opt,misses_of_opt,cost_of_opt\n",
          file);
    for (unsigned trace = 0; trace < judging->traces; trace++) {
        for (unsigned size = 0; size < judging->sizes; size++) {
            for (unsigned policy = 0; policy < judging->policies; policy++) {
                row_print_csv(judging, trace, size, policy, file);
            }
        }
    }
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static const char *const ratio_keys[RATIOS] = {"hard_of_opt", "misses_of_opt", "cost_of_opt"};

static void verdict_print_json(const struct judging *judging, unsigned trace, unsigned size,
                               unsigned policy, struct json_writer *json)
{
    const struct verdict *verdict = &judging->trace[trace].verdict[size][policy];

    json_begin(json, NULL, '{');
    json_string(json, "policy", judging->policy[policy]->name);
    json_number(json, "hard", verdict->hard);
    json_number(json, "soft", verdict->soft);
    json_number(json, "written", verdict->written);
    json_number(json, "looks", verdict->looks);
    json_real(json, "cost_us", judged_cost(judging, verdict));
    for (unsigned i = 0; i < RATIOS; i++) {
        json_real(json, ratio_keys[i],
                  judged_ratio(judging, trace, size, policy, (enum judged_ratio)i));
    }
    json_end(json, '}');
}

static void trace_print_json(const struct judging *judging, unsigned trace,
                             struct json_writer *json)
{
    const struct judged_trace *judged = &judging->trace[trace];

    json_begin(json, NULL, '{');
    json_string(json, "trace", judged->path);
    json_string(json, "source", judged->header.source);
    json_string(json, "filter", judged->header.filter);
    json_number(json, "filter_window", judged->window);
    json_number(json, "page_bytes", judged->header.page_bytes);
    json_number(json, "references", judged->references);
    json_number(json, "pages", judged->pages);
    json_number(json, "first", judged->pages);
    json_begin(json, "sizes", '[');
    for (unsigned size = 0; size < judging->sizes; size++) {
        json_begin(json, NULL, '{');
        json_string(json, "size", judging->size[size].text);
        json_number(json, "frames", judged->frames[size]);
        json_begin(json, "policies", '[');
        for (unsigned policy = 0; policy < judging->policies; policy++) {
            verdict_print_json(judging, trace, size, policy, json);
        }
        json_end(json, ']');
        json_end(json, '}');
    }
    json_end(json, ']');
    if (judging->slowdown > 0) {
        enough_print_json(judging, judged, json);
    }
    if (judging->curves) {
        curves_print_json(judging, judged, json);
    }
    json_end(json, '}');
}

static void means_print_json(const struct judging *judging, struct json_writer *json)
{
    json_begin(json, "means", '[');
    for (unsigned size = 0; size < judging->sizes; size++) {
        for (unsigned policy = 0; policy < judging->policies; policy++) {
            json_begin(json, NULL, '{');
            json_string(json, "size", judging->size[size].text);
            json_string(json, "policy", judging->policy[policy]->name);
            for (unsigned i = 0; i < RATIOS; i++) {
                const struct judged_mean of =
                    judged_mean(judging, size, policy, (enum judged_ratio)i);
                json_begin(json, ratio_keys[i], '{');
                json_real(json, "mean", of.mean);
                json_real(json, "worst", of.worst);
                json_end(json, '}');
            }
            json_end(json, '}');
        }
    }
    json_end(json, ']');
}

void judging_print_json(const struct judging *judging, FILE *file)
{
    struct json_writer json = {.file = file, .first = true};

    json_begin(&json, NULL, '{');
    json_string(&json, "version", MM_VERSION);
    json_begin(&json, "policies", '[');
    for (unsigned i = 0; i < judging->policies; i++) {
        json_begin(&json, NULL, '{');
        json_string(&json, "name", judging->policy[i]->name);
        json_string(&json, "caption", judging->policy[i]->caption);
        json_end(&json, '}');
    }
    json_end(&json, ']');
    json_bool(&json, "accessed_bits", !judging->unaccessed);
    json_begin(&json, "costs_us", '{');
    json_real(&json, "hard", judging->costs.hard);
    json_real(&json, "soft", judging->costs.soft);
    json_real(&json, "written", judging->costs.written);
    json_real(&json, "access", judging->costs.access);
    json_end(&json, '}');
    json_begin(&json, "traces", '[');
    for (unsigned trace = 0; trace < judging->traces; trace++) {
        trace_print_json(judging, trace, &json);
    }
    json_end(&json, ']');
    means_print_json(judging, &json);
    json_end(&json, '}');
    fputc('\n', file);
}
