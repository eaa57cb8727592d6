/* What the library knows: the three variables of listen/fetch.h. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "listen/library.h"

static struct Surroundings the_surroundings;
static pthread_once_t read_once = PTHREAD_ONCE_INIT;

static bool ReadNumber(const char** text, uint64_t most, uint64_t* number) {
  const char* at = *text;
  uint64_t value = 0;
  if (*at < '0' || *at > '9') return false;
  for (; *at >= '0' && *at <= '9'; ++at) {
    const uint64_t digit = (uint64_t)(*at - '0');
    if (value > (most - digit) / 10) return false;
    value = value * 10 + digit;
  }
  *text = at;
  *number = value;
  return true;
}

static int Nibble(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

/* Exactly so many bytes, and then the end of the text. */
static bool ReadHexadecimal(const char* text, uint8_t* bytes, size_t count) {
  if (strlen(text) != 2 * count) return false;
  for (size_t i = 0; i < count; ++i) {
    const int high = Nibble(text[2 * i]);
    const int low = Nibble(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = (uint8_t)(high * 16 + low);
  }
  return true;
}

static bool ReadPorts(const char* text, struct Surroundings* result) {
  for (;;) {
    if (strcmp(text, "auto") == 0) {
      result->finds = true;
      return true;
    }
    uint64_t port = 0;
    uint64_t inherited = 0;
    if (result->port_count == kMaxListenPorts) return false;
    if (!ReadNumber(&text, 65535, &port) || port == 0) return false;
    struct ListenPort* const one = &result->ports[result->port_count++];
    one->port = (uint16_t)port;
    one->inherited = -1;
    if (*text == '=') {
      ++text;
      if (!ReadNumber(&text, 1 << 20, &inherited)) return false;
      one->inherited = (int)inherited;
    }
    if (*text == '\0') return true;
    if (*text++ != ',') return false;
  }
}

/* Without one there is what was inherited. */
static bool ReadSocket(const char* text, struct Surroundings* result) {
  if (text == NULL) return true;
  const char* const colon = strchr(text, ':');
  if (colon == NULL || colon == text) return false;
  result->socket_name_size = (size_t)(colon - text);
  if (result->socket_name_size > sizeof result->socket_name) return false;
  memcpy(result->socket_name, text, result->socket_name_size);
  return ReadHexadecimal(colon + 1, result->gate, sizeof result->gate);
}

static bool ReadKey(const char* text, struct Surroundings* result) {
  if (!ReadNumber(&text, UINT64_MAX, &result->token) || *text != ':') return false;
  return ReadHexadecimal(text + 1, result->secret, sizeof result->secret);
}

bool ReadSurroundings(const char* listen, const char* socket, const char* key,
                      struct Surroundings* result) {
  memset(result, 0, sizeof *result);
  if (listen == NULL || key == NULL) return false;
  result->is_active =
      ReadPorts(listen, result) && ReadSocket(socket, result) && ReadKey(key, result);
  return result->is_active;
}

static void ReadOnce(void) {
  /* NOLINTBEGIN(concurrency-mt-unsafe): before main(), when there are no other threads. */
  ReadSurroundings(getenv("OXHERD_LISTEN"), getenv("OXHERD_LISTEN_SOCKET"),
                   getenv("OXHERD_LISTEN_KEY"), &the_surroundings);
  /* NOLINTEND(concurrency-mt-unsafe) */
}

const struct Surroundings* TheSurroundings(void) {
  pthread_once(&read_once, ReadOnce);
  return &the_surroundings;
}

/* Programs that show their state in the process list (setproctitle) overwrite the environment
 * later. */
__attribute__((constructor)) static void ReadBeforeMain(void) { TheSurroundings(); }

bool IsListed(const struct Surroundings* surroundings, uint16_t port) {
  for (size_t i = 0; i < surroundings->port_count; ++i) {
    if (surroundings->ports[i].port == port) return true;
  }
  return false;
}
