/*
 * fault_thread.c - faults as messages, served by threads of ours; system calls work too.
 *
 * A message is a hint that somebody waits at an address: stale, repeated or late ones are normal.
 * The handler asks the engine, and whatever the answer, ends with a wake of that page; who still
 * lacks the page faults again. One message at a time, so that no thread hoards what another could
 * serve.
 *
 * The handlers use the descriptor table they were started in, not one of their own: the engine
 * reads its page file on them. Who starts the machine from a thread with its own table gives the
 * whole pager a table the program cannot reach.
 */
#include "machine/linux/internal.h"

#include "base/mutant.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One thread at one page so often in a row: the signal does not reach it. */
#define VIOLATIONS_MAX 16

bool fault_thread_is_handler(const struct linux_machine *machine, pid_t tid)
{
    for (uint32_t i = 0; i < machine->handlers_wanted; i++)
        if (atomic_load(&machine->handlers[i].tid) == tid)
            return true;
    return false;
}

/*
 * A signal with the address to a thread that waits in a fault. The kernel lets nobody send its
 * own codes to another thread, so si_code is SI_QUEUE; si_addr is in its place.
 */
static void send_signal(pid_t tid, int signal, uint64_t address)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_signo = signal;
    info.si_addr = (void *)(uintptr_t)address;
    info.si_code = SI_QUEUE;
    /* ESRCH: the thread is gone, and its access with it. */
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, signal, &info) != 0 && errno != ESRCH)
        world_abort("linux machine: cannot send a signal to the faulting thread");
}

/*
 * SIGSEGV to the thread. Usually the next try gets a real one, because the range is protected by
 * then. A thread that blocks or ignores it, or waits inside a system call, would come back for
 * ever: it gets the poison's SIGBUS or EFAULT.
 */
static void violate_or_retry(struct linux_machine *machine, pid_t tid, uint64_t address,
                             page_number page)
{
    uint64_t who = (uint64_t)(uint32_t)tid << 32 | page;

    if (atomic_exchange(&machine->violation_last, who) != who)
        atomic_store(&machine->violation_repeats, 0);
    uint32_t repeats = atomic_fetch_add(&machine->violation_repeats, 1);
    if (repeats < VIOLATIONS_MAX) { /* stale, or protected by now: the next try tells */
        world_pause(repeats, true);
        return;
    }
    if (repeats >= 2 * VIOLATIONS_MAX && poison_set(machine, page))
        return;
    send_signal(tid, SIGSEGV, address);
}

static void serve(struct linux_machine *machine, const struct uffd_msg *message)
{
    uint64_t address = message->arg.pagefault.address;
    uint64_t offset = address - (uintptr_t)machine->base;
    uint64_t write_flags = UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP;
    pid_t tid = (pid_t)message->arg.pagefault.feat.ptid;
    page_number page = (page_number)(offset >> PAGE_SHIFT);
    enum fault_result result;
    uint32_t thread;

    if (offset >= machine->bytes)
        world_abort("linux machine: the kernel reported a fault outside the managed range");
    if (fault_thread_is_handler(machine, tid))
        world_abort("linux machine: the pager touched managed memory and waits for itself");
    thread = machine->entry.thread_enter(machine->entry.context);
    result = machine->entry.fault(machine->entry.engine, thread, page,
                                  (message->arg.pagefault.flags & write_flags) != 0);
    machine->entry.thread_leave(machine->entry.context, thread);
    if (result == FAULT_ACCESS_VIOLATION)
        violate_or_retry(machine, tid, address, page);
    else if (result == FAULT_IN_PAGE_ERROR && !machine->features.poison)
        send_signal(tid, SIGBUS, address);
    linux_wake(machine, page);
}

static void handler_main(void *argument)
{
    struct linux_handler *handler = argument;
    struct linux_machine *machine = handler->machine;

    atomic_store(&handler->tid, (pid_t)syscall(SYS_gettid));
    for (;;) {
        struct pollfd watched[] = {
            {.fd = machine->uffd, .events = POLLIN},
            {.fd = machine->stop_fd, .events = POLLIN},
        };
        struct uffd_msg message;
        ssize_t got;

        if (poll(watched, ARRAY_COUNT(watched), poison_lift_due(machine)) < 0 && errno != EINTR)
            linux_fail("poll", 0, errno);
        if ((watched[1].revents & POLLIN) != 0)
            return;
        if (((watched[0].revents | watched[1].revents) & POLLNVAL) != 0)
            linux_fail("poll", 0, EBADF);
        got = read(machine->uffd, &message, sizeof(message));
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue; /* another handler was faster */
        if (got != sizeof(message))
            linux_fail("reading a fault message", 0, got < 0 ? errno : EIO);
        if (message.event != UFFD_EVENT_PAGEFAULT)
            fault_event_abort();
        atomic_fetch_add(&handler->served, 1);
        serve(machine, &message);
        atomic_fetch_add(&handler->served, 1);
    }
}

int fault_thread_start(struct linux_machine *machine)
{
    for (uint32_t i = 0; i < machine->handlers_wanted; i++) {
        struct linux_handler *handler = &machine->handlers[i];
        int error;

        handler->machine = machine;
        error = world_thread_start(handler_main, handler, "mm-fault", &handler->thread);
        if (error != 0)
            return error;
        machine->handlers_count++;
    }
    return 0;
}

void fault_thread_stop(struct linux_machine *machine)
{
    for (uint32_t i = 0; i < machine->handlers_count; i++)
        world_thread_join(machine->handlers[i].thread);
    machine->handlers_count = 0;
}
