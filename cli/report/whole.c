/*
 * whole.c - files that are written beside their name, and renamed when they are whole.
 */
#include "report/whole.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BESIDE "memman-report-XXXXXX"

static mode_t mode_of_new_file(void)
{
    const mode_t mask = umask(0);

    umask(mask);
    return 0666 & ~mask;
}

/* A name in the same folder. An errno; a path that ends with a slash names no file. */
static int name_beside(const char *path, char ret_beside[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    const size_t folder = slash ? (size_t)(slash - path) + 1 : 0;

    if (path[folder] == '\0') {
        return EISDIR;
    }
    if (folder + sizeof(BESIDE) > PATH_MAX) {
        return ENAMETOOLONG;
    }
    memcpy(ret_beside, path, folder);
    memcpy(ret_beside + folder, BESIDE, sizeof(BESIDE));
    return 0;
}

/* Where it goes: what a link points to, a device itself, else a new file beside. An errno. */
static int place_find(const char *path, struct whole_file *whole)
{
    struct stat there;

    whole->beside[0] = '\0';
    if (stat(path, &there) == 0) {
        if (access(path, W_OK) != 0 || !realpath(path, whole->path)) {
            return errno;
        }
        if (S_ISDIR(there.st_mode)) {
            return EISDIR;
        }
        return S_ISREG(there.st_mode) ? name_beside(whole->path, whole->beside) : 0;
    }
    if (errno != ENOENT) {
        return errno;
    }
    snprintf(whole->path, sizeof(whole->path), "%s", path);
    return strlen(path) < PATH_MAX ? name_beside(whole->path, whole->beside) : ENAMETOOLONG;
}

/* An errno. */
static int file_open(struct whole_file *whole)
{
    if (whole->beside[0] == '\0') {
        whole->file = fopen(whole->path, "we");
        return whole->file ? 0 : errno;
    }
    const int descriptor = mkstemp(whole->beside);
    if (descriptor < 0) {
        return errno;
    }
    whole->file = fdopen(descriptor, "w");
    if (!whole->file) {
        const int error = errno;
        close(descriptor);
        unlink(whole->beside);
        return error;
    }
    return 0;
}

static enum exit_code complain(const char *name, const char *path, int error)
{
    line_complain("--%s %.512s: cannot be written (%s); give another file", name, path,
                  strerror(error));
    return EXIT_REFUSED;
}

enum exit_code whole_try(const char *name, const char *path)
{
    struct whole_file whole;

    if (!path) {
        return EXIT_GOOD;
    }
    int error = place_find(path, &whole);
    if (error == 0 && whole.beside[0] != '\0') {
        error = file_open(&whole);
        if (error == 0) {
            fclose(whole.file);
            unlink(whole.beside);
        }
    }
    return error == 0 ? EXIT_GOOD : complain(name, path, error);
}

enum exit_code whole_begin(const char *name, const char *path, struct whole_file *ret_whole)
{
    int error = place_find(path, ret_whole);

    ret_whole->name = name;
    if (error == 0) {
        error = file_open(ret_whole);
    }
    return error == 0 ? EXIT_GOOD : complain(name, path, error);
}

/* An errno. */
static int file_finish(struct whole_file *whole)
{
    const bool failed = ferror(whole->file) != 0;
    struct stat there;

    if (whole->beside[0] != '\0') {
        const mode_t mode =
            stat(whole->path, &there) == 0 ? there.st_mode & 07777 : mode_of_new_file();
        fchmod(fileno(whole->file), mode);
    }
    errno = 0;
    if (fclose(whole->file) != 0 || failed) {
        return errno ? errno : EIO;
    }
    if (whole->beside[0] != '\0' && rename(whole->beside, whole->path) != 0) {
        return errno;
    }
    return 0;
}

enum exit_code whole_end(struct whole_file *whole, enum exit_code code)
{
    const int error = file_finish(whole);

    if (error == 0) {
        return code;
    }
    if (whole->beside[0] != '\0') {
        unlink(whole->beside);
    }
    fprintf(stderr, "memman: --%s: the report could not be written (%s)\n", whole->name,
            strerror(error));
    return code == EXIT_GOOD ? EXIT_REFUSED : code;
}
