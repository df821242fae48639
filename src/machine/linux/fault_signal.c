/*
 * fault_signal.c - faults as SIGBUS, in the thread that made the access.
 *
 * As in a kernel, the fault handler runs on the faulting thread: no wait queue, no privilege, and
 * it scales with the threads. The price: a system call on an absent page gets EFAULT.
 *
 * The handler may interrupt the program anywhere, so it blocks every signal, keeps errno, and
 * calls only the engine (futex waits and spin locks). Whatever is not ours goes to whom it would
 * have gone without us. A thread that blocks SIGBUS must not touch managed memory: the kernel
 * kills the process there, as for any fault whose signal is blocked.
 */
#include "machine/linux/internal.h"

#include "base/mutant.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t users;            /* machines that need the handler; under install_lock */
static struct sigaction previous; /* written only while no machine has faults */

#if defined(__aarch64__)
/* The "write, not read" bit of the syndrome the kernel adds to the frame of every memory fault. */
static bool access_was_write(const ucontext_t *context)
{
    const unsigned char *at = context->uc_mcontext.__reserved;
    const unsigned char *end = at + sizeof(context->uc_mcontext.__reserved);

    while (at + sizeof(struct _aarch64_ctx) <= end) {
        struct _aarch64_ctx head;

        memcpy(&head, at, sizeof(head));
        if (head.magic == ESR_MAGIC) {
            struct esr_context syndrome;

            memcpy(&syndrome, at, sizeof(syndrome));
            return (syndrome.esr & (1u << 6)) != 0;
        }
        if (head.magic == 0 || head.size == 0)
            break;
        at += head.size;
    }
    return false;
}
#elif defined(__x86_64__)
static bool access_was_write(const ucontext_t *context)
{
    return (context->uc_mcontext.gregs[REG_ERR] & 2) != 0;
}
#else
/*
 * Not known here. "Read" would map the page protected, and the write that was meant would come
 * back as "read" for ever: linux_create() therefore maps everything writable on such processors
 * (linux_signal_knows_writes), and then a read answers both.
 */
static bool access_was_write(const ucontext_t *context)
{
    (void)context;
    return false;
}
#endif

/*
 * Send a signal with its whole siginfo to our own thread, as the kernel forces one on whoever
 * made an access: it arrives when the handler returns, before the access is taken again. Blocked
 * or ignored it would be lost and the access repeated for ever; the kernel kills there, so do we.
 */
static void force_signal(int signal, const siginfo_t *info, ucontext_t *context)
{
    struct sigaction action;

    sigaction(signal, NULL, &action);
    if (action.sa_handler == SIG_IGN || sigismember(&context->uc_sigmask, signal) == 1) {
        memset(&action, 0, sizeof(action));
        action.sa_handler = SIG_DFL;
        sigaction(signal, &action, NULL);
        sigdelset(&context->uc_sigmask, signal);
    }
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid), signal, info) != 0)
        world_abort("linux machine: cannot send a signal to the faulting thread");
}

static void violate(siginfo_t *cause, ucontext_t *context)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_signo = SIGSEGV;
    info.si_code = SEGV_ACCERR;
    info.si_addr = cause->si_addr;
    force_signal(SIGSEGV, &info, context);
}

/* To whom this SIGBUS would have gone without us. */
static void chain(int signal, siginfo_t *info, ucontext_t *context)
{
    struct sigaction before = previous;
    bool forced = info->si_code > 0;

    if (before.sa_handler == SIG_DFL || (before.sa_handler == SIG_IGN && forced)) {
        struct sigaction fallback;

        memset(&fallback, 0, sizeof(fallback));
        fallback.sa_handler = SIG_DFL;
        sigaction(signal, &fallback, NULL);
        force_signal(signal, info, context);
        return;
    }
    if (before.sa_handler == SIG_IGN)
        return;
    /* It may leave by siglongjmp, so it gets the signal mask it would have had. */
    sigset_t mask = context->uc_sigmask;

    for (int other = 1; other < NSIG; other++)
        if (sigismember(&before.sa_mask, other) == 1)
            sigaddset(&mask, other);
    if ((before.sa_flags & SA_NODEFER) == 0)
        sigaddset(&mask, signal);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if ((before.sa_flags & SA_SIGINFO) != 0)
        before.sa_sigaction(signal, info, context);
    else
        before.sa_handler(signal);
}

/* A SIGBUS that userfaultfd made: not sent by somebody, not broken memory. */
static bool is_page_fault(const siginfo_t *info)
{
    return info->si_code > 0 && info->si_code != BUS_MCEERR_AR && info->si_code != BUS_MCEERR_AO;
}

static void on_sigbus(int signal, siginfo_t *info, void *context)
{
    struct linux_machine *machine = NULL;
    enum fault_result result;
    page_number page;
    uint32_t thread;
    int saved = errno;

    if (is_page_fault(info))
        machine = table_find((uintptr_t)info->si_addr);
    if (machine == NULL || machine->faults != LINUX_FAULTS_SIGNAL || !machine->started) {
        if (!MUTANT(LINUX_SWALLOWS_FOREIGN_SIGNAL))
            chain(signal, info, context);
        errno = saved;
        return;
    }
    page = (page_number)(((uintptr_t)info->si_addr - (uintptr_t)machine->base) >> PAGE_SHIFT);
    thread = machine->entry.thread_enter(machine->entry.context);
    result = machine->entry.fault(machine->entry.engine, thread, page, access_was_write(context));
    machine->entry.thread_leave(machine->entry.context, thread);
    if (result == FAULT_ACCESS_VIOLATION)
        violate(info, context);
    else if (result == FAULT_IN_PAGE_ERROR)
        chain(signal, info, context);
    if (!MUTANT(LINUX_CHANGES_ERRNO))
        errno = saved;
}

bool linux_signal_knows_writes(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

int fault_signal_start(void)
{
    struct sigaction action;
    int error = 0;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_sigbus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    pthread_mutex_lock(&install_lock);
    if (users == 0) {
        struct sigaction found;

        error = sigaction(SIGBUS, NULL, &found) == 0 ? 0 : -errno;
        /* Still ours: somebody put it back; then who was before us has not changed. */
        if (error == 0 && found.sa_sigaction != on_sigbus) {
            previous = found;
            error = sigaction(SIGBUS, &action, NULL) == 0 ? 0 : -errno;
        }
    }
    if (error == 0)
        users++;
    pthread_mutex_unlock(&install_lock);
    return error;
}

void fault_signal_stop(void)
{
    struct sigaction found;

    pthread_mutex_lock(&install_lock);
    users--;
    /* Where the program installed a handler above ours, that one stays, and may chain to us. */
    if (users == 0 && sigaction(SIGBUS, NULL, &found) == 0 && found.sa_sigaction == on_sigbus)
        sigaction(SIGBUS, &previous, NULL);
    pthread_mutex_unlock(&install_lock);
}
