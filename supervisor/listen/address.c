/* Addresses of sockets, and which sockets are held ones. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "listen/library.h"

bool ReadAddress(const struct sockaddr* address, socklen_t size, struct Asked* asked) {
  memset(asked, 0, sizeof *asked);
  if (address == NULL || size < (socklen_t)sizeof(sa_family_t)) return false;
  if (address->sa_family == AF_INET && size >= (socklen_t)sizeof(struct sockaddr_in)) {
    struct sockaddr_in ipv4;
    memcpy(&ipv4, address, sizeof ipv4);
    asked->family = 4;
    asked->port = ntohs(ipv4.sin_port);
    memcpy(asked->host, &ipv4.sin_addr, sizeof ipv4.sin_addr);
    return true;
  }
  /* The kernel takes one without sin6_scope_id (RFC 2133). */
  const socklen_t least = (socklen_t)offsetof(struct sockaddr_in6, sin6_scope_id);
  if (address->sa_family == AF_INET6 && size >= least) {
    struct sockaddr_in6 ipv6;
    memcpy(&ipv6, address, (size_t)least);
    asked->family = 6;
    asked->port = ntohs(ipv6.sin6_port);
    memcpy(asked->host, &ipv6.sin6_addr, sizeof ipv6.sin6_addr);
    return true;
  }
  return false;
}

bool BoundTo(int fd, struct Asked* bound) {
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  memset(&address, 0, sizeof address);
  if (getsockname(fd, (struct sockaddr*)&address, &size) != 0) return false;
  return ReadAddress((const struct sockaddr*)&address, size, bound);
}

bool IsListening(int fd) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

bool IsHeld(const struct Surroundings* surroundings, int fd) {
  struct Asked bound;
  return surroundings->is_active && IsListening(fd) && BoundTo(fd, &bound) &&
         IsListed(surroundings, bound.port);
}
