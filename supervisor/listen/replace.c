/* The held socket in the place of the program's own: all that the program has done with its own
 * before bind(2) is done again. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "listen/library.h"

/* ---- Options. ---- */

static void CopyOption(int from, int to, int level, int option) {
  char value[64];
  socklen_t size = sizeof value;
  if (getsockopt(from, level, option, value, &size) == 0) {
    setsockopt(to, level, option, value, size);
  }
}

/* Buffers size themselves until somebody sets them: only what differs from a new socket's was set.
 * The kernel tells twice what it was told. */
static void CopyBuffer(int from, int fresh, int to, int option) {
  int set = 0;
  int usual = 0;
  socklen_t size = sizeof set;
  if (getsockopt(from, SOL_SOCKET, option, &set, &size) != 0 ||
      getsockopt(fresh, SOL_SOCKET, option, &usual, &size) != 0 || set == usual) {
    return;
  }
  set /= 2;
  setsockopt(to, SOL_SOCKET, option, &set, sizeof set);
}

static void CopyOptions(int from, int to) {
  static const struct {
    int level;
    int option;
  } kCopied[] = {
      {SOL_SOCKET, SO_KEEPALIVE},      {SOL_SOCKET, SO_LINGER},    {SOL_SOCKET, SO_RCVTIMEO},
      {SOL_SOCKET, SO_SNDTIMEO},       {IPPROTO_TCP, TCP_NODELAY}, {IPPROTO_TCP, TCP_KEEPIDLE},
      {IPPROTO_TCP, TCP_KEEPINTVL},    {IPPROTO_TCP, TCP_KEEPCNT}, {IPPROTO_TCP, TCP_USER_TIMEOUT},
      {IPPROTO_TCP, TCP_DEFER_ACCEPT},
  };
  for (size_t i = 0; i < sizeof kCopied / sizeof kCopied[0]; ++i) {
    CopyOption(from, to, kCopied[i].level, kCopied[i].option);
  }
  const int fresh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fresh < 0) return;
  CopyBuffer(from, fresh, to, SO_RCVBUF);
  CopyBuffer(from, fresh, to, SO_SNDBUF);
  close(fresh);
}

static void CopyBlocking(int from, int to) {
  const int wanted = fcntl(from, F_GETFL);
  const int present = fcntl(to, F_GETFL);
  if (wanted < 0 || present < 0) return;
  fcntl(to, F_SETFL, (present & ~O_NONBLOCK) | (wanted & O_NONBLOCK));
}

/* ---- Epoll: a registration belongs to the file that is replaced, and goes with it. ---- */

enum { kMaxRegistrations = 16 };

struct Registration {
  int epoll;
  int fd;
  struct epoll_event event;
};
struct Registrations {
  size_t count;
  struct Registration list[kMaxRegistrations];
};

/* What follows `name` in the text, as a number; false if it is not there. */
static bool NumberAfter(const char* text, const char* name, int base, unsigned long long* number) {
  const char* const found = strstr(text, name);
  if (found == NULL) return false;
  *number = strtoull(found + strlen(name), NULL, base);
  return true;
}

/* "tfd:  7 events:  19 data:  7 pos:0 ino:1b6e sdev:8" (proc(5), /proc/PID/fdinfo). */
static void ReadRegistration(int epoll, const char* line, const struct stat* own,
                             struct Registrations* all) {
  unsigned long long fd = 0;
  unsigned long long events = 0;
  unsigned long long data = 0;
  unsigned long long inode = 0;
  if (!NumberAfter(line, "tfd:", 10, &fd) || !NumberAfter(line, "events:", 16, &events) ||
      !NumberAfter(line, "data:", 16, &data) || !NumberAfter(line, "ino:", 16, &inode)) {
    return;
  }
  if (inode != own->st_ino || all->count == kMaxRegistrations) return;
  struct Registration* const one = &all->list[all->count++];
  one->epoll = epoll;
  one->fd = (int)fd;
  one->event.events = (uint32_t)events;
  one->event.data.u64 = data;
}

/* "/proc/self/fdinfo/7" without the heap and without stdio. */
static void PathOf(char* path, const char* folder, int number) {
  char digits[12];
  size_t count = 0;
  do {
    digits[count++] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  const size_t start = strlen(folder);
  memcpy(path, folder, start);
  for (size_t i = 0; i < count; ++i) path[start + i] = digits[count - 1 - i];
  path[start + count] = '\0';
}

static bool IsEpoll(int fd) {
  static const char kName[] = "anon_inode:[eventpoll]";
  char path[64];
  char link[64];
  PathOf(path, "/proc/self/fd/", fd);
  const ssize_t size = readlink(path, link, sizeof link);
  return size == (ssize_t)sizeof kName - 1 && memcmp(link, kName, sizeof kName - 1) == 0;
}

/* Line by line: one epoll can hold many thousands. */
static void ReadEpoll(int epoll, const struct stat* own, struct Registrations* all) {
  char path[64];
  char text[4096];
  size_t filled = 0;
  PathOf(path, "/proc/self/fdinfo/", epoll);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  for (;;) {
    const ssize_t size = read(file, text + filled, sizeof text - 1 - filled);
    if (size <= 0) break;
    filled += (size_t)size;
    text[filled] = '\0';
    char* start = text;
    for (char* end = strchr(start, '\n'); end != NULL; end = strchr(start, '\n')) {
      *end = '\0';
      ReadRegistration(epoll, start, own, all);
      start = end + 1;
    }
    filled -= (size_t)(start - text);
    memmove(text, start, filled);
    if (filled == sizeof text - 1) break;
  }
  close(file);
}

/* ---- All descriptors of the process. ---- */

/* An entry of getdents64(2): inode, offset, its own size, a type, and the name. */
enum { kEntrySize = 16, kEntryName = 19 };

struct Place {
  const struct stat* own; /* the program's socket */
  int fd;                 /* where it was bound */
  struct Registrations* registrations;
  int* duplicates;
  size_t duplicate_count;
};

enum { kMaxDuplicates = 32 };

static void LookAt(int fd, struct Place* place) {
  struct stat about;
  if (fstat(fd, &about) != 0) return;
  if (S_ISSOCK(about.st_mode)) {
    const bool is_same = about.st_ino == place->own->st_ino && about.st_dev == place->own->st_dev;
    if (is_same && fd != place->fd && place->duplicate_count < kMaxDuplicates) {
      place->duplicates[place->duplicate_count++] = fd;
    }
  } else if (IsEpoll(fd)) {
    ReadEpoll(fd, place->own, place->registrations);
  }
}

/* Without /proc there is nothing to see, and most programs have done nothing yet. */
static void LookAtAll(struct Place* place) {
  char entries[2048];
  const int folder = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  for (;;) {
    const long size = syscall(SYS_getdents64, folder, entries, sizeof entries);
    if (size <= 0) break;
    for (long at = 0; at < size;) {
      unsigned short entry_size = 0;
      memcpy(&entry_size, entries + at + kEntrySize, sizeof entry_size);
      const char* const name = entries + at + kEntryName;
      if (name[0] >= '0' && name[0] <= '9') LookAt((int)strtol(name, NULL, 10), place);
      at += entry_size;
    }
  }
  close(folder);
}

static int PutAt(int held, int fd) {
  const int flags = fcntl(fd, F_GETFD);
  const bool closes = flags >= 0 && (flags & FD_CLOEXEC) != 0;
  int done = -1;
  do {
    done = dup3(held, fd, closes ? O_CLOEXEC : 0);
  } while (done < 0 && (errno == EINTR || errno == EBUSY));
  return done < 0 ? -1 : 0;
}

int Replace(int fd, int held) {
  struct stat own;
  struct Registrations registrations = {.count = 0};
  int duplicates[kMaxDuplicates];
  struct Place place = {.own = &own,
                        .fd = fd,
                        .registrations = &registrations,
                        .duplicates = duplicates,
                        .duplicate_count = 0};
  if (fstat(fd, &own) != 0) return -1;
  LookAtAll(&place);
  CopyOptions(fd, held);
  CopyBlocking(fd, held);
  if (PutAt(held, fd) != 0) return -1;
  for (size_t i = 0; i < place.duplicate_count; ++i) PutAt(held, duplicates[i]);
  for (size_t i = 0; i < registrations.count; ++i) {
    struct Registration* const one = &registrations.list[i];
    epoll_ctl(one->epoll, EPOLL_CTL_ADD, one->fd, &one->event);
  }
  return 0;
}
