/*
 * replay.c - runs a fuzz target on the inputs of files, without a fuzzer and in any build.
 *
 * Usage: replay-TARGET FILE|FOLDER... Each input in turn, those of a folder in the order of their
 * names; an input that breaks something ends the process, and its name was printed before. No input at
 * all is an error: a corpus that is not found must not look like one that passed.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (1u << 20)

static unsigned inputs;

static bool replay_file(const char *path)
{
    unsigned char *bytes = malloc(INPUT_MAX);
    FILE *file = fopen(path, "rb");
    size_t count;

    if (bytes == NULL || file == NULL) {
        fprintf(stderr, "replay: %s: cannot be read (%s)\n", path, strerror(errno));
        free(bytes);
        return false;
    }
    count = fread(bytes, 1, INPUT_MAX, file);
    fclose(file);
    bytes = realloc(bytes, count + (count == 0)); /* so that a read past its end is seen */
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(bytes, count);
    free(bytes);
    inputs++;
    return true;
}

static int no_dot(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool replay_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, no_dot, alphasort);
    bool good = count >= 0;

    for (int i = 0; i < count; i++) {
        char name[4096];

        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        good = replay_file(name) && good;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return good;
}

int main(int count, char *words[])
{
    bool good = true;

    for (int i = 1; i < count; i++) {
        struct stat what;

        good = (stat(words[i], &what) == 0 && S_ISDIR(what.st_mode) ? replay_folder(words[i])
                                                                    : replay_file(words[i])) &&
               good;
    }
    if (inputs == 0)
        fputs("replay: no inputs; usage: replay-TARGET FILE|FOLDER...\n", stderr);
    printf("%u inputs\n", inputs);
    return good && inputs > 0 ? 0 : 1;
}
