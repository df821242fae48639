/*
 * manager_store.c - a page file from its name: which stores there are, and how they are stacked.
 *
 * A name is KIND, or KIND:REST or KIND,REST where the kind says what the rest means. Each kind is one line of a
 * table: it checks its name without touching anything, and later puts its layers on the stack, the
 * device first. The engine gets the layer on top. Taken down from the top.
 */
#include "manager.h"
#include "store/checked.h"
#include "store/encrypted.h"
#include "store/ram.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATENCY_MAX_NS   1000000000u
#define SLOT_TABLE_BYTES 32 /* checksums or keys of a slot, at most */

struct store_kind {
    const char *name, *usage;
    /* What stands behind the colon, or NULL; 0 or MM_ERROR_OPTION with the reason. */
    int (*check)(const char *rest, const struct mm_options *options, struct mm_detail *ret_detail);
    /* Put the layers on the stack. What was pushed before an error is taken down by the caller. */
    int (*create)(mm *manager, const char *rest, uint32_t queues, struct mm_detail *ret_detail);
    bool in_memory; /* its pages cost memory, not only its tables */
    /* Bytes of the frames that it takes for itself, and the store it stands on; NULL: none. */
    uint64_t (*frames)(const char *rest, const struct mm_options *options);
    const char *(*over)(const char *rest);
    /* As manager_store_memory(), where it is not one store; or NULL. */
    uint64_t (*memory)(const char *rest, const struct mm_options *options);
};

/* ---- the stack ---- */

struct store *manager_store_next(mm *manager)
{
    MUST(manager->store_layers < STORE_LAYERS_MAX);
    return &manager->stores[manager->store_layers];
}

void manager_store_push(mm *manager)
{
    manager->store = manager->stores[manager->store_layers++];
}

static int push_encrypted(mm *manager, struct mm_detail *ret_detail)
{
    const struct mm_options *options = &manager->options;
    struct store below = manager->store;
    char text[sizeof(ret_detail->text)];
    uint32_t staging = MIN_OF(below.slots, 2 * options->write_batch * options->writers);
    int error = encrypted_create(&below, staging, manager_store_next(manager), text, sizeof(text));
    if (error != 0) {
        manager_say(ret_detail, "%s", text);
        return error == -ENOMEM ? MM_ERROR_NO_MEMORY : MM_ERROR_UNSUPPORTED;
    }
    manager_store_push(manager);
    return MM_OK;
}

int manager_store_push_guard(mm *manager, bool leave, struct mm_detail *ret_detail)
{
    enum mm_encrypt encrypt = manager->options.encrypt;
    return encrypt == MM_ENCRYPT_ON || (encrypt == MM_ENCRYPT_AUTO && leave)
               ? push_encrypted(manager, ret_detail)
               : manager_store_push_checked(manager, ret_detail);
}

int manager_store_push_checked(mm *manager, struct mm_detail *ret_detail)
{
    struct store below = manager->store;
    if (checked_create(&below, manager_store_next(manager)) != 0) {
        manager_say(ret_detail, "no memory for the checksums of the slots; use less --pagefile");
        return MM_ERROR_NO_MEMORY;
    }
    manager_store_push(manager);
    return MM_OK;
}

/* ---- ram ---- */

static int ram_latency(const char *rest, uint64_t *ret_latency_ns, struct mm_detail *ret_detail)
{
    const char *latency = "latency=";
    *ret_latency_ns = 0;
    if (rest == NULL) {
        return MM_OK;
    }
    if (strncmp(rest, latency, strlen(latency)) != 0) {
        manager_say(ret_detail, "store 'ram:%s' is unknown; ram takes latency=NANOSECONDS", rest);
        return MM_ERROR_OPTION;
    }
    char *end;
    const char *number = rest + strlen(latency);
    *ret_latency_ns = strtoull(number, &end, 10);
    if (*end != '\0' || *number < '0' || *number > '9' || *ret_latency_ns > LATENCY_MAX_NS) {
        manager_say(ret_detail, "store 'ram:%s': the latency is a number of nanoseconds up to 1e9",
                    rest);
        return MM_ERROR_OPTION;
    }
    return MM_OK;
}

static int ram_check(const char *rest, const struct mm_options *options,
                     struct mm_detail *ret_detail)
{
    uint64_t latency_ns;
    (void)options;
    return ram_latency(rest, &latency_ns, ret_detail);
}

static int ram_push(mm *manager, const char *rest, uint32_t queues, struct mm_detail *ret_detail)
{
    uint64_t latency_ns;
    int error = ram_latency(rest, &latency_ns, ret_detail);
    if (error != MM_OK) {
        return error;
    }
    if (ram_create(manager->slots, queues, manager_store_next(manager)) != 0) {
        manager_say(ret_detail, "no memory for the RAM store; use less --pagefile");
        return MM_ERROR_NO_MEMORY;
    }
    ram_set_ready(manager_store_next(manager), manager->slots_ready);
    ram_set_latency(manager_store_next(manager), latency_ns);
    manager->latencies_ns[manager->store_layers] = latency_ns;
    manager_store_push(manager);
    return manager->options.encrypt == MM_ENCRYPT_ON ? push_encrypted(manager, ret_detail) : MM_OK;
}

/* ---- the kinds ---- */

static const struct store_kind kinds[] = {
    {"ram", "ram[:latency=NANOSECONDS]", ram_check, ram_push, true, NULL, NULL, NULL},
    {"file", "file[:PATH][,io=uring|sync][,cache=on|off]", manager_file_check, manager_file_push,
     false, NULL, NULL, NULL},
    {"compressed", "compressed[:[budget=SIZE,]over=STORE]", manager_compressed_check,
     manager_compressed_push, false, manager_compressed_frames, manager_compressed_over, NULL},
    {"nbd", "nbd:URI", manager_remote_check, manager_remote_push, false, NULL, NULL, NULL},
    {"joined", "joined:STORE[+STORE...]", manager_joined_check, manager_joined_push, false, NULL,
     NULL, manager_joined_memory},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* The kind that a name begins with, and what stands behind its colon. */
static const struct store_kind *find_kind(const char *name, const char **ret_rest)
{
    for (size_t i = 0; name != NULL && i < KINDS; i++) {
        size_t length = strlen(kinds[i].name);
        if (strncmp(name, kinds[i].name, length) == 0 && strchr(":,", name[length]) != NULL) {
            /* "file,io=sync" is "file:,io=sync" */
            *ret_rest = name[length] == '\0'  ? NULL
                        : name[length] == ':' ? name + length + 1
                                              : name + length;
            return &kinds[i];
        }
    }
    return NULL;
}

bool manager_store_begins(const char *name)
{
    for (size_t i = 0; i < KINDS; i++) {
        size_t length = strlen(kinds[i].name);
        if (strncmp(name, kinds[i].name, length) == 0 &&
            (name[length] == '\0' || name[length] == ':' || name[length] == '+')) {
            return true;
        }
    }
    return false;
}

int manager_store_check_name(const char *name, const struct mm_options *options,
                             struct mm_detail *ret_detail)
{
    const char *rest;
    const struct store_kind *kind = find_kind(name, &rest);
    if (kind != NULL) {
        return kind->check(rest, options, ret_detail);
    }
    char usages[320] = "";
    for (size_t i = 0, used = 0; i < KINDS; i++) {
        used += (size_t)snprintf(usages + used, sizeof(usages) - used, "%s%s", i > 0 ? ", " : "",
                                 kinds[i].usage);
    }
    manager_say(ret_detail, "store '%s' is unknown; there is: %s", name == NULL ? "" : name,
                usages);
    return MM_ERROR_OPTION;
}

int manager_store_check(const struct mm_options *options, struct mm_detail *ret_detail)
{
    return manager_store_check_name(options->store, options, ret_detail);
}

uint64_t manager_store_frames(const struct mm_options *options)
{
    const char *rest;
    const struct store_kind *kind = find_kind(options->store, &rest);
    return kind->frames == NULL ? 0 : kind->frames(rest, options);
}

uint64_t manager_store_memory(const struct mm_options *options)
{
    const char *rest;
    const struct store_kind *kind = find_kind(options->store, &rest);
    if (kind->memory != NULL) {
        return kind->memory(rest, options);
    }
    uint64_t grown = manager_store_grown(options);
    uint64_t tables = grown / MM_PAGE_SIZE * SLOT_TABLE_BYTES;
    if (kind->over != NULL) {
        struct mm_options below = *options;
        below.store = kind->over(rest);
        return manager_store_memory(&below) + tables;
    }
    return kind->in_memory ? MIN_OF(grown, options->memory_bytes) : tables;
}

/* ---- life ---- */

int manager_store_push_name(mm *manager, const char *name, uint32_t queues,
                            struct mm_detail *ret_detail)
{
    const char *rest;
    const struct store_kind *kind = find_kind(name, &rest);
    return kind->create(manager, rest, queues, ret_detail);
}

int manager_store_create(mm *manager, uint32_t queues, struct mm_detail *ret_detail)
{
    manager->slots = (slot_number)(manager->options.pagefile_max_bytes / MM_PAGE_SIZE);
    manager->slots_ready = (slot_number)(manager->options.pagefile_bytes / MM_PAGE_SIZE);
    return manager_store_push_name(manager, manager->options.store, queues, ret_detail);
}

void manager_store_pop(mm *manager, unsigned layers)
{
    while (manager->store_layers > layers) {
        store_destroy(&manager->stores[--manager->store_layers]);
        manager->latencies_ns[manager->store_layers] = 0;
    }
}

void manager_store_destroy(mm *manager)
{
    manager_store_pop(manager, 0);
}

void manager_store_pause(mm *manager, bool pause)
{
    for (unsigned i = 0; i < manager->store_layers; i++) {
        if (manager->latencies_ns[i] != 0) {
            ram_set_latency(&manager->stores[i], pause ? 0 : manager->latencies_ns[i]);
        }
    }
}
