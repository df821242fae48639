/*
 * command.c - the command line of memman sim.
 */
#include "sim/command.h"

#include "world/fibers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COMPLAINT(word, ...)                                                                       \
    (fprintf(stderr, "memman: %s: ", word), fprintf(stderr, __VA_ARGS__), fputc('\n', stderr),     \
     false)

/* ---- values ---- */

/* "A..B" */
static bool parse_range(const char *text, uint64_t *ret_first, uint64_t *ret_last)
{
    const char *dots = strstr(text, "..");
    char first[24];

    if (dots == NULL || dots - text >= (ptrdiff_t)sizeof(first))
        return false;
    snprintf(first, sizeof(first), "%.*s", (int)(dots - text), text);
    return sim_number_parse(first, ret_first) && sim_number_parse(dots + 2, ret_last) &&
           *ret_first <= *ret_last && *ret_last < UINT64_MAX;
}

/* "page:N" or "frame:N" */
static bool parse_trace(struct command *command, const char *text)
{
    const char *colon = strchr(text, ':');
    uint64_t number;

    if (colon == NULL || !sim_number_parse(colon + 1, &number) || number >= PAGE_NONE)
        return false;
    command->trace = true;
    command->trace_number = (uint32_t)number;
    command->trace_frame = strncmp(text, "frame:", 6) == 0;
    return command->trace_frame || strncmp(text, "page:", 5) == 0;
}

/* "N[,N...]" */
static bool parse_cpus(struct command *command, const char *text)
{
    while (command->cpu_count < CPUS_MAX) {
        size_t length = strcspn(text, ",");
        char number[24];
        uint64_t cpus;

        snprintf(number, sizeof(number), "%.*s", (int)MIN_OF(length, sizeof(number) - 1), text);
        if (!sim_number_parse(number, &cpus) || cpus < 1 || cpus > SIM_ACCESSORS_MAX)
            return false;
        command->cpus[command->cpu_count++] = (uint32_t)cpus;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
    return false;
}

/* No fault class at all, or what the seed draws. */
static bool parse_faults(struct command *command, const char *text)
{
    bool none = strcmp(text, "none") == 0;

    if (!none && strcmp(text, "drawn") != 0)
        return false;
    for (unsigned option = SIM_FAULT_FIRST; option <= SIM_FAULT_LAST && none; option++) {
        command->options.value[option] = 0;
        command->options.given[option] = true;
    }
    return true;
}

/* ---- names ---- */

static bool find_option(const char *name, size_t length, enum sim_option *ret_option)
{
    for (unsigned option = 0; option < SIM_OPTION_COUNT; option++) {
        const char *known = sim_option_table[option].name;

        if (strlen(known) == length && memcmp(known, name, length) == 0) {
            *ret_option = (enum sim_option)option;
            return true;
        }
    }
    return false;
}

static bool is(const char *name, size_t length, const char *known)
{
    return strlen(known) == length && memcmp(name, known, length) == 0;
}

static bool take_flag(struct command *command, const char *name, size_t length)
{
    bool *flag = is(name, length, "shrink")  ? &command->shrink
                 : is(name, length, "quiet") ? &command->quiet
                 : is(name, length, "help")  ? &command->help
                                             : NULL;

    if (flag != NULL)
        *flag = true;
    return flag != NULL;
}

/* An option of the table. */
static bool take_drawn(struct command *command, enum sim_option option, const char *word,
                       const char *text)
{
    char wanted[160];

    if (sim_value_parse(option, text, &command->options.value[option])) {
        command->options.given[option] = true;
        return true;
    }
    sim_wanted_print(option, wanted, sizeof(wanted));
    fprintf(stderr, "memman: %s%s%s: must be %s\n", word, strchr(word, '=') != NULL ? "" : " ",
            strchr(word, '=') != NULL ? "" : text, wanted);
    return false;
}

static bool take_value(struct command *command, const char *name, size_t length, const char *word,
                       const char *text)
{
    enum sim_option option;

    if (is(name, length, "seed")) {
        command->many = false;
        if (!sim_number_parse(text, &command->first) || command->first == UINT64_MAX)
            return COMPLAINT(text, "--seed must be a whole number");
        command->last = command->first;
        return true;
    }
    if (is(name, length, "seeds")) {
        command->many = true;
        return parse_range(text, &command->first, &command->last) ||
               COMPLAINT(text, "--seeds must be FIRST..LAST, such as 1..1000");
    }
    if (is(name, length, "trace"))
        return parse_trace(command, text) || COMPLAINT(text, "--trace must be page:N or frame:N");
    if (is(name, length, "cpus"))
        return parse_cpus(command, text) ||
               COMPLAINT(text, "--cpus must be numbers from 1 to %u, such as 1,2,4,8",
                         SIM_ACCESSORS_MAX);
    if (is(name, length, "faults"))
        return parse_faults(command, text) || COMPLAINT(text, "--faults must be none or drawn");
    if (is(name, length, "json")) {
        command->json = text;
        return *text != '\0' || COMPLAINT("--json", "needs the name of a file, or -");
    }
    if (!find_option(name, length, &option))
        return COMPLAINT(word, "no such option; 'memman sim --help' lists them");
    return take_drawn(command, option, word, text);
}

static bool fits_together(const struct command *command)
{
    const struct sim_options *options = &command->options;
    const char *limit = command->trace_frame ? "frames" : "pages";
    enum sim_option bound = command->trace_frame ? SIM_FRAMES : SIM_MEMORY;

    if (command->many && (command->trace || command->shrink))
        return COMPLAINT(command->trace ? "--trace" : "--shrink", "is for one world: give --seed");
    if (command->trace && command->shrink)
        return COMPLAINT("--trace", "cannot go with --shrink; trace what --shrink leaves");
    if (command->cpu_count > 0 && (command->trace || command->shrink || command->many))
        return COMPLAINT("--cpus", "predicts, it searches for nothing: it goes with neither "
                                   "--seeds, --trace nor --shrink");
    if (command->trace) {
        struct sim_options drawn = *options;

        drawn.seed = command->first;
        sim_draw(&drawn);
        if (command->trace_number >= drawn.value[bound])
            return COMPLAINT("--trace", "this world has %" PRIu64 " %s, numbered from 0",
                             drawn.value[bound], limit);
    }
    return true;
}

bool command_parse(struct command *ret_command, int count, char *const words[])
{
    *ret_command = (struct command){.first = 1, .last = 1};
    for (int i = 0; i < count; i++) {
        const char *word = words[i], *name = word + 2, *value;
        size_t length;

        if (strncmp(word, "--", 2) != 0 || word[2] == '\0')
            return COMPLAINT(word, "sim takes options only; 'memman sim --help' lists them");
        length = strcspn(name, "=");
        value = name[length] == '=' ? name + length + 1 : NULL;
        if (take_flag(ret_command, name, length)) {
            if (value != NULL)
                return COMPLAINT(word, "takes no value");
            continue;
        }
        if (value == NULL && i + 1 == count)
            return COMPLAINT(word,
                             "needs a value, or is no option; 'memman sim --help' lists them");
        if (!take_value(ret_command, name, length, word, value != NULL ? value : words[++i]))
            return false;
    }
    ret_command->options.seed = ret_command->first;
    return ret_command->help || fits_together(ret_command);
}

void command_help(void)
{
    puts("memman sim: the engine in a deterministic world\n"
         "\n"
         "  --seed N             one random world (default: 1)\n"
         "  --seeds A..B         many\n"
         "  --trace page:N       the life of a page of the seed, move by move; or frame:N\n"
         "  --shrink             make a failing seed small and print the command that repeats it\n"
         "  --cpus N[,N...]      predict: CPU time per access on N virtual CPUs with N users\n"
         "  --faults none|drawn  no store faults; or what the seed draws (default)\n"
         "  --json FILE          write the result as JSON; - is standard output, alone\n"
         "  --quiet              the last line only\n"
         "\n"
         "Drawn from the seed where not given (sizes take K, M or G):");
    for (unsigned option = 0; option < SIM_OPTION_COUNT; option++) {
        const struct sim_option_row *row = &sim_option_table[option];
        int column = printf("  --%s %s", row->name,
                            row->kind == SIM_CHOICE ? row->choices
                            : row->kind == SIM_SIZE ? "SIZE"
                                                    : "N");

        printf("%*s%s\n", column < 36 ? 36 - column : 1, "", row->help);
    }
    puts("\n"
         "Exit code: 0 good; 1 a failure was found, with the command that repeats it; 2 usage;\n"
         "3 the system refuses.");
}
