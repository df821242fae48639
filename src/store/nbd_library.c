/*
 * nbd_library.c - loads libnbd.
 */
#include "store/nbd_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

#define NBD_LIBRARY "libnbd.so.0"

static int refuse(char *ret_text, size_t text_bytes)
{
    const char *why = dlerror();

    snprintf(ret_text, text_bytes,
             "the NBD store needs libnbd, which cannot be loaded (%s); install libnbd0, or use "
             "another --store",
             why == NULL ? "no reason given" : why);
    return -ENOSYS;
}

int nbd_library_load(struct nbd_library *ret_library, char *ret_text, size_t text_bytes)
{
    struct nbd_library loaded;
    void *library = dlopen(NBD_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

    if (library == NULL)
        return refuse(ret_text, text_bytes);
#define NBD_LOAD(name)                                                                             \
    loaded.name = (__typeof__(loaded.name))dlsym(library, "nbd_" #name);                           \
    if (loaded.name == NULL)                                                                       \
        return refuse(ret_text, text_bytes);
    NBD_CALLS(NBD_LOAD)
#undef NBD_LOAD
    *ret_library = loaded;
    return 0;
}
