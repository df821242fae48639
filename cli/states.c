/*
 * states.c - prints the tables as aligned text, as a graph for graphviz, or as markdown.
 */
#include "states.h"

#include <stdio.h>
#include <string.h>

#include "help.h"
#include "memman.h"
#include "options.h"

#define COLUMNS_MAX 5

/* A table of the library: its captions, and row `index` as text; false past the end. */
struct table {
    const char *title;
    unsigned columns;
    const char *caption[COLUMNS_MAX];
    bool (*row)(size_t index, const char *ret_cell[COLUMNS_MAX]);
};

static bool state_row(size_t index, const char *ret_cell[COLUMNS_MAX])
{
    struct mm_state_info info;

    if (!mm_state_info(index, &info)) {
        return false;
    }
    ret_cell[0] = info.name;
    ret_cell[1] = info.list;
    ret_cell[2] = info.meaning;
    return true;
}

static bool move_row(size_t index, const char *ret_cell[COLUMNS_MAX])
{
    struct mm_move_info info;

    if (!mm_move_info(index, &info)) {
        return false;
    }
    ret_cell[0] = info.from;
    ret_cell[1] = info.to;
    ret_cell[2] = info.why;
    ret_cell[3] = info.locks;
    ret_cell[4] = info.meaning;
    return true;
}

static bool rank_row(size_t index, const char *ret_cell[COLUMNS_MAX])
{
    static char rank[16];
    struct mm_rank_info info;

    if (!mm_rank_info(index, &info)) {
        return false;
    }
    snprintf(rank, sizeof(rank), "%u", info.rank);
    ret_cell[0] = rank;
    ret_cell[1] = info.name;
    ret_cell[2] = info.guards;
    return true;
}

static const struct table tables[] = {
    {"States of a frame", 3, {"State", "List", "Meaning"}, state_row},
    {"Moves", 5, {"From", "To", "Why", "Locks", "Meaning"}, move_row},
    {"Lock order (a lock is taken only after those above it)",
     3,
     {"Rank", "Lock", "Guards"},
     rank_row},
};
#define TABLE_COUNT (sizeof(tables) / sizeof(tables[0]))

/* ---- text ---------------------------------------------------------------------------------- */

static void table_widths(const struct table *table, size_t ret_width[COLUMNS_MAX])
{
    const char *cell[COLUMNS_MAX];

    for (unsigned i = 0; i < table->columns; i++) {
        ret_width[i] = strlen(table->caption[i]);
    }
    for (size_t row = 0; table->row(row, cell); row++) {
        for (unsigned i = 0; i < table->columns; i++) {
            const size_t length = strlen(cell[i]);
            ret_width[i] = length > ret_width[i] ? length : ret_width[i];
        }
    }
}

static void text_row_print(const struct table *table, const char *const cell[],
                           const size_t width[COLUMNS_MAX])
{
    fputs("  ", stdout);
    for (unsigned i = 0; i + 1 < table->columns; i++) {
        printf("%-*s  ", (int)width[i], cell[i]);
    }
    puts(cell[table->columns - 1]);
}

static void text_print(void)
{
    for (unsigned i = 0; i < TABLE_COUNT; i++) {
        const char *cell[COLUMNS_MAX];
        size_t width[COLUMNS_MAX];

        table_widths(&tables[i], width);
        printf("%s%s\n", i > 0 ? "\n" : "", tables[i].title);
        text_row_print(&tables[i], tables[i].caption, width);
        for (size_t row = 0; tables[i].row(row, cell); row++) {
            text_row_print(&tables[i], cell, width);
        }
    }
}

/* ---- dot ----------------------------------------------------------------------------------- */

static void dot_text_print(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            putchar('\\');
        }
        putchar(*text);
    }
    putchar('"');
}

static void dot_print(void)
{
    struct mm_state_info state;
    struct mm_move_info move;

    puts("digraph states {\n    rankdir=LR;\n    node [shape=box, style=rounded];");
    for (size_t i = 0; mm_state_info(i, &state); i++) {
        fputs("    ", stdout);
        dot_text_print(state.name);
        fputs(" [tooltip=", stdout);
        dot_text_print(state.meaning);
        puts("];");
    }
    for (size_t i = 0; mm_move_info(i, &move); i++) {
        fputs("    ", stdout);
        dot_text_print(move.from);
        fputs(" -> ", stdout);
        dot_text_print(move.to);
        fputs(" [label=", stdout);
        dot_text_print(move.why);
        fputs(", tooltip=", stdout);
        dot_text_print(move.meaning);
        puts("];");
    }
    puts("}");
}

/* ---- markdown ------------------------------------------------------------------------------ */

static void markdown_row_print(const struct table *table, const char *const cell[])
{
    for (unsigned i = 0; i < table->columns; i++) {
        fputs("| ", stdout);
        for (const char *text = cell[i]; *text != '\0'; text++) {
            if (*text == '|') {
                putchar('\\');
            }
            putchar(*text);
        }
        putchar(' ');
    }
    puts("|");
}

/* A label or a name: what would end it or start a comment becomes a blank. */
static void mermaid_text_print(const char *text)
{
    for (; *text != '\0'; text++) {
        putchar(strchr(":;#%\"", *text) ? ' ' : *text);
    }
}

static void mermaid_print(void)
{
    struct mm_move_info move;

    puts("```mermaid\nstateDiagram-v2");
    for (size_t i = 0; mm_move_info(i, &move); i++) {
        fputs("    ", stdout);
        mermaid_text_print(move.from);
        fputs(" --> ", stdout);
        mermaid_text_print(move.to);
        fputs(" : ", stdout);
        mermaid_text_print(move.why);
        putchar('\n');
    }
    puts("```");
}

static void markdown_print(void)
{
    for (unsigned i = 0; i < TABLE_COUNT; i++) {
        const char *cell[COLUMNS_MAX];

        printf("%s## %s\n\n", i > 0 ? "\n" : "", tables[i].title);
        markdown_row_print(&tables[i], tables[i].caption);
        for (unsigned column = 0; column < tables[i].columns; column++) {
            fputs("| --- ", stdout);
        }
        puts("|");
        for (size_t row = 0; tables[i].row(row, cell); row++) {
            markdown_row_print(&tables[i], cell);
        }
    }
    puts("\n## Picture\n");
    mermaid_print();
}

/* ---- command ------------------------------------------------------------------------------- */

static enum exit_code format_print(const char *format)
{
    if (strcmp(format, "text") == 0) {
        text_print();
    } else if (strcmp(format, "dot") == 0) {
        dot_print();
    } else if (strcmp(format, "markdown") == 0) {
        markdown_print();
    } else {
        char word[96];
        snprintf(word, sizeof(word), "--format %s", format);
        usage_complain(word, "must be text, dot or markdown");
        return EXIT_USAGE;
    }
    if (fflush(stdout) != 0) {
        perror("memman: standard output");
        return EXIT_REFUSED;
    }
    return EXIT_GOOD;
}

enum exit_code states_command(int count, char *const words[])
{
    const char *format = "text";

    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0) {
            return help_print(stdout);
        }
        if (strncmp(words[i], "--format=", 9) == 0) {
            format = words[i] + 9;
        } else if (strcmp(words[i], "--format") != 0) {
            usage_complain(words[i], "states takes only --format text, dot or markdown");
            return EXIT_USAGE;
        } else if (i + 1 == count) {
            usage_complain(words[i], "needs a value: text, dot or markdown");
            return EXIT_USAGE;
        } else {
            format = words[++i];
        }
    }
    return format_print(format);
}
