/*
 * zstd_missing.c - a build without libzstd.
 */
#include "trace/codec.h"

#include <errno.h>

struct codec *zstd_unpacker(void)
{
    errno = ENOTSUP;
    return NULL;
}

struct codec *zstd_packer(void)
{
    errno = ENOTSUP;
    return NULL;
}
