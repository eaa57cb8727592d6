#include "os/gzip_log.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>
#include <string_view>

#include "os/log_file.h"

namespace oxherd::os {
namespace {

// A gzip header with an extra field of ours alone, as zlib writes it: ten bytes, XLEN, then "OX",
// the field's length, and the field: member's length, log's bytes in it, inode.
constexpr std::size_t kFieldBytes = 4 + 4 + 8;
constexpr std::size_t kExtraBytes = 4 + kFieldBytes;
constexpr std::size_t kLengthAt = 16;
constexpr std::size_t kHeaderBytes = 12 + kExtraBytes;
constexpr std::size_t kTrailerBytes = 8;
constexpr std::array<unsigned char, 4> kMagic = {0x1f, 0x8b, Z_DEFLATED, 0x04};
constexpr std::array<unsigned char, 6> kExtraHead = {kExtraBytes, 0, 'O', 'X', kFieldBytes, 0};
// zlib: windowBits of 15, plus 16 for a gzip header.
constexpr int kGzipWindow = 15 + 16;
constexpr int kMemoryLevel = 8;
// Of one member: zlib stores what it cannot make smaller.
constexpr std::uint32_t kMaxMemberLength = kGzipMemberBytes + 1024;

using Header = std::array<unsigned char, kHeaderBytes>;

template <typename Number>
void PutNumber(std::span<unsigned char> at, Number number) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    at[i] = static_cast<unsigned char>(number >> (8 * i));
  }
}

template <typename Number>
Number TakeNumber(std::span<const unsigned char> at) {
  Number number = 0;
  for (std::size_t i = sizeof(Number); i > 0; --i) {
    number = static_cast<Number>(number << 8) | at[i - 1];
  }
  return number;
}

struct Facts {
  std::uint32_t length = 0;
  std::uint32_t size = 0;
  std::uint64_t log_inode = 0;
};

std::optional<Facts> FactsIn(const Header& header) {
  if (!std::equal(kMagic.begin(), kMagic.end(), header.begin())) return std::nullopt;
  if (!std::equal(kExtraHead.begin(), kExtraHead.end(), header.begin() + 10)) return std::nullopt;
  const std::span<const unsigned char> field(header.data() + kLengthAt, kFieldBytes);
  Facts facts;
  facts.length = TakeNumber<std::uint32_t>(field);
  facts.size = TakeNumber<std::uint32_t>(field.subspan(4));
  facts.log_inode = TakeNumber<std::uint64_t>(field.subspan(8));
  const bool fits = facts.length >= kHeaderBytes + kTrailerBytes &&
                    facts.length <= kMaxMemberLength && facts.size >= 1 &&
                    facts.size <= kGzipMemberBytes;
  return fits ? std::optional(facts) : std::nullopt;
}

Bytef* BytesOf(char* text) { return reinterpret_cast<Bytef*>(text); }

// Makes one member after the other.
class Packer {
 public:
  explicit Packer(std::uint64_t log_inode) {
    const std::array<unsigned char, 4> head = {'O', 'X', kFieldBytes, 0};
    std::copy(head.begin(), head.end(), extra_.begin());
    PutNumber(std::span(extra_).subspan(12), log_inode);
    header_.extra = extra_.data();
    header_.extra_len = kExtraBytes;
    header_.os = 3;  // Unix
    is_ready_ = deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, kMemoryLevel,
                             Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~Packer() {
    if (is_ready_) deflateEnd(&stream_);
  }
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  // Valid until the next one.
  SystemResult<std::string_view> Pack(std::span<char> bytes) {
    if (!is_ready_ || deflateReset(&stream_) != Z_OK) return std::unexpected(Errno{ENOMEM});
    PutNumber(std::span(extra_).subspan(8), static_cast<std::uint32_t>(bytes.size()));
    deflateSetHeader(&stream_, &header_);
    packed_.resize(deflateBound(&stream_, bytes.size()));
    stream_.next_in = BytesOf(bytes.data());
    stream_.avail_in = static_cast<uInt>(bytes.size());
    stream_.next_out = BytesOf(packed_.data());
    stream_.avail_out = static_cast<uInt>(packed_.size());
    if (deflate(&stream_, Z_FINISH) != Z_STREAM_END) return std::unexpected(Errno{EOVERFLOW});
    const auto length = static_cast<std::uint32_t>(stream_.total_out);
    PutNumber(std::span(BytesOf(packed_.data()) + kLengthAt, 4), length);
    return std::string_view(packed_.data(), length);
  }

 private:
  z_stream stream_{};
  gz_header header_{};
  std::array<unsigned char, kExtraBytes> extra_{};
  std::vector<char> packed_;
  bool is_ready_ = false;
};

SystemStatus WriteAll(const Fd& file, std::uint64_t& end, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = WriteAt(file, end, bytes);
    if (!written) return std::unexpected(written.error());
    if (*written == 0) return std::unexpected(Errno{ENOSPC});
    end += *written;
    bytes.remove_prefix(*written);
  }
  return {};
}

}  // namespace

std::string GzipPath(const std::string& log_path) { return log_path + ".gz"; }

SystemStatus CompressLog(const Fd& log, const Fd& gzip, const std::function<bool()>& goes_on) {
  struct stat before{};
  struct stat after{};
  if (fstat(log.get(), &before) != 0) return LastErrno();
  Packer packer(before.st_ino);
  std::vector<char> bytes(kGzipMemberBytes);
  std::uint64_t end = 0;
  for (std::uint64_t offset = 0;;) {
    if (!goes_on()) return std::unexpected(Errno{ECANCELED});
    const auto got = ReadAt(log, offset, bytes);
    if (!got) return std::unexpected(got.error());
    if (*got == 0) break;
    const auto packed = packer.Pack(std::span(bytes).first(*got));
    if (!packed) return std::unexpected(packed.error());
    if (auto written = WriteAll(gzip, end, *packed); !written) return written;
    offset += *got;
  }
  const std::array<timespec, 2> times = {before.st_atim, before.st_mtim};
  if (Try([&] { return futimens(gzip.get(), times.data()); }) != 0) return LastErrno();
  if (Try([&] { return fsync(gzip.get()); }) != 0) return LastErrno();
  if (fstat(log.get(), &after) != 0) return LastErrno();
  if (after.st_size != before.st_size) return std::unexpected(Errno{EAGAIN});
  return {};
}

SystemResult<GzipLog> GzipLog::Open(const Fd& file) {
  const auto facts_of_file = FactsOf(file);
  if (!facts_of_file) return std::unexpected(Errno{facts_of_file.error().number});
  const std::uint64_t end = facts_of_file->size;
  GzipLog opened;
  std::uint64_t begin = 0;
  for (std::uint64_t at = 0; at < end;) {
    Header header;
    const std::span<char> bytes(reinterpret_cast<char*>(header.data()), header.size());
    const auto got = os::ReadAt(file, at, bytes);
    if (!got) return std::unexpected(got.error());
    const auto facts = *got == header.size() ? FactsIn(header) : std::nullopt;
    if (!facts || facts->length > end - at) return std::unexpected(Errno{EBADMSG});
    opened.members_.push_back(
        {.at = at, .begin = begin, .length = facts->length, .size = facts->size});
    opened.log_inode_ = facts->log_inode;
    at += facts->length;
    begin += facts->size;
  }
  return opened;
}

std::uint64_t GzipLog::size() const {
  return members_.empty() ? 0 : members_.back().begin + members_.back().size;
}

SystemStatus GzipLog::Unpack(const Fd& file, const Member& member) {
  unpacked_.clear();
  std::vector<char> packed(member.length);
  const auto got = os::ReadAt(file, member.at, packed);
  if (!got) return std::unexpected(got.error());
  if (*got != packed.size()) return std::unexpected(Errno{EBADMSG});
  std::vector<char> bytes(member.size);
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) return std::unexpected(Errno{ENOMEM});
  stream.next_in = BytesOf(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = BytesOf(bytes.data());
  stream.avail_out = static_cast<uInt>(bytes.size());
  const int ended = inflate(&stream, Z_FINISH);
  const bool is_whole = ended == Z_STREAM_END && stream.total_out == bytes.size();
  inflateEnd(&stream);
  if (!is_whole) return std::unexpected(Errno{EBADMSG});
  unpacked_ = std::move(bytes);
  unpacked_begin_ = member.begin;
  return {};
}

SystemResult<std::size_t> GzipLog::ReadAt(const Fd& file, std::uint64_t offset,
                                          std::span<char> buffer) {
  std::size_t got = 0;
  auto member = std::ranges::upper_bound(members_, offset, {}, &Member::begin);
  if (member != members_.begin()) --member;
  for (; member != members_.end() && got < buffer.size(); ++member) {
    if (offset >= member->begin + member->size) break;
    if (unpacked_.empty() || unpacked_begin_ != member->begin) {
      if (auto unpacked = Unpack(file, *member); !unpacked) {
        return std::unexpected(unpacked.error());
      }
    }
    const auto from = static_cast<std::size_t>(offset - member->begin);
    const std::size_t count = std::min(unpacked_.size() - from, buffer.size() - got);
    std::memcpy(buffer.data() + got, unpacked_.data() + from, count);
    got += count;
    offset += count;
  }
  return got;
}

}  // namespace oxherd::os
