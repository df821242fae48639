/*
 * settings.h - the options of a small command: a table that says what each is and where it goes.
 */
#ifndef MM_CLI_SETTINGS_H
#define MM_CLI_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

struct setting {
    const char *name;   /* without its dashes */
    char letter;        /* -o; 0: none */
    const char *wanted; /* what its value is; NULL: it has none */
    /* False: the value is none of what is wanted. */
    bool (*set)(void *target, const char *value);
};

struct settings {
    const char *command;
    const struct setting *table;
    unsigned count;
    void *target;
};

/*
 * Takes the options out of the words, in any place; "-" is no option, behind "--" there are none.
 * With `first_ends` the first word that is no option is the end of them as well. What is left
 * are the operands, from words[0] on. False, after one line: a word is wrong.
 */
bool settings_take(const struct settings *settings, int *count, char *words[], bool first_ends);

#endif
