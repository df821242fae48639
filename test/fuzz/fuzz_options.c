/*
 * fuzz_options.c - an input becomes a command line of `memman run`, and is parsed, but never run.
 *
 * A refusal must be one line that names a word, the one at fault: what comes after that word and
 * its value must not matter. What is accepted is resolved as for a run; the command
 * that the report would print to repeat it must mean the very same run.
 */
#include "fuzz.h"

#include "exit.h"
#include "manager.h"
#include "options.h"
#include "run.h"
#include "words.h"
#include "workload/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPEAT_BYTES 4096

#define REQUIRE(...) WORDS_REQUIRE("fuzz_options", __VA_ARGS__)

static const char *name_of(unsigned byte)
{
    return option_table[byte % OPTION_COUNT].name;
}

/* ---- refusals ---- */

static bool parse(int count, char *const line[], struct options *ret_options,
                  char ret_refusal[TEXT_BYTES])
{
    bool accepted;

    errors_begin();
    accepted = options_parse(ret_options, count, line);
    snprintf(ret_refusal, TEXT_BYTES, "%s", errors_end());
    return accepted;
}

/* The line names a word, and is the same without all that follows that word and its value. */
static void check_named(const char *line)
{
    struct options options;
    char again[TEXT_BYTES];

    for (int i = 0; i < word_count; i++) {
        if (!names_word(line, words[i]))
            continue;
        for (int count = i + 1; count <= word_count && count <= i + 2; count++) {
            if (!parse(count, words, &options, again) && strcmp(line, again) == 0)
                return;
        }
    }
    REQUIRE(false, "a refusal that names no word at fault: %s", line);
}

/* The whole command refuses too, in one line, and says so to whoever started it. */
static const char *check_exit(void)
{
    enum exit_code code;
    const char *line;

    errors_begin();
    code = run_command(word_count, words);
    line = errors_end();
    REQUIRE(code == EXIT_USAGE, "a refusal with exit code %d", (int)code);
    REQUIRE(is_line(line), "no refusal of one line: '%s'", line);
    return line;
}

static void check_refusal(const char *line)
{
    if (strstr(line, "cannot go with") == NULL)
        check_named(line);
    REQUIRE(strcmp(line, check_exit()) == 0, "refused in another way before: %s", line);
}

/* ---- what is accepted ---- */

struct resolved {
    struct options options;
    struct workload workload;
    char workload_text[WORKLOAD_TEXT_BYTES], command[REPEAT_BYTES];
};

/* No file is opened here, no graph is made; also not in a mix. */
static bool names_slow(const char *text)
{
    return strstr(text, "trace:") != NULL || strstr(text, "masim:") != NULL ||
           strstr(text, "bfs") != NULL || strstr(text, "pagerank") != NULL;
}

static bool resolve_workload(struct resolved *resolved, const struct mm_options *engine)
{
    struct workload_refusal refusal;

    const struct workload_scene scene = {
        .pages = engine->memory_bytes / MM_PAGE_BYTES,
        .frames = engine->frames_bytes / MM_PAGE_BYTES,
        .seed = resolved->options.value[OPTION_SEED].number,
        .threads = (uint32_t)resolved->options.value[OPTION_THREADS].number};

    if (names_slow(resolved->options.value[OPTION_WORKLOAD].text)) {
        return false;
    }
    if (!workload_fit(&resolved->workload, &scene, &refusal)) {
        REQUIRE(strstr(refusal.text, "=") != NULL || strncmp(refusal.text, "mix: ", 5) == 0,
                "no key is named: %s", refusal.text);
        return false;
    }
    workload_print(&resolved->workload, resolved->workload_text);
    workload_release(&resolved->workload);
    resolved->options.value[OPTION_WORKLOAD].text = resolved->workload_text;
    return true;
}

/* As run.c does it, up to where the manager would be made; false: refused. */
static bool resolve(struct resolved *resolved, enum mm_machine machine)
{
    struct mm_options engine;
    struct mm_detail detail = {""};
    const struct option_value *value = resolved->options.value;

    options_engine(&resolved->options, &engine);
    if (manager_resolve(&engine, &detail) != MM_OK) {
        REQUIRE(strncmp(detail.text, "store '", 7) == 0 || strncmp(detail.text, "policy '", 8) == 0,
                "the manager refuses what the parser lets through: %s", detail.text);
        REQUIRE(strstr(detail.text, detail.text[0] == 's' ? value[OPTION_STORE].text
                                                          : value[OPTION_POLICY].text) != NULL,
                "a refusal that does not name the value: %s", detail.text);
        return false;
    }
    if (engine.machine == MM_MACHINE_AUTO)
        engine.machine = machine;
    manager_resolve_for(&engine);
    options_resolve(&resolved->options, &engine);
    if (!resolve_workload(resolved, &engine))
        return false;
    options_print_command(&resolved->options, resolved->command, sizeof(resolved->command));
    REQUIRE(strlen(resolved->command) < sizeof(resolved->command) - 1, "a command cut short: %s",
            resolved->command);
    return true;
}

static void check_same(const struct resolved *first, const struct resolved *second)
{
    REQUIRE(strcmp(first->command, second->command) == 0, "to repeat it, one is told\n%s\n%s",
            first->command, second->command);
    for (unsigned option = 0; option < OPTION_COUNT; option++) {
        const struct option_value *one = &first->options.value[option];
        const struct option_value *two = &second->options.value[option];

        if (option_table[option].kind != OPTION_FILE && option != OPTION_QUIET)
            REQUIRE(one->present == two->present && one->number == two->number &&
                        !(one->real < two->real) && !(one->real > two->real),
                    "--%s is not the same when repeated: %s", option_table[option].name,
                    first->command);
    }
    REQUIRE(memcmp(first->workload.value, second->workload.value, sizeof(first->workload.value)) ==
                0,
            "a key is not the same when repeated: %s", first->command);
}

/* The command that is printed to repeat a run means that run. */
static void check_repeat(const struct resolved *first, enum mm_machine machine)
{
    static struct resolved second;
    struct workload_refusal refusal;
    char copy[REPEAT_BYTES], refused[TEXT_BYTES], *repeated[2 * OPTION_COUNT + 2], *rest = copy;
    int count = 0;

    strcpy(copy, first->command);
    for (char *word; (word = strsep(&rest, " ")) != NULL; count++) {
        REQUIRE(count < 2 * OPTION_COUNT + 2, "too many words: %s", first->command);
        repeated[count] = word;
    }
    REQUIRE(parse(count - 2, repeated + 2, &second.options, refused),
            "to repeat it is refused: %s%s", refused, first->command);
    REQUIRE(workload_parse(second.options.value[OPTION_WORKLOAD].text, &second.workload, &refusal),
            "to repeat it is refused: %s\n%s", refusal.text, first->command);
    REQUIRE(resolve(&second, machine), "to repeat it is refused: %s", first->command);
    check_same(first, &second);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t count)
{
    static struct resolved resolved;
    static char refused[TEXT_BYTES];
    struct workload_refusal refusal;
    enum mm_machine machine = MM_MACHINE_SOFT;

    if (count > 0 && (*bytes & 1) != 0)
        machine = MM_MACHINE_LINUX;
    words_take(bytes + (count > 0), count - (count > 0), name_of);
    if (!parse(word_count, words, &resolved.options, refused)) {
        check_refusal(refused);
        return 0;
    }
    REQUIRE(refused[0] == '\0', "accepted, with a complaint: %s", refused);
    if (resolved.options.help)
        return 0;
    if (!workload_parse(resolved.options.value[OPTION_WORKLOAD].text, &resolved.workload,
                        &refusal)) {
        REQUIRE(strncmp(check_exit(), "memman: --workload: ", 20) == 0, "no word is named: %s",
                refusal.text);
    } else if (resolve(&resolved, machine)) {
        check_repeat(&resolved, machine);
    }
    return 0;
}
