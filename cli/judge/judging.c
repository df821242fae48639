/*
 * judging.c - what the counts of a judging are worth beside those of opt.
 */
#include "judge/judging.h"

#include <math.h>

static unsigned opt_of(const struct judging *judging)
{
    unsigned i = 0;

    while (judging->policy[i]->judge != judge_opt) {
        i++;
    }
    return i;
}

double judged_cost(const struct judging *judging, const struct verdict *verdict)
{
    const struct judged_costs *costs = &judging->costs;

    return costs->hard * (double)verdict->hard + costs->soft * (double)verdict->soft +
           costs->written * (double)verdict->written;
}

static double value_of(const struct judging *judging, const struct verdict *verdict,
                       enum judged_ratio ratio)
{
    switch (ratio) {
    case RATIO_HARD:
        return (double)verdict->hard;
    case RATIO_MISSES:
        return (double)(verdict->first + verdict->hard);
    default:
        return judged_cost(judging, verdict);
    }
}

double judged_ratio(const struct judging *judging, unsigned trace, unsigned size, unsigned policy,
                    enum judged_ratio ratio)
{
    const struct verdict *verdicts = judging->trace[trace].verdict[size];
    const double own = value_of(judging, &verdicts[policy], ratio);
    const double best = value_of(judging, &verdicts[opt_of(judging)], ratio);

    if (best > 0) {
        return own / best;
    }
    return own > 0 ? NAN : 1;
}

struct judged_mean judged_mean(const struct judging *judging, unsigned size, unsigned policy,
                               enum judged_ratio ratio)
{
    struct judged_mean mean = {0};

    for (unsigned trace = 0; trace < judging->traces; trace++) {
        const double one = judged_ratio(judging, trace, size, policy, ratio);
        mean.mean += log(one);
        mean.worst = one <= mean.worst ? mean.worst : one; /* stays NAN */
    }
    mean.mean = exp(mean.mean / judging->traces);
    return mean;
}
