/* What the preload library says to the keeper to get a listening socket, and what it hears.
 *
 * One datagram each way, fixed size, in the machine's own byte order, over an abstract Unix socket
 * (unix(7)). The library finds in its environment
 *   OXHERD_LISTEN_SOCKET=NAME:GATE   the abstract name, and OXHERD_FETCH_GATE_BYTES in hexadecimal;
 *                                    not set where the keeper cannot have such a socket
 *   OXHERD_LISTEN_KEY=TOKEN:SECRET   decimal, and OXHERD_FETCH_SECRET_BYTES in hexadecimal
 *   OXHERD_LISTEN=3000=200,4000=201  the ports to ask for, and duplicates that may be inherited;
 *                                    "auto" at the end, or alone: tell the first other port too
 * The gate is the same for all children of one keeper: the kernel drops every datagram that does
 * not begin with it. It must come from a socket with a name of its own (bind(2) with the family
 * alone): the answer goes there, with the descriptor by SCM_RIGHTS if it is OXHERD_FETCH_GIVEN. */
#pragma once

/* NOLINTBEGIN: plain C, read by the library and by the keeper. */
#include <stdint.h>

#define OXHERD_FETCH_VERSION 1
#define OXHERD_FETCH_GATE_BYTES 16
#define OXHERD_FETCH_SECRET_BYTES 16

struct OxherdFetchRequest {
  uint8_t gate[OXHERD_FETCH_GATE_BYTES];
  uint64_t token;
  uint8_t secret[OXHERD_FETCH_SECRET_BYTES];
  uint8_t host[16]; /* network order; IPv4 in the first four, the rest 0 */
  uint16_t port;    /* host order */
  uint8_t family;   /* 4 or 6 */
  uint8_t version;
  uint32_t reserved; /* 0 */
};

enum OxherdFetchVerdict {
  OXHERD_FETCH_GIVEN = 0,
  OXHERD_FETCH_FAMILY = 1,  /* the program is IPv4 and the socket IPv6: the bind must fail */
  OXHERD_FETCH_WIDTH = 2,   /* the socket is open to more, or to others, than the program asked */
  OXHERD_FETCH_UNKNOWN = 3, /* nothing of this port is held for this instance */
  OXHERD_FETCH_DENIED = 4,  /* no such token, wrong secret, wrong user */
};

struct OxherdFetchAnswer {
  uint32_t version;
  uint32_t verdict;
};
/* NOLINTEND */
