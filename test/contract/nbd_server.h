/*
 * nbd_server.h - an NBD server of the test's own: nbdkit on a socket in the folder it runs in.
 */
#ifndef MM_TEST_NBD_SERVER_H
#define MM_TEST_NBD_SERVER_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NBD_ARGUMENTS_MAX 24
#define NBD_START_MS      10000

struct nbd_server {
    pid_t process;
    char socket[64], uri[96];
};

static inline bool nbd_server_answers(const struct nbd_server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int one = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers;

    memcpy(address.sun_path, server->socket, strlen(server->socket));
    answers = connect(one, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(one);
    return answers;
}

static inline void nbd_server_end(struct nbd_server *server, int signal_number)
{
    kill(server->process, signal_number);
    waitpid(server->process, NULL, 0);
    unlink(server->socket);
    server->process = 0;
}

/*
 * The words behind nbdkit's own: filters, plugin, parameters; ended by NULL. False: there is no
 * nbdkit, or it does not know what is asked of it.
 */
static inline bool nbd_server_start(struct nbd_server *server, const char *const words[])
{
    static unsigned servers;
    const char *command[NBD_ARGUMENTS_MAX] = {"nbdkit", "-f", "-U", server->socket};

    for (unsigned i = 0; words[i] != NULL && i + 5 < NBD_ARGUMENTS_MAX; i++)
        command[4 + i] = words[i];
    if (server->socket[0] == '\0') {
        snprintf(server->socket, sizeof(server->socket), "nbd-%d-%u.sock", (int)getpid(),
                 servers++);
        snprintf(server->uri, sizeof(server->uri), "nbd+unix:///?socket=%s", server->socket);
    }
    server->process = fork();
    if (server->process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        execvp(command[0], (char *const *)(uintptr_t)command);
        _exit(127);
    }
    for (unsigned waited_ms = 0; waited_ms < NBD_START_MS; waited_ms += 5) {
        if (nbd_server_answers(server))
            return true;
        if (waitpid(server->process, NULL, WNOHANG) != 0)
            break;
        usleep(5000);
    }
    server->process = 0;
    return false;
}

#endif
