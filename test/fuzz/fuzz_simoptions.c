/*
 * fuzz_simoptions.c - an input is what somebody writes behind `memman sim`, and is parsed, but
 * never run.
 *
 * A refusal must be one line that names a word. What is accepted must be a world, and the command
 * that repeats it must be accepted and mean the same world.
 */
#include "fuzz.h"
#include "words.h"

#include "sim/command.h"

#include <string.h>

#define REQUIRE(...) WORDS_REQUIRE("fuzz_simoptions", __VA_ARGS__)

/* Two for how the program is called, the seed and each option. */
#define REPEAT_WORDS (2 * SIM_OPTION_COUNT + 4)
_Static_assert(REPEAT_WORDS > WORDS_MAX, "either fits");

static const char *name_of(unsigned byte)
{
    static const char *const others[] = {"seed", "seeds",  "trace", "shrink", "quiet",
                                         "cpus", "faults", "json",  "help"};
    unsigned index = (byte - 128) % (SIM_OPTION_COUNT + ARRAY_COUNT(others));

    return index < SIM_OPTION_COUNT ? sim_option_table[index].name
                                    : others[index - SIM_OPTION_COUNT];
}

static bool parse(struct command *ret_command, int count, char *line[],
                  char ret_refusal[TEXT_BYTES])
{
    char *all[REPEAT_WORDS] = {(char *)(uintptr_t) "memman sim"};
    bool accepted;

    memcpy(all + 1, line, (size_t)count * sizeof(*line));
    errors_begin();
    accepted = command_parse(ret_command, count + 1, all);
    snprintf(ret_refusal, TEXT_BYTES, "%s", errors_end());
    return accepted;
}

/* Of the word, or of the option that does not go with another. */
static void check_refusal(const char *line)
{
    bool named = strncmp(line, "memman: --", 10) == 0;

    REQUIRE(is_line(line), "no refusal of one line: '%s'", line);
    for (int i = 0; i < word_count; i++)
        named |= names_word(line, words[i]);
    REQUIRE(named, "a refusal that names no word: %s", line);
}

static void check_world(const struct sim_options *drawn)
{
    for (unsigned option = 0; option < SIM_OPTION_COUNT; option++) {
        const struct sim_option_row *row = &sim_option_table[option];

        REQUIRE(drawn->value[option] >= row->least && drawn->value[option] <= row->most,
                "--%s is out of its bounds", row->name);
    }
}

static void check_repeat(const struct command *first)
{
    static char copy[SIM_COMMAND_BYTES], refused[TEXT_BYTES];
    static struct command second;
    struct sim_options one = first->options, two;
    char *repeated[REPEAT_WORDS], *rest = copy;
    int count = 0;

    sim_command_print(&first->options, first->called, copy);
    REQUIRE(strlen(copy) < SIM_COMMAND_BYTES - 1, "a command cut short: %s", copy);
    for (char *word; (word = strsep(&rest, " ")) != NULL; count++)
        repeated[count] = word;
    REQUIRE(parse(&second, count - 2, repeated + 2, refused), "to repeat it is refused: %s",
            refused);
    two = second.options;
    sim_draw(&one);
    sim_draw(&two);
    check_world(&one);
    REQUIRE(one.seed == two.seed && memcmp(one.value, two.value, sizeof(one.value)) == 0,
            "the command that repeats it is another world");
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t count)
{
    static struct command command;
    static char refused[TEXT_BYTES];

    words_take(bytes, count, name_of);
    if (!parse(&command, word_count, words, refused)) {
        check_refusal(refused);
        return 0;
    }
    REQUIRE(refused[0] == '\0', "accepted, with a complaint: %s", refused);
    if (!command.help && command.cpu_count == 0)
        check_repeat(&command);
    return 0;
}
