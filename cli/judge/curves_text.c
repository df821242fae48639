/*
 * curves_text.c - curves for readers: a picture of lru and opt, and a table, a row for each size.
 */
#include <math.h>
#include <string.h>

#include "judge/judging.h"
#include "numbers.h"

/* ---- picture -------------------------------------------------------------------------------- */

#define PLOT_COLUMNS 64u
#define PLOT_ROWS    12u

struct plot {
    double least, most; /* misses at its lower and its upper edge */
    char cell[PLOT_ROWS][PLOT_COLUMNS];
};

/*
 * The last column is the footprint. Between two points what the lower one says: of many pages opt,
 * with its fewer points, may so have more than lru.
 */
static double misses_in(const struct judged_trace *trace, const struct curve *curve,
                        unsigned column)
{
    const uint64_t frames =
        ((uint64_t)trace->pages * (column + 1) + PLOT_COLUMNS - 1) / PLOT_COLUMNS;
    const uint64_t point = MIN_OF(MAX_OF(frames / curve->step, 1), curve->points);
    const struct verdict verdict = curve_at(curve, (uint32_t)point);

    return (double)(verdict.first + verdict.hard);
}

/* From the top; each row is as much a ratio as any other. */
static unsigned row_of(const struct plot *plot, double misses)
{
    const double height = log(misses / plot->least) / log(plot->most / plot->least);

    return (unsigned)((1 - height) * (PLOT_ROWS - 1) + 0.5);
}

static void curve_draw(struct plot *plot, const struct judged_trace *trace,
                       const struct curve *curve, char mark)
{
    for (unsigned column = 0; column < PLOT_COLUMNS; column++) {
        char *cell = &plot->cell[row_of(plot, misses_in(trace, curve, column))][column];
        *cell = *cell == ' ' ? mark : '#';
    }
}

static void plot_print(const struct judged_trace *trace, FILE *file)
{
    const double lru = misses_in(trace, &trace->lru, 0), opt = misses_in(trace, &trace->opt, 0);
    struct plot plot = {.least = trace->pages,
                        .most = MAX_OF(MAX_OF(lru, opt), trace->pages + 1.0)};
    char frames[NUMBER_TEXT_BYTES];

    for (unsigned row = 0; row < PLOT_ROWS; row++) {
        memset(plot.cell[row], ' ', PLOT_COLUMNS);
    }
    curve_draw(&plot, trace, &trace->lru, 'l');
    curve_draw(&plot, trace, &trace->opt, 'o');
    fprintf(file, "\n  misses, in %% of the references (l: lru, o: opt, #: both)\n");
    for (unsigned row = 0; row < PLOT_ROWS; row++) {
        const double height = 1 - (double)row / (PLOT_ROWS - 1);
        const double misses = plot.least * pow(plot.most / plot.least, height);
        unsigned width = PLOT_COLUMNS;
        while (width > 0 && plot.cell[row][width - 1] == ' ') {
            width--;
        }
        fprintf(file, "  %8.3g |%.*s\n", 100 * misses / (double)trace->references, (int)width,
                plot.cell[row]);
    }
    fprintf(file, "           +%.*s\n", (int)PLOT_COLUMNS,
            "----------------------------------------------------------------");
    fprintf(file, "  frames    0%*s\n\n", (int)PLOT_COLUMNS - 1,
            number_print(trace->pages, frames));
}

/* ---- table ---------------------------------------------------------------------------------- */

static void size_print_row(const struct judging *judging, const struct judged_trace *trace,
                           unsigned size, FILE *file)
{
    char frames[NUMBER_TEXT_BYTES];

    fprintf(file, "  %7s %11s", judging->size[size].text,
            number_print(trace->frames[size], frames));
    for (unsigned i = 0; i < judging->policies; i++) {
        const struct verdict *verdict = &trace->verdict[size][i];
        const double misses = (double)(verdict->first + verdict->hard);
        fprintf(file, " %*.4g", (int)MAX_OF(strlen(judging->policy[i]->name), 7u),
                100 * misses / (double)trace->references);
    }
    fputc('\n', file);
}

static void table_print(const struct judging *judging, const struct judged_trace *trace, FILE *file)
{
    char pages[NUMBER_TEXT_BYTES];

    if (trace->window > 0) { /* of the picture at least: it begins with hardly any */
        fprintf(file,
                "  below %u frames, few beside the filter's window, the program itself would fault "
                "less\n",
                (unsigned)(WINDOWS_MIN * trace->window));
    }
    if (trace->sample > 0) {
        fprintf(file, "  all but lru and opt: by a sample of %s pages\n",
                number_print(trace->sample, pages));
    }
    fprintf(file, "  %7s %11s", "", "frames");
    for (unsigned i = 0; i < judging->policies; i++) {
        fprintf(file, " %7s", judging->policy[i]->name);
    }
    fputc('\n', file);
    for (unsigned size = 0; size < judging->sizes; size++) {
        size_print_row(judging, trace, size, file);
    }
    fputc('\n', file);
}

void curves_print(const struct judging *judging, FILE *file)
{
    for (unsigned i = 0; i < judging->traces; i++) {
        judged_trace_print(&judging->trace[i], file);
        plot_print(&judging->trace[i], file);
        table_print(judging, &judging->trace[i], file);
    }
}
