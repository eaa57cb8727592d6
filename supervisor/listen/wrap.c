/* The functions of the C library that are wrapped, and nothing else that is visible.
 *
 * Without _GNU_SOURCE: with it glibc declares them with unions for the addresses. */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "listen/library.h"

#ifndef RTLD_NEXT
#define RTLD_NEXT ((void*)-1L) /* dlsym(3); hidden by the same switch */
#endif
#define OXHERD_WRAPPED __attribute__((visibility("default")))

/* As much as listen(2) gives; net.core.somaxconn may make less of it. */
enum { kLeastBacklog = 4096 };

typedef int (*Bind)(int, const struct sockaddr*, socklen_t);
typedef int (*Listen)(int, int);
typedef int (*SetOption)(int, int, int, const void*, socklen_t);

/* The next one of that name: the C library's, or another preloaded library's. dlsym(3) gives no
 * function, and C has no cast for it. */
static Bind real_bind;
static Bind real_connect;
static Listen real_listen;
static SetOption real_setsockopt;
static pthread_once_t found_once = PTHREAD_ONCE_INIT;

static void Find(const char* name, void* function) {
  void* const found = dlsym(RTLD_NEXT, name);
  memcpy(function, (const void*)&found, sizeof found);
}

static void FindAll(void) {
  Find("bind", (void*)&real_bind);
  Find("connect", (void*)&real_connect);
  Find("listen", (void*)&real_listen);
  Find("setsockopt", (void*)&real_setsockopt);
}

/* Before main(), where no signal handler can come in between. */
__attribute__((constructor)) static void FindBeforeMain(void) {
  pthread_once(&found_once, FindAll);
}

static int CallBind(int fd, const struct sockaddr* address, socklen_t size) {
  pthread_once(&found_once, FindAll);
  if (real_bind != NULL) return real_bind(fd, address, size);
  return (int)syscall(SYS_bind, fd, address, size);
}

/* Fresh and TCP; all else is none of our business. */
static bool IsFreshTcp(int fd, const struct Asked* asked) {
  int type = 0;
  socklen_t size = sizeof type;
  struct Asked bound;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
         BoundTo(fd, &bound) && bound.port == 0 && bound.family == asked->family;
}

/* The service's address is not known, and this is it: whoever hears of it ends this process and
 * starts it again, with the address. Until then it waits; nobody hears of it where the program is
 * long ready, and then it goes on as if we were not there. */
static void TellAddress(const struct Surroundings* surroundings, const struct Asked* asked) {
  enum { kPauseMs = 200, kMostPauses = 15 };
  static atomic_flag is_told = ATOMIC_FLAG_INIT;
  if (asked->port == 0 || atomic_flag_test_and_set(&is_told)) return;
  for (int i = 0; i < kMostPauses; ++i) {
    const struct Fetched fetched = FetchHeld(surroundings, asked);
    if (fetched.fd >= 0) close(fetched.fd);
    if (fetched.verdict != OXHERD_FETCH_UNKNOWN) return;
    poll(NULL, 0, kPauseMs);
  }
}

/* Returns false if the program's own bind(2) is to have its way. */
static bool TakeHeld(const struct Surroundings* surroundings, int fd, const struct Asked* asked,
                     int* result) {
  const struct Fetched fetched = FetchHeld(surroundings, asked);
  if (fetched.verdict == OXHERD_FETCH_FAMILY || fetched.verdict == OXHERD_FETCH_WIDTH) {
    errno = EADDRNOTAVAIL;
    *result = -1;
    return true;
  }
  if (fetched.fd < 0) return false;
  /* Somebody has shut it down, and it never listens again: the port is taken, and of no use. */
  if (IsListening(fetched.fd)) {
    *result = Replace(fd, fetched.fd);
  } else {
    errno = EADDRINUSE;
    *result = -1;
  }
  const int why = errno;
  close(fetched.fd);
  errno = why;
  return true;
}

OXHERD_WRAPPED int bind(int fd, const struct sockaddr* address, socklen_t size) {
  const struct Surroundings* const surroundings = TheSurroundings();
  struct Asked asked;
  if (!surroundings->is_active || !ReadAddress(address, size, &asked)) {
    return CallBind(fd, address, size);
  }
  const int before = errno;
  int result = 0;
  int cancelling = 0;
  /* bind(2) is no point where a thread may be cancelled; what is called here has some. */
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
  const bool is_fresh = IsFreshTcp(fd, &asked);
  const bool is_listed = IsListed(surroundings, asked.port);
  if (is_fresh && !is_listed && surroundings->finds) TellAddress(surroundings, &asked);
  const bool is_done = is_fresh && is_listed && TakeHeld(surroundings, fd, &asked, &result);
  if (!is_done || result == 0) errno = before;
  if (!is_done) result = CallBind(fd, address, size);
  pthread_setcancelstate(cancelling, NULL);
  return result;
}

OXHERD_WRAPPED int listen(int fd, int backlog) {
  const int before = errno;
  const bool is_held = IsHeld(TheSurroundings(), fd);
  errno = before;
  pthread_once(&found_once, FindAll);
  if (is_held && backlog < kLeastBacklog) backlog = kLeastBacklog;
  if (real_listen != NULL) return real_listen(fd, backlog);
  return (int)syscall(SYS_listen, fd, backlog);
}

/* To no address means: not connected, not listening, for all who hold the socket. */
OXHERD_WRAPPED int connect(int fd, const struct sockaddr* address, socklen_t size) {
  if (address != NULL && size >= (socklen_t)sizeof(sa_family_t) &&
      address->sa_family == AF_UNSPEC) {
    const int before = errno;
    const bool is_held = IsHeld(TheSurroundings(), fd);
    errno = before;
    if (is_held) return 0;
  }
  pthread_once(&found_once, FindAll);
  if (real_connect != NULL) return real_connect(fd, address, size);
  return (int)syscall(SYS_connect, fd, address, size);
}

/* What would change where clients of the whole group go. */
static bool IsAboutTheGroup(int option, const void* value, socklen_t size) {
  int number = 0;
  switch (option) {
    case SO_REUSEPORT:
      if (value != NULL && size >= (socklen_t)sizeof number) memcpy(&number, value, sizeof number);
      return number == 0;
    case SO_ATTACH_FILTER:
    case SO_ATTACH_BPF:
    case SO_DETACH_FILTER: /* and SO_DETACH_BPF, the same number */
    case SO_LOCK_FILTER:
    case SO_ATTACH_REUSEPORT_CBPF:
    case SO_ATTACH_REUSEPORT_EBPF:
    case SO_DETACH_REUSEPORT_BPF:
      return true;
    default:
      return false;
  }
}

OXHERD_WRAPPED int setsockopt(int fd, int level, int option, const void* value, socklen_t size) {
  if (level == SOL_SOCKET && IsAboutTheGroup(option, value, size)) {
    const int before = errno;
    const bool is_held = IsHeld(TheSurroundings(), fd);
    errno = before;
    if (is_held) return 0;
  }
  pthread_once(&found_once, FindAll);
  if (real_setsockopt != NULL) return real_setsockopt(fd, level, option, value, size);
  return (int)syscall(SYS_setsockopt, fd, level, option, value, size);
}
