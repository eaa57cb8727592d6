/* liboxherd-listen.so: lets an unmodified program take the listening sockets that Oxherd holds for
 * it. Loaded by LD_PRELOAD; this is what its parts share.
 *
 * bind(2) of a TCP socket to a port in OXHERD_LISTEN becomes a duplicate of the held socket on the
 * program's own descriptor. Everything else is left alone, but for what would take the held socket
 * away from others who hold it. It never prints, needs no memory from the heap, and reads the
 * environment once, before main(). Rules: supervisor/README.md, "Listening sockets". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "listen/fetch.h"

enum { kMaxListenPorts = 64 };

/* What the environment says; nothing without `is_active`. */
struct ListenPort {
  uint16_t port;
  int inherited; /* a duplicate that may be open there, or -1 */
};
struct Surroundings {
  bool is_active;
  bool finds; /* the keeper wants to hear of the first address that is bound and not listed */
  size_t port_count;
  struct ListenPort ports[kMaxListenPorts];
  char socket_name[64]; /* abstract, without the leading NUL */
  size_t socket_name_size;
  uint8_t gate[OXHERD_FETCH_GATE_BYTES];
  uint64_t token;
  uint8_t secret[OXHERD_FETCH_SECRET_BYTES];
};
/* Reads the environment if nobody has yet. Safe in any thread. */
const struct Surroundings* TheSurroundings(void);
/* False for texts that are not as listen/fetch.h says; then nothing is active. */
bool ReadSurroundings(const char* listen, const char* socket, const char* key,
                      struct Surroundings* result);
bool IsListed(const struct Surroundings* surroundings, uint16_t port);

/* An address as a program gives it to bind(2). */
struct Asked {
  uint8_t family; /* 4 or 6 */
  uint16_t port;
  uint8_t host[16];
};
/* False for what is neither IPv4 nor IPv6, or too short. */
bool ReadAddress(const struct sockaddr* address, socklen_t size, struct Asked* asked);
/* Where the socket is bound (port 0: nowhere). */
bool BoundTo(int fd, struct Asked* bound);
/* A TCP socket in LISTEN at a listed port: as no program of ours can get such a port by itself, it
 * is a held one, whoever opened, duplicated or inherited it. */
bool IsHeld(const struct Surroundings* surroundings, int fd);
bool IsListening(int fd);

/* The held socket for the address, close-on-exec, from the keeper, or a duplicate of the inherited
 * one. Waits two seconds at most. */
struct Fetched {
  int fd; /* -1: none */
  enum OxherdFetchVerdict verdict;
};
struct Fetched FetchHeld(const struct Surroundings* surroundings, const struct Asked* asked);

/* Puts `held` in the place of `fd` and of all its duplicates in this process, with each one's
 * close-on-exec flag, the blocking mode, the options, and the epoll registrations that the
 * program's own socket had. Returns 0, or -1 with errno of dup3(2). `held` stays open. */
int Replace(int fd, int held);
