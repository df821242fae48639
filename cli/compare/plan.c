/*
 * plan.c - the configurations of a comparison, from --vary or --ablate.
 */
#include "compare/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/json_reader.h"

/* ---- mechanisms ---------------------------------------------------------------------------- */

/* A mechanism that is an option: the value that is without it, and one that is with it. */
struct mechanism {
    enum option option;
    const char *off, *on;
    const char *machine; /* whose alone it is; NULL: of both */
};

static const struct mechanism mechanisms[] = {
    {OPTION_TRIM_BATCH, "1", "512", NULL},
    {OPTION_WRITE_BATCH, "1", "256", NULL},
    {OPTION_REGION_PTES, "1", "256", NULL},
    {OPTION_FRAME_CACHE, "0", "32", NULL},
    {OPTION_FAULT_AROUND, "1", "8", NULL},
    {OPTION_READ_CLUSTER, "1", "64", NULL},
    {OPTION_PREFETCH, "off", "on", NULL},
    {OPTION_PREFETCH_BY, "streams", "auto", NULL},
    {OPTION_TRANSFER_BATCH, "1", "512", "linux"},
    {OPTION_TLB, "0", "1024", "soft"},
    {OPTION_LIST_COLOURS, "1", "4", NULL},
    {OPTION_BALANCE, "workers", "faults", NULL},
    {OPTION_LIST_LOCK, "exclusive", "shared", NULL},
    {OPTION_BACKOFF, "off", "on", NULL},
    {OPTION_DIRTY_BIT, "off", "on", NULL},
    {OPTION_MAP_WRITABLE, "off", "on", NULL},
    {OPTION_SLOT_SEARCH, "first-fit", "next-fit", NULL},
    {OPTION_SLOT_RESERVATION, "1", "64", NULL},
    {OPTION_POLICY, "fifo", "aging", NULL},
    {OPTION_ZEROERS, "0", "1", NULL},
    {OPTION_DEFRAGMENTERS, "0", "1", NULL},
};
#define MECHANISMS (sizeof(mechanisms) / sizeof(mechanisms[0]))
_Static_assert(MECHANISMS + 2 <= CONFIGURATIONS_MAX, "room for a configuration of each");
_Static_assert(MECHANISMS <= 64, "bits of plan.ablated");

static bool mechanism_find(const char *name, size_t length, unsigned *ret_index)
{
    for (unsigned i = 0; i < MECHANISMS; i++) {
        const char *own = option_table[mechanisms[i].option].name;
        if (strlen(own) == length && memcmp(own, name, length) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static void mechanism_complain(const char *names, const char *name, size_t length)
{
    const char *known[MECHANISMS];
    char shown[NAME_BYTES], word[NAME_BYTES], list[NAME_BYTES] = "";
    size_t used = 0;

    for (unsigned i = 0; i < MECHANISMS; i++) {
        known[i] = option_table[mechanisms[i].option].name;
        used +=
            (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? ", " : "", known[i]);
    }
    snprintf(shown, sizeof(shown), "--ablate=%s", names);
    snprintf(word, sizeof(word), "%.*s", (int)length, name);
    const char *nearest = name_nearest(word, known, MECHANISMS);
    if (nearest) {
        usage_complain(shown, "'%s' is no mechanism; did you mean %s?", word, nearest);
    } else {
        usage_complain(shown, "'%s' is no mechanism; there are %s", word, list);
    }
}

bool plan_ablate(struct plan *plan, const char *names)
{
    plan->ablate = true;
    for (const char *name = names; name != NULL;) {
        const size_t length = strcspn(name, ",");
        unsigned index;

        if (!mechanism_find(name, length, &index)) {
            mechanism_complain(names, name, length);
            return false;
        }
        plan->ablated |= (uint64_t)1 << index;
        name = name[length] == ',' ? name + length + 1 : NULL;
    }
    return true;
}

/* ---- varied options ------------------------------------------------------------------------ */

/* Cuts the values apart in place: at single commas; two are one that belongs to the value. */
static bool values_split(struct varied *varied, char *at)
{
    char *end = at;

    varied->text[varied->values++] = at;
    for (; *at != '\0'; at++) {
        if (*at != ',' || at[1] == ',') {
            at += *at == ',';
            *end++ = *at;
        } else if (varied->values == CONFIGURATIONS_MAX) {
            return false;
        } else {
            *end++ = '\0';
            varied->text[varied->values++] = end;
        }
    }
    *end = '\0';
    return true;
}

bool plan_frames_check(const struct options *options, const char *shown)
{
    if (options->value[OPTION_FRAMES].real > 0) {
        usage_complain(shown, "would find others for each run; give a size, such as the one that "
                              "memman run --frames auto finds");
        return false;
    }
    return true;
}

/* Every value must be one of the option; the manager may still refuse some. */
static bool values_check(const struct varied *varied)
{
    for (unsigned i = 0; i < varied->values; i++) {
        struct options options = {0};
        char shown[NAME_BYTES];

        snprintf(shown, sizeof(shown), "--vary %s=%s", option_table[varied->option].name,
                 varied->text[i]);
        if (!option_set(&options, varied->option, shown, varied->text[i]) ||
            !plan_frames_check(&options, shown)) {
            return false;
        }
    }
    return true;
}

static bool option_varies(enum option option)
{
    const enum option_kind kind = option_table[option].kind;

    return kind != OPTION_FILE && kind != OPTION_FLAG && option != OPTION_SEED;
}

static const char *option_refusal(const struct plan *plan, const char *word,
                                  enum option *ret_option)
{
    const size_t length = strcspn(word, "=");

    if (!option_find(word, length, ret_option)) {
        return "no such option; NAME=VALUE,VALUE... takes the name of an option of memman run";
    }
    if (!option_varies(*ret_option)) {
        return "cannot be varied: it is about the report, or other in each round as it is";
    }
    if (word[length] != '=') {
        return "needs values: NAME=VALUE,VALUE...";
    }
    for (unsigned i = 0; i < plan->varied_count; i++) {
        if (plan->varied[i].option == *ret_option) {
            return "is varied already; give all its values at once";
        }
    }
    return plan->varied_count == VARIED_MAX ? "too many options are varied; eight can be" : NULL;
}

bool plan_vary(struct plan *plan, const char *word)
{
    enum option option;
    char shown[NAME_BYTES];
    const char *refusal = option_refusal(plan, word, &option);

    snprintf(shown, sizeof(shown), "--vary %s", word);
    if (refusal) {
        usage_complain(shown, "%s", refusal);
        return false;
    }
    struct varied *varied = &plan->varied[plan->varied_count];
    *varied = (struct varied){.option = option, .words = strdup(word)};
    if (varied->words == NULL) {
        line_complain("compare: the system has no memory");
        return false;
    }
    plan->varied_count++;
    if (!values_split(varied, varied->words + strcspn(word, "=") + 1)) {
        usage_complain(shown, "too many values; %u can be", CONFIGURATIONS_MAX);
        return false;
    }
    return values_check(varied);
}

void plan_free(struct plan *plan)
{
    for (unsigned i = 0; i < plan->varied_count; i++) {
        free(plan->varied[i].words);
    }
}

/* ---- configurations ------------------------------------------------------------------------ */

static struct configuration *configuration_add(struct plan *plan, const char *name)
{
    struct configuration *added = &plan->configuration[plan->configurations++];

    *added = (struct configuration){0};
    snprintf(added->name, sizeof(added->name), "%s", name);
    return added;
}

static void setting_add(struct configuration *configuration, enum option option, const char *text)
{
    const size_t used = strlen(configuration->name);

    snprintf(configuration->name + used, sizeof(configuration->name) - used, "%s--%s %s",
             used > 0 ? " " : "", option_table[option].name, text);
    configuration->setting[configuration->settings++] = (struct setting){option, text};
}

bool plan_make_varied(struct plan *plan)
{
    uint64_t count = 1;

    for (unsigned i = 0; i < plan->varied_count; i++) {
        count *= plan->varied[i].values;
    }
    if (count < 2 || count > CONFIGURATIONS_MAX) {
        usage_complain("--vary", "%" PRIu64 " configurations; 2 to %u can be compared", count,
                       CONFIGURATIONS_MAX);
        return false;
    }
    for (uint64_t number = 0; number < count; number++) {
        struct configuration *added = configuration_add(plan, "");
        uint64_t below = count, rest = number;
        for (unsigned i = 0; i < plan->varied_count; i++) {
            const struct varied *varied = &plan->varied[i];
            below /= varied->values;
            setting_add(added, varied->option, varied->text[rest / below]);
            rest %= below;
        }
    }
    return true;
}

/* The value in the report, without quotes. */
static bool report_value_is(const char *report, enum option option, const char *text)
{
    char path[OPTION_KEY_BYTES + 8] = "config.";
    const char *value;
    size_t length;

    option_key_print(option, path + strlen(path));
    if (!json_find(report, path, &value, &length)) {
        return false;
    }
    if (*value == '"') {
        value++;
        length -= 2;
    }
    return length == strlen(text) && memcmp(value, text, length) == 0;
}

bool plan_make_ablation(struct plan *plan, const char *report)
{
    configuration_add(plan, "as given");
    configuration_add(plan, "the same again");
    for (unsigned i = 0; i < MECHANISMS; i++) {
        const struct mechanism *mechanism = &mechanisms[i];
        const bool named = (plan->ablated >> i & 1) != 0;

        if (mechanism->machine != NULL &&
            !report_value_is(report, OPTION_MACHINE, mechanism->machine)) {
            if (named) {
                usage_complain("--ablate", "%s is the %s machine's; give --machine %s",
                               option_table[mechanism->option].name, mechanism->machine,
                               mechanism->machine);
                return false;
            }
            continue;
        }
        if (named || plan->ablated == 0) {
            const bool off = report_value_is(report, mechanism->option, mechanism->off);
            setting_add(configuration_add(plan, ""), mechanism->option,
                        off ? mechanism->on : mechanism->off);
        }
    }
    return true;
}

bool plan_apply(const struct configuration *configuration, struct options *options)
{
    for (unsigned i = 0; i < configuration->settings; i++) {
        const struct setting *setting = &configuration->setting[i];
        if (!option_set(options, setting->option, configuration->name, setting->text)) {
            return false;
        }
    }
    return true;
}
