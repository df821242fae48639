/*
 * zstd.c - zstd by libzstd; frames one after the other are one stream.
 */
#include "trace/codec.h"

#include <errno.h>
#include <stdlib.h>

#include <zstd.h>

#define LEVEL      4
#define WINDOW_LOG 27 /* the largest window that is unpacked: 128 MiB */

struct zstd {
    struct codec codec;
    ZSTD_DCtx *unpacker;
    ZSTD_CCtx *packer;
};

static void sides_move(struct codec_sides *sides, const ZSTD_inBuffer *in,
                       const ZSTD_outBuffer *out)
{
    sides->in += in->pos;
    sides->in_count -= in->pos;
    sides->out += out->pos;
    sides->out_count -= out->pos;
}

static bool unpack_step(struct codec *codec, struct codec_sides *sides, bool last)
{
    ZSTD_inBuffer in = {sides->in, sides->in_count, 0};
    ZSTD_outBuffer out = {sides->out, sides->out_count, 0};
    size_t result;

    (void)last;
    if (codec->whole && sides->in_count == 0) {
        return true;
    }
    result = ZSTD_decompressStream(((struct zstd *)codec)->unpacker, &out, &in);
    sides_move(sides, &in, &out);
    codec->whole = result == 0;
    return !ZSTD_isError(result);
}

static bool pack_step(struct codec *codec, struct codec_sides *sides, bool last)
{
    ZSTD_inBuffer in = {sides->in, sides->in_count, 0};
    ZSTD_outBuffer out = {sides->out, sides->out_count, 0};
    const size_t result = ZSTD_compressStream2(((struct zstd *)codec)->packer, &out, &in,
                                               last ? ZSTD_e_end : ZSTD_e_continue);

    sides_move(sides, &in, &out);
    codec->whole = last && result == 0;
    return !ZSTD_isError(result);
}

static void zstd_close(struct codec *codec)
{
    struct zstd *zstd = (struct zstd *)codec;

    ZSTD_freeDCtx(zstd->unpacker);
    ZSTD_freeCCtx(zstd->packer);
    free(zstd);
}

static struct codec *made(struct zstd *zstd, bool good)
{
    if (!good) {
        zstd_close(&zstd->codec);
        errno = ENOMEM;
        return NULL;
    }
    return &zstd->codec;
}

struct codec *zstd_unpacker(void)
{
    struct zstd *zstd = calloc(1, sizeof(*zstd));

    if (zstd == NULL) {
        return NULL;
    }
    zstd->codec = (struct codec){.step = unpack_step, .close = zstd_close};
    zstd->unpacker = ZSTD_createDCtx();
    return made(zstd, zstd->unpacker != NULL &&
                          !ZSTD_isError(ZSTD_DCtx_setParameter(zstd->unpacker, ZSTD_d_windowLogMax,
                                                               WINDOW_LOG)));
}

struct codec *zstd_packer(void)
{
    struct zstd *zstd = calloc(1, sizeof(*zstd));

    if (zstd == NULL) {
        return NULL;
    }
    zstd->codec = (struct codec){.step = pack_step, .close = zstd_close};
    zstd->packer = ZSTD_createCCtx();
    return made(zstd, zstd->packer != NULL && !ZSTD_isError(ZSTD_CCtx_setParameter(
                                                  zstd->packer, ZSTD_c_compressionLevel, LEVEL)));
}
