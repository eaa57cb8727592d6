/* Getting the held socket: from the keeper, else from what was inherited. */
#include "listen/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "listen/library.h"

enum { kPatienceSeconds = 2, kMostInterruptions = 100 };

/* A socket with a name of its own, so that the keeper can answer, and with the keeper as its only
 * peer, so that nobody else can. */
static int Reach(const struct Surroundings* surroundings) {
  if (surroundings->socket_name_size == 0) return -1;
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  struct sockaddr_un own;
  struct sockaddr_un keeper;
  memset(&own, 0, sizeof own);
  memset(&keeper, 0, sizeof keeper);
  own.sun_family = AF_UNIX;
  keeper.sun_family = AF_UNIX;
  memcpy(keeper.sun_path + 1, surroundings->socket_name, surroundings->socket_name_size);
  const socklen_t keeper_size =
      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + surroundings->socket_name_size);
  const struct timeval patience = {.tv_sec = kPatienceSeconds, .tv_usec = 0};
  if (bind(fd, (const struct sockaddr*)&own, sizeof(sa_family_t)) != 0 ||
      connect(fd, (const struct sockaddr*)&keeper, keeper_size) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

static bool Say(int fd, const struct Surroundings* surroundings, const struct Asked* asked) {
  struct OxherdFetchRequest request;
  memset(&request, 0, sizeof request);
  memcpy(request.gate, surroundings->gate, sizeof request.gate);
  memcpy(request.secret, surroundings->secret, sizeof request.secret);
  memcpy(request.host, asked->host, sizeof request.host);
  request.token = surroundings->token;
  request.port = asked->port;
  request.family = asked->family;
  request.version = OXHERD_FETCH_VERSION;
  for (int i = 0; i < kMostInterruptions; ++i) {
    const ssize_t sent = send(fd, &request, sizeof request, MSG_NOSIGNAL);
    if (sent == (ssize_t)sizeof request) return true;
    if (sent >= 0 || errno != EINTR) return false;
  }
  return false;
}

static struct Fetched Hear(int fd) {
  struct Fetched fetched = {.fd = -1, .verdict = OXHERD_FETCH_DENIED};
  struct OxherdFetchAnswer answer;
  struct iovec part = {.iov_base = &answer, .iov_len = sizeof answer};
  union {
    struct cmsghdr aligned;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  memset(&control, 0, sizeof control);
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t size = -1;
  for (int i = 0; i < kMostInterruptions; ++i) {
    size = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    if (size >= 0 || errno != EINTR) break;
  }
  if (size != (ssize_t)sizeof answer || answer.version != OXHERD_FETCH_VERSION) return fetched;
  const struct cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    memcpy(&fetched.fd, CMSG_DATA(header), sizeof fetched.fd);
  }
  if (answer.verdict <= OXHERD_FETCH_DENIED) {
    fetched.verdict = (enum OxherdFetchVerdict)answer.verdict;
  }
  return fetched;
}

/* The keeper's rule (FitOf in keeper/fetch.h), for what was inherited. */
static enum OxherdFetchVerdict Judge(const struct Asked* held, const struct Asked* asked) {
  static const uint8_t kAny[16];
  if (held->port != asked->port) return OXHERD_FETCH_UNKNOWN;
  if (held->family == 6 && asked->family == 4) return OXHERD_FETCH_FAMILY;
  if (memcmp(asked->host, kAny, sizeof kAny) == 0) return OXHERD_FETCH_GIVEN;
  if (memcmp(asked->host, held->host, sizeof kAny) == 0) return OXHERD_FETCH_GIVEN;
  return OXHERD_FETCH_WIDTH;
}

static struct Fetched TakeInherited(const struct Surroundings* surroundings,
                                    const struct Asked* asked) {
  struct Fetched fetched = {.fd = -1, .verdict = OXHERD_FETCH_UNKNOWN};
  for (size_t i = 0; i < surroundings->port_count; ++i) {
    const struct ListenPort* const one = &surroundings->ports[i];
    struct Asked held;
    if (one->port != asked->port || one->inherited < 0) continue;
    if (!IsListening(one->inherited) || !BoundTo(one->inherited, &held)) continue;
    const enum OxherdFetchVerdict verdict = Judge(&held, asked);
    if (verdict == OXHERD_FETCH_UNKNOWN) continue;
    fetched.verdict = verdict;
    if (verdict != OXHERD_FETCH_GIVEN) continue;
    fetched.fd = fcntl(one->inherited, F_DUPFD_CLOEXEC, 3);
    return fetched;
  }
  return fetched;
}

struct Fetched FetchHeld(const struct Surroundings* surroundings, const struct Asked* asked) {
  struct Fetched fetched = {.fd = -1, .verdict = OXHERD_FETCH_DENIED};
  const int keeper = Reach(surroundings);
  if (keeper >= 0 && Say(keeper, surroundings, asked)) fetched = Hear(keeper);
  if (keeper >= 0) close(keeper);
  const bool is_given = fetched.verdict == OXHERD_FETCH_GIVEN;
  if (is_given && fetched.fd >= 0) return fetched;
  if (fetched.fd >= 0) close(fetched.fd);
  fetched.fd = -1;
  /* Nobody answered, or our descriptor limit took the socket out of the answer. */
  if (is_given || fetched.verdict == OXHERD_FETCH_DENIED) {
    return TakeInherited(surroundings, asked);
  }
  return fetched;
}
