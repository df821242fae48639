/*
 * cipher.h - a key that only this process knows, and pages sealed with it.
 */
#ifndef MM_STORE_CIPHER_H
#define MM_STORE_CIPHER_H

#include "base/types.h"

#define CIPHER_TAG_BYTES 16u

struct cipher;

/*
 * A new random key, in memory that is locked, left out of core dumps and not inherited by a child.
 * 0, or -errno with one line in ret_text that says why and what helps.
 */
int cipher_create(struct cipher **ret_cipher, char *ret_text, size_t text_bytes);
/* The key is wiped. */
void cipher_destroy(struct cipher *cipher);

/*
 * Slot and count together are used once. The source may change meanwhile: then what was sealed is
 * some mixture. May be called in a signal handler.
 */
void cipher_seal(const struct cipher *cipher, slot_number slot, uint64_t count, const void *page,
                 void *ret_page, unsigned char ret_tag[CIPHER_TAG_BYTES]);
/* Open the page where it is. False, and the page is worth nothing: it is not what was sealed. */
bool cipher_open(const struct cipher *cipher, slot_number slot, uint64_t count, void *page,
                 const unsigned char tag[CIPHER_TAG_BYTES]);

/* "aes256gcm" or "xchacha20poly1305". */
const char *cipher_name(const struct cipher *cipher);
/* The secret bytes, for the test that looks for them where they must not be. */
const unsigned char *cipher_secret(const struct cipher *cipher, size_t *ret_bytes);

#endif
