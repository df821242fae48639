/*
 * encrypted.h - a store whose device learns nothing: each page is sealed on its way down.
 * Implements contract/store.h on top of any other store.
 */
#ifndef MM_STORE_ENCRYPTED_H
#define MM_STORE_ENCRYPTED_H

#include "contract/store.h"

/*
 * As the checked store, whose place it takes: a page that is not what was last written to its slot
 * is -EBADMSG and never data. 24 bytes a slot, and `staging_pages` pages where sealed pages wait
 * for the device.
 *
 * 0, or -errno with one line in ret_text. `below` stays its owner's and must outlive this store.
 */
int encrypted_create(const struct store *below, uint32_t staging_pages, struct store *ret_store,
                     char *ret_text, size_t text_bytes);

#define ENCRYPTED_STAGING_MAX 1024u

struct cipher;
/* The cipher, for the test that looks where its key is. */
const struct cipher *encrypted_cipher(const struct store *store);

#endif
