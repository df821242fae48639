/*
 * plugin.c - the recorder inside QEMU: sees every load and store, and sends on what the filter lets
 * through (docs/trace-format.md says what that is).
 *
 * A thread of the program is a virtual CPU, and a thread of QEMU. Its filter is its own; what passes
 * goes into one buffer under a lock, so that the order over all threads is kept. What the kernel
 * reads and writes for the program (read, write and their like) is seen by their results.
 *
 * A process that the program forks is not recorded, nor is a program that it becomes.
 */
#include "record/qemu.h"
#include "record/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VCPUS_MAX        65536u
#define ACCESS_BYTES_MAX 64u

QEMU_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;
QEMU_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *about, int count,
                                    char **words);

struct place {
    uint64_t key; /* page << 1 | written; the first time: none */
    uint64_t at;  /* of the thread's references when the page had its last */
};

/* Written by its own thread only. */
struct thread {
    uint32_t number;
    _Atomic uint64_t accesses; /* relaxed: read when a batch is sent */
    uint64_t references;
    uint64_t argument[3]; /* of the system call it is in */
    struct place place[]; /* `window` of them, at least one */
};

static struct {
    int fd;
    unsigned page_shift;
    uint64_t window; /* a power of two, or 0 */
    uint64_t references_left;
    bool code;
    atomic_bool off; /* nothing is recorded any more */
} recorder;

static struct {
    pthread_mutex_t lock; /* guards everything here */
    struct thread *thread[VCPUS_MAX];
    uint32_t threads; /* numbers given */
    uint64_t accesses_ended;
    uint64_t children;
    struct {
        struct wire_head head;
        uint64_t reference[WIRE_COUNT_MAX];
    } batch;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- out ------------------------------------------------------------------------------------ */

static uint64_t accesses_sum(void)
{
    uint64_t sum = shared.accesses_ended;

    for (uint32_t vcpu = 0; vcpu < shared.threads && vcpu < VCPUS_MAX; vcpu++) {
        if (shared.thread[vcpu] != NULL) {
            sum += atomic_load_explicit(&shared.thread[vcpu]->accesses, memory_order_relaxed);
        }
    }
    return sum;
}

/* Under the lock. */
static void batch_send(bool last)
{
    struct wire_head *head = &shared.batch.head;
    const char *bytes = (const char *)&shared.batch;
    size_t left = sizeof(*head) + head->count * sizeof(uint64_t);

    if (atomic_load(&recorder.off)) {
        return;
    }
    head->mark = WIRE_MARK;
    head->accesses = accesses_sum();
    head->children = shared.children;
    head->last = last;
    while (left > 0) {
        const ssize_t sent = send(recorder.fd, bytes, left, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) { /* the program closed it, or the reader is gone */
            atomic_store(&recorder.off, true);
            return;
        }
        bytes += sent;
        left -= (size_t)sent;
    }
    head->count = 0;
    if (last) {
        atomic_store(&recorder.off, true);
    }
}

static void reference_send(const struct thread *thread, uint64_t page, bool write)
{
    pthread_mutex_lock(&shared.lock);
    if (!atomic_load_explicit(&recorder.off, memory_order_relaxed)) {
        shared.batch.reference[shared.batch.head.count++] =
            wire_reference(page & (((uint64_t)1 << WIRE_PAGE_BITS) - 1), thread->number, write);
        recorder.references_left--;
        if (shared.batch.head.count == WIRE_COUNT_MAX || recorder.references_left == 0) {
            batch_send(recorder.references_left == 0);
        }
    }
    pthread_mutex_unlock(&shared.lock);
}

/* ---- threads -------------------------------------------------------------------------------- */

/* A number of a virtual CPU is used again after its thread ended; then it is another thread. */
static struct thread *thread_make(unsigned vcpu)
{
    const size_t places = recorder.window != 0 ? recorder.window : 1;
    struct thread *thread = calloc(1, sizeof(*thread) + places * sizeof(struct place));

    if (thread == NULL || vcpu >= VCPUS_MAX || shared.threads >= WIRE_THREADS_MAX) {
        fputs("memman: record: no memory for another thread, or there are more than 65536\n",
              stderr);
        _exit(3);
    }
    for (size_t i = 0; i < places; i++) {
        thread->place[i].key = UINT64_MAX;
    }
    pthread_mutex_lock(&shared.lock);
    if (shared.thread[vcpu] != NULL) {
        shared.accesses_ended += atomic_load(&shared.thread[vcpu]->accesses);
        free(shared.thread[vcpu]);
    }
    thread->number = shared.threads++;
    shared.thread[vcpu] = thread;
    pthread_mutex_unlock(&shared.lock);
    return thread;
}

static void on_thread(qemu_plugin_id_t id, unsigned vcpu)
{
    (void)id;
    thread_make(vcpu);
}

static inline struct thread *thread_of(unsigned vcpu)
{
    struct thread *thread = shared.thread[vcpu];

    return __builtin_expect(thread != NULL, 1) ? thread : thread_make(vcpu);
}

/* ---- the filter ----------------------------------------------------------------------------- */

static inline void page_touch(struct thread *thread, uint64_t page, bool write)
{
    struct place *place = &thread->place[page & (recorder.window - (recorder.window != 0))];
    const uint64_t written = page << 1 | 1;
    const bool here = place->key == written || (!write && place->key == page << 1);

    if (here && thread->references - place->at < recorder.window) {
        return;
    }
    /* A page that was written stays so while it stands here. */
    place->key = write || place->key == written ? written : page << 1;
    place->at = ++thread->references;
    reference_send(thread, page, write);
}

static inline void access_count(struct thread *thread)
{
    atomic_store_explicit(&thread->accesses,
                          atomic_load_explicit(&thread->accesses, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/*
 * One call for both kinds: of two, each for its kind, QEMU 7.2 also calls the wrong one.
 */
static void on_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *nothing)
{
    struct thread *thread = thread_of(vcpu);
    const bool write = qemu_plugin_mem_is_store(info);
    const uint64_t page = address >> recorder.page_shift;

    (void)nothing;
    access_count(thread);
    page_touch(thread, page, write);
    if ((address + ACCESS_BYTES_MAX - 1) >> recorder.page_shift != page) {
        const uint64_t last = address + ((uint64_t)1 << qemu_plugin_mem_size_shift(info)) - 1;
        if (last >> recorder.page_shift != page) {
            page_touch(thread, last >> recorder.page_shift, write);
        }
    }
}

/* A block of instructions: its page, and whether it goes on into the next one. */
static void on_code(unsigned vcpu, void *pages)
{
    struct thread *thread = thread_of(vcpu);
    const uint64_t page = (uint64_t)pages >> 1;

    access_count(thread);
    page_touch(thread, page, false);
    if (((uint64_t)pages & 1) != 0) {
        page_touch(thread, page + 1, false);
    }
}

static void on_block(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    const size_t count = qemu_plugin_tb_n_insns(block);

    (void)id;
    for (size_t at = 0; at < count; at++) {
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(block, at), on_access,
                                         QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
    }
    if (recorder.code && count > 0) {
        const struct qemu_plugin_insn *end = qemu_plugin_tb_get_insn(block, count - 1);
        const uint64_t first = qemu_plugin_tb_vaddr(block) >> recorder.page_shift;
        const uint64_t last =
            (qemu_plugin_insn_vaddr(end) + qemu_plugin_insn_size(end) - 1) >> recorder.page_shift;
        qemu_plugin_register_vcpu_tb_exec_cb(block, on_code, QEMU_PLUGIN_CB_NO_REGS,
                                             (void *)(first << 1 | (last != first)));
    }
}

/* ---- system calls --------------------------------------------------------------------------- */

/* Those whose second argument is memory that the kernel fills, or reads, as far as they return. */
static bool call_has_buffer(int64_t number, bool *ret_write)
{
    switch (number) {
    case SYS_read:
    case SYS_pread64:
    case SYS_recvfrom:
    case SYS_getdents64:
        *ret_write = true;
        return true;
    case SYS_write:
    case SYS_pwrite64:
    case SYS_sendto:
        *ret_write = false;
        return true;
    default:
        return false;
    }
}

static bool becomes_another(int64_t number)
{
    return number == SYS_execve || number == SYS_execveat;
}

static void on_call(qemu_plugin_id_t id, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2,
                    uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    thread_of(vcpu)->argument[0] = a1;
    thread_of(vcpu)->argument[1] = a2;
    const bool becomes = becomes_another(number);
    if (becomes || number == SYS_kill || number == SYS_tgkill) {
        pthread_mutex_lock(&shared.lock);
        shared.children += becomes;
        batch_send(false); /* afterwards this plugin may be no more */
        pthread_mutex_unlock(&shared.lock);
    }
}

static void on_result(qemu_plugin_id_t id, unsigned vcpu, int64_t number, int64_t result)
{
    struct thread *thread = thread_of(vcpu);
    bool write;

    (void)id;
    if (becomes_another(number)) { /* it did not */
        pthread_mutex_lock(&shared.lock);
        shared.children--;
        pthread_mutex_unlock(&shared.lock);
    }
    if (result > 0 && call_has_buffer(number, &write)) {
        const uint64_t first = thread->argument[1] >> recorder.page_shift;
        const uint64_t last = (thread->argument[1] + (uint64_t)result - 1) >> recorder.page_shift;
        access_count(thread);
        for (uint64_t page = first; page <= last; page++) {
            page_touch(thread, page, write);
        }
    }
}

static void fork_before(void)
{
    pthread_mutex_lock(&shared.lock);
}

static void fork_parent(void)
{
    shared.children++;
    pthread_mutex_unlock(&shared.lock);
}

static void fork_child(void)
{
    atomic_store(&recorder.off, true);
    close(recorder.fd);
    pthread_mutex_unlock(&shared.lock);
}

/* ---- begin and end -------------------------------------------------------------------------- */

static void on_exit_of_all(qemu_plugin_id_t id, void *nothing)
{
    (void)id, (void)nothing;
    pthread_mutex_lock(&shared.lock);
    batch_send(true);
    pthread_mutex_unlock(&shared.lock);
}

static bool word_take(const char *word)
{
    const char *equals = strchr(word, '=');
    const uint64_t number = equals != NULL ? strtoull(equals + 1, NULL, 10) : 0;
    const size_t length = equals != NULL ? (size_t)(equals - word) : 0;

    if (length == 2 && strncmp(word, "fd", length) == 0) {
        recorder.fd = (int)number;
    } else if (length == 5 && strncmp(word, "shift", length) == 0) {
        recorder.page_shift = (unsigned)number;
    } else if (length == 6 && strncmp(word, "window", length) == 0) {
        recorder.window = number;
    } else if (length == 10 && strncmp(word, "references", length) == 0) {
        recorder.references_left = number;
    } else if (length == 4 && strncmp(word, "code", length) == 0) {
        recorder.code = number != 0;
    } else {
        return false;
    }
    return true;
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *about, int count, char **words)
{
    (void)about;
    for (int at = 0; at < count; at++) {
        if (!word_take(words[at])) {
            return -1;
        }
    }
    fcntl(recorder.fd, F_SETFD, FD_CLOEXEC);
    pthread_atfork(fork_before, fork_parent, fork_child);
    qemu_plugin_register_vcpu_init_cb(id, on_thread);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
    qemu_plugin_register_vcpu_syscall_cb(id, on_call);
    qemu_plugin_register_vcpu_syscall_ret_cb(id, on_result);
    qemu_plugin_register_atexit_cb(id, on_exit_of_all, NULL);
    batch_send(false);
    return 0;
}
