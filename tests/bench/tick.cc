// The process that is managed in `./dev bench`: says "NAME PID MICROSECONDS" into a FIFO as soon as
// it runs, then waits to be told to end. usage: tick FIFO NAME
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>

int main(int argc, char** argv) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (argc != 3) return 2;
  // Whoever reads is there already; a line is written in one piece.
  const int fifo = open(argv[1], O_WRONLY | O_CLOEXEC);
  char line[128];
  const int size = snprintf(line, sizeof line, "%.60s %d %lld\n", argv[2], getpid(),
                            static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000);
  if (fifo < 0 || write(fifo, line, static_cast<size_t>(size)) != size) return 1;
  close(fifo);
  for (;;) pause();
}
