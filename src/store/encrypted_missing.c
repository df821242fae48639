/*
 * encrypted_missing.c - the encrypted store of a build without libsodium: there is none.
 */
#include "store/encrypted.h"

#include <errno.h>
#include <stdio.h>

int encrypted_create(const struct store *below, uint32_t staging_pages, struct store *ret_store,
                     char *ret_text, size_t text_bytes)
{
    (void)below;
    (void)staging_pages;
    (void)ret_store;
    snprintf(ret_text, text_bytes,
             "the page file cannot be encrypted: this build is without libsodium; install "
             "libsodium-dev and build again, or use --encrypt off");
    return -ENOSYS;
}

const struct cipher *encrypted_cipher(const struct store *store)
{
    (void)store;
    return NULL;
}
