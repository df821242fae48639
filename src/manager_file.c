/*
 * manager_file.c - the store kind "file": its name, and its layers.
 *
 * The name is file, file:PATH, and behind either ",io=uring|sync" and ",cache=on|off". Without a
 * path the file has no name. What comes back from a disk is never believed: a layer above the file
 * knows what was written.
 */
#include "manager.h"
#include "store/file.h"

#include <errno.h>
#include <string.h>

#define PATH_BYTES_MAX 4096
#define HELPER_RINGS   8 /* for faulting threads that write pages themselves */

struct file_name {
    char path[PATH_BYTES_MAX];
    enum file_way way;
    bool buffered;
};

/* One ",word=value" from the end of the path. False: what is there is no such word. */
static bool take_word(struct file_name *name)
{
    static const struct {
        const char *word;
        enum file_way way;
        int buffered; /* -1: says nothing about it */
    } words[] = {{",io=uring", FILE_WAY_URING, -1},
                 {",io=sync", FILE_WAY_SYNC, -1},
                 {",cache=on", FILE_WAY_AUTO, 1},
                 {",cache=off", FILE_WAY_AUTO, 0}};
    char *comma = strrchr(name->path, ',');
    for (size_t i = 0; comma != NULL && i < ARRAY_COUNT(words); i++) {
        if (strcmp(comma, words[i].word) == 0) {
            name->way = words[i].way != FILE_WAY_AUTO ? words[i].way : name->way;
            name->buffered = words[i].buffered >= 0 ? words[i].buffered != 0 : name->buffered;
            *comma = '\0';
            return true;
        }
    }
    return false;
}

static int file_parse(const char *rest, struct file_name *ret_name, struct mm_detail *ret_detail)
{
    *ret_name = (struct file_name){.way = FILE_WAY_AUTO};
    if (rest == NULL) {
        return MM_OK;
    }
    if (strlen(rest) >= PATH_BYTES_MAX) {
        manager_say(ret_detail, "store 'file:%.40s...': the path is too long, use a shorter one",
                    rest);
        return MM_ERROR_OPTION;
    }
    memcpy(ret_name->path, rest, strlen(rest));
    while (take_word(ret_name)) {
    }
    const char *comma = strrchr(ret_name->path, ',');
    if (comma != NULL && (strncmp(comma, ",io=", 4) == 0 || strncmp(comma, ",cache=", 7) == 0)) {
        manager_say(ret_detail, "store 'file:%s': '%s' is neither io=uring|sync nor cache=on|off",
                    rest, comma + 1);
        return MM_ERROR_OPTION;
    }
    return MM_OK;
}

int manager_file_check(const char *rest, const struct mm_options *options,
                       struct mm_detail *ret_detail)
{
    struct file_name name;
    (void)options;
    return file_parse(rest, &name, ret_detail);
}

int manager_file_push(mm *manager, const char *rest, uint32_t queues, struct mm_detail *ret_detail)
{
    char text[sizeof(ret_detail->text)];
    struct file_name name;
    int error = file_parse(rest, &name, ret_detail);
    if (error != MM_OK) {
        return error;
    }
    struct file_config config = {
        .path = name.path,
        .slots = manager->slots,
        .slots_ready = manager->slots_ready,
        .queues = queues,
        .rings = manager->options.writers + HELPER_RINGS,
        .way = name.way,
        .overwrite = manager->options.overwrite,
        .buffered = name.buffered,
    };
    error = file_create(&config, manager_store_next(manager), text, sizeof(text));
    if (text[0] != '\0') {
        manager_note(ret_detail, "%s", text);
    }
    if (error != 0) {
        return error == -ENOMEM ? MM_ERROR_NO_MEMORY : MM_ERROR_UNSUPPORTED;
    }
    manager_store_push(manager);
    return manager_store_push_guard(manager, name.path[0] != '\0', ret_detail);
}
