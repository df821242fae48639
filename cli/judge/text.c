/*
 * text.c - a judging for readers: a table for each size of each trace, and one of all traces.
 */
#include <math.h>
#include <string.h>

#include "judge/judging.h"
#include "numbers.h"

#define RATIO_BYTES 32

/* 1.02, 12.3, 456; "-" is not known. */
static const char *ratio_print(double ratio, char ret_text[RATIO_BYTES])
{
    if (isnan(ratio)) {
        return strcpy(ret_text, "-");
    }
    snprintf(ret_text, RATIO_BYTES, "%.*f", ratio < 9.995 ? 3 : ratio < 99.95 ? 1 : 0, ratio);
    return ret_text;
}

/* ---- one trace ------------------------------------------------------------------------------ */

#define ROW "  %-10s %10s %7s %10s %7s %10s %10s %10s %7s\n"

static void row_print(const struct judging *judging, unsigned trace, unsigned size, unsigned policy,
                      FILE *file)
{
    const struct verdict *verdict = &judging->trace[trace].verdict[size][policy];
    char hard[NUMBER_TEXT_BYTES], misses[NUMBER_TEXT_BYTES], soft[NUMBER_TEXT_BYTES];
    char written[NUMBER_TEXT_BYTES], cost[RATIO_BYTES], ratio[RATIOS][RATIO_BYTES];

    for (unsigned i = 0; i < RATIOS; i++) {
        ratio_print(judged_ratio(judging, trace, size, policy, (enum judged_ratio)i), ratio[i]);
    }
    snprintf(cost, sizeof(cost), "%.1f", judged_cost(judging, verdict) / 1e3);
    fprintf(file, ROW, judging->policy[policy]->name, number_print(verdict->hard, hard),
            ratio[RATIO_HARD], number_print(verdict->first + verdict->hard, misses),
            ratio[RATIO_MISSES], number_print(verdict->soft, soft),
            number_print(verdict->written, written), cost, ratio[RATIO_COST]);
}

void judged_trace_print(const struct judged_trace *trace, FILE *file)
{
    char references[NUMBER_TEXT_BYTES], pages[NUMBER_TEXT_BYTES], bytes[NUMBER_TEXT_BYTES];

    fprintf(file, "%s: %s references, %s pages (%s)\n", trace->path,
            number_print(trace->references, references), number_print(trace->pages, pages),
            size_print((uint64_t)trace->pages * trace->header.page_bytes, bytes));
    if (trace->header.filter[0] != '\0') {
        fprintf(file, "  filter: %s\n", trace->header.filter);
    }
}

static void trace_print(const struct judging *judging, unsigned trace, FILE *file)
{
    const struct judged_trace *judged = &judging->trace[trace];
    const uint64_t page_bytes = judged->header.page_bytes;
    char pages[NUMBER_TEXT_BYTES], bytes[NUMBER_TEXT_BYTES];

    judged_trace_print(judged, file);
    for (unsigned size = 0; size < judging->sizes; size++) {
        fprintf(file, "\n  frames %s: %s (%s)\n", judging->size[size].text,
                number_print(judged->frames[size], pages),
                size_print(judged->frames[size] * page_bytes, bytes));
        if (judged->frames[size] < WINDOWS_MIN * judged->window) {
            fprintf(file,
                    "  few beside the filter's window: the program itself would fault less\n");
        }
        fprintf(file, ROW, "policy", "hard", "of opt", "misses", "of opt", "soft", "written",
                "cost ms", "of opt");
        for (unsigned policy = 0; policy < judging->policies; policy++) {
            row_print(judging, trace, size, policy, file);
        }
    }
    fputc('\n', file);
}

/* ---- all traces ----------------------------------------------------------------------------- */

#define MEANS "  %-10s %10s %10s %10s %10s %10s %10s\n"

static void means_print(const struct judging *judging, FILE *file)
{
    fprintf(file, "%u traces: geometric means of the ratios to opt, and the worst\n",
            judging->traces);
    for (unsigned size = 0; size < judging->sizes; size++) {
        fprintf(file, "\n  frames %s\n" MEANS, judging->size[size].text, "policy", "hard", "worst",
                "misses", "worst", "cost", "worst");
        for (unsigned policy = 0; policy < judging->policies; policy++) {
            char mean[RATIOS][RATIO_BYTES], worst[RATIOS][RATIO_BYTES];
            for (unsigned i = 0; i < RATIOS; i++) {
                const struct judged_mean of =
                    judged_mean(judging, size, policy, (enum judged_ratio)i);
                ratio_print(of.mean, mean[i]);
                ratio_print(of.worst, worst[i]);
            }
            fprintf(file, MEANS, judging->policy[policy]->name, mean[0], worst[0], mean[1],
                    worst[1], mean[2], worst[2]);
        }
    }
}

void judging_print(const struct judging *judging, FILE *file)
{
    const struct judged_costs *costs = &judging->costs;

    fprintf(file, "cost: hard fault %g us, soft fault %g us, page written %g us\n\n", costs->hard,
            costs->soft, costs->written);
    for (unsigned trace = 0; trace < judging->traces; trace++) {
        trace_print(judging, trace, file);
    }
    if (judging->traces > 1) {
        means_print(judging, file);
    }
}
