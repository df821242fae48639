/*
 * linux.h - the Linux machine: real loads and stores in a memfd watched by userfaultfd.
 * Implements contract/machine.h; memman.c makes it.
 */
#ifndef MM_MACHINE_LINUX_H
#define MM_MACHINE_LINUX_H

#include "contract/machine.h"

struct linux_machine;

enum linux_faults { LINUX_FAULTS_SIGNAL, LINUX_FAULTS_THREAD };

struct linux_config {
    page_number pages;
    uint32_t threads_max;
    uint32_t windows;  /* transfer windows per thread: the largest batch of content() */
    uint32_t transfer; /* windows whose content goes with one system call; 0: all that fit */
    enum linux_faults faults;
    uint32_t handlers; /* fault-handler threads, LINUX_FAULTS_THREAD */
    bool dirty_tracking;
};

/* How the machine enters the engine; both are async-signal-safe. */
struct linux_entry {
    machine_fault *fault;
    void *engine;
    /* The number to run as for one fault, and its end. May wait for a number to be free. */
    uint32_t (*thread_enter)(void *context);
    void (*thread_leave)(void *context, uint32_t thread);
    void *context;
};

/*
 * 0, or a negative errno with one line in `ret_text` that names what was refused, why, and the
 * remedy: no userfaultfd (-EPERM, -ENOSYS), kernel too old (-EOPNOTSUPP), no memory (-ENOMEM).
 */
int linux_create(const struct linux_config *config, struct linux_machine **ret_linux,
                 struct machine *ret_machine, char *ret_text, size_t text_size);
/* Install the signal handler or start the handler threads. 0 or -errno. */
int linux_start(struct linux_machine *machine, const struct linux_entry *entry);
/* No fault may be under way. Restores what linux_start() installed; unmaps. */
void linux_destroy(struct linux_machine *machine);

/* First byte of the managed range. */
void *linux_base(const struct linux_machine *machine);
/* Read a page's content through the file, for the audit. 0 or -errno. */
int linux_peek(struct linux_machine *machine, page_number page, void *ret_page);
/* Pages of the range that failed are asked for again at the next touch. Async-signal-safe. */
void linux_ask_again(struct linux_machine *machine, page_number first, page_number count);
/* Whether the file holds content for the page (the budget, for tests and the audit). */
bool linux_has_content(struct linux_machine *machine, page_number page);

#endif
