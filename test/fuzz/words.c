/*
 * words.c - an input as the words of a command line, and what is said about them.
 */
#include "words.h"

#include <string.h>

#define NAMED_BYTES 90 /* longer words may be cut */

static char text[TEXT_BYTES];
char *words[WORDS_MAX];
int word_count;

/* What went to standard error. */
static FILE *errors, *standard_error;
static char *error_text;
static size_t error_bytes;

void words_print(void)
{
    for (int i = 0; i < word_count; i++)
        fprintf(stderr, "  word %d: '%s'\n", i, words[i]);
}

/* ---- from bytes ---- */

static void word_begin(size_t at)
{
    if (word_count < WORDS_MAX)
        words[word_count++] = text + at;
}

void words_take(const unsigned char *bytes, size_t count, const char *(*name_of)(unsigned byte))
{
    size_t used = 0;
    bool begins = true;

    word_count = 0;
    for (size_t i = 0; i < count && used + 40 < sizeof(text); i++) {
        if (bytes[i] >= 128) {
            text[used] = '\0';
            used += !begins;
            word_begin(used);
            used += (size_t)sprintf(text + used, "--%s", name_of(bytes[i]));
            begins = i + 1 < count && bytes[i + 1] != '=';
            used += begins;
            continue;
        }
        if (begins)
            word_begin(used);
        text[used++] = (char)bytes[i];
        begins = bytes[i] == 0;
    }
    text[used] = '\0';
}

/* ---- refusals ---- */

void errors_begin(void)
{
    if (errors == NULL)
        errors = open_memstream(&error_text, &error_bytes);
    if (errors == NULL)
        abort();
    rewind(errors);
    standard_error = stderr;
    stderr = errors;
}

const char *errors_end(void)
{
    stderr = standard_error;
    fputc('\0', errors);
    fflush(errors);
    return error_text;
}

/* As a refusal shows it. */
static void shown(const char *word, char ret_shown[NAMED_BYTES + 1])
{
    size_t i = 0;

    for (; word[i] != '\0' && i < NAMED_BYTES; i++)
        ret_shown[i] = (unsigned char)word[i] < ' ' || word[i] == 127 ? '?' : word[i];
    ret_shown[i] = '\0';
}

bool is_line(const char *line)
{
    size_t length = strlen(line);

    for (size_t i = 0; i + 1 < length; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 127)
            return false;
    }
    return length > 0 && line[length - 1] == '\n';
}

bool names_word(const char *line, const char *word)
{
    char named[NAMED_BYTES + 1];

    shown(word, named);
    return strncmp(line, "memman: ", 8) == 0 && strncmp(line + 8, named, strlen(named)) == 0;
}
