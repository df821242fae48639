/*
 * gzip_missing.c - a build without zlib.
 */
#include "trace/codec.h"

#include <errno.h>

struct codec *gzip_unpacker(void)
{
    errno = ENOTSUP;
    return NULL;
}

struct codec *gzip_packer(void)
{
    errno = ENOTSUP;
    return NULL;
}
