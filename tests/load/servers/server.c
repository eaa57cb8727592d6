/* A server in C, as in a textbook: socket, bind to 0.0.0.0:PORT, listen, accept, one at a time.
   `server`: without a signal handler. `server shutdown`: at SIGTERM it ends its listening socket
   with shutdown(2), by the system call itself, so that no library stands between, and lives on
   for a while, as a program does that finishes its work. `server deaf`: does so at SIGUSR1, and
   lives on for ever. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int listener = -1;

static void shut_listener(int signal_number) {
  (void)signal_number;
  syscall(SYS_shutdown, listener, SHUT_RDWR);
}

static int listen_on(unsigned short port) {
  const int on = 1;
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd, (const struct sockaddr*)&address, sizeof address) != 0 || listen(fd, 16) != 0) {
    perror("listen");
    exit(1);
  }
  return fd;
}

static void answer(int fd, const struct sockaddr_in* peer) {
  char text[4096];
  size_t used = 0;
  ssize_t got = 0;
  while (used < sizeof text - 1 && (got = read(fd, text + used, sizeof text - 1 - used)) > 0) {
    used += (size_t)got;
    text[used] = '\0';
    if (strstr(text, "\r\n\r\n") != NULL) break;
  }
  if (got <= 0) return; /* a probe, or a client that has gone */
  char body[128];
  const int size =
      snprintf(body, sizeof body, "pid=%d\npeer=%s\n", getpid(), inet_ntoa(peer->sin_addr));
  const int length =
      snprintf(text, sizeof text,
               "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", size, body);
  for (int at = 0; at < length;) {
    const ssize_t put = send(fd, text + at, (size_t)(length - at), MSG_NOSIGNAL);
    if (put < 0) return;
    at += (int)put;
  }
}

int main(int argc, char** argv) {
  const char* port = getenv("PORT");
  listener = listen_on((unsigned short)atoi(port != NULL ? port : "8080"));
  if (argc > 1) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = shut_listener;
    sigaction(strcmp(argv[1], "shutdown") == 0 ? SIGTERM : SIGUSR1, &action, NULL);
  }
  for (;;) {
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    const int fd = accept(listener, (struct sockaddr*)&peer, &size);
    if (fd >= 0) {
      answer(fd, &peer);
      close(fd);
    } else if (errno != EINTR && errno != ECONNABORTED) {
      fprintf(stderr, "accept: %s; finishing\n", strerror(errno));
      while (argc > 1 && strcmp(argv[1], "deaf") == 0) pause();
      usleep(300 * 1000);
      return 0;
    }
  }
}
