/*
 * page_template.c - fills a page with what there is to say.
 *
 * A page has marks, comments that say what comes in their place: text, and what its script reads,
 * as JSON. Both are written so that nothing in them can end the element.
 */
#include "report/page_template.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/json_writer.h"

#define MARK     "<!--memman:"
#define MARK_END "-->"

/* ---- what all pages have --------------------------------------------------------------------- */

static void word_print(FILE *file, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "@%+=:,./_-";

    if (*word != '\0' && word[strspn(word, plain)] == '\0') {
        fputs(word, file);
        return;
    }
    fputc('\'', file);
    for (; *word != '\0'; word++) {
        if (*word == '\'') {
            fputs("'\\''", file);
        } else {
            fputc(*word, file);
        }
    }
    fputc('\'', file);
}

/* As one would type it; the caller frees it. NULL without memory. */
static char *command_text(const struct page_command *command)
{
    char *text = NULL;
    size_t bytes;
    FILE *file = open_memstream(&text, &bytes);

    if (!file) {
        return NULL;
    }
    fprintf(file, "memman %s", command->name);
    for (int i = 0; i < command->count; i++) {
        fputc(' ', file);
        word_print(file, command->words[i]);
    }
    fclose(file);
    return text;
}

void page_about_print(const struct page_command *command, FILE *file)
{
    struct json_writer json = {.file = file};
    char *given = command_text(command), when[32];
    const time_t now = time(NULL);
    struct tm utc;

    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&now, &utc));
    json_begin(&json, NULL, '{');
    json_string(&json, "given", given);
    json_string(&json, "repeat", command->repeat);
    json_string(&json, "when", when);
    json_end(&json, '}');
    free(given);
}

/* ---- filled -------------------------------------------------------------------------------- */

static void text_part_print(const struct page_part *part, const void *context, FILE *file)
{
    char *text = NULL;
    size_t bytes;
    FILE *plain = open_memstream(&text, &bytes);

    if (!plain) {
        fputs("no memory for the report as text\n", file);
        return;
    }
    part->print(context, plain);
    fclose(plain);
    for (const char *at = text; at && *at != '\0'; at++) {
        if (*at == '<') {
            fputs("&lt;", file);
        } else if (*at == '&') {
            fputs("&amp;", file);
        } else {
            fputc(*at, file);
        }
    }
    free(text);
}

static const struct page_part *part_of(const struct page_part *parts, const char *mark)
{
    const size_t length = strcspn(mark, "-");

    while (strlen(parts->name) != length || memcmp(parts->name, mark, length) != 0) {
        parts++;
    }
    return parts;
}

void page_fill(const char *page, const struct page_part *parts, const void *context, FILE *file)
{
    for (const char *mark; (mark = strstr(page, MARK)) != NULL;) {
        const struct page_part *part = part_of(parts, mark + strlen(MARK));
        fwrite(page, 1, (size_t)(mark - page), file);
        if (part->text) {
            text_part_print(part, context, file);
        } else {
            part->print(context, file);
        }
        page = strstr(mark, MARK_END) + strlen(MARK_END);
    }
    fputs(page, file);
}
