/*
 * codec.h - one stream of bytes packed or unpacked, by zlib or by libzstd.
 *
 * Each library is optional. Without it the maker returns NULL and errno is ENOTSUP.
 */
#ifndef MM_TRACE_CODEC_H
#define MM_TRACE_CODEC_H

#include <stdbool.h>
#include <stddef.h>

/* What is left of both sides; a step moves them on. */
struct codec_sides {
    const unsigned char *in;
    size_t in_count;
    unsigned char *out;
    size_t out_count;
};

struct codec {
    /*
     * As far as both sides allow. `last`: no more input comes after this. False: the input is
     * damaged, or the library wants memory.
     */
    bool (*step)(struct codec *codec, struct codec_sides *sides, bool last);
    void (*close)(struct codec *codec);
    bool whole; /* unpacking: nothing is missing so far; packing: all has been put out */
};

/* NULL with errno. */
struct codec *gzip_unpacker(void);
struct codec *gzip_packer(void);
struct codec *zstd_unpacker(void);
struct codec *zstd_packer(void);

#endif
