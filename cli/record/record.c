/*
 * record.c - `memman record`: runs a program under QEMU with the plugin in it, and writes down what
 * the plugin sends.
 *
 * The plugin sends through a socket; here the references are packed and written, on another CPU
 * where there is one, and the trace gets its end also where the program is killed. Whoever ends this
 * process by a signal means the program: it gets the signal.
 */
#include "record/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exit.h"
#include "memman.h"
#include "numbers.h"
#include "options.h"
#include "record/program.h"
#include "record/wire.h"
#include "settings.h"
#include "trace/trace.h"

#define PLUGIN         "memman-record.so"
#define FILTER_DEFAULT 64u
#define FILTER_MAX     65536u
#define FD_WANTED      900 /* away from those that programs count on */
#define QEMU_WORDS     7
#define SIGNALS        4

#define QEMU "qemu-x86_64"

struct recording {
    const char *path;
    uint64_t filter, page_bytes, references_max;
    bool code, quiet;

    struct program program;
    char qemu[PATH_MAX], plugin[PATH_MAX];
    int socket;
    struct trace_writer *writer;

    bool heard; /* from the plugin, whatever it was */
    bool whole; /* until the program's own end */
    uint64_t references, accesses, children;
};

/* ---- the command line ----------------------------------------------------------------------- */

static bool output_set(void *target, const char *value)
{
    ((struct recording *)target)->path = value;
    return value[0] != '\0' && strcmp(value, "-") != 0;
}

static bool filter_set(void *target, const char *value)
{
    uint64_t *filter = &((struct recording *)target)->filter;

    return number_parse(value, filter) && *filter <= FILTER_MAX && (*filter & (*filter - 1)) == 0;
}

static bool page_set(void *target, const char *value)
{
    uint64_t *bytes = &((struct recording *)target)->page_bytes;

    return size_parse(value, bytes) && *bytes >= 4096 && *bytes <= (1u << 30) &&
           (*bytes & (*bytes - 1)) == 0;
}

static bool references_set(void *target, const char *value)
{
    uint64_t *references = &((struct recording *)target)->references_max;

    return number_parse(value, references) && *references > 0;
}

static bool code_set(void *target, const char *value)
{
    (void)value;
    ((struct recording *)target)->code = true;
    return true;
}

static bool quiet_set(void *target, const char *value)
{
    (void)value;
    ((struct recording *)target)->quiet = true;
    return true;
}

static const struct setting record_settings[] = {
    {"output", 'o', "a file; standard output is the program's", output_set},
    {"filter", 0, "0, or a power of two up to 65536", filter_set},
    {"page", 0, "a power of two from 4K to 1G", page_set},
    {"references", 0, "a whole number from 1", references_set},
    {"code", 0, NULL, code_set},
    {"quiet", 'q', NULL, quiet_set},
};

static bool recording_take(int *count, char *words[], struct recording *recording)
{
    const struct settings settings = {"memman record", record_settings, 6, recording};

    if (!settings_take(&settings, count, words, true)) {
        return false;
    }
    if (recording->path == NULL || *count == 0) {
        line_complain("record: %s", recording->path == NULL
                                        ? "where to? give -o FILE before the program"
                                        : "of what? give a program and its arguments after --");
        return false;
    }
    return true;
}

/* ---- who runs it ---------------------------------------------------------------------------- */

static bool tools_find(struct recording *recording)
{
    const ssize_t length = readlink("/proc/self/exe", recording->plugin, PATH_MAX - sizeof(PLUGIN));
    char *slash = NULL;

    if (length > 0) {
        recording->plugin[length] = '\0';
        slash = strrchr(recording->plugin, '/');
    }
    if (slash != NULL) {
        strcpy(slash + 1, PLUGIN);
    }
    if (slash == NULL || access(recording->plugin, R_OK) != 0) {
        line_complain("record: %.512s: %s; it is built and installed beside memman on x86-64",
                      recording->plugin, strerror(errno));
        return false;
    }
    if (strchr(recording->plugin, ',') != NULL) {
        line_complain("record: %.512s: QEMU takes no plugin with a comma in its path",
                      recording->plugin);
        return false;
    }
    if (!program_find(QEMU, recording->qemu)) {
        line_complain("record: " QEMU " is not here; install qemu-user");
        return false;
    }
    return true;
}

/* In the child. */
static void program_run(const struct recording *recording, int socket_end)
{
    const struct program *program = &recording->program;
    size_t count = 0;
    char words[PATH_MAX + 128];
    int fd = fcntl(socket_end, F_DUPFD, FD_WANTED);

    if (fd < 0) { /* fewer files are allowed */
        fd = dup(socket_end);
    }
    while (program->words[count] != NULL) {
        count++;
    }
    const char **line = calloc(count + QEMU_WORDS + 1, sizeof(*line));
    if (line == NULL || fd < 0) {
        _exit(EXIT_REFUSED);
    }
    snprintf(words, sizeof(words), "%s,fd=%d,shift=%d,window=%llu,references=%llu,code=%d",
             recording->plugin, fd, __builtin_ctzll(recording->page_bytes),
             (unsigned long long)recording->filter, (unsigned long long)recording->references_max,
             recording->code);
    const char *qemu[QEMU_WORDS] = {recording->qemu,  "-cpu", "max", "-plugin", words, "-0",
                                    program->words[0]};
    memcpy(line, qemu, sizeof(qemu));
    line[QEMU_WORDS] = program->path;
    for (size_t at = 1; at < count; at++) {
        line[QEMU_WORDS + at] = program->words[at];
    }
    execv(recording->qemu, (char *const *)(size_t)line);
    line_complain("record: %.512s: cannot be run (%s)", recording->qemu, strerror(errno));
    _exit(EXIT_REFUSED);
}

/* ---- what the plugin sends ------------------------------------------------------------------ */

static bool bytes_take(int fd, void *ret_bytes, size_t count)
{
    char *to = ret_bytes;

    while (count > 0) {
        const ssize_t taken = read(fd, to, count);
        if (taken < 0 && errno == EINTR) {
            continue;
        }
        if (taken <= 0) {
            return false;
        }
        to += taken;
        count -= (size_t)taken;
    }
    return true;
}

/* False: nothing comes after this. */
static bool batch_take(struct recording *recording)
{
    static uint64_t packed[WIRE_COUNT_MAX];
    static struct trace_reference references[WIRE_COUNT_MAX];
    struct wire_head head;

    if (!bytes_take(recording->socket, &head, sizeof(head)) || head.mark != WIRE_MARK ||
        head.count > WIRE_COUNT_MAX ||
        !bytes_take(recording->socket, packed, head.count * sizeof(packed[0]))) {
        return false;
    }
    for (size_t at = 0; at < head.count; at++) {
        uint64_t page;
        uint32_t thread;
        bool write;
        wire_take(packed[at], &page, &thread, &write);
        references[at] = (struct trace_reference){page, thread, write};
    }
    recording->heard = true;
    recording->references += head.count;
    recording->accesses = head.accesses;
    recording->children = head.children;
    recording->whole = head.last != 0;
    /* A full disk does not stop the program: trace_finish() says it. */
    trace_write(recording->writer, references, head.count);
    return head.last == 0;
}

/* ---- begin and end -------------------------------------------------------------------------- */

static struct trace_writer *writer_make(const struct recording *recording)
{
    struct trace_header header = {.format = TRACE_COMPACT,
                                  .page_bytes = (uint32_t)recording->page_bytes};
    struct trace_message message;
    size_t length =
        (size_t)snprintf(header.source, sizeof(header.source), "memman %s record%s:", MM_VERSION,
                         recording->code ? " --code" : "");

    for (char **word = recording->program.words; *word != NULL && length < sizeof(header.source);
         word++) {
        length +=
            (size_t)snprintf(header.source + length, sizeof(header.source) - length, " %s", *word);
    }
    if (recording->filter == 0) {
        strcpy(header.filter, "none");
    } else {
        snprintf(header.filter, sizeof(header.filter),
                 "direct-mapped, by thread, first writes kept, window %llu",
                 (unsigned long long)recording->filter);
    }
    struct trace_writer *writer = trace_create(recording->path, &header, &message);
    if (writer == NULL) {
        line_complain("record: %s", message.text);
    }
    return writer;
}

static void summary_print(const struct recording *recording)
{
    char number[NUMBER_TEXT_BYTES];

    fprintf(stderr, "memman: %s: %s references", recording->path,
            number_print(recording->references, number));
    fprintf(stderr, " of %s accesses\n", number_print(recording->accesses, number));
    if (!recording->whole) {
        fprintf(stderr,
                "memman: %s: the program was killed or became another one; its last "
                "references may be missing\n",
                recording->path);
    }
    if (recording->children > 0) {
        fprintf(stderr,
                "memman: %s: the program started others %s times; they are not in the trace, "
                "record them by themselves\n",
                recording->path, number_print(recording->children, number));
    }
}

static int status_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int recording_end(struct recording *recording, int status)
{
    struct trace_message message;

    if (!recording->heard) {
        trace_abandon(recording->writer);
        line_complain("record: %.512s did not load the plugin (exit code %d); it must be QEMU 4.2 "
                      "to 8.2 with plugins",
                      recording->qemu, status_code(status));
        return EXIT_REFUSED;
    }
    if (!trace_finish(recording->writer, recording->accesses, &message)) {
        line_complain("record: %s", message.text);
        return EXIT_REFUSED;
    }
    if (!recording->quiet) {
        summary_print(recording);
    }
    return status_code(status);
}

/* ---- signals -------------------------------------------------------------------------------- */

static volatile sig_atomic_t program_pid;

static void signal_pass(int number)
{
    const int kept = errno;

    kill((pid_t)program_pid, number);
    errno = kept;
}

/* The keyboard's signals reach the program anyway; others are passed on, but for ignored ones. */
static const struct {
    int number;
    void (*handler)(int number);
} signals[SIGNALS] = {
    {SIGINT, SIG_IGN}, {SIGQUIT, SIG_IGN}, {SIGTERM, signal_pass}, {SIGHUP, signal_pass}};

struct signals_before {
    struct sigaction action[SIGNALS];
    sigset_t mask;
};

/* All are held back until signals_take(), so that none comes while there is nobody to get it. */
static void signals_hold(struct signals_before *ret_before)
{
    sigset_t held;

    sigemptyset(&held);
    for (unsigned i = 0; i < SIGNALS; i++) {
        sigaddset(&held, signals[i].number);
        sigaction(signals[i].number, NULL, &ret_before->action[i]);
    }
    sigprocmask(SIG_BLOCK, &held, &ret_before->mask);
}

static void signals_take(const struct signals_before *before, pid_t child)
{
    program_pid = child;
    for (unsigned i = 0; i < SIGNALS; i++) {
        const struct sigaction action = {.sa_handler = signals[i].handler};
        if (before->action[i].sa_handler != SIG_IGN) {
            sigaction(signals[i].number, &action, NULL);
        }
    }
    sigprocmask(SIG_SETMASK, &before->mask, NULL);
}

static void signals_restore(const struct signals_before *before)
{
    for (unsigned i = 0; i < SIGNALS; i++) {
        sigaction(signals[i].number, &before->action[i], NULL);
    }
    sigprocmask(SIG_SETMASK, &before->mask, NULL);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* Its number is still its own until the signals are no longer passed on. */
static int program_await(pid_t child, const struct signals_before *before)
{
    siginfo_t ended;
    int status = 0;

    while (waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
    }
    signals_restore(before);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

static enum exit_code refuse(struct recording *recording, const char *what)
{
    line_complain("record: %s (%s)", what, strerror(errno));
    trace_abandon(recording->writer);
    return EXIT_REFUSED;
}

static int recording_run(struct recording *recording)
{
    struct signals_before before;
    int ends[2], status;
    pid_t child;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return refuse(recording, "no socket");
    }
    recording->socket = ends[0];
    signals_hold(&before);
    child = fork();
    if (child == 0) {
        signals_restore(&before);
        program_run(recording, ends[1]);
    }
    close(ends[1]);
    if (child < 0) {
        signals_restore(&before);
        close(ends[0]);
        return refuse(recording, "no process");
    }
    signals_take(&before, child);
    while (batch_take(recording)) {
    }
    status = program_await(child, &before);
    close(ends[0]);
    return recording_end(recording, status);
}

int record_command(int count, char *words[])
{
    struct recording *recording = calloc(1, sizeof(*recording));
    int code = EXIT_REFUSED;

    if (recording == NULL) {
        line_complain("record: no memory");
        return EXIT_REFUSED;
    }
    recording->filter = FILTER_DEFAULT;
    recording->page_bytes = TRACE_PAGE_BYTES;
    recording->references_max = UINT64_MAX;
    if (!recording_take(&count, words, recording)) {
        code = EXIT_USAGE;
    } else if (tools_find(recording)) {
        code = program_resolve(count, words, &recording->program);
        if (code == 0) {
            recording->writer = writer_make(recording);
            code = recording->writer != NULL ? recording_run(recording) : EXIT_REFUSED;
            program_free(&recording->program);
        }
    }
    free(recording);
    return code;
}
