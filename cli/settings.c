/*
 * settings.c - the options of a small command.
 */
#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "options.h"

#define NAMES_MAX 16u

static bool is_named(const struct setting *setting, const char *word, const char **ret_value)
{
    const size_t length = strlen(setting->name);

    *ret_value = NULL;
    if (setting->letter != 0 && word[1] == setting->letter) {
        *ret_value = word[2] != '\0' ? word + 2 : NULL;
        return true;
    }
    if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, setting->name, length) != 0 ||
        (word[2 + length] != '\0' && word[2 + length] != '=')) {
        return false;
    }
    *ret_value = word[2 + length] == '=' ? word + 2 + length + 1 : NULL;
    return true;
}

static bool unknown_complain(const struct settings *settings, const char *word)
{
    const char *names[NAMES_MAX];

    for (unsigned i = 0; i < settings->count && i < NAMES_MAX; i++) {
        names[i] = settings->table[i].name;
    }
    const char *nearest = name_nearest(word + strspn(word, "-"), names,
                                       settings->count < NAMES_MAX ? settings->count : NAMES_MAX);
    if (nearest) {
        usage_complain(word, "%s has no such option; did you mean --%s?", settings->command,
                       nearest);
    } else {
        usage_complain(word, "%s has no such option; see memman help", settings->command);
    }
    return false;
}

static bool value_set(const struct settings *settings, const struct setting *setting,
                      const char *word, const char *value)
{
    char shown[160];

    if (setting->wanted == NULL && value != NULL) {
        usage_complain(word, "takes no value");
        return false;
    }
    if (setting->wanted != NULL && value == NULL) {
        usage_complain(word, "needs a value: %s", setting->wanted);
        return false;
    }
    if (setting->set(settings->target, value)) {
        return true;
    }
    snprintf(shown, sizeof(shown), "--%s %.100s", setting->name, value ? value : "");
    usage_complain(shown, "must be %s", setting->wanted);
    return false;
}

/* One option and its value, which may be the next word. */
static bool option_take(const struct settings *settings, int count, char *words[], int *at)
{
    const char *word = words[*at], *value;

    for (unsigned i = 0; i < settings->count; i++) {
        const struct setting *setting = &settings->table[i];
        if (!is_named(setting, word, &value)) {
            continue;
        }
        if (value == NULL && setting->wanted != NULL && *at + 1 < count) {
            value = words[++*at];
        }
        return value_set(settings, setting, word, value);
    }
    return unknown_complain(settings, word);
}

bool settings_take(const struct settings *settings, int *count, char *words[], bool first_ends)
{
    int kept = 0, at = 0;

    for (; at < *count; at++) {
        if (strcmp(words[at], "--") == 0) {
            at++;
            break;
        }
        if (words[at][0] == '-' && words[at][1] != '\0') {
            if (!option_take(settings, *count, words, &at)) {
                return false;
            }
            continue;
        }
        if (first_ends) {
            break;
        }
        words[kept++] = words[at];
    }
    while (at < *count) {
        words[kept++] = words[at++];
    }
    *count = kept;
    return true;
}
