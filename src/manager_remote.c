/*
 * manager_remote.c - the store kind "nbd": its name, and its layers.
 *
 * The name is nbd: and a URI as libnbd takes it; nbd:unix:PATH stands for a server on a socket, and
 * nbd://HOST/EXPORT needs no second nbd:. What a server has is out of our control, so pages
 * go there encrypted unless that is refused.
 */
#include "manager.h"
#include "store/remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define URI_BYTES 1024

static bool begins(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

/* The path of a socket as part of a URI. False: too long. */
static bool add_escaped(char *uri, const char *path)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./~";
    size_t used = strlen(uri);
    for (; *path != '\0'; path++) {
        bool as_it_is = strchr(plain, *path) != NULL;
        if (used + 4 > URI_BYTES) {
            return false;
        }
        used += (size_t)snprintf(uri + used, URI_BYTES - used, as_it_is ? "%c" : "%%%02X",
                                 (unsigned char)*path);
    }
    return true;
}

/* The URI; false: the name has none. */
static bool remote_parse(const char *rest, char ret_uri[URI_BYTES])
{
    if (rest == NULL || strlen(rest) >= URI_BYTES - 8) {
        return false;
    }
    if (begins(rest, "unix:")) {
        snprintf(ret_uri, URI_BYTES, "nbd+unix:///?socket=");
        return rest[5] != '\0' && add_escaped(ret_uri, rest + 5);
    }
    snprintf(ret_uri, URI_BYTES, "%s%s", begins(rest, "//") ? "nbd:" : "", rest);
    return begins(ret_uri, "nbd://") || begins(ret_uri, "nbds://") ||
           begins(ret_uri, "nbd+unix://") || begins(ret_uri, "nbds+unix://");
}

int manager_remote_check(const char *rest, const struct mm_options *options,
                         struct mm_detail *ret_detail)
{
    char uri[URI_BYTES];
    if (remote_parse(rest, uri) && options->pagefile_bytes == options->pagefile_max_bytes) {
        return MM_OK;
    }
    if (remote_parse(rest, uri)) {
        manager_say(ret_detail,
                    "store 'nbd:%.200s': what a server exports does not grow; give the page file "
                    "one size, or use another --store",
                    rest);
        return MM_ERROR_OPTION;
    }
    manager_say(ret_detail,
                "store 'nbd:%.200s' names no server; nbd takes nbd://HOST[:PORT]/EXPORT, "
                "nbd+unix:///EXPORT?socket=PATH or unix:PATH",
                rest == NULL ? "" : rest);
    return MM_ERROR_OPTION;
}

int manager_remote_push(mm *manager, const char *rest, uint32_t queues,
                        struct mm_detail *ret_detail)
{
    char uri[URI_BYTES], text[sizeof(ret_detail->text)];
    if (!remote_parse(rest, uri)) {
        return MM_ERROR_OPTION;
    }
    struct remote_config config = {
        .uri = uri,
        .slots = manager->slots_ready,
        .queues = queues,
    };
    int error = remote_create(&config, manager_store_next(manager), text, sizeof(text));
    if (error != 0) {
        manager_say(ret_detail, "%s", text);
        return error == -ENOMEM ? MM_ERROR_NO_MEMORY : MM_ERROR_UNSUPPORTED;
    }
    manager_store_push(manager);
    return manager_store_push_guard(manager, true, ret_detail);
}
