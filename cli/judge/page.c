/*
 * page.c - what a comparison of policies has to say, for its page.
 */
#include "judge/judging.h"
#include "report/page_template.h"

/* Of a curve: more than a screen has dots. */
#define POINTS_MAX 2000u

struct page {
    const struct judging *judging;
    const struct page_command *command;
};

static void text_print(const void *context, FILE *file)
{
    curves_print(((const struct page *)context)->judging, file);
}

static void about_print(const void *context, FILE *file)
{
    page_about_print(((const struct page *)context)->command, file);
}

static void report_print(const void *context, FILE *file)
{
    struct judging thinned = *((const struct page *)context)->judging;

    thinned.points_max = POINTS_MAX;
    judging_print_json(&thinned, file);
}

void judging_page(const struct judging *judging, const struct page_command *command, FILE *file)
{
    static const struct page_part parts[] = {{"text", text_print, true},
                                             {"about", about_print, false},
                                             {"report", report_print, false},
                                             {NULL, NULL, false}};
    const struct page page = {judging, command};

    page_fill(compare_page, parts, &page, file);
}
