/*
 * zipf.c - zipf ranks by rejection-inversion.
 *
 * W. Hörmann, G. Derflinger: "Rejection-inversion to generate variates from monotone discrete
 * distributions", ACM TOMACS 6(3), 1996. h(x) = x^-theta lies under a histogram of the ranks; H is
 * its integral. A uniform number between H(1.5) - h(1) and H(count + 0.5) is turned back into x,
 * rounded to a rank, and rejected where the rounding would give the rank too much.
 */
#include "workload/zipf.h"

#include <math.h>

/* log(1 + x) / x, also at 0. */
static double log1p_over(double x)
{
    return fabs(x) > 1e-8 ? log1p(x) / x : 1.0 - x * (0.5 - x / 3.0);
}

/* (exp(x) - 1) / x, also at 0. */
static double expm1_over(double x)
{
    return fabs(x) > 1e-8 ? expm1(x) / x : 1.0 + x * (0.5 + x / 6.0);
}

static double height(const struct zipf *zipf, double x)
{
    return exp(-zipf->theta * log(x));
}

/* (x^(1 - theta) - 1) / (1 - theta), which goes over into log(x) at theta = 1. */
static double integral(const struct zipf *zipf, double x)
{
    const double log_x = log(x);

    return expm1_over((1.0 - zipf->theta) * log_x) * log_x;
}

static double integral_inverse(const struct zipf *zipf, double y)
{
    /* Rounding may push the argument of the logarithm past its limit. */
    const double t = fmax(y * (1.0 - zipf->theta), -1.0);

    return exp(log1p_over(t) * y);
}

void zipf_init(struct zipf *zipf, uint64_t count, double theta)
{
    zipf->theta = theta;
    zipf->count = count;
    zipf->integral_first = integral(zipf, 1.5) - 1.0;
    zipf->integral_last = integral(zipf, (double)count + 0.5);
    zipf->shortcut = 2.0 - integral_inverse(zipf, integral(zipf, 2.5) - height(zipf, 2.0));
}

uint64_t zipf_rank(const struct zipf *zipf, struct random_generator *random)
{
    for (;;) {
        const double unit = random_fraction(random);
        const double y = zipf->integral_last + unit * (zipf->integral_first - zipf->integral_last);
        const double x = integral_inverse(zipf, y);
        uint64_t rank = 1;

        if (x >= (double)zipf->count) {
            rank = zipf->count;
        } else if (x >= 1.0) {
            rank = (uint64_t)(x + 0.5);
        }
        if ((double)rank - x <= zipf->shortcut ||
            y >= integral(zipf, (double)rank + 0.5) - height(zipf, (double)rank)) {
            return rank;
        }
    }
}
