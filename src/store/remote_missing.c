/*
 * remote_missing.c - the remote store of a build without libnbd: there is none.
 */
#include "store/remote.h"

#include <errno.h>
#include <stdio.h>

int remote_create(const struct remote_config *config, struct store *ret_store, char *ret_text,
                  size_t text_bytes)
{
    (void)config;
    (void)ret_store;
    snprintf(ret_text, text_bytes,
             "there is no NBD store: this build is without libnbd; install libnbd-dev and build "
             "again, or use another --store");
    return -ENOSYS;
}
