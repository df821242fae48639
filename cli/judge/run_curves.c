/*
 * run_curves.c - the curves of lru and opt beside what the engine made of the same accesses.
 */
#include "judge/run_curves.h"

#include "judge/load.h"

#define ACCESSES_MAX 1000000u
#define POINTS       200u

/* ---- the curves ----------------------------------------------------------------------------- */

void run_curves_make(struct run_curves *curves, const struct users_load *load, uint64_t accesses)
{
    struct references references = {0};

    *curves = (struct run_curves){.accesses = MIN_OF(accesses, ACCESSES_MAX)};
    if (!load_references(load, curves->accesses, &references) || references.count == 0 ||
        !curve_lru(&references, &curves->lru) || !curve_opt(&references, POINTS, &curves->opt)) {
        run_curves_free(curves);
    }
    references_free(&references);
}

void run_curves_free(struct run_curves *curves)
{
    curve_free(&curves->lru);
    curve_free(&curves->opt);
    curves->accesses = 0;
}

/* ---- the report ----------------------------------------------------------------------------- */

/* At the sizes of opt's curve. */
static uint32_t frames_of(const struct run_curves *curves, uint32_t point)
{
    const uint64_t frames = (uint64_t)point * curves->opt.step;

    return (uint32_t)MIN_OF(frames, curves->lru.points);
}

static void curve_print(const struct run_curves *curves, const char *name,
                        const struct curve *curve, struct json_writer *json)
{
    json_begin(json, NULL, '{');
    json_string(json, "name", name);
    json_line_begin(json, "frames");
    for (uint32_t point = 1; point <= curves->opt.points; point++) {
        json_line_number(json, frames_of(curves, point));
    }
    json_line_end(json);
    json_line_begin(json, "miss_ratio");
    for (uint32_t point = 1; point <= curves->opt.points; point++) {
        const struct verdict verdict =
            curve_at(curve, curve == &curves->opt ? point : frames_of(curves, point));
        json_line_real(json, (double)(verdict.first + verdict.hard) / (double)curves->accesses);
    }
    json_line_end(json);
    json_end(json, '}');
}

void run_curves_print(const struct run_curves *curves, struct json_writer *json)
{
    if (curves->accesses == 0) {
        return;
    }
    json_number(json, "miss_ratio_accesses", curves->accesses);
    json_begin(json, "miss_ratio_curves", '[');
    curve_print(curves, "lru", &curves->lru, json);
    curve_print(curves, "opt", &curves->opt, json);
    json_end(json, ']');
}
