/*
 * manager.h - what a manager is made of, for the files that implement memman.h.
 */
#ifndef MM_MANAGER_H
#define MM_MANAGER_H

#include "engine/engine.h"
#include "machine/linux/linux.h"
#include "machine/soft/soft.h"
#include "memman.h"

#include <pthread.h>
#include <signal.h>

#define STORE_LAYERS_MAX 20

/* What a thread's end needs to know. */
struct attachment {
    mm *manager;
    uint32_t thread;
};

struct mm {
    struct mm_options options; /* every default resolved */
    uint64_t id;               /* of all managers this process ever had */
    uint64_t base;             /* address of page 0 */
    struct engine *engine;
    void *memory; /* the engine's block */
    size_t memory_bytes;
    struct soft *soft; /* one of these two */
    struct linux_machine *linux_machine;
    struct store store;                    /* the engine's: the layer on top */
    struct store stores[STORE_LAYERS_MAX]; /* from the device up */
    unsigned store_layers;
    uint64_t latencies_ns[STORE_LAYERS_MAX]; /* of layers in RAM that play a device */
    slot_number slots, slots_ready;          /* of the device that is put on the stack next */
    struct store *joined;                    /* the layer that takes more parts, or NULL */
    pthread_rwlock_t rights; /* read: a pin, on Linux a copy; write: rights change */
    pthread_key_t key;       /* the calling thread's attachment */
    bool key_made, frozen;
    pthread_mutex_t life;           /* frozen, and the workers that freezing stops */
    pid_t owner;                    /* the process that made it */
    char *store_name;               /* options.store */
    _Atomic uint32_t faults_inside; /* faults of the Linux machine under way */
    _Atomic uint32_t gate_shut;     /* 1: frozen, they wait outside */
    uint32_t users;                 /* thread numbers 0..users-1; the workers' follow */
    uint32_t workers;               /* threads of the engine itself */
    _Atomic uint64_t *claims;       /* a bit for each user thread number in use */
    struct attachment *attachments; /* one for each user thread number */
    /* Of workers that have ended; life. */
    uint64_t retired_cpu_ns[WORKER_KINDS];
};

/* manager_options.c: resolve every default; 0 or MM_ERROR_OPTION. */
int manager_resolve(struct mm_options *options, struct mm_detail *ret_detail);
/* Frames that are left for the engine. */
static inline frame_number manager_frames(const struct mm_options *options)
{
    return (frame_number)((options->frames_bytes - options->store_frames_bytes) / MM_PAGE_SIZE);
}
/* What depends on the machine that was chosen. */
void manager_resolve_for(struct mm_options *options);
/* Would frames and store fit into the memory that is left? 0 or MM_ERROR_NO_MEMORY. */
int manager_check_memory(const struct mm_options *options, struct mm_detail *ret_detail);
void manager_say(struct mm_detail *ret_detail, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* To what stands in ret_detail already. */
void manager_note(struct mm_detail *ret_detail, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* manager_store.c: is there such a store? Touches nothing. 0 or MM_ERROR_OPTION. */
int manager_store_check(const struct mm_options *options, struct mm_detail *ret_detail);
/* Make the store that options.store names, each layer with so many queues. 0 or an mm_error. */
int manager_store_create(mm *manager, uint32_t queues, struct mm_detail *ret_detail);
void manager_store_destroy(mm *manager);
/* The same two for any name, also of a store that another one stands on. */
int manager_store_check_name(const char *name, const struct mm_options *options,
                             struct mm_detail *ret_detail);
int manager_store_push_name(mm *manager, const char *name, uint32_t queues,
                            struct mm_detail *ret_detail);
/* Does a name of the kind begin here, up to its end, a colon or a plus sign? */
bool manager_store_begins(const char *name);
/* Take the layers down, from the top, until so many are left. */
void manager_store_pop(mm *manager, unsigned layers);
/* Bytes of the frames that the store takes for itself. */
uint64_t manager_store_frames(const struct mm_options *options);
/* Bytes of memory that the store takes at most, pages and tables. */
uint64_t manager_store_memory(const struct mm_options *options);
/* Bytes that the page file is expected to grow to: no further than the memory asks for. */
static inline uint64_t manager_store_grown(const struct mm_options *options)
{
    return MAX_OF(options->pagefile_bytes,
                  MIN_OF(options->pagefile_max_bytes, options->memory_bytes));
}
/* Where the next layer goes; push_layer() makes it the top one. */
struct store *manager_store_next(mm *manager);
void manager_store_push(mm *manager);
/*
 * The layer that keeps a device honest: it knows what was written. It encrypts if that is asked
 * for, or if the pages `leave` the process's control and the choice is free. 0 or an mm_error.
 */
int manager_store_push_guard(mm *manager, bool leave, struct mm_detail *ret_detail);
/* The same without a choice: checksums. 0 or an mm_error. */
int manager_store_push_checked(mm *manager, struct mm_detail *ret_detail);
/* Nobody wants to wait for a check: a store that plays a device stops playing, or goes on. */
void manager_store_pause(mm *manager, bool pause);

/* manager_file.c: the kind "file" of manager_store.c. */
int manager_file_check(const char *rest, const struct mm_options *options,
                       struct mm_detail *ret_detail);
int manager_file_push(mm *manager, const char *rest, uint32_t queues, struct mm_detail *ret_detail);

/* manager_compressed.c: the kind "compressed". */
int manager_compressed_check(const char *rest, const struct mm_options *options,
                             struct mm_detail *ret_detail);
int manager_compressed_push(mm *manager, const char *rest, uint32_t queues,
                            struct mm_detail *ret_detail);
uint64_t manager_compressed_frames(const char *rest, const struct mm_options *options);
const char *manager_compressed_over(const char *rest);

/* manager_joined.c: the kind "joined". */
int manager_joined_check(const char *rest, const struct mm_options *options,
                         struct mm_detail *ret_detail);
int manager_joined_push(mm *manager, const char *rest, uint32_t queues,
                        struct mm_detail *ret_detail);
uint64_t manager_joined_memory(const char *rest, const struct mm_options *options);

/* manager_remote.c: the kind "nbd". */
int manager_remote_check(const char *rest, const struct mm_options *options,
                         struct mm_detail *ret_detail);
int manager_remote_push(mm *manager, const char *rest, uint32_t queues,
                        struct mm_detail *ret_detail);

/* manager_threads.c: the number the calling thread runs as; false: none is left. */
bool manager_thread(mm *manager, uint32_t *ret_thread);
/*
 * The last manager that the calling thread used, and its number there, in one word; most programs
 * have one manager.
 */
#define MANAGER_THREAD_BITS 24
extern _Thread_local _Atomic uint64_t manager_recent
    __attribute__((tls_model("initial-exec"), visibility("hidden")));
static inline bool manager_thread_recent(const mm *manager, uint32_t *ret_thread)
{
    uint64_t seen = atomic_load_explicit(&manager_recent, memory_order_relaxed);
    *ret_thread = (uint32_t)(seen & ((1u << MANAGER_THREAD_BITS) - 1));
    return seen >> MANAGER_THREAD_BITS == manager->id;
}
/* For one fault; waits for a number. Async-signal-safe. */
uint32_t manager_thread_enter(void *manager);
void manager_thread_leave(void *manager, uint32_t thread);
/*
 * The gate that every fault of the Linux machine passes. While it is shut none is inside: a fault
 * handler may still hold a message about a fault that was resolved long ago.
 */
void manager_gate_shut(mm *manager);
void manager_gate_open(mm *manager);
/* Make and destroy what threads need. 0 or MM_ERROR_NO_MEMORY. */
int manager_threads_create(mm *manager);
void manager_threads_destroy(mm *manager);

/*
 * Around an engine call by a user thread: on the Linux machine a signal handler that touches
 * managed memory would enter the engine a second time, so signals wait.
 */
struct manager_guard {
    bool blocked;
    sigset_t before;
};
void manager_guard_begin(const mm *manager, struct manager_guard *guard);
void manager_guard_end(const struct manager_guard *guard);

#endif
