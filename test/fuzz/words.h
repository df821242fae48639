/*
 * words.h - an input as the words of a command line, and what is said about them.
 *
 * Words end with a zero byte; a byte above 127 stands for the name of an option, a word of its own
 * unless '=' follows.
 */
#ifndef MM_TEST_FUZZ_WORDS_H
#define MM_TEST_FUZZ_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS_MAX  64
#define TEXT_BYTES 8192

extern char *words[WORDS_MAX];
extern int word_count;

void words_take(const unsigned char *bytes, size_t count, const char *(*name_of)(unsigned byte));
void words_print(void);

/* What goes to standard error from here on is kept. */
void errors_begin(void);
/* The text since then; until the next errors_begin(). */
const char *errors_end(void);

/* Is it one line, with nothing in it that moves the cursor? */
bool is_line(const char *line);
/* Does the refusal begin with the word, as it is shown? */
bool names_word(const char *line, const char *word);

/* Ends the process with a text about the words where the condition does not hold. */
#define WORDS_REQUIRE(target, condition, ...)                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, target ": " __VA_ARGS__);                                              \
            fputc('\n', stderr);                                                                   \
            words_print();                                                                         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
