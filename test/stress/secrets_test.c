/*
 * secrets_test.c - the key of the encrypted store is nowhere in a core dump.
 *
 * A child seals and opens pages in several threads, tells the key through a pipe, straight from
 * where it lies, and aborts. Then each 16 bytes of the round keys are looked for: in the core file,
 * where the system writes one here, and in every mapping of the child that a dump would hold, read
 * from /proc while the child waits. A page that the child keeps in plain memory is looked for as
 * well, and must be found: a search that finds nothing anywhere shows nothing.
 *
 * The child cannot promise anything for a thread that is inside the cipher when the process
 * breaks: its registers are in the dump.
 */
#include "store/cipher.h"
#include "store/encrypted.h"
#include "store/ram.h"
#include "store_rig.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS        64u
#define THREADS      3u
#define SECRET_MAX   1024u
#define CHUNK        16u
#define ROUNDS       200u
#define MAPPING_MAX  ((size_t)64 << 20)
#define CANARY_BYTES 16u

static struct store ram, encrypted;
static char folder[] = "secrets-test-XXXXXX";

/* What the child tells. */
struct told {
    unsigned char secret[SECRET_MAX];
    size_t bytes;
    unsigned char canary[CANARY_BYTES];
    pid_t child;
};

/* ---- the child ---- */

static pthread_barrier_t worked;
static unsigned char canary[CANARY_BYTES];

static void *work(void *argument)
{
    uint32_t queue = (uint32_t)(uintptr_t)argument;
    unsigned char own[8][MM_PAGE_SIZE];
    void *pointers[8];

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct store_request request = {
            .operation = STORE_WRITE, .slot = queue * 16 + 1, .count = 8, .pages = pointers};

        pages_fill(own, pointers, 8, round);
        if (store_wait_for(&encrypted, queue, &request) != 0)
            _exit(1);
        request.operation = STORE_READ;
        if (store_wait_for(&encrypted, queue, &request) != 0)
            _exit(1);
    }
    /* Nothing more: what the last calls left on this stack and in these registers stays. */
    pthread_barrier_wait(&worked);
    for (;;)
        pause();
}

static void tell(int pipe_fd, const void *bytes, size_t count)
{
    if (write(pipe_fd, bytes, count) != (ssize_t)count)
        _exit(1);
}

static _Noreturn void be_child(int pipe_fd, int go_fd)
{
    struct rlimit limit;
    pthread_t threads[THREADS];
    char text[512], go;
    size_t bytes;

    if (ram_create(SLOTS, THREADS, &ram) != 0 ||
        encrypted_create(&ram, 64, &encrypted, text, sizeof(text)) != 0)
        _exit(1);
    for (unsigned i = 0; i < CANARY_BYTES; i++)
        canary[i] = (unsigned char)(getpid() * 31 + (int)i * 57);
    pthread_barrier_init(&worked, NULL, THREADS + 1);
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0)
            _exit(1);
    pthread_barrier_wait(&worked);
    const unsigned char *secret = cipher_secret(encrypted_cipher(&encrypted), &bytes);
    tell(pipe_fd, &bytes, sizeof(bytes));
    tell(pipe_fd, secret, bytes);
    tell(pipe_fd, canary, sizeof(canary));
    /* Only the superuser may raise the hard limit; without one there is no core, and that is said. */
    getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_CORE, &limit) != 0 || chdir(folder) != 0 || read(go_fd, &go, 1) != 1)
        _exit(2);
    abort();
}

static void read_all(int fd, void *ret_bytes, size_t count)
{
    for (size_t done = 0; done < count;) {
        ssize_t got = read(fd, (char *)ret_bytes + done, count - done);

        assert_true(got > 0);
        done += (size_t)got;
    }
}

/* A child that has worked and waits for a byte through *ret_go. */
static struct told start_child(int *ret_go)
{
    struct told told = {.bytes = 0};
    int said[2], go[2];

    assert_int_equal(pipe(said), 0);
    assert_int_equal(pipe(go), 0);
    told.child = fork();
    if (told.child == 0)
        be_child(said[1], go[0]);
    close(said[1]);
    close(go[0]);
    read_all(said[0], &told.bytes, sizeof(told.bytes));
    assert_in_range(told.bytes, 32, SECRET_MAX);
    read_all(said[0], told.secret, told.bytes);
    read_all(said[0], told.canary, sizeof(told.canary));
    close(said[0]);
    *ret_go = go[1];
    return told;
}

static void end_child(const struct told *told, int go)
{
    int status;

    assert_int_equal(write(go, "x", 1), 1);
    assert_int_equal(waitpid(told->child, &status, 0), told->child);
    assert_true(WIFSIGNALED(status));
    close(go);
}

/* ---- the search ---- */

struct found {
    unsigned secrets; /* parts of the key, counted as often as they are there */
    unsigned canaries;
    size_t bytes; /* looked through */
};

/* All bytes alike, or none: not a part of a key that one could look for. */
static bool is_plain(const unsigned char *chunk)
{
    for (unsigned i = 1; i < CHUNK; i++)
        if (chunk[i] != chunk[0])
            return false;
    return true;
}

static void look(const struct told *told, const unsigned char *memory, size_t bytes,
                 struct found *found)
{
    for (size_t at = 0; at + CHUNK <= told->bytes; at += CHUNK)
        if (!is_plain(told->secret + at) && memmem(memory, bytes, told->secret + at, CHUNK)) {
            print_message("bytes %zu of the key are there\n", at);
            found->secrets++;
        }
    found->canaries += memmem(memory, bytes, told->canary, CANARY_BYTES) != NULL;
    found->bytes += bytes;
}

/* Every mapping of the child; those marked dd (not to be dumped) only if `all`. */
static struct found look_at_memory(const struct told *told, bool all)
{
    struct found found = {0};
    char path[64], line[512];
    unsigned long long from = 0, to = 0;
    unsigned char *copy = malloc(MAPPING_MAX);

    snprintf(path, sizeof(path), "/proc/%d/mem", told->child);
    int memory = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/%d/smaps", told->child);
    FILE *maps = fopen(path, "r");
    assert_true(memory >= 0 && maps != NULL && copy != NULL);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long long first, end;

        if (sscanf(line, "%llx-%llx ", &first, &end) == 2) {
            from = first;
            to = end;
        } else if (strncmp(line, "VmFlags:", 8) == 0 && (all || strstr(line, " dd") == NULL) &&
                   strstr(line, " rd") != NULL) {
            ssize_t got = pread(memory, copy, MIN_OF(to - from, MAPPING_MAX), (off_t)from);

            if (got > 0)
                look(told, copy, (size_t)got, &found);
        }
    }
    fclose(maps);
    close(memory);
    free(copy);
    return found;
}

/* ---- the tests ---- */

static void what_a_dump_holds_has_no_key(void **state)
{
    int go;
    struct told told = start_child(&go);
    struct found dumped = look_at_memory(&told, false), everything = look_at_memory(&told, true);

    (void)state;
    end_child(&told, go);
    print_message("%zu MiB that a dump holds, %zu MiB in all\n", dumped.bytes >> 20,
                  everything.bytes >> 20);
    assert_true(dumped.canaries > 0);
    assert_true(everything.secrets >= 2); /* where it lies */
    assert_int_equal(dumped.secrets, 0);
}

/* A file by the name core or core.PID in the child's folder; its bytes, or NULL. */
static unsigned char *read_core(pid_t child, size_t *ret_bytes)
{
    char path[96];
    struct stat status;

    snprintf(path, sizeof(path), "%s/core", folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(path, sizeof(path), "%s/core.%d", folder, child);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0)
        return NULL;
    assert_int_equal(fstat(fd, &status), 0);
    unsigned char *bytes = malloc((size_t)status.st_size);
    assert_non_null(bytes);
    read_all(fd, bytes, (size_t)status.st_size);
    close(fd);
    unlink(path);
    *ret_bytes = (size_t)status.st_size;
    return bytes;
}

static void a_core_file_has_no_key(void **state)
{
    struct found found = {0};
    int go;
    struct told told = start_child(&go);
    size_t bytes = 0;

    (void)state;
    end_child(&told, go);
    unsigned char *core = read_core(told.child, &bytes);
    if (core == NULL) {
        print_message("this system writes no core file into the folder of the process\n");
        skip();
    }
    look(&told, core, bytes, &found);
    free(core);
    print_message("a core file of %zu KiB\n", bytes >> 10);
    assert_true(found.canaries > 0);
    assert_int_equal(found.secrets, 0);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_dump_holds_has_no_key),
        cmocka_unit_test(a_core_file_has_no_key),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
