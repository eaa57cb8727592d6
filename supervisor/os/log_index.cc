#include "os/log_index.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace oxherd::os {
namespace {

constexpr std::uint64_t kHeadMagic = 0x3158444e'4452584fULL;  // "OXRDNDX1"
constexpr std::uint8_t kHeadKind = 1;
constexpr std::uint8_t kBurstKind = 2;
// How many broken records in a row a search steps over before it gives up.
constexpr std::uint64_t kMaxBroken = 1024;

std::uint32_t Hash(std::span<const std::byte> bytes) {  // FNV-1a, 32 bits
  std::uint32_t hash = 2166136261U;
  for (const std::byte byte : bytes) {
    hash = (hash ^ std::to_integer<std::uint32_t>(byte)) * 16777619U;
  }
  return hash;
}

std::uint32_t Hash(std::string_view text) { return Hash(std::as_bytes(std::span(text))); }

// Little-endian numbers, one after the other, behind the checksum.
class RecordWriter {
 public:
  template <typename Number>
  void Put(Number number) {
    auto rest = static_cast<std::uint64_t>(number);
    for (std::size_t i = 0; i < sizeof(Number); ++i, rest >>= 8) {
      bytes_[at_++] = static_cast<std::byte>(rest & 0xff);
    }
  }
  LogRecordBytes Sealed() {
    at_ = 0;
    Put(Hash(std::span(bytes_).subspan(sizeof(std::uint32_t))));
    return bytes_;
  }

 private:
  LogRecordBytes bytes_{};
  std::size_t at_ = sizeof(std::uint32_t);
};

class RecordReader {
 public:
  explicit RecordReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  template <typename Number>
  Number Take() {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
      number |= std::to_integer<std::uint64_t>(bytes_[at_++]) << (8 * i);
    }
    return static_cast<Number>(number);
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

bool IsSound(std::span<const std::byte> bytes, std::uint8_t kind) {
  if (bytes.size() != kLogRecordBytes) return false;
  RecordReader reader(bytes);
  const auto checksum = reader.Take<std::uint32_t>();
  if (reader.Take<std::uint8_t>() != kind) return false;
  return checksum == Hash(bytes.subspan(sizeof(std::uint32_t)));
}

WallTime WallFromNanoseconds(std::int64_t count) { return WallTime(Duration(count)); }

std::optional<LogRecordBytes> ReadRecord(int file, std::uint64_t position) {
  LogRecordBytes bytes;
  const ssize_t got =
      pread(file, bytes.data(), bytes.size(), static_cast<off_t>(position * kLogRecordBytes));
  if (got != static_cast<ssize_t>(bytes.size())) return std::nullopt;
  return bytes;
}

bool WriteRecord(int file, std::uint64_t offset, const LogRecordBytes& bytes) {
  return pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset)) ==
         static_cast<ssize_t>(bytes.size());
}

}  // namespace

std::string DefaultLogPath(std::string_view logs_directory, const InstanceId& instance,
                           LogStream stream) {
  std::string path(logs_directory);
  path += '/';
  path += instance.Text();
  path += stream == LogStream::kOut ? ".out.log" : ".err.log";
  return path;
}

std::string LogIndexPath(std::string_view log_path) { return std::string(log_path) + ".idx"; }

std::uint32_t ServiceMark(std::string_view service) { return Hash(service); }

std::uint32_t BootMark() {
  const Fd file(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return 0;
  std::array<char, 36> text{};
  const ssize_t got = read(file.get(), text.data(), text.size());
  if (got <= 0) return 0;
  return Hash(std::string_view(text.data(), static_cast<std::size_t>(got)));
}

LogRecordBytes EncodeBurst(const LogBurst& burst) {
  RecordWriter writer;
  writer.Put(kBurstKind);
  writer.Put(static_cast<std::uint8_t>(burst.stream));
  writer.Put(burst.slot);
  writer.Put(burst.generation.number());
  writer.Put(burst.service);
  writer.Put(burst.boot);
  writer.Put(std::uint32_t{0});
  writer.Put(burst.offset);
  writer.Put(static_cast<std::int64_t>(burst.wall.time_since_epoch().count()));
  writer.Put(static_cast<std::int64_t>(Nanoseconds(burst.monotonic)));
  writer.Put(burst.token.number());
  return writer.Sealed();
}

std::optional<LogBurst> DecodeBurst(std::span<const std::byte> bytes) {
  if (!IsSound(bytes, kBurstKind)) return std::nullopt;
  RecordReader reader(bytes.subspan(sizeof(std::uint32_t) + sizeof(std::uint8_t)));
  const auto stream = reader.Take<std::uint8_t>();
  if (stream > static_cast<std::uint8_t>(LogStream::kErr)) return std::nullopt;
  LogBurst burst;
  burst.stream = static_cast<LogStream>(stream);
  burst.slot = reader.Take<SlotIndex>();
  burst.generation = Generation(reader.Take<std::uint32_t>());
  burst.service = reader.Take<std::uint32_t>();
  burst.boot = reader.Take<std::uint32_t>();
  (void)reader.Take<std::uint32_t>();
  burst.offset = reader.Take<std::uint64_t>();
  burst.wall = WallFromNanoseconds(reader.Take<std::int64_t>());
  burst.monotonic = InstantFromNanoseconds(reader.Take<std::int64_t>());
  burst.token = Token(reader.Take<std::uint64_t>());
  return burst;
}

LogRecordBytes EncodeIndexHead(std::uint64_t inode, WallTime created) {
  RecordWriter writer;
  writer.Put(kHeadKind);
  writer.Put(kHeadMagic);
  writer.Put(inode);
  writer.Put(static_cast<std::int64_t>(created.time_since_epoch().count()));
  return writer.Sealed();
}

std::optional<LogIndexHead> DecodeIndexHead(std::span<const std::byte> bytes) {
  if (!IsSound(bytes, kHeadKind)) return std::nullopt;
  RecordReader reader(bytes.subspan(sizeof(std::uint32_t) + sizeof(std::uint8_t)));
  if (reader.Take<std::uint64_t>() != kHeadMagic) return std::nullopt;
  LogIndexHead head;
  head.inode = reader.Take<std::uint64_t>();
  head.created = WallFromNanoseconds(reader.Take<std::int64_t>());
  return head;
}

LogIndex LogIndex::Open(std::string_view log_path, std::uint64_t inode) {
  LogIndex index;
  Fd file(open(LogIndexPath(log_path).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.get() < 0) return index;
  const auto bytes = ReadRecord(file.get(), 0);
  if (!bytes) return index;
  const auto head = DecodeIndexHead(*bytes);
  if (!head || head->inode != inode) return index;
  index.file_ = std::move(file);
  index.inode_ = inode;
  return index;
}

std::uint64_t LogIndex::count() const {
  struct stat status{};
  if (file_.get() < 0 || fstat(file_.get(), &status) != 0) return 0;
  const auto records = static_cast<std::uint64_t>(status.st_size) / kLogRecordBytes;
  return records == 0 ? 0 : records - 1;  // the head is none
}

std::optional<LogBurst> LogIndex::At(std::uint64_t position) const {
  const auto bytes = ReadRecord(file_.get(), position + 1);
  if (!bytes) return std::nullopt;
  return DecodeBurst(*bytes);
}

std::optional<std::uint64_t> LogIndex::SoundAtOrBefore(std::uint64_t position,
                                                       LogBurst& burst) const {
  for (std::uint64_t broken = 0; broken < kMaxBroken; ++broken) {
    if (const auto found = At(position)) {
      burst = *found;
      return position;
    }
    if (position == 0) return std::nullopt;
    --position;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> LogIndex::FindOffset(std::uint64_t offset) const {
  std::uint64_t low = 0;  // everything before `low` begins at or before `offset`
  std::uint64_t high = count();
  std::optional<std::uint64_t> best;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    LogBurst burst;
    const auto sound = SoundAtOrBefore(middle, burst);
    if (!sound || *sound < low) {  // nothing sound in low..middle
      low = middle + 1;
    } else if (burst.offset <= offset) {
      best = sound;
      low = middle + 1;
    } else {
      high = *sound;
    }
  }
  return best;
}

std::uint64_t LogIndex::FindTime(WallTime wall) const {
  std::uint64_t low = 0;
  const std::uint64_t end = count();
  std::uint64_t high = end;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    LogBurst burst;
    const auto sound = SoundAtOrBefore(middle, burst);
    if (!sound || *sound < low || burst.wall < wall) {
      low = middle + 1;
    } else {
      high = *sound;
    }
  }
  return low;
}

namespace {

// The size up to which an index can be gone on with; 0 if it must be begun anew.
std::uint64_t UsableSize(int file, std::uint64_t inode, std::uint64_t log_size, WallTime& created) {
  struct stat status{};
  if (fstat(file, &status) != 0) return 0;
  const auto head_bytes = ReadRecord(file, 0);
  if (!head_bytes) return 0;
  const auto head = DecodeIndexHead(*head_bytes);
  if (!head || head->inode != inode) return 0;
  created = head->created;
  const auto records = static_cast<std::uint64_t>(status.st_size) / kLogRecordBytes;
  if (records > 1) {
    const auto last_bytes = ReadRecord(file, records - 1);
    if (!last_bytes) return 0;
    const auto last = DecodeBurst(*last_bytes);
    if (!last || last->offset > log_size) return 0;
  }
  return records * kLogRecordBytes;  // half a record at the end is written over
}

}  // namespace

Result<LogIndexWriter> LogIndexWriter::Open(std::string_view log_path, std::uint64_t inode,
                                            std::uint64_t log_size, WallTime now) {
  const std::string path = LogIndexPath(log_path);
  Fd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (file.get() < 0) return ErrnoError("open log index \"" + path + "\"");
  struct stat status{};
  if (fstat(file.get(), &status) != 0) return ErrnoError("open log index \"" + path + "\"");
  if (!S_ISREG(status.st_mode)) return MakeError("open log index \"" + path + "\": not a file");

  LogIndexWriter writer;
  writer.created_ = now;
  writer.size_ = UsableSize(file.get(), inode, log_size, writer.created_);
  if (writer.size_ == 0) {
    writer.created_ = now;
    if (ftruncate(file.get(), 0) != 0 || !WriteRecord(file.get(), 0, EncodeIndexHead(inode, now))) {
      return ErrnoError("write log index \"" + path + "\"");
    }
    writer.size_ = kLogRecordBytes;
  }
  writer.file_ = std::move(file);
  return writer;
}

void LogIndexWriter::Note(const LogBurst& burst) {
  if (!is_open() || size_ > kSlack + burst.offset) return;
  if (last_ && last_->token == burst.token && last_->stream == burst.stream &&
      last_->offset <= burst.offset && burst.monotonic - last_->monotonic < kFinest) {
    return;
  }
  if (!WriteRecord(file_.get(), size_, EncodeBurst(burst))) {
    file_ = Fd();
    return;
  }
  size_ += kLogRecordBytes;
  last_ = burst;
}

}  // namespace oxherd::os
