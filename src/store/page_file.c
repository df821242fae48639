/*
 * page_file.c - the file under the file store: opened with care, preallocated, left without a trace.
 *
 * A path is looked at before it is opened, so that nothing but a regular file of ours is ever
 * touched, and once more afterwards, in case it was exchanged. Its folder stays open: the file is
 * removed from where it was made, wherever the program goes meanwhile. A lock on the file keeps a
 * second process off. Room on the disk is reserved at the start; so a write later fails for a
 * broken disk but not for a full one.
 */
#include "store/page_file.h"

#include "base/mutant.h"
#include "contract/world.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MODE          0600
#define OPEN_FLAGS    (O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
#define BYTE_OF_FILE  0 /* of the file: they are locked, whatever they hold */
#define BYTE_OF_OWNER 1
#define LOCK_TRIES    1500u /* fifteen seconds */
#define LOCK_PAUSE_NS 10000000u
#define NAME_TRIES    16
#define FD_NONE       (-1)

/* What one opening knows. */
struct opening {
    const struct page_file_config *config;
    const char *shown; /* the path, or the folder of a file without a name */
    struct page_file *file;
    char *text;
    size_t text_bytes;
};

static void say(const struct opening *opening, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(const struct opening *opening, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(opening->text, opening->text_bytes, format, arguments);
    va_end(arguments);
}

static bool named(const struct opening *opening)
{
    return opening->config->path != NULL && opening->config->path[0] != '\0';
}

/* ---- refusals ---- */

static const char *kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "a directory";
    case S_IFLNK:
        return "a symbolic link";
    case S_IFBLK:
    case S_IFCHR:
        return "a device";
    case S_IFIFO:
        return "a pipe";
    default:
        return "no regular file";
    }
}

/* Something is there: may it become the page file? */
static int judge_existing(const struct opening *opening, const struct stat *status)
{
    if (!S_ISREG(status->st_mode)) {
        say(opening, "page file '%s' is %s; name a file that does not exist yet", opening->shown,
            kind_of(status->st_mode));
        return S_ISLNK(status->st_mode) ? -ELOOP : -EINVAL;
    }
    if (!opening->config->overwrite) {
        say(opening, "page file '%s' exists; name another, or lose what is in it with --overwrite",
            opening->shown);
        return -EEXIST;
    }
    if (status->st_uid != geteuid()) {
        say(opening, "page file '%s' belongs to another user; name another", opening->shown);
        return -EPERM;
    }
    if (status->st_nlink > 1) {
        say(opening, "page file '%s' has a second name (a hard link); name another",
            opening->shown);
        return -EMLINK;
    }
    return 0;
}

static int refuse_open(const struct opening *opening, int error)
{
    const char *remedy =
        error == EACCES || error == EPERM || error == EROFS
            ? "name one in a folder that you may write to"
            : (error == ENOENT || error == ENOTDIR ? "its folder must exist"
                                                   : "name another with --store file:PATH");

    say(opening, "page file '%s' cannot be opened: %s; %s", opening->shown, strerror(error),
        remedy);
    return -error;
}

/* ---- a file with a name ---- */

/* The folder of the path and the name in it. */
static int open_folder(struct opening *opening)
{
    struct page_file *file = opening->file;
    const char *path = opening->config->path;
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    char *folder;

    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        say(opening, "page file '%s' is a directory; name a file in it", opening->shown);
        return -EISDIR;
    }
    folder = calloc(1, length + 2);
    file->name = calloc(1, strlen(name) + 1);
    if (folder == NULL || file->name == NULL) {
        free(folder);
        say(opening, "no memory to open page file '%s'", opening->shown);
        return -ENOMEM;
    }
    memcpy(file->name, name, strlen(name));
    memcpy(folder, slash == NULL ? "." : (length == 0 ? "/" : path),
           slash == NULL || length == 0 ? 1 : length);
    file->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    return file->folder < 0 ? refuse_open(opening, errno) : 0;
}

/* A lock of the process: gone the moment it dies. Only where there is none is waiting worth while. */
static bool owner_lives(const struct page_file *file)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = BYTE_OF_OWNER, .l_len = 1};

    return fcntl(file->fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/*
 * A lock of the open file, which ends when the last of its requests has: a process that was killed
 * has writes under way for a while, and they would hit the slots of the next.
 */
static int lock_file(const struct opening *opening)
{
    struct page_file *file = opening->file;
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = BYTE_OF_FILE, .l_len = 1};
    struct flock owner = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = BYTE_OF_OWNER, .l_len = 1};
    _Atomic uint32_t nobody_wakes = 0;
    int error = 0;

    for (unsigned i = 0; i < LOCK_TRIES; i++) {
        if (fcntl(file->fd, F_OFD_SETLK, &lock) == 0 || MUTANT(FILE_TAKES_WITHOUT_LOCK)) {
            fcntl(file->fd, F_SETLK, &owner); /* only says sooner what the other lock says */
            return 0;
        }
        error = errno;
        if ((error != EAGAIN && error != EACCES) || owner_lives(file))
            break;
        world_wait(&nobody_wakes, 0, LOCK_PAUSE_NS);
    }
    if (error == EAGAIN || error == EACCES) {
        say(opening, "page file '%s' is in use by another process; name another", opening->shown);
        return -EBUSY;
    }
    say(opening, "page file '%s' cannot be locked: %s; name one on another file system",
        opening->shown, strerror(error));
    return -error;
}

/* There is a file by that name, and it is ours to overwrite: what it held goes. */
static int take_existing(struct opening *opening)
{
    struct page_file *file = opening->file;
    struct stat status;
    int error;

    file->fd = openat(file->folder, file->name,
                      MUTANT(FILE_FOLLOWS_LINKS) ? OPEN_FLAGS & ~O_NOFOLLOW : OPEN_FLAGS);
    if (file->fd < 0)
        return refuse_open(opening, errno);
    if (fstat(file->fd, &status) != 0)
        return refuse_open(opening, errno);
    error = judge_existing(opening, &status);
    if (error == 0)
        error = lock_file(opening);
    if (error != 0)
        return error;
    file->end = PAGE_FILE_EMPTY;
    return fchmod(file->fd, MODE) == 0 && ftruncate(file->fd, 0) == 0 ? 0
                                                                      : refuse_open(opening, errno);
}

static int open_named(struct opening *opening)
{
    struct page_file *file = opening->file;
    struct stat status;
    int error = open_folder(opening);

    if (error != 0)
        return error;
    if (fstatat(file->folder, file->name, &status,
                MUTANT(FILE_FOLLOWS_LINKS) ? 0 : AT_SYMLINK_NOFOLLOW) == 0) {
        error = judge_existing(opening, &status);
        return error == 0 ? take_existing(opening) : error;
    }
    if (errno != ENOENT)
        return refuse_open(opening, errno);
    file->fd = openat(file->folder, file->name, OPEN_FLAGS | O_CREAT | O_EXCL, MODE);
    if (file->fd < 0)
        return refuse_open(opening, errno);
    file->end = PAGE_FILE_REMOVE;
    return lock_file(opening);
}

/* ---- a file without a name ---- */

/* The file system cannot make one without: the name is taken away at once. */
static int open_and_unlink(const char *folder)
{
    int at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = -1;

    for (unsigned i = 0; at >= 0 && fd < 0 && i < NAME_TRIES; i++) {
        uint64_t number = 0;
        char name[40];

        if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
            break;
        snprintf(name, sizeof(name), ".memman-%016llx", (unsigned long long)number);
        fd = openat(at, name, OPEN_FLAGS | O_CREAT | O_EXCL, MODE);
        if (fd >= 0)
            unlinkat(at, name, 0);
        else if (errno != EEXIST)
            break;
    }
    if (at >= 0) {
        int error = errno;

        close(at);
        errno = error;
    }
    return fd;
}

static int open_unnamed(struct opening *opening)
{
    struct page_file *file = opening->file;

    file->fd = open(opening->shown, O_TMPFILE | O_RDWR | O_CLOEXEC, MODE);
    if (file->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        file->fd = open_and_unlink(opening->shown);
    if (file->fd < 0) {
        say(opening,
            "no page file can be made in %s: %s; set TMPDIR to a folder on a disk, or name a file "
            "with --store file:PATH",
            opening->shown, strerror(errno));
        return -errno;
    }
    return 0;
}

/* ---- what kind of file it is ---- */

/* A page file in RAM takes the memory that it is meant to save. */
static int judge_file_system(const struct opening *opening)
{
    struct statfs system;

    if (fstatfs(opening->file->fd, &system) != 0 ||
        (system.f_type != TMPFS_MAGIC && system.f_type != RAMFS_MAGIC))
        return 0;
    if (named(opening)) {
        say(opening, "page file '%s' is on a file system in RAM and costs memory, not disk",
            opening->shown);
        return 0;
    }
    say(opening,
        "%s is in RAM, a page file there saves nothing; set TMPDIR to a folder on a disk, or name "
        "a file with --store file:PATH",
        opening->shown);
    return -EINVAL;
}

/* Asked before it is tried: a file system may fill itself to the brim before it says no. */
static bool has_room(const struct page_file *file, uint64_t bytes)
{
    struct statfs system;

    return fstatfs(file->fd, &system) != 0 || system.f_blocks == 0 ||
           bytes / (uint64_t)system.f_bsize <= system.f_bavail;
}

/* Past the page cache, if a read that way succeeds. */
static void go_direct(struct page_file *file)
{
    int flags = fcntl(file->fd, F_GETFL);
    void *page;

    if (file->buffered || flags < 0 || fcntl(file->fd, F_SETFL, flags | O_DIRECT) != 0)
        return;
    page = mmap(NULL, MM_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    file->direct = page != MAP_FAILED && pread(file->fd, page, MM_PAGE_SIZE, 0) == MM_PAGE_SIZE;
    if (page != MAP_FAILED)
        munmap(page, MM_PAGE_SIZE);
    if (!file->direct)
        fcntl(file->fd, F_SETFL, flags);
}

static int extend(const struct page_file *file, uint64_t bytes)
{
    struct stat status;
    int error;

    if (!page_file_is_ours(file))
        return -EBADF;
    if (fstat(file->fd, &status) != 0)
        return -errno;
    if (bytes > (uint64_t)status.st_size && !has_room(file, bytes - (uint64_t)status.st_size))
        return -ENOSPC;
    if (fallocate(file->fd, 0, 0, (off_t)bytes) == 0)
        return 0;
    error = errno;
    /* Without fallocate() the file is sparse, and a full disk is an error of the write. */
    if (error == EOPNOTSUPP)
        return (uint64_t)status.st_size >= bytes || ftruncate(file->fd, (off_t)bytes) == 0 ? 0
                                                                                           : -errno;
    /* Part of it may be there; if it stays, it is only room. */
    return ftruncate(file->fd, status.st_size) == 0 ? -error : -EIO;
}

int page_file_reserve(struct page_file *file, uint64_t bytes)
{
    bool first = file->bytes == 0;
    int error = bytes == 0 ? 0 : extend(file, bytes);

    if (error == 0 && bytes != 0) {
        file->bytes = bytes;
        if (first)
            go_direct(file);
    }
    return error;
}

static int reserve(const struct opening *opening)
{
    uint64_t bytes = opening->config->bytes;
    int error = page_file_reserve(opening->file, bytes);

    if (error != 0)
        say(opening,
            "page file '%s' cannot have %llu MiB: %s; use less --pagefile or name one elsewhere",
            opening->shown, (unsigned long long)(bytes >> 20), strerror(-error));
    return error;
}

/* ---- life ---- */

static int open_any(struct opening *opening)
{
    struct page_file *file = opening->file;
    struct stat status;
    int error = named(opening) ? open_named(opening) : open_unnamed(opening);

    if (file->fd >= 0 && fstat(file->fd, &status) == 0) {
        file->device = status.st_dev;
        file->inode = status.st_ino;
    } else if (error == 0) {
        error = refuse_open(opening, errno);
    }
    if (error == 0)
        error = judge_file_system(opening);
    if (error == 0)
        error = reserve(opening);
    if (error != 0)
        return error;
    if (!file->direct && !opening->config->buffered && opening->config->bytes != 0 &&
        opening->text[0] == '\0')
        say(opening, "page file '%s' goes through the page cache: no O_DIRECT there",
            opening->shown);
    return 0;
}

int page_file_open(const struct page_file_config *config, struct page_file *ret_file,
                   char *ret_text, size_t text_bytes)
{
    struct page_file file = {.fd = FD_NONE, .folder = FD_NONE, .buffered = config->buffered};
    struct opening opening = {.config = config,
                              .shown = config->path,
                              .file = &file,
                              .text = ret_text,
                              .text_bytes = text_bytes};
    int error;

    ret_text[0] = '\0';
    if (!named(&opening)) {
        opening.shown = secure_getenv("TMPDIR");
        if (opening.shown == NULL || opening.shown[0] == '\0')
            opening.shown = "/var/tmp";
    }
    error = open_any(&opening);
    if (error != 0) {
        page_file_close(&file);
        return error;
    }
    *ret_file = file;
    return 0;
}

bool page_file_is_ours(const struct page_file *file)
{
    struct stat status;

    return fstat(file->fd, &status) == 0 && status.st_dev == file->device &&
           status.st_ino == file->inode;
}

/* Is it still our file that has the name? */
static bool name_is_ours(const struct page_file *file)
{
    struct stat status;

    return fstatat(file->folder, file->name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           status.st_dev == file->device && status.st_ino == file->inode;
}

void page_file_close(struct page_file *file)
{
    bool ours = file->fd >= 0 && page_file_is_ours(file);

    if (file->end == PAGE_FILE_REMOVE && name_is_ours(file))
        unlinkat(file->folder, file->name, 0);
    /*
     * The kernel may hold a removed file for a while after its last request, and its room with it.
     * Nobody to tell if it fails; its mode keeps others out.
     */
    if ((file->end != PAGE_FILE_LEAVE || file->name == NULL) && ours && ftruncate(file->fd, 0) != 0)
        file->end = PAGE_FILE_LEAVE;
    if (ours)
        close(file->fd);
    if (file->folder >= 0)
        close(file->folder);
    free(file->name);
    *file = (struct page_file){.fd = FD_NONE, .folder = FD_NONE};
}
