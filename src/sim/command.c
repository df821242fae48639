/*
 * command.c - the command line of memman sim.
 */
#include "sim/command.h"

#include "sim/scaling.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- refusals ---- */

#define LINE_BYTES 1024

/* What the user wrote may hold anything; on the terminal it must not be more than one line. */
__attribute__((format(printf, 2, 3))) static bool refuse(const char *word, const char *format, ...)
{
    char line[LINE_BYTES];
    int used = snprintf(line, sizeof(line), "%.*s: ", LINE_BYTES / 2, word);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line + used, sizeof(line) - (size_t)used, format, arguments);
    va_end(arguments);
    for (char *at = line; *at != '\0'; at++)
        *at = (unsigned char)*at < ' ' || *at == 127 ? '?' : *at;
    fprintf(stderr, "memman: %s\n", line);
    return false;
}

/* The option and its value, in one of its two spellings, and what it must be. */
static bool complain_value(const char *word, const char *text, const char *wanted)
{
    char shown[LINE_BYTES / 4];

    snprintf(shown, sizeof(shown), strchr(word, '=') != NULL ? "%s" : "%s %s", word, text);
    return refuse(shown, "must be %s", wanted);
}

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
    return complain_value(word, text, wanted);
}

static bool take_seed(struct command *command, const char *word, const char *text, bool many)
{
    if (command->seeded)
        return refuse(word, "the seeds are given already; give --seed or --seeds, once");
    command->seeded = true;
    command->many = many;
    if (many)
        return parse_range(text, &command->first, &command->last) ||
               complain_value(word, text, "FIRST..LAST, such as 1..1000");
    if (!sim_number_parse(text, &command->first) || command->first == UINT64_MAX)
        return complain_value(word, text, "a whole number from 0 to 18446744073709551614");
    command->last = command->first;
    return true;
}

static bool take_trace(struct command *command, const char *word, const char *text)
{
    if (command->trace)
        return refuse(word, "one page or frame is traced at a time; give it once");
    return parse_trace(command, text) ||
           complain_value(word, text, "page:N or frame:N, N a whole number");
}

static bool take_cpus(struct command *command, const char *word, const char *text)
{
    char wanted[96];

    if (command->cpu_count > 0)
        return refuse(word, "is given twice; give all numbers at once, such as 1,2,4,8");
    snprintf(wanted, sizeof(wanted), "up to %u numbers from 1 to %u, such as 1,2,4,8", CPUS_MAX,
             SIM_ACCESSORS_MAX);
    return parse_cpus(command, text) || complain_value(word, text, wanted);
}

static bool take_faults(struct command *command, const char *word, const char *text)
{
    command->faults = text;
    return strcmp(text, "none") == 0 || strcmp(text, "drawn") == 0 ||
           complain_value(word, text, "none or drawn");
}

static bool take_value(struct command *command, const char *name, size_t length, const char *word,
                       const char *text)
{
    enum sim_option option;

    if (is(name, length, "seed") || is(name, length, "seeds"))
        return take_seed(command, word, text, is(name, length, "seeds"));
    if (is(name, length, "trace"))
        return take_trace(command, word, text);
    if (is(name, length, "cpus"))
        return take_cpus(command, word, text);
    if (is(name, length, "faults"))
        return take_faults(command, word, text);
    if (is(name, length, "json")) {
        command->json = text;
        return *text != '\0' || complain_value(word, text, "the name of a file, or -");
    }
    return find_option(name, length, &option) && take_drawn(command, option, word, text);
}

static bool takes_value(const char *name, size_t length)
{
    static const char *const names[] = {"seed", "seeds", "trace", "cpus", "faults", "json"};
    enum sim_option option;

    for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
        if (is(name, length, names[i]))
            return true;
    }
    return find_option(name, length, &option);
}

/* The option at words[*at] and its value; *at moves to the last word taken. */
static bool take_option(struct command *command, int count, char *const words[], int *at)
{
    const char *word = words[*at], *name = word + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;

    if (take_flag(command, name, length))
        return value == NULL || refuse(word, "takes no value");
    if (!takes_value(name, length))
        return refuse(word, "no such option; 'memman sim --help' lists them");
    if (value == NULL && *at + 1 == count)
        return refuse(word, "needs a value; 'memman sim --help' says which");
    return take_value(command, name, length, word, value != NULL ? value : words[++*at]);
}

/* ---- what goes together ---- */

/* Classes that are given stay, wherever on the line they are. */
static void apply_faults(struct command *command)
{
    struct sim_options *options = &command->options;

    if (command->faults == NULL || strcmp(command->faults, "none") != 0)
        return;
    for (unsigned option = SIM_FAULT_FIRST; option <= SIM_FAULT_LAST; option++) {
        options->value[option] = options->given[option] ? options->value[option] : 0;
        options->given[option] = true;
    }
}

static bool fits_trace(const struct command *command)
{
    enum sim_option bound = command->trace_frame ? SIM_FRAMES : SIM_MEMORY;
    struct sim_options drawn = command->options;

    drawn.seed = command->first;
    sim_draw(&drawn);
    return command->trace_number < drawn.value[bound] ||
           refuse("--trace", "this world has %" PRIu64 " %s, numbered from 0", drawn.value[bound],
                  command->trace_frame ? "frames" : "pages");
}

/* What --cpus would not look at must not look as if it did. */
static bool fits_cpus(const struct command *command)
{
    const struct sim_options *options = &command->options;
    uint64_t pages;

    if (command->trace || command->shrink || command->many)
        return refuse("--cpus", "predicts, it searches for nothing: it goes with neither --seeds, "
                                "--trace nor --shrink");
    if (command->faults != NULL)
        return refuse("--faults", "is not for --cpus, where no fault is injected; leave it out");
    for (unsigned option = 0; option < SIM_OPTION_COUNT; option++) {
        char word[40];

        snprintf(word, sizeof(word), "--%s", sim_option_table[option].name);
        if (options->given[option] && !scaling_reads((enum sim_option)option))
            return refuse(word, "is not for --cpus, which does not look at it; leave it out");
    }
    for (uint32_t i = 0; i < command->cpu_count; i++) {
        pages = scaling_pages_needed(options, command->cpus[i]);
        if (pages > 0)
            return refuse("--pagefile",
                          "too small for the memory of %u users; it must be "
                          "%" PRIu64 "K or more",
                          command->cpus[i], pages * (MM_PAGE_SIZE / 1024));
    }
    return true;
}

static bool fits_together(const struct command *command)
{
    if (command->cpu_count > 0)
        return fits_cpus(command);
    if (command->many && (command->trace || command->shrink))
        return refuse(command->trace ? "--trace" : "--shrink", "is for one world: give --seed");
    if (command->trace && command->shrink)
        return refuse("--trace", "cannot go with --shrink; trace what --shrink leaves");
    return !command->trace || fits_trace(command);
}

bool command_parse(struct command *ret_command, int count, char *const words[])
{
    *ret_command = (struct command){.called = words[0], .first = 1, .last = 1};
    for (int i = 1; i < count; i++) {
        ret_command->help |= strcmp(words[i], "-h") == 0 || strcmp(words[i], "--help") == 0;
        if (ret_command->help)
            return true;
        if (strncmp(words[i], "--", 2) != 0 || words[i][2] == '\0')
            return refuse(words[i], "sim takes options only; 'memman sim --help' lists them");
        if (!take_option(ret_command, count, words, &i))
            return false;
    }
    apply_faults(ret_command);
    ret_command->options.seed = ret_command->first;
    return fits_together(ret_command);
}

void command_help(void)
{
    puts(
        "memman sim: the engine in a deterministic world\n"
        "\n"
        "  --seed N             one random world (default: 1)\n"
        "  --seeds A..B         many\n"
        "  --trace page:N       the life of a page of the seed, move by move; or frame:N\n"
        "  --shrink             make a failing seed small and print the command that repeats it\n"
        "  --cpus N[,N...]      predict: CPU time per access on N virtual CPUs with N users\n"
        "  --faults none|drawn  no store faults but those given; or what the seed draws (default)\n"
        "  --json FILE          write the result as JSON; - is standard output, alone\n"
        "  --quiet              the last line only\n"
        "  -h, --help           this text\n"
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
