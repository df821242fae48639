/*
 * options_parse.c - words of the command line into options, each refusal in one line.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "numbers.h"
#include "options.h"

/* ---- names --------------------------------------------------------------------------------- */

/* Edits (insert, delete, replace one letter) from one word to the other. */
static unsigned edit_distance(const char *a, const char *b)
{
    enum { LENGTH_MAX = 31 };
    unsigned row[LENGTH_MAX + 1];
    const size_t length_a = strlen(a), length_b = strlen(b);

    if (length_a > LENGTH_MAX || length_b > LENGTH_MAX) {
        return LENGTH_MAX;
    }
    for (unsigned j = 0; j <= length_b; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= length_a; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= length_b; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = best < row[j] + 1 ? best : row[j] + 1;
            row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
        }
    }
    return row[length_b];
}

const char *name_nearest(const char *word, const char *const names[], unsigned count)
{
    const char *nearest = NULL;
    unsigned best = 1 + (unsigned)strlen(word) / 3;

    for (unsigned i = 0; i < count; i++) {
        const unsigned distance = edit_distance(word, names[i]);
        if (distance <= best) {
            nearest = names[i];
            best = distance - (distance > 0);
        }
    }
    return nearest;
}

bool option_find(const char *name, size_t length, enum option *ret_option)
{
    for (unsigned option = 0; option < OPTION_COUNT; option++) {
        if (strlen(option_table[option].name) == length &&
            memcmp(option_table[option].name, name, length) == 0) {
            *ret_option = (enum option)option;
            return true;
        }
    }
    return false;
}

static void option_complain_unknown(const char *word, size_t name_length)
{
    const char *names[OPTION_COUNT];
    char name[32];

    for (unsigned option = 0; option < OPTION_COUNT; option++) {
        names[option] = option_table[option].name;
    }
    snprintf(name, sizeof(name), "%.*s", (int)name_length, word + 2);
    const char *nearest = name_nearest(name, names, OPTION_COUNT);
    if (nearest) {
        usage_complain(word, "no such option; did you mean --%s?", nearest);
    } else {
        usage_complain(word, "no such option; 'memman help' lists them");
    }
}

/* ---- values -------------------------------------------------------------------------------- */

/* What a value of this option must be, for the message. */
static void option_wanted(const struct option_info *info, char *ret_text, size_t bytes)
{
    char least[NUMBER_TEXT_BYTES], most[NUMBER_TEXT_BYTES];

    switch (info->kind) {
    case OPTION_CHOICE: {
        unsigned used = 0;
        const char *choice = info->choices;
        while (*choice != '\0' && used < bytes) {
            const size_t length = strcspn(choice, "|");
            used += (unsigned)snprintf(ret_text + used, bytes - used, "%s%.*s",
                                       used > 0 ? " or " : "", (int)length, choice);
            choice += length + (choice[length] == '|');
        }
        break;
    }
    case OPTION_SIZE:
    case OPTION_FRAMES_SIZE:
        snprintf(ret_text, bytes, "a size from %s to %s bytes, such as 64M%s",
                 size_print(info->minimum, least), size_print(info->maximum, most),
                 info->kind == OPTION_SIZE ? "" : ", or auto:SLOWDOWN, from 1");
        break;
    case OPTION_RANGE:
        snprintf(ret_text, bytes,
                 "a size from %" PRIu64 " to %s bytes, such as 64M, or two: 64M..1G", info->minimum,
                 size_print(info->maximum, most));
        break;
    case OPTION_POWER_OF_TWO:
        snprintf(ret_text, bytes, "a power of two from %s1 to %" PRIu64,
                 info->minimum == 0 ? "0 or " : "", info->maximum);
        break;
    case OPTION_REAL:
        snprintf(ret_text, bytes, "a number from %s to %" PRIu64,
                 info == &option_table[OPTION_SECONDS] ? "0.001" : "0", info->maximum);
        break;
    case OPTION_TEXT:
        snprintf(ret_text, bytes, "a text of 1 to %d bytes", OPTION_VALUE_BYTES - 1);
        break;
    case OPTION_FILE:
        snprintf(ret_text, bytes, "the name of a file");
        break;
    default:
        snprintf(ret_text, bytes, "%sa whole number from %" PRIu64 " to %" PRIu64,
                 info->choices != NULL ? "on, off or " : "", info->minimum, info->maximum);
    }
}

static bool choice_parse(const char *choices, const char *text, uint64_t *ret_index)
{
    const size_t text_length = strlen(text);
    uint64_t index = 0;

    for (;; index++) {
        const size_t length = strcspn(choices, "|");
        if (length == text_length && memcmp(choices, text, length) == 0) {
            *ret_index = index;
            return true;
        }
        if (choices[length] == '\0') {
            return false;
        }
        choices += length + 1;
    }
}

/* A size, or two of them in order with ".." between. */
static bool range_parse(const struct option_info *info, const char *text,
                        struct option_value *value)
{
    const char *dots = strstr(text, "..");
    const size_t length = dots == NULL ? strlen(text) : (size_t)(dots - text);
    char first[NUMBER_TEXT_BYTES];
    uint64_t from = 0, to = 0;

    if (length >= sizeof(first)) {
        return false;
    }
    memcpy(first, text, length);
    first[length] = '\0';
    if (!size_parse(first, &from) || !size_parse(dots == NULL ? first : dots + 2, &to) ||
        from < info->minimum || from > to || to > info->maximum) {
        return false;
    }
    value->number = from;
    value->number_max = to;
    return true;
}

bool frames_are_auto(const char *text)
{
    return strncmp(text, "auto", 4) == 0 && (text[4] == '\0' || text[4] == ':');
}

bool slowdown_parse(const char *text, double *ret_slowdown)
{
    *ret_slowdown = SLOWDOWN_DEFAULT;
    return text[4] == '\0' || (real_parse(text + 5, ret_slowdown) && *ret_slowdown >= 1);
}

static bool value_parse(const struct option_info *info, const char *text,
                        struct option_value *value)
{
    const uint64_t number_before = value->number;
    uint64_t choice = 0;
    bool good = false;

    switch (info->kind) {
    case OPTION_CHOICE:
        return choice_parse(info->choices, text, &value->number);
    case OPTION_SIZE:
        good = size_parse(text, &value->number);
        break;
    case OPTION_FRAMES_SIZE:
        value->real = 0;
        if (frames_are_auto(text)) {
            return slowdown_parse(text, &value->real);
        }
        good = size_parse(text, &value->number);
        break;
    case OPTION_RANGE:
        return range_parse(info, text, value);
    case OPTION_NUMBER:
        if (info->choices != NULL && choice_parse(info->choices, text, &choice)) {
            value->number = choice == 0 ? OPTION_NUMBER_ON : 0;
            return true;
        }
        good = number_parse(text, &value->number);
        break;
    case OPTION_POWER_OF_TWO:
        good = number_parse(text, &value->number);
        break;
    case OPTION_REAL:
        return real_parse(text, &value->real) && value->real <= (double)info->maximum &&
               (info != &option_table[OPTION_SECONDS] || value->real >= 0.001);
    case OPTION_TEXT:
        value->text = text;
        return *text != '\0' && strlen(text) < OPTION_VALUE_BYTES;
    case OPTION_FILE:
        value->text = text;
        return *text != '\0';
    case OPTION_FLAG:
        break;
    }
    good = good && value->number >= info->minimum && value->number <= info->maximum &&
           (info->kind != OPTION_POWER_OF_TWO || (value->number & (value->number - 1)) == 0);
    if (!good) {
        value->number = number_before;
    }
    return good;
}

bool option_set(struct options *options, enum option option, const char *shown, const char *text)
{
    char wanted[160];

    if (value_parse(&option_table[option], text, &options->value[option])) {
        options->value[option].given = true;
        options->value[option].present =
            option_table[option].kind != OPTION_FRAMES_SIZE || !(options->value[option].real > 0);
        return true;
    }
    option_wanted(&option_table[option], wanted, sizeof(wanted));
    usage_complain(shown, "must be %s", wanted);
    return false;
}

static bool value_take(struct options *options, enum option option, const char *word,
                       const char *text)
{
    char shown[96];

    /* The whole of what was written, in one of its two spellings. */
    snprintf(shown, sizeof(shown), strchr(word, '=') ? "%s" : "%s %s", word, text);
    return option_set(options, option, shown, text);
}

/* ---- the command line ---------------------------------------------------------------------- */

/* Takes the option at words[*index] and its value, and moves *index to the last word taken. */
static bool option_take(struct options *options, int count, char *const words[], int *index)
{
    const char *word = words[*index];
    const size_t name_length = strcspn(word + 2, "=");
    const char *equals = word[2 + name_length] == '=' ? word + 2 + name_length : NULL;
    enum option option;
    char wanted[160];

    if (!option_find(word + 2, name_length, &option)) {
        option_complain_unknown(word, name_length);
        return false;
    }
    if (option_table[option].kind == OPTION_FLAG) {
        if (equals) {
            usage_complain(word, "--%s takes no value", option_table[option].name);
            return false;
        }
        options->value[option].given = options->value[option].present = true;
        options->value[option].number = 1;
        return true;
    }
    if (equals) {
        return value_take(options, option, word, equals + 1);
    }
    if (*index + 1 == count) {
        option_wanted(&option_table[option], wanted, sizeof(wanted));
        usage_complain(word, "needs a value: %s", wanted);
        return false;
    }
    *index += 1;
    return value_take(options, option, word, words[*index]);
}

static void options_init(struct options *ret_options)
{
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    *ret_options = (struct options){0};
    for (unsigned option = 0; option < OPTION_COUNT; option++) {
        const struct option_info *info = &option_table[option];
        if (info->initial) {
            ret_options->value[option].present =
                value_parse(info, info->initial, &ret_options->value[option]);
        }
    }
    ret_options->value[OPTION_THREADS].present = true;
    ret_options->value[OPTION_THREADS].number = cpus > 0 ? (uint64_t)cpus : 1;
}

bool options_parse(struct options *ret_options, int count, char *const words[])
{
    options_init(ret_options);
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0) {
            ret_options->help = true;
            return true;
        }
        if (strncmp(words[i], "--", 2) != 0 || words[i][2] == '\0') {
            usage_complain(words[i], "is no option; 'memman help' lists them");
            return false;
        }
        if (!option_take(ret_options, count, words, &i)) {
            return false;
        }
    }
    if (ret_options->value[OPTION_SECONDS].given) {
        if (ret_options->value[OPTION_ACCESSES].given) {
            usage_complain("--seconds", "cannot go with --accesses; give one of the two");
            return false;
        }
        ret_options->value[OPTION_ACCESSES].present = false;
    }
    return true;
}
