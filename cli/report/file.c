/*
 * file.c - opens and closes reports, and says when that did not work.
 */
#include "report/file.h"

#include <errno.h>
#include <string.h>

enum exit_code report_open(const struct options *options, enum option option, FILE **ret_file)
{
    const char *path = options->value[option].text;

    if (!path) {
        return EXIT_GOOD;
    }
    *ret_file = option == OPTION_JSON && strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (!*ret_file) {
        line_complain("--%s %.512s: cannot be written (%s); give another file",
                      option_table[option].name, path, strerror(errno));
        return EXIT_REFUSED;
    }
    return EXIT_GOOD;
}

enum exit_code report_close(FILE *file, const char *name, enum exit_code code)
{
    const bool failed = ferror(file) != 0;

    errno = 0;
    if ((file == stdout ? fflush(file) : fclose(file)) != 0 || failed) {
        fprintf(stderr, "memman: %s: the report could not be written (%s)\n", name,
                errno ? strerror(errno) : "write error");
        return code == EXIT_GOOD ? EXIT_REFUSED : code;
    }
    return code;
}
