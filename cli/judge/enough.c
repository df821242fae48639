/*
 * enough.c - how much memory a program needs: the frames with which it takes little longer than
 * with as many as it likes, and with one less longer than that.
 *
 * How long a program takes is counted: its accesses, a fault of the soft kind for each first touch,
 * and what its faults and its written pages cost. Only what memory changes is in it, and all faults
 * are waited for.
 */
#include <inttypes.h>
#include <math.h>

#include "judge/judging.h"
#include "numbers.h"

/* ---- found ---------------------------------------------------------------------------------- */

static double time_of(const struct judging *judging, const struct judged_trace *trace,
                      const struct verdict *verdict)
{
    const struct judged_costs *costs = &judging->costs;

    return costs->access * (double)trace->accesses + costs->soft * (double)verdict->first +
           judged_cost(judging, verdict);
}

static double slowdown_of(const struct judging *judging, const struct judged_trace *trace,
                          const struct verdict *verdict)
{
    const struct verdict unlimited = {.first = verdict->first};
    const double least = time_of(judging, trace, &unlimited);

    return least > 0                              ? time_of(judging, trace, verdict) / least
           : time_of(judging, trace, verdict) > 0 ? INFINITY
                                                  : 1;
}

/*
 * So many always are enough: half of them available is the most that any policy wants by itself,
 * and nine tenths can be asked for.
 */
static uint32_t frames_most(const struct judging *judging, const struct judged_trace *trace)
{
    const uint64_t active = MIN_OF(100 - judging->standby_percent, 50);

    return (uint32_t)MIN_OF(((uint64_t)trace->pages * 100 + active - 1) / active, UINT32_MAX);
}

/*
 * By halving between no frames, which never are enough, and so many that they are. Where one frame
 * more can make it worse there may be smaller sizes that are enough by chance.
 */
static bool policy_enough(const struct judging *judging, const struct references *references,
                          const struct judged_trace *trace, const struct judged_policy *policy,
                          struct judged_enough *ret_enough)
{
    uint32_t less = 0;
    struct judged_enough *enough = ret_enough;

    *enough =
        (struct judged_enough){.frames = frames_most(judging, trace), .slowdown_less = INFINITY};
    for (uint32_t frames = enough->frames; frames > less;
         frames = less + (enough->frames - less) / 2) {
        const struct judge_setup setup = {.frames = frames,
                                          .unaccessed = judging->unaccessed,
                                          .standby_percent = judging->standby_percent};
        struct verdict verdict;
        if (!judge(policy, references, &setup, &verdict)) {
            return false;
        }
        const double slowdown = slowdown_of(judging, trace, &verdict);
        if (slowdown <= judging->slowdown) {
            enough->frames = frames;
            enough->verdict = verdict;
            enough->slowdown = slowdown;
        } else {
            less = frames;
            enough->slowdown_less = slowdown;
        }
    }
    return true;
}

bool enough_judge(const struct judging *judging, const struct references *references,
                  struct judged_trace *trace)
{
    for (unsigned i = 0; i < judging->policies; i++) {
        if (!policy_enough(judging, references, trace, judging->policy[i], &trace->enough[i])) {
            return false;
        }
    }
    return true;
}

/* ---- reports -------------------------------------------------------------------------------- */

#define ROW "  %-12s %10s %8s %8s %10s %10s %10s %10s %8s %9s\n"

static void row_print(const struct judging *judging, const struct judged_trace *trace,
                      unsigned policy, FILE *file)
{
    const struct judged_enough *enough = &trace->enough[policy];
    const struct verdict *verdict = &enough->verdict;
    char frames[NUMBER_TEXT_BYTES], bytes[NUMBER_TEXT_BYTES], hard[NUMBER_TEXT_BYTES];
    char soft[NUMBER_TEXT_BYTES], written[NUMBER_TEXT_BYTES];
    char share[NUMBER_TEXT_BYTES], time[NUMBER_TEXT_BYTES], times[NUMBER_TEXT_BYTES];
    char less[NUMBER_TEXT_BYTES] = "-";

    snprintf(share, sizeof(share), "%.1f %%", 100.0 * enough->frames / trace->pages);
    snprintf(time, sizeof(time), "%.1f", time_of(judging, trace, verdict) / 1e3);
    snprintf(times, sizeof(times), "%.4f", enough->slowdown);
    if (isfinite(enough->slowdown_less)) {
        snprintf(less, sizeof(less), "%.4f", enough->slowdown_less);
    }
    fprintf(file, ROW, judging->policy[policy]->name, number_print(enough->frames, frames),
            size_print((uint64_t)enough->frames * trace->header.page_bytes, bytes), share,
            number_print(verdict->hard, hard), number_print(verdict->soft, soft),
            number_print(verdict->written, written), time, times, less);
}

void enough_print(const struct judging *judging, FILE *file)
{
    const struct judged_costs *costs = &judging->costs;
    char accesses[NUMBER_TEXT_BYTES];

    fprintf(file, "frames for at most %g times the time with unlimited memory\n",
            judging->slowdown);
    fprintf(file,
            "cost: access %g us, hard fault %g us, soft fault and first touch %g us, page "
            "written %g us\n\n",
            costs->access, costs->hard, costs->soft, costs->written);
    for (unsigned trace = 0; trace < judging->traces; trace++) {
        const struct judged_trace *judged = &judging->trace[trace];
        judged_trace_print(judged, file);
        fprintf(file, "  accesses: %s\n" ROW, number_print(judged->accesses, accesses), "policy",
                "frames", "size", "of pages", "hard", "soft", "written", "ms", "times", "one less");
        for (unsigned policy = 0; policy < judging->policies; policy++) {
            row_print(judging, judged, policy, file);
        }
        fputc('\n', file);
    }
}

void enough_print_csv(const struct judging *judging, FILE *file)
{
    fputs("trace,references,accesses,pages,policy,frames,bytes,first,hard,soft,written,time_us,"
          "slowdown,slowdown_one_less\n",
          file);
    for (unsigned i = 0; i < judging->traces * judging->policies; i++) {
        const struct judged_trace *trace = &judging->trace[i / judging->policies];
        const struct judged_enough *enough = &trace->enough[i % judging->policies];
        const struct verdict *verdict = &enough->verdict;
        text_print_csv(trace->path, file);
        fprintf(file, ",%" PRIu64 ",%" PRIu64 ",%" PRIu32 ",%s,%" PRIu32 ",%" PRIu64,
                trace->references, trace->accesses, trace->pages,
                judging->policy[i % judging->policies]->name, enough->frames,
                (uint64_t)enough->frames * trace->header.page_bytes);
        fprintf(file, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.10g,%.6g,",
                verdict->first, verdict->hard, verdict->soft, verdict->written,
                time_of(judging, trace, verdict), enough->slowdown);
        if (isfinite(enough->slowdown_less)) {
            fprintf(file, "%.6g", enough->slowdown_less);
        }
        fputc('\n', file);
    }
}

void enough_print_json(const struct judging *judging, const struct judged_trace *trace,
                       struct json_writer *json)
{
    json_number(json, "accesses", trace->accesses);
    json_begin(json, "enough", '[');
    for (unsigned policy = 0; policy < judging->policies; policy++) {
        const struct judged_enough *enough = &trace->enough[policy];
        json_begin(json, NULL, '{');
        json_string(json, "policy", judging->policy[policy]->name);
        json_number(json, "frames", enough->frames);
        json_number(json, "hard", enough->verdict.hard);
        json_number(json, "soft", enough->verdict.soft);
        json_number(json, "written", enough->verdict.written);
        json_real(json, "time_us", time_of(judging, trace, &enough->verdict));
        json_real(json, "slowdown", enough->slowdown);
        json_real(json, "slowdown_one_less", enough->slowdown_less);
        json_end(json, '}');
    }
    json_end(json, ']');
}
