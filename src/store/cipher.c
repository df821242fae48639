/*
 * cipher.c - the cipher of cipher.h, by libsodium.
 *
 * AES-256-GCM where the processor has it, with the round keys made once; else XChaCha20-Poly1305.
 * Key and round keys are in one block of memory of their own and nowhere else: what the library
 * leaves on the stack and in registers is wiped after each call. The nonce is
 * slot and write count: it never comes twice, and a page that is read from another slot or is of
 * an earlier write does not open.
 */
#include "store/cipher.h"

#include "base/mutant.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define KEY_BYTES   32u
#define STACK_BYTES 3072u /* deeper than the library goes */

struct cipher {
    crypto_aead_aes256gcm_state state; /* round keys */
    unsigned char key[KEY_BYTES];      /* of the other cipher */
    bool aes;
};

_Static_assert(crypto_aead_aes256gcm_KEYBYTES == KEY_BYTES, "one key for both");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == KEY_BYTES, "one key for both");
_Static_assert(crypto_aead_aes256gcm_ABYTES == CIPHER_TAG_BYTES, "one tag for both");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == CIPHER_TAG_BYTES, "one tag for both");

/*
 * The library keeps round keys in registers and puts some on the stack. Both may live long after
 * the call, in a thread that sleeps.
 */
static void wipe_traces(void)
{
    sodium_stackzero(STACK_BYTES);
#if defined(__x86_64__)
    __asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm1, %%xmm1; pxor %%xmm2, %%xmm2;"
                     "pxor %%xmm3, %%xmm3; pxor %%xmm4, %%xmm4; pxor %%xmm5, %%xmm5;"
                     "pxor %%xmm6, %%xmm6; pxor %%xmm7, %%xmm7; pxor %%xmm8, %%xmm8;"
                     "pxor %%xmm9, %%xmm9; pxor %%xmm10, %%xmm10; pxor %%xmm11, %%xmm11;"
                     "pxor %%xmm12, %%xmm12; pxor %%xmm13, %%xmm13; pxor %%xmm14, %%xmm14;"
                     "pxor %%xmm15, %%xmm15" ::
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                           "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#endif
}

/* Of the longer one; the shorter is its beginning. */
struct nonce {
    unsigned char bytes[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
};

static struct nonce make_nonce(slot_number slot, uint64_t count)
{
    struct nonce nonce = {{0}};

    if (!MUTANT(CIPHER_NONCE_WITHOUT_SLOT))
        memcpy(nonce.bytes, &slot, sizeof(slot));
    if (!MUTANT(CIPHER_NONCE_WITHOUT_COUNT))
        memcpy(nonce.bytes + sizeof(slot), &count, sizeof(count));
    return nonce;
}

void cipher_seal(const struct cipher *cipher, slot_number slot, uint64_t count, const void *page,
                 void *ret_page, unsigned char ret_tag[CIPHER_TAG_BYTES])
{
    struct nonce nonce = make_nonce(slot, count);

    if (cipher->aes)
        crypto_aead_aes256gcm_encrypt_detached_afternm(ret_page, ret_tag, NULL, page, MM_PAGE_SIZE,
                                                       NULL, 0, NULL, nonce.bytes, &cipher->state);
    else
        crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
            ret_page, ret_tag, NULL, page, MM_PAGE_SIZE, NULL, 0, NULL, nonce.bytes, cipher->key);
    wipe_traces();
}

bool cipher_open(const struct cipher *cipher, slot_number slot, uint64_t count, void *page,
                 const unsigned char tag[CIPHER_TAG_BYTES])
{
    struct nonce nonce = make_nonce(slot, count);
    int error;

    if (cipher->aes)
        error = crypto_aead_aes256gcm_decrypt_detached_afternm(
            page, NULL, page, MM_PAGE_SIZE, tag, NULL, 0, nonce.bytes, &cipher->state);
    else
        error = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
            page, NULL, page, MM_PAGE_SIZE, tag, NULL, 0, nonce.bytes, cipher->key);
    wipe_traces();
    return error == 0;
}

/* ---- life ---- */

static int refuse(int error, const char *what, char *ret_text, size_t text_bytes)
{
    snprintf(ret_text, text_bytes,
             "the key of the page file cannot be %s: %s; raise the limit of locked memory (ulimit "
             "-l) or use --encrypt off",
             what, strerror(error));
    return -error;
}

/* Memory that is nowhere but here. */
static int map_secret(struct cipher **ret_cipher, char *ret_text, size_t text_bytes)
{
    struct cipher *cipher =
        mmap(NULL, sizeof(*cipher), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const char *what = "locked in memory";

    if (cipher == MAP_FAILED)
        return refuse(errno, "kept", ret_text, text_bytes);
    if (mlock(cipher, sizeof(*cipher)) == 0) {
        what = "kept out of core dumps and children";
        if ((MUTANT(CIPHER_KEY_IN_DUMPS) || madvise(cipher, sizeof(*cipher), MADV_DONTDUMP) == 0) &&
            madvise(cipher, sizeof(*cipher), MADV_DONTFORK) == 0) {
            *ret_cipher = cipher;
            return 0;
        }
    }
    int error = errno;
    munmap(cipher, sizeof(*cipher));
    return refuse(error, what, ret_text, text_bytes);
}

int cipher_create(struct cipher **ret_cipher, char *ret_text, size_t text_bytes)
{
    struct cipher *cipher = NULL;
    int error;

    if (sodium_init() < 0)
        return refuse(EIO, "made at random", ret_text, text_bytes);
    error = map_secret(&cipher, ret_text, text_bytes);
    if (error != 0)
        return error;
    randombytes_buf(cipher->key, sizeof(cipher->key));
    cipher->aes = crypto_aead_aes256gcm_is_available() != 0;
    if (cipher->aes) {
        crypto_aead_aes256gcm_beforenm(&cipher->state, cipher->key);
        sodium_memzero(cipher->key, sizeof(cipher->key));
    }
    wipe_traces();
    *ret_cipher = cipher;
    return 0;
}

void cipher_destroy(struct cipher *cipher)
{
    sodium_memzero(cipher, sizeof(*cipher));
    munmap(cipher, sizeof(*cipher));
}

const char *cipher_name(const struct cipher *cipher)
{
    return cipher->aes ? "aes256gcm" : "xchacha20poly1305";
}

const unsigned char *cipher_secret(const struct cipher *cipher, size_t *ret_bytes)
{
    *ret_bytes = cipher->aes ? sizeof(cipher->state) : sizeof(cipher->key);
    return cipher->aes ? (const unsigned char *)&cipher->state : cipher->key;
}
