/*
 * exit.h - what the exit code of the command says; scripts depend on it.
 */
#ifndef MM_CLI_EXIT_H
#define MM_CLI_EXIT_H

enum exit_code {
    EXIT_GOOD = 0,
    EXIT_WRONG = 1,   /* wrong data or a broken invariant was found */
    EXIT_USAGE = 2,   /* the command line asks for something that is not possible */
    EXIT_REFUSED = 3, /* the system refuses */
};

#endif
