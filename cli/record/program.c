/*
 * program.c - finds a program as a shell does, and the interpreter of a script as the kernel does.
 */
#include "record/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"

#define LINE_BYTES 256 /* the kernel reads no more of a script's first line */

static bool is_runnable(const char *path)
{
    struct stat found;

    if (stat(path, &found) != 0) {
        return false;
    }
    if (!S_ISREG(found.st_mode)) {
        errno = EACCES;
        return false;
    }
    return access(path, X_OK) == 0;
}

bool program_find(const char *name, char ret_path[PATH_MAX])
{
    const char *folders = getenv("PATH");
    int refused = ENOENT;

    if (strchr(name, '/') != NULL || folders == NULL) {
        snprintf(ret_path, PATH_MAX, "%s", name);
        return is_runnable(name);
    }
    while (*name != '\0') {
        const int length = (int)strcspn(folders, ":");
        snprintf(ret_path, PATH_MAX, "%.*s/%s", length > 0 ? length : 1, length > 0 ? folders : ".",
                 name);
        if (is_runnable(ret_path)) {
            return true;
        }
        refused = errno == EACCES ? EACCES : refused;
        if (folders[length] == '\0') {
            break;
        }
        folders += length + 1;
    }
    errno = refused;
    return false;
}

static int refuse(const char *name, int why)
{
    if (why == ENOENT || why == ENOTDIR) {
        line_complain("record: %.512s: not found", name);
        return PROGRAM_EXIT_NOT_FOUND;
    }
    line_complain("record: %.512s: cannot be run (%s)", name, strerror(why));
    return PROGRAM_EXIT_REFUSED;
}

/* Puts the interpreter, its argument and the script before the arguments of the script. */
static int script_resolve(struct program *program, char *line)
{
    char *interpreter = line + 2 + strspn(line + 2, " \t"), *argument, *end;
    const bool last = program->scripts + 2 > PROGRAM_WORDS_ADDED;
    unsigned added = 1;

    line[strcspn(line, "\n")] = '\0';
    argument = interpreter + strcspn(interpreter, " \t");
    if (*argument != '\0') {
        *argument++ = '\0';
        argument += strspn(argument, " \t");
        end = argument + strlen(argument);
        while (end > argument && (end[-1] == ' ' || end[-1] == '\t')) {
            *--end = '\0';
        }
        added = *argument != '\0' ? 2 : 1;
    }
    if (*interpreter == '\0' || last) {
        return refuse(program->path, last ? ELOOP : ENOEXEC);
    }
    char *script = program->script[program->scripts++];
    strcpy(script, program->path);
    program->words[0] = script;
    if (added == 2) {
        char *kept = program->script[program->scripts++];
        snprintf(kept, PATH_MAX, "%s", argument);
        *--program->words = kept;
    }
    snprintf(program->path, PATH_MAX, "%s", interpreter);
    *--program->words = program->path;
    return 0;
}

static int machine_check(const struct program *program, const unsigned char *bytes, ssize_t length)
{
    Elf64_Ehdr head;

    if (length < (ssize_t)sizeof(head) || memcmp(bytes, ELFMAG, SELFMAG) != 0) {
        return refuse(program->path, ENOEXEC);
    }
    memcpy(&head, bytes, sizeof(head));
    if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_machine != EM_X86_64) {
        line_complain("record: %.512s: is a program for another machine than x86-64",
                      program->path);
        return PROGRAM_EXIT_REFUSED;
    }
    return 0;
}

static ssize_t first_bytes(const char *path, unsigned char bytes[LINE_BYTES])
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = -1;

    if (fd >= 0) {
        length = read(fd, bytes, LINE_BYTES - 1);
        close(fd);
    }
    if (length >= 0) {
        bytes[length] = '\0';
    }
    return length;
}

int program_resolve(int count, char *words[], struct program *ret_program)
{
    struct program *program = ret_program;
    unsigned char bytes[LINE_BYTES];
    int code = 0;

    *program = (struct program){.scripts = 0};
    char **room = calloc((size_t)count + PROGRAM_WORDS_ADDED + 1, sizeof(*room));
    if (room == NULL) {
        return refuse(words[0], ENOMEM);
    }
    program->words = room + PROGRAM_WORDS_ADDED;
    memcpy(program->words, words, (size_t)count * sizeof(*words));
    if (!program_find(words[0], program->path)) {
        code = refuse(words[0], errno);
    }
    while (code == 0) {
        const ssize_t length = is_runnable(program->path) ? first_bytes(program->path, bytes) : -1;
        if (length < 0) {
            code = refuse(program->path, errno);
        } else if (bytes[0] != '#' || bytes[1] != '!') {
            code = machine_check(program, bytes, length);
            break;
        } else {
            code = script_resolve(program, (char *)bytes);
        }
    }
    /* free() wants the beginning. */
    memmove(room, program->words,
            (size_t)(room + PROGRAM_WORDS_ADDED + count + 1 - program->words) * sizeof(*room));
    program->words = room;
    if (code != 0) {
        program_free(program);
    }
    return code;
}

void program_free(struct program *program)
{
    free(program->words);
    program->words = NULL;
}
