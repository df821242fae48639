/*
 * page_template.h - pages for a browser, without anything in them; and how they are filled.
 */
#ifndef MM_CLI_REPORT_PAGE_TEMPLATE_H
#define MM_CLI_REPORT_PAGE_TEMPLATE_H

#include <stdbool.h>
#include <stdio.h>

/* Made at build time (embed.sh), from what lies in report/page. */
extern const char run_page[], compare_page[];

/* What comes in the place of the mark <!--memman:NAME-->. The last has no name. */
struct page_part {
    const char *name;
    void (*print)(const void *context, FILE *file);
    bool text; /* it is shown as it is; else it is JSON, written so that nothing ends its element */
};

/* Each mark of the page must have its part. */
void page_fill(const char *page, const struct page_part *parts, const void *context, FILE *file);

/* The command that was given, and the one that repeats it with everything that was chosen. */
struct page_command {
    const char *name; /* of memman's */
    int count;
    char *const *words; /* behind the name */
    const char *repeat; /* NULL: nothing was chosen */
};

/* A part of every page: the command as one would type it, and the time. */
void page_about_print(const struct page_command *command, FILE *file);

#endif
