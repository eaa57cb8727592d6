#include "os/become.h"

#include <grp.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace oxherd::os {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// No system call where nothing is to change: who is no root may run as himself.
Status TakeOn(const Identity& identity) {
  if (::geteuid() == identity.uid && ::getegid() == identity.gid && ::geteuid() != 0) return {};
  const std::vector<gid_t> groups(identity.groups.begin(), identity.groups.end());
  if (::setgroups(groups.size(), groups.data()) != 0) return ErrnoError("take on its groups");
  if (::setresgid(identity.gid, identity.gid, identity.gid) != 0) {
    return ErrnoError("take on its group");
  }
  if (::setresuid(identity.uid, identity.uid, identity.uid) != 0) {
    return ErrnoError("take on its user");
  }
  if (identity.uid != 0 && ::setuid(0) == 0)
    return MakeError("root's rights could not be given up");
  return {};
}

}  // namespace

Error BecomeProgram(const Becoming& becoming) {
  if (becoming.identity) {
    if (Status taken = TakeOn(*becoming.identity); !taken) return std::move(taken).error();
  }
  if (::chdir(becoming.folder.c_str()) != 0) {
    return ErrnoError("chdir \"" + becoming.folder + "\"").error();
  }
  std::vector<std::string> words = becoming.words;
  std::vector<std::string> environment = becoming.environment;
  const std::vector<char*> variables = Pointers(environment);
  // execvpe(3) looks along our own PATH.
  for (const std::string& variable : environment) {
    if (!variable.starts_with("PATH=")) continue;
    ::setenv("PATH", variable.c_str() + 5, 1);  // NOLINT(concurrency-mt-unsafe): one thread
  }
  ::execvpe(words.front().c_str(), Pointers(words).data(), variables.data());
  return ErrnoError("start \"" + words.front() + "\"").error();
}

}  // namespace oxherd::os
