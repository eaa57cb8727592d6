/* Does to one TCP socket what its words say, one after the other, and prints what came of it:
 *   listen_steps PORT WORD...
 * A word that fails prints "WORD: errno N" and goes on. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int fd = -1;
static int copy = -1;
static int epoll = -1;
static unsigned short port;

static int Bind(const char* host) {
  struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, host, &ipv4.sin_addr) == 1) {
    return bind(fd, (struct sockaddr*)&ipv4, sizeof ipv4);
  }
  inet_pton(AF_INET6, host, &ipv6.sin6_addr);
  return bind(fd, (struct sockaddr*)&ipv6, sizeof ipv6);
}

static void* BindInThread(void* result) {
  *(int*)result = Bind("127.0.0.1");
  return NULL;
}

static int Set(int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value);
}

static int Get(int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  getsockopt(fd, level, option, &value, &size);
  return value;
}

static int Attach(int option) {
  struct sock_filter all[] = {{.code = BPF_RET | BPF_K, .k = 0}};
  struct sock_fprog program = {.len = 1, .filter = all};
  return setsockopt(fd, SOL_SOCKET, option, &program, sizeof program);
}

static int Answer(int listener, const char* text) {
  const int client = accept(listener, NULL, NULL);
  if (client < 0) return -1;
  char request[512];
  if (read(client, request, sizeof request) < 0) return -1;
  dprintf(client, "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(text), text);
  close(client);
  return 0;
}

static int AnswerFor(int listener, const char* name) {
  return Answer(listener, getenv(name) != NULL ? getenv(name) : "nobody");
}

static int AnswerByEpoll(void) {
  struct epoll_event event;
  if (epoll_wait(epoll, &event, 1, 10000) != 1) {
    errno = ETIMEDOUT;
    return -1;
  }
  printf("epoll data=%llu events=%u\n", (unsigned long long)event.data.u64, event.events);
  return AnswerFor(fd, "NAME");
}

static int AnswerInChild(void) {
  const pid_t child = fork();
  if (child == 0) {
    fd = socket(AF_INET, SOCK_STREAM, 0);
    const int bound = Bind("127.0.0.1");
    const int listens = listen(fd, 1);
    _exit(bound == 0 && listens == 0 && AnswerFor(fd, "NAME") == 0 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  errno = status == 0 ? 0 : ECHILD;
  return status == 0 ? 0 : -1;
}

static int Report(void) {
  struct tcp_info info;
  socklen_t size = sizeof info;
  memset(&info, 0, sizeof info);
  getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
  printf("listening=%d nonblock=%d cloexec=%d keepalive=%d nodelay=%d defer=%d backlog=%u\n",
         Get(SOL_SOCKET, SO_ACCEPTCONN), (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0,
         (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, Get(SOL_SOCKET, SO_KEEPALIVE) != 0,
         Get(IPPROTO_TCP, TCP_NODELAY) != 0, Get(IPPROTO_TCP, TCP_DEFER_ACCEPT) != 0,
         info.tcpi_sacked);
  return 0;
}

static int Do(const char* word) {
  struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = 4242}};
  struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
  if (strcmp(word, "socket") == 0) return fd = socket(AF_INET, SOCK_STREAM, 0);
  if (strcmp(word, "socket6") == 0) return fd = socket(AF_INET6, SOCK_STREAM, 0);
  if (strcmp(word, "nonblock") == 0) return fcntl(fd, F_SETFL, O_NONBLOCK);
  if (strcmp(word, "cloexec") == 0) return fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (strcmp(word, "keepalive") == 0) return Set(SOL_SOCKET, SO_KEEPALIVE, 1);
  if (strcmp(word, "nodelay") == 0) return Set(IPPROTO_TCP, TCP_NODELAY, 1);
  if (strcmp(word, "defer") == 0) return Set(IPPROTO_TCP, TCP_DEFER_ACCEPT, 3);
  if (strcmp(word, "dup") == 0) return copy = dup(fd);
  if (strcmp(word, "epoll") == 0) {
    epoll = epoll_create1(0);
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
  if (strncmp(word, "bind:", 5) == 0) return Bind(word + 5);
  if (strcmp(word, "bind-in-thread") == 0) {
    pthread_t thread;
    int result = -1;
    if (pthread_create(&thread, NULL, BindInThread, &result) != 0) return -1;
    pthread_join(thread, NULL);
    return result;
  }
  if (strcmp(word, "listen") == 0) return listen(fd, 5);
  if (strcmp(word, "unspec") == 0) return connect(fd, &nowhere, sizeof nowhere);
  if (strcmp(word, "no-reuseport") == 0) return Set(SOL_SOCKET, SO_REUSEPORT, 0);
  if (strcmp(word, "reuseport") == 0) return Set(SOL_SOCKET, SO_REUSEPORT, 1);
  if (strcmp(word, "attach-group") == 0) return Attach(SO_ATTACH_REUSEPORT_CBPF);
  if (strcmp(word, "attach-filter") == 0) return Attach(SO_ATTACH_FILTER);
  if (strcmp(word, "shutdown") == 0) return shutdown(fd, SHUT_RDWR);
  if (strcmp(word, "close") == 0) return close(fd);
  if (strcmp(word, "close-inherited") == 0) return close_range(3, ~0U, 0);
  if (strcmp(word, "answer") == 0) return AnswerFor(fd, "NAME");
  if (strcmp(word, "answer-by-epoll") == 0) return AnswerByEpoll();
  if (strcmp(word, "answer-by-dup") == 0) return AnswerFor(copy, "NAME");
  if (strcmp(word, "answer-in-child") == 0) return AnswerInChild();
  if (strcmp(word, "report") == 0) return Report();
  if (strcmp(word, "wait") == 0) return pause();
  errno = ENOSYS;
  return -1;
}

int main(int count, char** words) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (count < 2) return 2;
  port = (unsigned short)atoi(words[1]);
  for (int i = 2; i < count; ++i) {
    errno = 0;
    const int result = Do(words[i]);
    const int why = errno;
    if (result < 0) {
      printf("%s: errno %d\n", words[i], why);
    } else if (why != 0) {
      printf("%s: errno was changed to %d\n", words[i], why);
    }
  }
  printf("done\n");
  return 0;
}
