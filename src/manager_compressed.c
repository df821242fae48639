/*
 * manager_compressed.c - the store kind "compressed": its name, its budget, and its layers.
 *
 * The name is compressed, or compressed: with "budget=SIZE" and "over=STORE" behind it, the latter
 * last, because the name of a store may hold anything. The budget is taken from the frames: what
 * packed pages cost is memory like any other, and all of it together is what --frames allows.
 */
#include "manager.h"
#include "store/compressed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OVER_DEFAULT "file"

struct compressed_name {
    const char *over;
    uint64_t budget_bytes; /* whole pages */
};

/* "64M" and what follows it. False: no size stands there, or none that fits. */
static bool take_size(const char **text, uint64_t *ret_bytes)
{
    static const char units[] = "KkMmGg";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(*text, &end, 10);
    const char *unit = *end == '\0' ? NULL : strchr(units, *end);
    unsigned shift = unit == NULL ? 0 : 10 * ((unsigned)(unit - units) / 2 + 1);
    if (**text < '0' || **text > '9' || errno != 0 || number > UINT64_MAX >> shift) {
        return false;
    }
    *ret_bytes = number << shift;
    *text = end + (unit != NULL);
    return true;
}

/* Its parts; false: it is no such name. The budget is 0 where none is given. */
static bool compressed_parse(const char *rest, struct compressed_name *ret_name)
{
    *ret_name = (struct compressed_name){.over = OVER_DEFAULT};
    if (rest != NULL && strncmp(rest, "budget=", 7) == 0) {
        rest += 7;
        if (!take_size(&rest, &ret_name->budget_bytes) || ret_name->budget_bytes == 0) {
            return false;
        }
        if (*rest != '\0' && (*rest != ',' || strncmp(rest + 1, "over=", 5) != 0)) {
            return false;
        }
        rest = *rest == '\0' ? NULL : rest + 1;
    }
    if (rest != NULL) {
        ret_name->over = rest + 5;
        return strncmp(rest, "over=", 5) == 0;
    }
    return true;
}

static uint64_t budget_of(const struct compressed_name *name, const struct mm_options *options)
{
    uint64_t frames = options->frames_bytes / MM_PAGE_SIZE;
    uint64_t pages = name->budget_bytes / MM_PAGE_SIZE + (name->budget_bytes % MM_PAGE_SIZE != 0);
    return (name->budget_bytes == 0 ? MAX_OF(frames / 4, 1) : pages) * MM_PAGE_SIZE;
}

int manager_compressed_check(const char *rest, const struct mm_options *options,
                             struct mm_detail *ret_detail)
{
    struct compressed_name name;
    if (!compressed_parse(rest, &name)) {
        manager_say(ret_detail,
                    "store 'compressed:%s' is unknown; compressed takes budget=SIZE[,over=STORE]",
                    rest);
        return MM_ERROR_OPTION;
    }
    if (strncmp(name.over, "compressed", strlen("compressed")) == 0) {
        manager_say(ret_detail,
                    "store 'compressed:%s': one compressed store is enough; put it "
                    "over another kind",
                    rest);
        return MM_ERROR_OPTION;
    }
    uint64_t budget = budget_of(&name, options);
    if (budget >= options->frames_bytes) {
        manager_say(ret_detail,
                    "the compressed store takes %llu KiB out of %llu KiB of frames and leaves "
                    "none; use more --frames or a smaller budget=SIZE",
                    (unsigned long long)(budget >> 10),
                    (unsigned long long)(options->frames_bytes >> 10));
        return MM_ERROR_OPTION;
    }
    return manager_store_check_name(name.over, options, ret_detail);
}

uint64_t manager_compressed_frames(const char *rest, const struct mm_options *options)
{
    struct compressed_name name;
    return compressed_parse(rest, &name) ? budget_of(&name, options) : 0;
}

const char *manager_compressed_over(const char *rest)
{
    struct compressed_name name;
    return compressed_parse(rest, &name) ? name.over : OVER_DEFAULT;
}

int manager_compressed_push(mm *manager, const char *rest, uint32_t queues,
                            struct mm_detail *ret_detail)
{
    int error = manager_store_push_name(manager, manager_compressed_over(rest), queues, ret_detail);
    if (error != MM_OK) {
        return error;
    }
    struct store below = manager->store;
    error = compressed_create(&below, manager_compressed_frames(rest, &manager->options),
                              manager_store_next(manager));
    if (error == -ENOSYS) {
        manager_say(ret_detail, "there is no compressed store: this build is without liblz4; "
                                "install liblz4-dev and build again, or use another --store");
        return MM_ERROR_UNSUPPORTED;
    }
    if (error != 0) {
        manager_say(ret_detail, "no memory for the compressed store; use less --pagefile");
        return MM_ERROR_NO_MEMORY;
    }
    manager_store_push(manager);
    return manager_store_push_checked(manager, ret_detail);
}
