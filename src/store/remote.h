/*
 * remote.h - the remote store: page-file slots on a server that speaks NBD.
 * Implements contract/store.h.
 */
#ifndef MM_STORE_REMOTE_H
#define MM_STORE_REMOTE_H

#include "contract/store.h"

struct remote_config {
    const char *uri; /* as libnbd takes it: nbd://, nbds://, nbd+unix:// and so on */
    uint32_t slots, queues;
    uint64_t patience_ns; /* a server that says nothing for so long is lost; 0: 30 s */
};

/*
 * Connect, see that the export will do, and start the thread that talks to it. 0, or -errno with
 * one line in ret_text that says what was refused, why, and the remedy; -ENOSYS in a build without
 * libnbd.
 */
int remote_create(const struct remote_config *config, struct store *ret_store, char *ret_text,
                  size_t text_bytes);

#endif
