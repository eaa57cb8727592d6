#include "daemon/store/image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <span>
#include <utility>

#include "core/codec.h"
#include "daemon/store/checksum.h"

namespace oxherd {
namespace {

constexpr std::uint64_t kMagic = 0x31'65'67'61'6d'69'78'6fULL;  // "oximage1"

struct Header {
  std::uint64_t magic = 0;
  std::uint64_t sequence = 0;  // 0: the half is being written, or was given up
  std::uint64_t checksum = 0;
  std::uint64_t count = 0;  // records
};
struct Entry {
  std::uint64_t offset = 0;  // in the half
  std::uint64_t sum = 0;     // of the record's bytes
  std::uint32_t size = 0;
  std::uint32_t capacity = 0;
};

constexpr std::uint64_t kDirectoryStart = 64;
constexpr std::uint64_t kHeapStart = std::uint64_t{256} * 1024;
constexpr std::uint64_t kMappedBytes = 2 * kMaxHalfBytes;
constexpr std::uint64_t kReserveStep = std::uint64_t{16} * 1024;
constexpr std::uint64_t kTolerableWaste = std::uint64_t{64} * 1024;
static_assert(kDirectoryStart + (kMaxImageServices + 1) * sizeof(Entry) <= kHeapStart);
static_assert(sizeof(Header) <= kDirectoryStart);

constexpr std::uint64_t RoundUp(std::uint64_t value, std::uint64_t step) {
  return (value + step - 1) / step * step;
}

Header* HeaderOf(std::byte* half) { return reinterpret_cast<Header*>(half); }
Entry* EntryOf(std::byte* half, std::size_t record) {
  return reinterpret_cast<Entry*>(half + kDirectoryStart) + record;
}

// Stands for one entry in the header's checksum; combined by xor, so that one can be exchanged.
std::uint64_t MarkOf(const Entry& entry, std::size_t record) {
  return MixBits(entry.sum ^ MixBits(entry.offset ^ MixBits(entry.size ^ MixBits(record + 1))));
}

std::uint64_t HeaderSum(std::uint64_t sequence, std::uint64_t count, std::uint64_t marks) {
  return MixBits(sequence ^ MixBits(count ^ MixBits(marks)));
}

ByteView Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// Where the file must end for an access to be safe; 0 if the kernel does not say.
std::uint64_t FileSize(const os::Fd& memfd) {
  struct stat facts{};
  if (fstat(memfd.get(), &facts) != 0 || facts.st_size < 0) return 0;
  return static_cast<std::uint64_t>(facts.st_size);
}

}  // namespace

Result<Image> Image::Open(os::Fd memfd) {
  // More than the file has: pages behind its end are touched only once Reserve() has made them.
  void* const base =
      mmap(nullptr, kMappedBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd.get(), 0);
  if (base == MAP_FAILED) return ErrnoError("map the image");
  return Image(std::move(memfd), static_cast<std::byte*>(base));
}

Image::Image(Image&& other) noexcept
    : memfd_(std::move(other.memfd_)),
      base_(std::exchange(other.base_, nullptr)),
      halves_(std::move(other.halves_)),
      current_(other.current_),
      sequence_(other.sequence_),
      names_(std::move(other.names_)) {}

Image& Image::operator=(Image&& other) noexcept {
  std::swap(memfd_, other.memfd_);
  std::swap(base_, other.base_);
  std::swap(halves_, other.halves_);
  std::swap(current_, other.current_);
  std::swap(sequence_, other.sequence_);
  std::swap(names_, other.names_);
  return *this;
}

Image::~Image() {
  if (base_ != nullptr) munmap(base_, kMappedBytes);
}

std::byte* Image::At(std::size_t half) const { return base_ + half * kMaxHalfBytes; }

Result<std::optional<State>> Image::Load() {
  const std::uint64_t file_size = FileSize(memfd_);
  std::array<std::uint64_t, 2> sequences{};
  for (std::size_t half = 0; half < 2; ++half) {
    if (half * kMaxHalfBytes + kHeapStart > file_size) continue;
    if (HeaderOf(At(half))->magic == kMagic) sequences[half] = HeaderOf(At(half))->sequence;
  }
  sequence_ = std::max(sequences[0], sequences[1]);
  if (sequence_ == 0) return std::optional<State>();
  const std::size_t newest = sequences[0] > sequences[1] ? 0 : 1;
  for (const std::size_t half : {newest, 1 - newest}) {
    if (sequences[half] == 0) continue;
    if (std::optional<State> state = LoadHalf(half)) {
      current_ = half;
      return state;
    }
  }
  return MakeError("the image is damaged");
}

std::optional<State> Image::LoadHalf(std::size_t half) const {
  const std::uint64_t start = half * kMaxHalfBytes;
  const std::uint64_t end = std::min(FileSize(memfd_), start + kMaxHalfBytes) - start;
  const Header header = *HeaderOf(At(half));
  if (header.count == 0 || header.count > kMaxImageServices + 1) return std::nullopt;

  std::uint64_t marks = 0;
  for (std::size_t record = 0; record < header.count; ++record) {
    const Entry entry = *EntryOf(At(half), record);
    if (entry.offset > end || entry.size > end - entry.offset) return std::nullopt;
    if (Checksum({At(half) + entry.offset, entry.size}) != entry.sum) return std::nullopt;
    marks ^= MarkOf(entry, record);
  }
  if (HeaderSum(header.sequence, header.count, marks) != header.checksum) return std::nullopt;

  const auto bytes_of = [&](std::size_t record) {
    const Entry& entry = *EntryOf(At(half), record);
    return ByteView(At(half) + entry.offset, entry.size);
  };
  Result<State> state = DecodeCommon(bytes_of(0));
  if (!state) return std::nullopt;
  state->services.reserve(header.count - 1);
  for (std::size_t record = 1; record < header.count; ++record) {
    Result<Service> service = DecodeService(bytes_of(record));
    if (!service) return std::nullopt;
    state->services.push_back(std::move(*service));
  }
  return std::move(*state);
}

// The current half says just this already.
bool Image::IsSaved(const State& state) const {
  const std::vector<Known>& known = halves_[current_].known;
  if (known.size() != state.services.size() + 1) return false;
  const Entry& common = *EntryOf(At(current_), 0);
  if (common.size != common_.size() || common.sum != Checksum(Bytes(common_))) return false;
  for (std::size_t i = 0; i < state.services.size(); ++i) {
    if (known[i + 1].revision != state.services[i].revision) return false;
  }
  return true;
}

// After a change of the list of services neither half is compared record by record: a service that
// was deleted and defined again may have the same revision and mean another.
void Image::NoteServices(const State& state) {
  bool same = names_.size() == state.services.size();
  for (std::size_t i = 0; same && i < names_.size(); ++i) {
    same = names_[i] == state.services[i].name;
  }
  if (same) return;
  names_.clear();
  for (const Service& service : state.services) names_.push_back(service.name);
  for (Half& half : halves_) half.known.clear();
}

Status Image::Save(const State& state) {
  EncodeCommon(state, common_);
  NoteServices(state);
  if (IsSaved(state)) return {};
  const std::size_t half = 1 - current_;
  if (Status written = Write(state, half); !written) {
    Void();
    return written;
  }
  Seal(half, state.services.size() + 1);
  current_ = half;
  return {};
}

Status Image::Write(const State& state, std::size_t index) {
  if (state.services.size() > kMaxImageServices) {
    return MakeError("the image holds at most " + std::to_string(kMaxImageServices) + " services");
  }
  Half& half = halves_[index];
  if (half.wasted > kTolerableWaste && half.wasted > half.used / 2) half.known.clear();
  const std::size_t count = state.services.size() + 1;
  OXHERD_TRY(Reserve(index, kDirectoryStart + count * sizeof(Entry), half.directory_end));
  Header* const header = HeaderOf(At(index));
  header->sequence = 0;
  std::atomic_signal_fence(std::memory_order_seq_cst);

  const bool is_fresh = half.known.size() != count;
  if (is_fresh) {
    half.known.assign(count, Known{});
    half.marks = half.used = half.wasted = 0;
    for (std::size_t i = 0; i < count; ++i) *EntryOf(At(index), i) = Entry{};
  }
  OXHERD_TRY(Put(index, 0, common_));
  for (std::size_t i = 0; i < state.services.size(); ++i) {
    const Service& service = state.services[i];
    if (!is_fresh && half.known[i + 1].revision == service.revision) continue;
    EncodeService(service, scratch_);
    OXHERD_TRY(Put(index, i + 1, scratch_));
    half.known[i + 1].revision = service.revision;
  }
  return {};
}

Status Image::Put(std::size_t index, std::size_t record, std::string_view bytes) {
  Half& half = halves_[index];
  Entry& entry = *EntryOf(At(index), record);
  if (bytes.size() > entry.capacity) {
    // Room to grow, so that a record moves rarely.
    const std::uint64_t capacity = RoundUp(bytes.size() + bytes.size() / 4 + 32, 64);
    const std::uint64_t offset = kHeapStart + half.used;
    if (offset + capacity > kMaxHalfBytes) {
      half.known.clear();
      return MakeError("the image is full");
    }
    OXHERD_TRY(Reserve(index, offset + capacity, half.heap_end));
    half.wasted += entry.capacity;
    half.used += capacity;
    entry.offset = offset;
    entry.capacity = static_cast<std::uint32_t>(capacity);
  }
  std::memcpy(At(index) + entry.offset, bytes.data(), bytes.size());
  entry.size = static_cast<std::uint32_t>(bytes.size());
  entry.sum = Checksum(Bytes(bytes));
  Known& known = half.known[record];
  half.marks ^= known.mark;
  known.mark = MarkOf(entry, record);
  half.marks ^= known.mark;
  return {};
}

// Memory that is not there would be a SIGBUS at the first touch; here it is an error. `reserved` is
// where the memory of that region ends now.
Status Image::Reserve(std::size_t half, std::uint64_t end, std::uint64_t& reserved) const {
  if (end <= reserved) return {};
  const std::uint64_t region = end <= kHeapStart ? 0 : kHeapStart;
  const std::uint64_t from = std::max(reserved, region);
  const std::uint64_t to = std::min(RoundUp(end, kReserveStep), kMaxHalfBytes);
  const auto offset = static_cast<off_t>(half * kMaxHalfBytes + from);
  int failed = 0;
  do {
    failed = fallocate(memfd_.get(), 0, offset, static_cast<off_t>(to - from));
  } while (failed != 0 && errno == EINTR);
  if (failed != 0) return ErrnoError("make the image larger");
  reserved = to;
  return {};
}

// From the last line on, this half is the image.
void Image::Seal(std::size_t half, std::size_t count) {
  ++sequence_;
  Header* const header = HeaderOf(At(half));
  header->magic = kMagic;
  header->count = count;
  header->checksum = HeaderSum(sequence_, count, halves_[half].marks);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::atomic_ref(header->sequence).store(sequence_, std::memory_order_release);
}

void Image::Void() {
  const std::uint64_t file_size = FileSize(memfd_);
  for (std::size_t half = 0; half < 2; ++half) {
    halves_[half].known.clear();
    if (half * kMaxHalfBytes + kDirectoryStart <= file_size) HeaderOf(At(half))->sequence = 0;
  }
}

}  // namespace oxherd
