/*
 * gzip.c - gzip by zlib; members one after the other are one stream, as gzip(1) has it.
 */
#include "trace/codec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <zlib.h>

#define WINDOW_BITS 15
#define GZIP_HEADER 16 /* added to the window's bits: gzip's header and trailer */

struct gzip {
    struct codec codec;
    z_stream stream;
};

static uInt at_most_int(size_t count)
{
    return count < UINT_MAX ? (uInt)count : UINT_MAX;
}

static void sides_give(z_stream *stream, const struct codec_sides *sides)
{
    stream->next_in = (z_const Bytef *)(size_t)sides->in;
    stream->avail_in = at_most_int(sides->in_count);
    stream->next_out = sides->out;
    stream->avail_out = at_most_int(sides->out_count);
}

static void sides_take(const z_stream *stream, struct codec_sides *sides)
{
    sides->in_count -= (size_t)(stream->next_in - sides->in);
    sides->in = stream->next_in;
    sides->out_count -= (size_t)(stream->next_out - sides->out);
    sides->out = stream->next_out;
}

static bool unpack_step(struct codec *codec, struct codec_sides *sides, bool last)
{
    z_stream *stream = &((struct gzip *)codec)->stream;
    int result;

    (void)last;
    if (codec->whole && sides->in_count == 0) {
        return true;
    }
    if (codec->whole && inflateReset(stream) != Z_OK) {
        return false;
    }
    codec->whole = false;
    sides_give(stream, sides);
    result = inflate(stream, Z_NO_FLUSH);
    sides_take(stream, sides);
    codec->whole = result == Z_STREAM_END;
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR;
}

static void unpack_close(struct codec *codec)
{
    inflateEnd(&((struct gzip *)codec)->stream);
    free(codec);
}

static bool pack_step(struct codec *codec, struct codec_sides *sides, bool last)
{
    z_stream *stream = &((struct gzip *)codec)->stream;
    int result;

    sides_give(stream, sides);
    result = deflate(stream, last ? Z_FINISH : Z_NO_FLUSH);
    sides_take(stream, sides);
    codec->whole = result == Z_STREAM_END;
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR;
}

static void pack_close(struct codec *codec)
{
    deflateEnd(&((struct gzip *)codec)->stream);
    free(codec);
}

struct codec *gzip_unpacker(void)
{
    struct gzip *gzip = calloc(1, sizeof(*gzip));

    if (gzip == NULL) {
        return NULL;
    }
    gzip->codec = (struct codec){.step = unpack_step, .close = unpack_close};
    if (inflateInit2(&gzip->stream, WINDOW_BITS + GZIP_HEADER) != Z_OK) {
        free(gzip);
        errno = ENOMEM;
        return NULL;
    }
    return &gzip->codec;
}

struct codec *gzip_packer(void)
{
    struct gzip *gzip = calloc(1, sizeof(*gzip));

    if (gzip == NULL) {
        return NULL;
    }
    gzip->codec = (struct codec){.step = pack_step, .close = pack_close};
    if (deflateInit2(&gzip->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS + GZIP_HEADER, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(gzip);
        errno = ENOMEM;
        return NULL;
    }
    return &gzip->codec;
}
