/*
 * curves.c - every size of a trace: judged, and for programs as CSV and JSON.
 *
 * lru and opt come from curves, exact. The others are judged at the sizes that were asked for, on a
 * sample of the pages where there are many.
 */
#include <inttypes.h>

#include "judge/judging.h"
#include "judge/sample.h"

/* Of opt: up to so many pages every size. More would take longer and show nothing else. */
#define OPT_POINTS 2048u

/* ---- judged --------------------------------------------------------------------------------- */

/* NULL: the policy has none. */
static const struct curve *curve_of(const struct judged_trace *trace,
                                    const struct judged_policy *policy)
{
    return policy->judge == judge_lru   ? &trace->lru
           : policy->judge == judge_opt ? &trace->opt
                                        : NULL;
}

/* At the trace's sizes; opt's curve may have no point there. */
static bool policy_judge(const struct judging *judging, unsigned policy,
                         const struct references *references, const struct sample *sample,
                         struct judged_trace *trace)
{
    const struct curve *curve = curve_of(trace, judging->policy[policy]);
    bool whole = true;

    for (unsigned size = 0; size < judging->sizes && whole; size++) {
        const struct judge_setup setup = {.frames = trace->frames[size],
                                          .unaccessed = judging->unaccessed,
                                          .standby_percent = judging->standby_percent};
        struct verdict *verdict = &trace->verdict[size][policy];
        if (curve != NULL && curve->step == 1) {
            *verdict = curve_at(curve, setup.frames);
        } else if (curve != NULL || sample == NULL) {
            whole = judge(judging->policy[policy], references, &setup, verdict);
        } else {
            whole = sample_judge(sample, judging->policy[policy], &setup, verdict);
        }
    }
    return whole;
}

bool curves_judge(const struct judging *judging, const struct references *references,
                  struct judged_trace *trace)
{
    struct sample sample = {.share = 1};
    bool whole =
        curve_lru(references, &trace->lru) && curve_opt(references, OPT_POINTS, &trace->opt);

    trace->sample = references->pages > judging->sample ? judging->sample : 0;
    if (whole && trace->sample > 0) {
        whole = sample_begin(&sample, references, trace->sample, &trace->lru);
    }
    for (unsigned i = 0; i < judging->policies && whole; i++) {
        whole = policy_judge(judging, i, references, trace->sample > 0 ? &sample : NULL, trace);
    }
    sample_end(&sample);
    if (!whole) {
        curves_free(trace);
    }
    return whole;
}

void curves_free(struct judged_trace *trace)
{
    curve_free(&trace->lru);
    curve_free(&trace->opt);
}

/* ---- points --------------------------------------------------------------------------------- */

struct point {
    uint32_t frames;
    struct verdict verdict;
};

static uint32_t points_of(const struct judging *judging, const struct judged_trace *trace,
                          unsigned policy)
{
    const struct curve *curve = curve_of(trace, judging->policy[policy]);

    return curve != NULL ? curve->points : judging->sizes;
}

/* From 0. */
static struct point point_of(const struct judging *judging, const struct judged_trace *trace,
                             unsigned policy, uint32_t number)
{
    const struct curve *curve = curve_of(trace, judging->policy[policy]);

    return curve != NULL ? (struct point){(uint32_t)MIN_OF((uint64_t)(number + 1) * curve->step,
                                                           trace->pages),
                                          curve_at(curve, number + 1)}
                         : (struct point){trace->frames[number], trace->verdict[number][policy]};
}

/*
 * A curve holds until its next point: one like it says nothing. Those of other sizes all do. Of
 * more points than are wanted one in `each` is left, and the first and the last.
 */
static bool point_counts(const struct judging *judging, const struct judged_trace *trace,
                         unsigned policy, uint32_t number)
{
    const struct curve *curve = curve_of(trace, judging->policy[policy]);
    const uint32_t last = points_of(judging, trace, policy) - 1;
    const uint32_t each = judging->points_max > 0 ? last / judging->points_max + 1 : 1;

    if (curve == NULL || number == 0 || number == last) {
        return true;
    }
    if ((number + 1) % each != 0) {
        return false;
    }
    const struct verdict before = curve_at(curve, MAX_OF(number + 1 - each, 1));
    const struct verdict here = curve_at(curve, number + 1);
    return here.hard != before.hard || here.written != before.written;
}

static double miss_ratio(const struct judged_trace *trace, const struct verdict *verdict)
{
    return (double)(verdict->first + verdict->hard) / (double)trace->references;
}

/* How many pages it was judged on. */
static uint32_t judged_on(const struct judging *judging, const struct judged_trace *trace,
                          unsigned policy)
{
    return trace->sample > 0 && curve_of(trace, judging->policy[policy]) == NULL ? trace->sample
                                                                                 : trace->pages;
}

/* ---- CSV ------------------------------------------------------------------------------------ */

static void policy_print_csv(const struct judging *judging, const struct judged_trace *trace,
                             unsigned policy, FILE *file)
{
    for (uint32_t i = 0; i < points_of(judging, trace, policy); i++) {
        if (!point_counts(judging, trace, policy, i)) {
            continue;
        }
        const struct point point = point_of(judging, trace, policy, i);
        const struct verdict *verdict = &point.verdict;
        text_print_csv(trace->path, file);
        fprintf(file, ",%" PRIu64 ",%" PRIu32 ",%s,%" PRIu32 ",%" PRIu32, trace->references,
                trace->pages, judging->policy[policy]->name, judged_on(judging, trace, policy),
                point.frames);
        fprintf(file, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.10g,%.9g\n",
                verdict->first, verdict->hard, verdict->soft, verdict->written,
                judged_cost(judging, verdict), miss_ratio(trace, verdict));
    }
}

void curves_print_csv(const struct judging *judging, FILE *file)
{
    fputs("trace,references,pages,policy,judged_pages,frames,first,hard,soft,written,cost_us,"
          "miss_ratio\n",
          file);
    for (unsigned trace = 0; trace < judging->traces; trace++) {
        for (unsigned policy = 0; policy < judging->policies; policy++) {
            policy_print_csv(judging, &judging->trace[trace], policy, file);
        }
    }
}

/* ---- JSON ----------------------------------------------------------------------------------- */

enum column { FRAMES, MISS_RATIO, HARD, SOFT, WRITTEN, COLUMNS };

static const char *const column_keys[COLUMNS] = {"frames", "miss_ratio", "hard", "soft", "written"};

static void column_print_json(const struct judged_trace *trace, const struct point *point,
                              enum column column, struct json_writer *json)
{
    const struct verdict *verdict = &point->verdict;
    const uint64_t numbers[COLUMNS] = {point->frames, 0, verdict->hard, verdict->soft,
                                       verdict->written};

    if (column == MISS_RATIO) {
        json_line_real(json, miss_ratio(trace, verdict));
    } else {
        json_line_number(json, numbers[column]);
    }
}

void curves_print_json(const struct judging *judging, const struct judged_trace *trace,
                       struct json_writer *json)
{
    json_begin(json, "miss_ratio_curves", '[');
    for (unsigned policy = 0; policy < judging->policies; policy++) {
        json_begin(json, NULL, '{');
        json_string(json, "name", judging->policy[policy]->name);
        json_number(json, "judged_pages", judged_on(judging, trace, policy));
        for (unsigned column = 0; column < COLUMNS; column++) {
            json_line_begin(json, column_keys[column]);
            for (uint32_t i = 0; i < points_of(judging, trace, policy); i++) {
                if (point_counts(judging, trace, policy, i)) {
                    const struct point point = point_of(judging, trace, policy, i);
                    column_print_json(trace, &point, (enum column)column, json);
                }
            }
            json_line_end(json);
        }
        json_end(json, '}');
    }
    json_end(json, ']');
}
