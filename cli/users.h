/*
 * users.h - the user threads: started together, each with its stream, stopped together.
 */
#ifndef MM_CLI_USERS_H
#define MM_CLI_USERS_H

#include <pthread.h>

#include "oracle.h"
#include "workload/workload.h"

/* Each thread writes its own; the main thread looks at `accesses` meanwhile. */
struct user {
    char apart[CACHE_LINE]; /* from the user before: no line is shared */
    uint64_t accesses;
    struct workload_stream stream;
    struct histogram latency;
    uint64_t cpu_ns;
    int attach_error;
    uint32_t index;
    pthread_t thread;
    struct users *users;
};

enum users_gate { USERS_WAIT, USERS_GO, USERS_ABORT };

struct users {
    struct oracle *oracle;
    struct user *user;
    uint32_t count;
    uint64_t accesses_max; /* of each; UINT64_MAX: until stopped */
    bool latency;

    pthread_mutex_t lock;                       /* guards what follows */
    pthread_cond_t ready_changed, gate_changed; /* apart: else each arrival would wake all */
    enum users_gate gate;
    uint32_t ready, done;
};

struct users_load {
    const struct workload *workload;
    uint64_t seed, accesses_max;
    double write_ratio;
    uint32_t threads;
    bool latency;
};

/*
 * Start all threads and wait until each can begin. False, with nothing left running and one line
 * to stderr, where the system does not give that many.
 */
bool users_start(struct users *users, struct oracle *oracle, const struct users_load *load);
/* Open the gate. */
void users_go(struct users *users);
uint64_t users_accesses(const struct users *users);
bool users_done(struct users *users);
void users_join(struct users *users);
void users_free(struct users *users);

#endif
