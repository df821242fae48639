/*
 * page_template.h - the page without anything in it; made at build time (embed.sh).
 */
#ifndef MM_CLI_REPORT_PAGE_TEMPLATE_H
#define MM_CLI_REPORT_PAGE_TEMPLATE_H

extern const char page_template[];

#endif
