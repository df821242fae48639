/*
 * manager_joined.c - the store kind "joined": several page files as one, and one more while it runs.
 *
 * The name is joined: and the names of stores with plus signs between; a plus sign with no kind
 * behind it is part of a name. Each has an equal share of the page file at first. As it grows each
 * may take all of it, so a disk that is full does not end the growth of the others; only what a
 * server exports stays as it is.
 */
#include "manager.h"
#include "store/joined.h"

#include <errno.h>
#include <string.h>

#define PARTS_MAX      4 /* at the start; the rest is for those that are added */
#define NAME_BYTES_MAX 8192

/* The names one after the other, each with its end. */
struct joined_name {
    const char *parts[PARTS_MAX];
    unsigned count;
    char text[NAME_BYTES_MAX];
};

static const char *find_end(const char *name)
{
    const char *plus = strchr(name, '+');
    while (plus != NULL && !manager_store_begins(plus + 1)) {
        plus = strchr(plus + 1, '+');
    }
    return plus == NULL ? name + strlen(name) : plus;
}

static int joined_parse(const char *rest, struct joined_name *ret_name,
                        struct mm_detail *ret_detail)
{
    ret_name->count = 0;
    if (rest == NULL || *rest == '\0' || strlen(rest) >= NAME_BYTES_MAX) {
        manager_say(ret_detail,
                    "store 'joined:%.40s' names no stores; joined takes "
                    "STORE[+STORE...], such as joined:file:A+file:B",
                    rest == NULL ? "" : rest);
        return MM_ERROR_OPTION;
    }
    memcpy(ret_name->text, rest, strlen(rest) + 1);
    for (char *name = ret_name->text; name != NULL && ret_name->count < PARTS_MAX;) {
        char *end = name + (find_end(name) - name);
        ret_name->parts[ret_name->count++] = name;
        name = *end == '\0' ? NULL : end + 1;
        *end = '\0';
        if (name != NULL && ret_name->count == PARTS_MAX) {
            manager_say(ret_detail,
                        "store 'joined:%.200s': that is more than %d stores; join fewer", rest,
                        PARTS_MAX);
            return MM_ERROR_OPTION;
        }
    }
    return MM_OK;
}

static bool is_fixed(const char *name)
{
    return strncmp(name, "nbd", 3) == 0;
}

/* The page file as one of its parts sees it. */
static struct mm_options share_of(const struct mm_options *options, const struct joined_name *name,
                                  unsigned part)
{
    struct mm_options share = *options;
    uint64_t pages = options->pagefile_bytes / MM_PAGE_SIZE;
    share.store = name->parts[part];
    share.pagefile_bytes = (pages / name->count + (part < pages % name->count)) * MM_PAGE_SIZE;
    if (is_fixed(name->parts[part]) || options->pagefile_max_bytes == options->pagefile_bytes) {
        share.pagefile_max_bytes = share.pagefile_bytes;
    }
    return share;
}

/* A store that has parts or frames of its own is no part. */
static int check_part(const struct mm_options *share, struct mm_detail *ret_detail)
{
    if (strncmp(share->store, "joined", 6) == 0 || strncmp(share->store, "compressed", 10) == 0) {
        manager_say(ret_detail,
                    "store '%.200s' cannot be joined to others; put compressed:over=joined:... "
                    "over them",
                    share->store);
        return MM_ERROR_OPTION;
    }
    return manager_store_check_name(share->store, share, ret_detail);
}

int manager_joined_check(const char *rest, const struct mm_options *options,
                         struct mm_detail *ret_detail)
{
    struct joined_name name;
    int error = joined_parse(rest, &name, ret_detail);
    for (unsigned i = 0; error == MM_OK && i < name.count; i++) {
        struct mm_options share = share_of(options, &name, i);
        error = check_part(&share, ret_detail);
    }
    return error;
}

uint64_t manager_joined_memory(const char *rest, const struct mm_options *options)
{
    struct joined_name name;
    uint64_t sum = 0, grown = manager_store_grown(options);
    if (joined_parse(rest, &name, NULL) != MM_OK) {
        return 0;
    }
    for (unsigned i = 0; i < name.count; i++) {
        struct mm_options share = share_of(options, &name, i);
        share.pagefile_bytes = grown / name.count;
        share.pagefile_max_bytes = share.pagefile_bytes;
        sum += manager_store_memory(&share);
    }
    return sum;
}

/* One part with its layers; the top one is manager->store then. */
static int push_part(mm *manager, const struct mm_options *share, uint32_t queues,
                     struct mm_detail *ret_detail)
{
    manager->slots = (slot_number)(share->pagefile_max_bytes / MM_PAGE_SIZE);
    manager->slots_ready = (slot_number)(share->pagefile_bytes / MM_PAGE_SIZE);
    return manager_store_push_name(manager, share->store, queues, ret_detail);
}

int manager_joined_push(mm *manager, const char *rest, uint32_t queues,
                        struct mm_detail *ret_detail)
{
    slot_number slots = manager->slots;
    struct store parts[PARTS_MAX];
    struct joined_name name;
    int error = joined_parse(rest, &name, ret_detail);
    for (unsigned i = 0; error == MM_OK && i < name.count; i++) {
        struct mm_options share = share_of(&manager->options, &name, i);
        error = push_part(manager, &share, queues, ret_detail);
        parts[i] = manager->store;
    }
    if (error != MM_OK) {
        return error;
    }
    if (joined_create(parts, name.count, slots, queues, manager_store_next(manager)) != 0) {
        manager_say(ret_detail, "no memory to join stores; use fewer threads");
        return MM_ERROR_NO_MEMORY;
    }
    manager->joined = manager_store_next(manager);
    manager_store_push(manager);
    return MM_OK;
}

/* ---- one more ---- */

/* The slots fit below the maximum, as far as anybody can tell before they are there. */
static int check_added(mm *manager, const struct mm_options *share, struct mm_detail *ret_detail)
{
    uint64_t room = manager->engine->config.slots - engine_slots(manager->engine);
    uint64_t slots = share->pagefile_bytes / MM_PAGE_SIZE;
    if (manager->joined == NULL) {
        manager_say(ret_detail,
                    "page files can be added to store 'joined:STORE' only, and '%.200s' "
                    "is none; one STORE will do",
                    manager->options.store);
        return MM_ERROR_OPTION;
    }
    if (slots == 0 || slots > room) {
        manager_say(ret_detail,
                    "a page file of %llu pages cannot be added: from 1 to %llu fit below "
                    "pagefile_max_bytes",
                    (unsigned long long)slots, (unsigned long long)room);
        return MM_ERROR_OPTION;
    }
    if (!growth_fits(manager->engine, (slot_number)slots)) {
        manager_say(ret_detail,
                    "a first page file of %llu pages is too small: %llu pages are kept in reserve "
                    "for it, and no commit is left for them; add a larger one",
                    (unsigned long long)slots,
                    (unsigned long long)engine_reserve(manager->engine->config.frames));
        return MM_ERROR_OPTION;
    }
    if (joined_is_full(manager->joined)) {
        manager_say(ret_detail, "%u page files are joined already; no more can be added",
                    JOINED_PARTS_MAX);
        return MM_ERROR_OPTION;
    }
    return check_part(share, ret_detail);
}

/* Life lock held. */
static int add_part(mm *manager, const struct mm_options *share, struct mm_detail *ret_detail)
{
    unsigned layers = manager->store_layers;
    struct store top = manager->store;
    int error = check_added(manager, share, ret_detail);
    if (error == MM_OK) {
        error = push_part(manager, share, top.queues, ret_detail);
    }
    if (error == MM_OK) {
        MUST(joined_add(manager->joined, &manager->store) == 0);
    }
    manager->store = top;
    if (error != MM_OK) {
        manager_store_pop(manager, layers);
    }
    return error;
}

int mm_add_pagefile(mm *manager, const char *store, uint64_t bytes, struct mm_detail *ret_detail)
{
    struct mm_options share = manager->options;
    struct manager_guard guard;
    uint32_t thread;
    manager_say(ret_detail, "%s", "");
    if (!manager_thread(manager, &thread)) {
        return MM_ERROR_THREADS;
    }
    share.store = store;
    share.pagefile_bytes = bytes / MM_PAGE_SIZE * MM_PAGE_SIZE;
    share.pagefile_max_bytes = share.pagefile_bytes;
    manager_guard_begin(manager, &guard);
    pthread_mutex_lock(&manager->life);
    int error = add_part(manager, &share, ret_detail);
    pthread_mutex_unlock(&manager->life);
    if (error == MM_OK &&
        !growth_add(manager->engine, thread, (slot_number)(share.pagefile_bytes / MM_PAGE_SIZE))) {
        manager_say(ret_detail, "the page file was added, and has reached its maximum meanwhile");
        error = MM_ERROR_COMMIT_LIMIT;
    }
    manager_guard_end(&guard);
    return error;
}
