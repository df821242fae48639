/*
 * remote.c - the remote store: page-file slots on a server that speaks NBD.
 *
 * libnbd allocates and takes locks, which a fault must not; so one thread of the store's own does
 * all the talking. Whoever submits puts requests on a list, rings a bell if that thread sleeps, and
 * waits for news of its queue. The thread keeps many commands under way on one connection, reads
 * before writes, and few enough writes that a read is never behind much.
 *
 * A connection that breaks, or a server that says nothing for long, ends what is under way with
 * -ENOTCONN, and so does everything that comes before there is a connection again; the thread tries
 * to get one, less and less often, down to once a second.
 *
 * The thread has a descriptor table of its own: a program that closes descriptors, and opens others
 * under their numbers, must not find our pages in its files.
 */
#include "store/remote.h"

#include "base/copy.h"
#include "base/mutant.h"
#include "contract/world.h"
#include "store/nbd_library.h"
#include "store/request_list.h"
#include "store/spin.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COMMANDS      64u /* under way at once */
#define COMMAND_PAGES 64u /* of one command, where buffers are neighbours */
#define WRITING_MAX   16u /* commands, and pages: what a read may have to wait behind */
#define WRITING_PAGES 256u
#define PATIENCE_NS   30000000000ull
#define CONNECT_NS    10000000000ull /* the first time; then it is a refusal */
#define RETRY_NS      10000000ull
#define RETRY_MAX_NS  1000000000ull
#define NS_PER_MS     1000000ull
#define LOOK_MS       1000 /* the longest sleep */
#define DEAF_MS       1    /* when the program has closed the bell */
#define OPERATIONS    2u

/* One command of the protocol: neighbouring pages of a request. */
struct command {
    struct remote *remote;
    struct store_request *request; /* NULL: free */
    uint32_t page, pages;
    /* What is written may be changing, which only ThreadSanitizer minds (base/copy.h). */
    unsigned char still[UNDER_THREAD_SANITIZER ? COMMAND_PAGES * MM_PAGE_SIZE : 1];
};

struct remote_queue {
    _Atomic uint32_t locked; /* guards done */
    struct request_list done;
    _Atomic uint32_t news; /* changes with every request that is done */
    uint32_t flying;       /* submitted and not reaped; the queue's owner */
} CACHE_ALIGNED;

enum remote_count { REMOTE_READS, REMOTE_WRITES, REMOTE_ERRORS, REMOTE_LOST, REMOTE_COUNTS };

struct remote {
    struct remote_config config;
    struct nbd_library libnbd;
    char *uri; /* behind the queues */
    struct world_thread *thread;
    int bell;                 /* eventfd, in both tables */
    _Atomic uint32_t deaf;    /* the program closed its end */
    _Atomic uint32_t started; /* 0: connecting; 1: look at start_error */
    int start_error;
    char *start_text; /* of remote_create(), while it waits */
    size_t start_text_bytes;
    _Atomic uint32_t asleep; /* the thread is, or is about to */
    _Atomic uint32_t locked; /* guards incoming and stopping */
    struct request_list incoming[OPERATIONS];
    bool stopping;
    _Atomic uint64_t counts[REMOTE_COUNTS];

    /* the thread's own */
    struct nbd_handle *nbd; /* NULL: none, next try at retry_ns */
    bool ready;             /* connected and looked over */
    uint64_t retry_ns, wait_ns, heard_ns;
    struct request_list waiting[OPERATIONS];
    uint32_t at[OPERATIONS]; /* pages of the first waiting one that are under way */
    uint32_t writing, writing_pages;
    struct command commands[COMMANDS];
    struct remote_queue queues[];
};

static void count_one(struct remote *remote, enum remote_count count)
{
    atomic_fetch_add_explicit(&remote->counts[count], 1, memory_order_relaxed);
}

/* ---- requests end ---- */

static void request_done(struct remote *remote, struct store_request *request)
{
    struct remote_queue *queue = &remote->queues[request->queue];

    spin_acquire(&queue->locked);
    request_list_append(&queue->done, request);
    spin_release(&queue->locked);
    atomic_fetch_add(&queue->news, 1);
    world_wake(&queue->news, 1);
}

static void request_fail(struct store_request *request, uint32_t page, int error)
{
    if (page < request->pages_done) {
        request->result = error;
        request->pages_done = page;
    }
}

/* Nothing of it is under way or still to come. */
static bool request_over(const struct remote *remote, const struct store_request *request)
{
    if (request == remote->waiting[request->operation].first)
        return false;
    for (uint32_t i = 0; i < COMMANDS; i++) {
        if (remote->commands[i].request == request)
            return false;
    }
    return true;
}

/* A connection breaks in many words; whoever waits for a page hears one. */
static int result_of(int error)
{
    return error == EPIPE || error == ECONNRESET || error == ESHUTDOWN ? -ENOTCONN : -error;
}

static void command_end(struct command *command, int error)
{
    struct remote *remote = command->remote;
    struct store_request *request = command->request;

    command->request = NULL;
    if (request->operation == STORE_WRITE) {
        remote->writing--;
        remote->writing_pages -= command->pages;
    }
    if (error != 0) {
        count_one(remote, REMOTE_ERRORS);
        if (!MUTANT(REMOTE_FORGETS_ERROR))
            request_fail(request, command->page, result_of(error));
    }
    if (request_over(remote, request))
        request_done(remote, request);
}

/* libnbd calls this in the thread that asks it for news. 1: forget the command. */
static int command_answered(void *context, int *error)
{
    struct command *command = context;

    command->remote->heard_ns = world_now_ns();
    if (command->request != NULL)
        command_end(command, *error);
    return 1;
}

/* ---- commands ---- */

static struct command *free_command(struct remote *remote)
{
    for (uint32_t i = 0; i < COMMANDS; i++) {
        if (remote->commands[i].request == NULL)
            return &remote->commands[i];
    }
    return NULL;
}

/* How many pages from `at` on have buffers beside each other. */
static uint32_t neighbours(const struct store_request *request, uint32_t at)
{
    const char *first = request->pages[at];
    uint32_t pages = 1;

    while (at + pages < request->count && pages < COMMAND_PAGES &&
           (request->pages[at + pages] == first + pages * MM_PAGE_SIZE ||
            MUTANT(REMOTE_BUFFERS_ARE_NEIGHBOURS)))
        pages++;
    return pages;
}

static bool connection_dead(struct remote *remote)
{
    return remote->libnbd.aio_is_dead(remote->nbd) || remote->libnbd.aio_is_closed(remote->nbd) ||
           remote->libnbd.aio_get_fd(remote->nbd) < 0;
}

static void command_send(struct remote *remote, struct command *command)
{
    struct store_request *request = command->request;
    nbd_completion_callback answered = {.callback = command_answered, .user_data = command};
    uint64_t offset = (uint64_t)(request->slot - 1 + command->page) << PAGE_SHIFT;
    size_t bytes = (size_t)command->pages << PAGE_SHIFT;
    void *buffer = request->pages[command->page];
    int64_t sent;

    if (remote->libnbd.aio_in_flight(remote->nbd) == 0)
        remote->heard_ns = world_now_ns();
    if (request->operation == STORE_READ) {
        count_one(remote, REMOTE_READS);
        sent = remote->libnbd.aio_pread(remote->nbd, buffer, bytes, offset, answered, 0);
    } else {
        count_one(remote, REMOTE_WRITES);
        remote->writing++;
        remote->writing_pages += command->pages;
        if (UNDER_THREAD_SANITIZER) {
            copy_shared(command->still, buffer, bytes);
            buffer = command->still;
        }
        sent = remote->libnbd.aio_pwrite(remote->nbd, buffer, bytes, offset, answered, 0);
    }
    if (sent < 0 && command->request != NULL) {
        int error = remote->libnbd.get_errno();

        command_end(command, connection_dead(remote) ? ENOTCONN : error != 0 ? error : EIO);
    }
}

/* What is wanted of the first waiting request goes out. False: no command is free for it. */
static bool send_first(struct remote *remote, enum store_operation operation)
{
    struct store_request *request = remote->waiting[operation].first;
    uint32_t *at = &remote->at[operation];

    while (*at < request->count) {
        struct command *command = free_command(remote);

        if (request->pages[*at] == NULL) {
            ++*at;
            continue;
        }
        if (command == NULL ||
            (operation == STORE_WRITE &&
             (remote->writing >= WRITING_MAX || remote->writing_pages >= WRITING_PAGES)))
            return false;
        *command = (struct command){
            .remote = remote, .request = request, .page = *at, .pages = neighbours(request, *at)};
        *at += command->pages;
        command_send(remote, command);
    }
    *at = 0;
    request_list_take(&remote->waiting[operation]);
    if (request_over(remote, request))
        request_done(remote, request);
    return true;
}

static void send_waiting(struct remote *remote)
{
    static const enum store_operation order[] = {STORE_READ, STORE_WRITE};

    for (unsigned i = 0; i < OPERATIONS; i++) {
        while (remote->waiting[order[i]].first != NULL && send_first(remote, order[i])) {
        }
    }
}

/* ---- the connection ---- */

static void connection_close(struct remote *remote)
{
    remote->libnbd.close(remote->nbd);
    remote->nbd = NULL;
    remote->ready = false;
}

/* Without a connection everything fails at once; nobody should wait who could do something else. */
static void connection_lost(struct remote *remote)
{
    if (remote->ready)
        count_one(remote, REMOTE_LOST);
    connection_close(remote);
    remote->retry_ns = world_now_ns() + remote->wait_ns;
    remote->wait_ns = MIN_OF(2 * remote->wait_ns, RETRY_MAX_NS);
    for (uint32_t i = 0; i < COMMANDS; i++) {
        if (remote->commands[i].request != NULL)
            command_end(&remote->commands[i], ENOTCONN);
    }
}

static void fail_waiting(struct remote *remote)
{
    for (unsigned i = 0; i < OPERATIONS; i++) {
        struct store_request *request;

        while ((request = request_list_take(&remote->waiting[i])) != NULL) {
            while (request->pages[remote->at[i]] == NULL && remote->at[i] + 1 < request->count)
                remote->at[i]++;
            request_fail(request, remote->at[i], -ENOTCONN);
            remote->at[i] = 0;
            request_done(remote, request);
        }
    }
}

/* 0 or -errno; then there is no handle. */
static int connection_begin(struct remote *remote)
{
    remote->nbd = remote->libnbd.create();
    if (remote->nbd == NULL)
        return -ENOMEM;
    remote->libnbd.set_uri_allow_local_file(remote->nbd, true); /* keys of a nbds: URI */
    remote->libnbd.set_pread_initialize(remote->nbd, false); /* a read that fails gives nothing */
    remote->heard_ns = world_now_ns();
    return remote->libnbd.aio_connect_uri(remote->nbd, remote->uri) == 0 ? 0 : -EIO;
}

/* Is the export what the page file needs? 0 or -errno with the reason. */
static int export_check(struct remote *remote, char *ret_text, size_t bytes)
{
    int64_t size = remote->libnbd.get_size(remote->nbd);
    uint64_t wanted = (uint64_t)remote->config.slots << PAGE_SHIFT;

    if (size < 0 || (uint64_t)size < wanted) {
        snprintf(ret_text, bytes,
                 "the export of %s has %lld KiB and the page file needs %llu KiB; use a larger "
                 "export or a smaller --pagefile",
                 remote->uri, (long long)size / 1024, (unsigned long long)wanted / 1024);
        return -ENOSPC;
    }
    if (remote->libnbd.is_read_only(remote->nbd) != 0) {
        snprintf(ret_text, bytes,
                 "the export of %s is read-only; a page file is written to: "
                 "export it writable",
                 remote->uri);
        return -EROFS;
    }
    if (remote->libnbd.get_block_size(remote->nbd, LIBNBD_SIZE_MINIMUM) > (int64_t)MM_PAGE_SIZE) {
        snprintf(ret_text, bytes,
                 "the export of %s has blocks of more than a page; use one with "
                 "blocks of at most 4096 bytes",
                 remote->uri);
        return -EINVAL;
    }
    return 0;
}

/* ---- the thread ---- */

static void take_incoming(struct remote *remote, bool *ret_stopping)
{
    spin_acquire(&remote->locked);
    for (unsigned i = 0; i < OPERATIONS; i++)
        request_list_splice(&remote->waiting[i], &remote->incoming[i]);
    *ret_stopping = remote->stopping;
    spin_release(&remote->locked);
}

static bool anything_incoming(struct remote *remote)
{
    spin_acquire(&remote->locked);
    bool any = remote->incoming[STORE_READ].first != NULL ||
               remote->incoming[STORE_WRITE].first != NULL || remote->stopping;
    spin_release(&remote->locked);
    return any;
}

/* How long until something is due, in ns; UINT64_MAX: nothing is. */
static uint64_t sleep_ns(const struct remote *remote)
{
    uint64_t now_ns = world_now_ns(), until_ns = remote->heard_ns + remote->config.patience_ns;

    if (remote->nbd == NULL)
        until_ns = remote->retry_ns;
    else if (remote->ready && remote->libnbd.aio_in_flight(remote->nbd) == 0)
        return UINT64_MAX;
    return until_ns > now_ns ? until_ns - now_ns : 0;
}

/* Sleep until the bell rings, the server says something, or time is over; listen to the server. */
static void wait_for_news(struct remote *remote)
{
    struct pollfd polled[2] = {{.fd = remote->bell, .events = POLLIN}, {.fd = -1}};
    unsigned direction = remote->nbd == NULL ? 0 : remote->libnbd.aio_get_direction(remote->nbd);
    uint64_t rung, due_ns = sleep_ns(remote);
    int limit_ms = atomic_load(&remote->deaf) ? DEAF_MS : LOOK_MS;

    if (remote->nbd != NULL) {
        polled[1].fd = remote->libnbd.aio_get_fd(remote->nbd);
        polled[1].events = (short)((direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
                                   (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0));
    }
    atomic_store(&remote->asleep, 1);
    if (anything_incoming(remote))
        due_ns = 0;
    if (due_ns < limit_ms * NS_PER_MS)
        limit_ms = (int)((due_ns + NS_PER_MS - 1) / NS_PER_MS);
    poll(polled, 2, limit_ms);
    atomic_store(&remote->asleep, 0);
    if (polled[0].revents != 0 && read(remote->bell, &rung, sizeof(rung)) < 0)
        return; /* rung by nobody: look around all the same */
    /* A failure of these is a dead connection, which is looked at anyway. */
    if (polled[1].revents & (POLLIN | POLLHUP | POLLERR) && direction & LIBNBD_AIO_DIRECTION_READ)
        remote->libnbd.aio_notify_read(remote->nbd);
    else if (polled[1].revents & (POLLOUT | POLLHUP | POLLERR))
        remote->libnbd.aio_notify_write(remote->nbd);
}

static void look_after_connection(struct remote *remote)
{
    char text[512];

    if (remote->nbd == NULL) {
        if (world_now_ns() >= remote->retry_ns && !MUTANT(REMOTE_STAYS_LOST) &&
            connection_begin(remote) != 0 && remote->nbd == NULL)
            remote->retry_ns = world_now_ns() + RETRY_MAX_NS;
        return;
    }
    if (connection_dead(remote) || sleep_ns(remote) == 0) {
        connection_lost(remote);
    } else if (!remote->ready && remote->libnbd.aio_is_ready(remote->nbd)) {
        remote->ready = export_check(remote, text, sizeof(text)) == 0;
        if (remote->ready)
            remote->wait_ns = RETRY_NS;
        else
            connection_lost(remote);
    }
}

/* The first connection, for which its caller waits. */
static int connect_first(struct remote *remote, char *ret_text, size_t bytes)
{
    uint64_t end_ns = world_now_ns() + CONNECT_NS;
    bool over = false;
    int error = connection_begin(remote);

    while (error == 0 && !over && !remote->libnbd.aio_is_ready(remote->nbd)) {
        over = remote->libnbd.aio_is_dead(remote->nbd) ||
               remote->libnbd.aio_is_closed(remote->nbd) || world_now_ns() >= end_ns ||
               remote->libnbd.poll(remote->nbd, 100) < 0;
    }
    if (error == -ENOMEM) {
        snprintf(ret_text, bytes, "no memory for a connection to the NBD server");
        return error;
    }
    if (error != 0 || over) {
        const char *why =
            world_now_ns() >= end_ns ? "it does not answer" : remote->libnbd.get_error();
        snprintf(ret_text, bytes,
                 "the NBD server at %s cannot be used: %s; start it, or correct the name",
                 remote->uri, why == NULL ? "the connection was refused" : why);
        return -EIO;
    }
    remote->ready = true;
    return export_check(remote, ret_text, bytes);
}

static void talk(struct remote *remote)
{
    bool stopping = false;

    while (!stopping) {
        wait_for_news(remote);
        take_incoming(remote, &stopping);
        look_after_connection(remote);
        if (remote->ready)
            send_waiting(remote);
        else
            fail_waiting(remote);
    }
}

/* A table with nothing but the bell in it: a copy of the program's pipe would never end. */
static int own_table(int bell)
{
    if (syscall(SYS_close_range, (unsigned)bell + 1, UINT_MAX, CLOSE_RANGE_UNSHARE) != 0 ||
        (bell > 0 && syscall(SYS_close_range, 0u, (unsigned)bell - 1, 0) != 0))
        return -errno;
    return 0;
}

static void remote_main(void *argument)
{
    struct remote *remote = argument;
    int error = own_table(remote->bell);

    if (error != 0)
        snprintf(remote->start_text, remote->start_text_bytes,
                 "the NBD store needs a descriptor table of its own (close_range, Linux 5.9): %s",
                 strerror(-error));
    else
        error = connect_first(remote, remote->start_text, remote->start_text_bytes);
    remote->start_error = error;
    atomic_store(&remote->started, 1);
    world_wake(&remote->started, 1);
    if (error == 0)
        talk(remote);
    if (remote->nbd != NULL)
        connection_close(remote);
}

/* ---- the contract ---- */

static void ring_bell(struct remote *remote)
{
    uint64_t ring = 1;

    if (write(remote->bell, &ring, sizeof(ring)) < 0 && errno != EAGAIN)
        atomic_store(&remote->deaf, 1);
}

static void remote_submit(void *self, uint32_t number, struct store_request *const *requests,
                          uint32_t count)
{
    struct remote *remote = self;

    if (count == 0)
        return;
    spin_acquire(&remote->locked);
    for (uint32_t i = 0; i < count; i++) {
        struct store_request *request = requests[i];

        request->queue = number;
        request->result = 0;
        request->pages_done = request->count;
        request->from_memory = false;
        if (store_has_run(remote->config.slots, request))
            request_list_append(&remote->incoming[request->operation], request);
    }
    spin_release(&remote->locked);
    remote->queues[number].flying += count;
    for (uint32_t i = 0; i < count; i++) {
        if (!store_has_run(remote->config.slots, requests[i])) {
            requests[i]->result = -EINVAL;
            requests[i]->pages_done = 0;
            request_done(remote, requests[i]);
        }
    }
    if (atomic_exchange(&remote->asleep, 0) != 0)
        ring_bell(remote);
}

static uint32_t queue_take(struct remote_queue *queue, struct store_request **ret_requests,
                           uint32_t count)
{
    uint32_t taken;

    spin_acquire(&queue->locked);
    taken = request_list_take_many(&queue->done, ret_requests, count);
    spin_release(&queue->locked);
    queue->flying -= taken;
    return taken;
}

static uint32_t remote_reap(void *self, uint32_t number, struct store_request **ret_requests,
                            uint32_t count, bool wait)
{
    struct remote *remote = self;
    struct remote_queue *queue = &remote->queues[number];

    for (;;) {
        uint32_t seen = atomic_load(&queue->news);
        uint32_t taken = queue_take(queue, ret_requests, count);

        if (taken != 0 || !wait || count == 0 || queue->flying == 0)
            return taken;
        world_wait(&queue->news, seen, UINT64_MAX);
    }
}

static uint32_t remote_counters(void *self, struct store_counter *ret_counters, uint32_t count)
{
    static const char *const names[REMOTE_COUNTS][2] = {
        {"remote_reads", "Reads Sent to the Server"},
        {"remote_writes", "Writes Sent to the Server"},
        {"remote_errors", "Commands That Failed"},
        {"connections_lost", "Connections Lost"},
    };
    struct remote *remote = self;

    for (uint32_t i = 0; i < MIN_OF(count, (uint32_t)REMOTE_COUNTS); i++)
        ret_counters[i] =
            (struct store_counter){names[i][0], names[i][1], atomic_load(&remote->counts[i])};
    return REMOTE_COUNTS;
}

static void remote_destroy(void *self)
{
    struct remote *remote = self;

    if (remote->thread != NULL) {
        spin_acquire(&remote->locked);
        remote->stopping = true;
        spin_release(&remote->locked);
        ring_bell(remote);
        world_thread_join(remote->thread);
    }
    if (remote->bell >= 0)
        close(remote->bell);
    free(remote);
}

static const struct store_ops remote_ops = {
    .name = "remote",
    .submit = remote_submit,
    .reap = remote_reap,
    .counters = remote_counters,
    .destroy = remote_destroy,
};

/* ---- life ---- */

/*
 * The bell, under a number so high that a program that closes all descriptors will not get it for a
 * file of its own. -errno: none.
 */
static int bell_create(void)
{
    struct rlimit limit;
    int low = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), high = -1;

    if (low >= 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 64)
        high = fcntl(low, F_DUPFD_CLOEXEC, (int)MIN_OF(limit.rlim_cur, 65536u) - 64);
    if (high < 0)
        return low < 0 ? -errno : low;
    close(low);
    return high;
}

static int remote_start(struct remote *remote, char *ret_text, size_t bytes)
{
    remote->start_text = ret_text;
    remote->start_text_bytes = bytes;
    remote->bell = bell_create();
    int error = remote->bell < 0
                    ? remote->bell
                    : world_thread_start(remote_main, remote, "mm-remote", &remote->thread);
    if (error != 0) {
        snprintf(ret_text, bytes,
                 "the thread that talks to the NBD server could not be started: "
                 "%s; use fewer threads and descriptors",
                 strerror(-error));
        return error;
    }
    while (atomic_load(&remote->started) == 0)
        world_wait(&remote->started, 0, UINT64_MAX);
    return remote->start_error;
}

int remote_create(const struct remote_config *config, struct store *ret_store, char *ret_text,
                  size_t text_bytes)
{
    size_t head = sizeof(struct remote) + config->queues * sizeof(struct remote_queue);
    size_t bytes = head + strlen(config->uri) + 1;
    struct remote *remote;

    if (posix_memalign((void **)&remote, CACHE_LINE, bytes) != 0) {
        snprintf(ret_text, text_bytes, "no memory for the NBD store");
        return -ENOMEM;
    }
    memset(remote, 0, bytes);
    remote->config = *config;
    remote->bell = -1;
    remote->wait_ns = RETRY_NS;
    remote->config.patience_ns = config->patience_ns == 0 ? PATIENCE_NS : config->patience_ns;
    remote->uri = memcpy((char *)remote + head, config->uri, bytes - head);
    int error = nbd_library_load(&remote->libnbd, ret_text, text_bytes);
    if (error == 0)
        error = remote_start(remote, ret_text, text_bytes);
    if (error != 0) {
        remote_destroy(remote);
        return error;
    }
    *ret_store = (struct store){.ops = &remote_ops,
                                .self = remote,
                                .slots = config->slots,
                                .slots_ready = config->slots,
                                .queues = config->queues};
    return 0;
}
