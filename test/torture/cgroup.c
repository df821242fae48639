/*
 * cgroup.c - a memory cgroup with a limit and no swap, made for one child and taken away again.
 *
 * Version 1 and 2. It lies under our own cgroup, or (version 2, where a cgroup with processes has
 * no limits below it) under the nearest ancestor that hands the controller on. Where no memory
 * controller is mounted, one is, in a mount namespace of ours that ends with the process.
 * A cgroup that an earlier run left behind when it was killed is removed on the way.
 */
#include "torture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_PREFIX "memman-torture-"
#define OWN_MOUNT   "/sys/fs/cgroup" /* in a mount namespace of our own */

struct budget {
    int version;
    uint64_t limit_bytes;
    char path[PATH_MAX];
    uint64_t usage_max, kernel; /* the kernel's own share of it */
    char uses[4096];            /* memory.stat at that moment */
};

static struct budget the_budget;

/* ---- files ---- */

static bool read_file(const char *folder, const char *name, char *ret_text, size_t size)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? -1 : read(file, ret_text, size - 1);
    ret_text[got < 0 ? 0 : got] = '\0';
    if (file >= 0) {
        close(file);
    }
    return got >= 0;
}

static bool write_file(const char *folder, const char *name, const char *text)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool done = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0) {
        close(file);
    }
    return done;
}

/* The number after `key` in a text of "key number" lines, or the text's only number. */
static uint64_t number_in(const char *text, const char *key)
{
    while (*key != '\0' && strncmp(text, key, strlen(key)) != 0) {
        text = strchr(text, '\n');
        if (text == NULL) {
            return 0;
        }
        text++;
    }
    return strtoull(text + strlen(key), NULL, 10);
}

static uint64_t read_number(const struct budget *budget, const char *name, const char *key)
{
    char text[4096];
    return read_file(budget->path, name, text, sizeof(text)) ? number_in(text, key) : 0;
}

/* ---- where ---- */

/* The mount point of the memory controller; its version, or 0. */
static int find_mount(char *ret_mount)
{
    static char text[65536], controllers[1024];
    int version = 0;
    char *rest = text;
    if (!read_file("/proc/self", "mounts", text, sizeof(text))) {
        return 0;
    }
    for (char *line; (line = strtok_r(rest, "\n", &rest)) != NULL;) {
        char point[1024], kind[64], options[1024];
        if (sscanf(line, "%*s %1023s %63s %1023s", point, kind, options) != 3) {
            continue;
        }
        if (strcmp(kind, "cgroup") == 0 && strstr(options, "memory") != NULL) {
            strcpy(ret_mount, point);
            return 1;
        }
        if (strcmp(kind, "cgroup2") == 0 &&
            read_file(point, "cgroup.controllers", controllers, sizeof(controllers)) &&
            strstr(controllers, "memory") != NULL) {
            strcpy(ret_mount, point);
            version = 2;
        }
    }
    return version;
}

/* No controller is mounted: mount one where only we see it. */
static int make_mount(char *ret_mount)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return 0;
    }
    if (mount("memory", OWN_MOUNT, "cgroup", 0, "memory") == 0 ||
        mount("memory", OWN_MOUNT, "cgroup2", 0, NULL) == 0) {
        return find_mount(ret_mount);
    }
    return 0;
}

/* Our own cgroup below the mount point; "" is the root. */
static void find_own(int version, char *ret_path, size_t size)
{
    char text[4096], *rest = text;
    ret_path[0] = '\0';
    if (!read_file("/proc/self", "cgroup", text, sizeof(text))) {
        return;
    }
    for (char *line; (line = strtok_r(rest, "\n", &rest)) != NULL;) {
        char *names = strchr(line, ':');
        char *path = names == NULL ? NULL : strchr(names + 1, ':');
        if (path == NULL) {
            continue;
        }
        *path++ = '\0';
        if (version == 1 ? strstr(names, "memory") != NULL : strcmp(line, "0") == 0) {
            snprintf(ret_path, size, "%s", strcmp(path, "/") == 0 ? "" : path);
        }
    }
}

/* Where a cgroup with a limit can be made; false if nowhere. */
static bool find_parent(int version, const char *mount, char *ret_parent, size_t size)
{
    char own[1024], text[1024], path[2100];
    find_own(version, own, sizeof(own));
    for (;;) {
        snprintf(path, sizeof(path), "%s%s", mount, own);
        snprintf(ret_parent, size, "%s", path);
        if (version == 1 && access(path, W_OK) == 0) {
            return true;
        }
        if (version == 2 && own[0] == '\0') {
            write_file(path, "cgroup.subtree_control", "+memory"); /* at the root: it may be */
        }
        if (version == 2 && read_file(path, "cgroup.subtree_control", text, sizeof(text)) &&
            strstr(text, "memory") != NULL) {
            return true;
        }
        char *slash = strrchr(own, '/');
        if (slash == NULL) {
            return false;
        }
        *slash = '\0';
    }
}

static void remove_stale(const char *parent)
{
    DIR *folder = opendir(parent);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char path[PATH_MAX + 300];
        if (strncmp(entry->d_name, NAME_PREFIX, strlen(NAME_PREFIX)) == 0 &&
            kill(atoi(entry->d_name + strlen(NAME_PREFIX)), 0) != 0 && errno == ESRCH) {
            snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name);
            rmdir(path);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

/* ---- made, used, removed ---- */

static bool set_limit(struct budget *budget)
{
    char text[32];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)budget->limit_bytes);
    if (budget->version == 2) {
        write_file(budget->path, "memory.swap.max", "0");
        return write_file(budget->path, "memory.max", text);
    }
    write_file(budget->path, "memory.swappiness", "0");
    if (!write_file(budget->path, "memory.limit_in_bytes", text)) {
        return false;
    }
    write_file(budget->path, "memory.memsw.limit_in_bytes", text);
    return true;
}

struct budget *budget_make(uint64_t limit_bytes, char *ret_reason, size_t size)
{
    char mount[1024], parent[2100];
    struct budget *budget = &the_budget;
    if (geteuid() != 0) {
        snprintf(ret_reason, size, "making a memory cgroup needs root");
        return NULL;
    }
    memset(budget, 0, sizeof(*budget));
    budget->version = find_mount(mount);
    if (budget->version == 0) {
        budget->version = make_mount(mount);
    }
    if (budget->version == 0) {
        snprintf(ret_reason, size, "no memory controller is mounted, and mounting one failed: %s",
                 strerror(errno));
        return NULL;
    }
    if (!find_parent(budget->version, mount, parent, sizeof(parent))) {
        snprintf(ret_reason, size, "no cgroup between ours and %s hands the memory controller on",
                 mount);
        return NULL;
    }
    remove_stale(parent);
    budget->limit_bytes = limit_bytes;
    snprintf(budget->path, sizeof(budget->path), "%s/" NAME_PREFIX "%d", parent, (int)getpid());
    if (mkdir(budget->path, 0700) != 0 || !set_limit(budget)) {
        snprintf(ret_reason, size, "cgroup %s cannot be made: %s", budget->path, strerror(errno));
        rmdir(budget->path);
        return NULL;
    }
    return budget;
}

void budget_join(const struct budget *budget)
{
    if (!write_file(budget->path, "cgroup.procs", "0")) {
        torture_fail("the memory cgroup cannot be joined", NULL, 0, (uint64_t)errno);
    }
}

uint64_t budget_refusals(const struct budget *budget)
{
    /* With equal limits it is the one with swap that refuses. */
    return budget->version == 2 ? read_number(budget, "memory.events", "max ")
                                : read_number(budget, "memory.failcnt", "") +
                                      read_number(budget, "memory.memsw.failcnt", "");
}

uint64_t budget_kills(const struct budget *budget)
{
    return budget->version == 2 ? read_number(budget, "memory.events", "oom_kill ")
                                : read_number(budget, "memory.oom_control", "oom_kill ");
}

uint64_t budget_peak(const struct budget *budget)
{
    return read_number(budget, budget->version == 2 ? "memory.peak" : "memory.max_usage_in_bytes",
                       "");
}

uint64_t budget_limit(const struct budget *budget)
{
    return budget->limit_bytes;
}

void budget_sample(struct budget *budget)
{
    uint64_t usage =
        read_number(budget, budget->version == 2 ? "memory.current" : "memory.usage_in_bytes", "");
    if (usage > budget->usage_max) {
        budget->usage_max = usage;
        budget->kernel =
            read_number(budget, budget->version == 2 ? "memory.stat" : "memory.kmem.usage_in_bytes",
                        budget->version == 2 ? "kernel " : "");
        read_file(budget->path, "memory.stat", budget->uses, sizeof(budget->uses));
    }
}

void budget_describe_peak(const struct budget *budget, char *ret_text, size_t size)
{
    bool second = budget->version == 2;
    snprintf(
        ret_text, size,
        "%llu KiB when sampled: anonymous %llu (huge %llu), shared %llu, kernel %llu",
        (unsigned long long)(budget->usage_max >> 10),
        (unsigned long long)(number_in(budget->uses, second ? "anon " : "rss ") >> 10),
        (unsigned long long)(number_in(budget->uses, second ? "anon_thp " : "rss_huge ") >> 10),
        (unsigned long long)(number_in(budget->uses, "shmem ") >> 10),
        (unsigned long long)(budget->kernel >> 10));
}

void budget_remove(struct budget *budget)
{
    char text[4096], *rest;
    for (unsigned tries = 0; tries < 100 && rmdir(budget->path) != 0; tries++) {
        if (errno != EBUSY || !read_file(budget->path, "cgroup.procs", text, sizeof(text))) {
            break;
        }
        rest = text;
        for (char *line; (line = strtok_r(rest, "\n", &rest)) != NULL;) {
            if (atoi(line) > 0 && atoi(line) != getpid()) {
                kill(atoi(line), SIGKILL);
            }
        }
        pause_ns(10000000);
    }
}
