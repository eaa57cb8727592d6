// Preloaded into the daemon under test: fsync(2) hangs, as it does on a disk that is busy or about
// to die, until the file $OXHERD_TEST_FSYNC_GATE is there, 30 s at most. Meanwhile there is a file
// of that name with ".waiting" behind it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int fsync(int fd) {
  const char* gate = getenv("OXHERD_TEST_FSYNC_GATE");
  if (gate != NULL) {
    char waiting[4096];
    snprintf(waiting, sizeof waiting, "%s.waiting", gate);
    close(open(waiting, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const struct timespec pause = {0, 5000000};
    for (int i = 0; i < 6000 && access(gate, F_OK) != 0; ++i) {
      nanosleep(&pause, NULL);
    }
  }
  return (int)syscall(SYS_fsync, fd);
}
