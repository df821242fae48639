/*
 * nbd_library.h - libnbd, loaded when the first page file on a server is opened.
 *
 * It brings fifteen other libraries along (TLS, XML, Unicode), whose loading takes longer than all
 * else that happens before main(). Programs that page to no server have nothing to do with them.
 */
#ifndef MM_STORE_NBD_LIBRARY_H
#define MM_STORE_NBD_LIBRARY_H

#include <libnbd.h>
#include <stddef.h>

/* What the remote store calls, without "nbd_". */
#define NBD_CALLS(CALL)                                                                            \
    CALL(aio_connect_uri)                                                                          \
    CALL(aio_get_direction)                                                                        \
    CALL(aio_get_fd)                                                                               \
    CALL(aio_in_flight)                                                                            \
    CALL(aio_is_closed)                                                                            \
    CALL(aio_is_dead)                                                                              \
    CALL(aio_is_ready)                                                                             \
    CALL(aio_notify_read)                                                                          \
    CALL(aio_notify_write)                                                                         \
    CALL(aio_pread)                                                                                \
    CALL(aio_pwrite)                                                                               \
    CALL(close)                                                                                    \
    CALL(create)                                                                                   \
    CALL(get_block_size)                                                                           \
    CALL(get_errno)                                                                                \
    CALL(get_error)                                                                                \
    CALL(get_size)                                                                                 \
    CALL(is_read_only)                                                                             \
    CALL(poll)                                                                                     \
    CALL(set_pread_initialize)                                                                     \
    CALL(set_uri_allow_local_file)

struct nbd_library {
#define NBD_MEMBER(name) __typeof__(nbd_##name) *name;
    NBD_CALLS(NBD_MEMBER)
#undef NBD_MEMBER
};

/*
 * Loads it, once for the process; it stays. 0, or -ENOSYS and a line in ret_text what is missing and
 * what to do. Thread-safe.
 */
int nbd_library_load(struct nbd_library *ret_library, char *ret_text, size_t text_bytes);

#endif
