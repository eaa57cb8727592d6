#include "core/codec.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/codec_fields.h"

namespace oxherd {
namespace codec {
namespace {

template <typename T>
concept Plain = std::is_integral_v<T> || std::is_enum_v<T>;

// Writes over `out`, which is as long as what was written when the writer is gone; its old memory
// is used again.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  ~Writer() { out_.resize(used()); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  template <typename... T>
  void operator()(const T&... fields) {
    (Value(fields), ...);
  }

  template <Plain T>
  void Value(T value) {
    std::memcpy(Room(sizeof value), &value, sizeof value);
  }
  template <typename Tag, typename Number>
  void Value(Id<Tag, Number> id) {
    Value(id.number());
  }
  template <typename Rep, typename Period>
  void Value(std::chrono::duration<Rep, Period> duration) {
    Value(std::int64_t{duration.count()});
  }
  void Value(Instant instant) { Value(Nanoseconds(instant)); }
  void Value(const std::string& text) {
    Length(text.size());
    if (!text.empty()) std::memcpy(Room(text.size()), text.data(), text.size());
  }
  template <typename T>
  void Value(const std::vector<T>& items) {
    Length(items.size());
    for (const T& item : items) Value(item);
  }
  template <typename T>
  void Value(const std::optional<T>& maybe) {
    Value(maybe.has_value());
    if (maybe) Value(*maybe);
  }
  void Value(const InstanceState& state) {
    Value(static_cast<std::uint8_t>(state.index()));
    std::visit([this](const auto& alternative) { Value(alternative); }, state);
  }
  void Value(const SpecPtr& spec) { Value(*spec); }

  // A struct: its length, then its fields.
  template <typename T>
    requires(!Plain<T>)
  void Value(const T& fields) {
    Sized([&] { Fields(*this, fields); });
  }

  // The length of what `write` writes, and that.
  template <typename Write>
  void Sized(Write write) {
    const std::size_t at = used();
    Length(0);
    write();
    const auto length = static_cast<std::uint32_t>(used() - at - sizeof(std::uint32_t));
    std::memcpy(out_.data() + at, &length, sizeof length);
  }

 private:
  void Length(std::size_t length) { Value(static_cast<std::uint32_t>(length)); }

  [[nodiscard]] std::size_t used() const { return static_cast<std::size_t>(next_ - out_.data()); }

  // Where the next `size` bytes go. It is called for each number, hence inline in any case, and
  // Grow(), which is rarely called, never.
  [[gnu::always_inline]] char* Room(std::size_t size) {
    if (static_cast<std::size_t>(end_ - next_) < size) Grow(size);
    return std::exchange(next_, next_ + size);
  }

  [[gnu::noinline]] void Grow(std::size_t size) {
    const std::size_t written = used();
    out_.resize(std::max(2 * out_.size(), written + size + kFirst));
    next_ = out_.data() + written;
    end_ = out_.data() + out_.size();
  }

  static constexpr std::size_t kFirst = 512;

  std::string& out_;
  char* next_ = out_.data();  // where the next byte goes
  char* end_ = out_.data() + out_.size();
};

// The largest value of each enumeration that is saved; what is beyond it was not written by us.
template <typename T>
constexpr T kLast = T{};
template <>
constexpr auto kLast<ExitStatus::Kind> = ExitStatus::Kind::kUnknown;
template <>
constexpr auto kLast<Failure::Kind> = Failure::Kind::kRoutine;
template <>
constexpr auto kLast<Verb> = Verb::kScale;
template <>
constexpr auto kLast<DependencyKind> = DependencyKind::kStarted;
template <>
constexpr auto kLast<HealthCheck::Kind> = HealthCheck::Kind::kCommand;
template <>
constexpr auto kLast<ServiceType> = ServiceType::kOneshot;
template <>
constexpr auto kLast<RestartPolicy> = RestartPolicy::kNo;
template <>
constexpr auto kLast<ReloadStrategy> = ReloadStrategy::kStopFirst;
template <>
constexpr auto kLast<KillMode> = KillMode::kMixed;
template <>
constexpr auto kLast<ReadyBy> = ReadyBy::kNotify;
template <>
constexpr auto kLast<LogTo> = LogTo::kNone;
template <>
constexpr auto kLast<AutoListen> = AutoListen::kFound;
template <>
constexpr auto kLast<Order> = Order::kAtOnce;
template <>
constexpr auto kLast<Stopping::Phase> = Stopping::Phase::kPostStop;
template <>
constexpr auto kLast<Killing::Why> = Killing::Why::kInTime;
template <>
constexpr auto kLast<After> = After::kAgain;
template <>
constexpr auto kLast<Wish> = Wish::kStopped;
template <>
constexpr auto kLast<Reached> = Reached::kReady;
template <>
constexpr auto kLast<Cause> = Cause::kRoutine;
template <>
constexpr auto kLast<Rollout::Phase> = Rollout::Phase::kBack;
template <>
constexpr auto kLast<Rollout::Progress> = Rollout::Progress::kGivenUp;
template <>
constexpr auto kLast<ProcessKind> = ProcessKind::kPostStop;
template <>
constexpr auto kLast<Outcome> = Outcome::kSkipped;
template <>
constexpr auto kLast<event::Request::Until> = event::Request::Until::kDone;

class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return bytes_.empty(); }

  // A struct that ends early leaves its last fields as they are: an older one had fewer.
  template <typename... T>
  void operator()(T&... fields) {
    (FieldUnlessAtEnd(fields), ...);
  }

  template <Plain T>
  void Value(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      std::uint8_t byte = 0;
      Take(byte);
      if (byte > 1) ok_ = false;
      value = byte == 1;
    } else {
      Take(value);
      if constexpr (std::is_enum_v<T>) {
        static_assert(kLast<T> != T{}, "name the last value of this enumeration");
        if (value > kLast<T>) {
          value = T{};
          ok_ = false;
        }
      }
    }
  }
  template <typename Tag, typename Number>
  void Value(Id<Tag, Number>& id) {
    Number number{};
    Take(number);
    id = Id<Tag, Number>(number);
  }
  template <typename Rep, typename Period>
  void Value(std::chrono::duration<Rep, Period>& duration) {
    std::int64_t count = 0;
    Take(count);
    duration = std::chrono::duration<Rep, Period>(static_cast<Rep>(count));
  }
  void Value(Instant& instant) {
    std::int64_t count = 0;
    Take(count);
    instant = InstantFromNanoseconds(count);
  }
  void Value(std::string& text) {
    const std::size_t length = Length();
    text.assign(reinterpret_cast<const char*>(bytes_.data()), length);
    bytes_ = bytes_.subspan(length);
  }
  template <typename T>
  void Value(std::vector<T>& items) {
    const std::size_t count = Length();  // no element takes less than one byte
    items.clear();
    for (std::size_t i = 0; i < count && ok_; ++i) {
      T item{};
      Value(item);
      items.push_back(std::move(item));
    }
  }
  template <typename T>
  void Value(std::optional<T>& maybe) {
    bool is_there = false;
    Value(is_there);
    maybe.reset();
    if (is_there && ok_) Value(maybe.emplace());
  }
  void Value(InstanceState& state) {
    std::uint8_t index = 0;
    Take(index);
    ReadAlternative<0>(state, index);
  }
  void Value(SpecPtr& spec) {
    auto read = std::make_shared<Spec>();
    Value(*read);
    spec = std::move(read);
  }
  template <typename T>
    requires(!Plain<T>)
  void Value(T& fields) {
    Reader inner(Sized());
    Fields(inner, fields);
    if (!inner.ok()) ok_ = false;
  }

  // What was written by Writer::Sized().
  ByteView Sized() {
    const std::size_t length = Length();
    const ByteView sized = bytes_.first(length);
    bytes_ = bytes_.subspan(length);
    return sized;
  }

 private:
  template <typename T>
  void FieldUnlessAtEnd(T& field) {
    if (ok_ && !bytes_.empty()) Value(field);
  }

  template <typename T>
  void Take(T& value) {
    if (bytes_.size() < sizeof value) {
      ok_ = false;
      bytes_ = {};
      return;
    }
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_ = bytes_.subspan(sizeof value);
  }

  // A length that fits into what is left; else 0 and not ok.
  std::size_t Length() {
    std::uint32_t length = 0;
    Take(length);
    if (length > bytes_.size()) ok_ = false;
    return ok_ ? length : 0;
  }

  template <std::size_t kIndex>
  void ReadAlternative(InstanceState& state, std::size_t index) {
    if constexpr (kIndex < std::variant_size_v<InstanceState>) {
      if (index != kIndex) return ReadAlternative<kIndex + 1>(state, index);
      Value(state.emplace<kIndex>());
    } else {
      ok_ = false;
    }
  }

  ByteView bytes_;
  bool ok_ = true;
};

// Of a whole record: how the fields of State that are no service are saved.
struct Common {
  std::uint64_t seed = 0;
  Token next_token;
  Settings settings;
  std::vector<RequestRecord> requests;
  std::optional<Shutdown> shutdown;
};
void Fields(auto& archive, Like<Common> auto& x) {
  archive(x.seed, x.next_token, x.settings, x.requests, x.shutdown);
}
// The same in the same order, looked at where it is.
struct CommonOf {
  const State& state;
};
void Fields(auto& archive, const CommonOf& x) {
  archive(x.state.seed, x.state.next_token, x.state.settings, x.state.requests, x.state.shutdown);
}

template <typename T>
Result<T> ReadRecord(ByteView bytes, std::string_view what) {
  Reader reader(bytes);
  std::uint32_t version = 0;
  reader.Value(version);
  if (!reader.ok()) return MakeError(std::string(what) + ": empty");
  if (version > kStateVersion) {
    return MakeError(std::string(what) + ": version " + std::to_string(version) +
                     " is newer than this program reads (" + std::to_string(kStateVersion) + ")");
  }
  T record;
  reader.Value(record);
  if (!reader.ok() || !reader.at_end()) return MakeError(std::string(what) + ": damaged");
  return record;
}

// What other fields rely on: a generation in use has its spec.
bool IsConsistent(const Service& service) {
  const auto kept = [&](Generation generation) { return service.Find(generation) != nullptr; };
  if (!kept(service.generation)) return false;
  if (service.next && !kept(service.next->target)) return false;
  if (service.rollout && (!kept(service.rollout->from) || !kept(service.rollout->target))) {
    return false;
  }
  for (const Slot& slot : service.slots) {
    if (!kept(slot.current.generation)) return false;
    if (slot.replacement && !kept(slot.replacement->generation)) return false;
  }
  return service.slots.size() <= std::numeric_limits<SlotIndex>::max();
}

}  // namespace
}  // namespace codec

void EncodeService(const Service& service, std::string& out) {
  codec::Writer writer(out);
  writer(kStateVersion, service);
}

void EncodeCommon(const State& state, std::string& out) {
  codec::Writer writer(out);
  writer(kStateVersion, codec::CommonOf{state});
}

Result<Service> DecodeService(ByteView bytes) {
  Result<Service> service = codec::ReadRecord<Service>(bytes, "service record");
  if (service && !codec::IsConsistent(*service)) {
    return MakeError("service record: a generation in use has no spec");
  }
  return service;
}

Result<State> DecodeCommon(ByteView bytes) {
  OXHERD_TRY_ASSIGN(codec::Common common, codec::ReadRecord<codec::Common>(bytes, "common record"));
  State state;
  state.seed = common.seed;
  state.next_token = common.next_token;
  state.settings = common.settings;
  state.requests = std::move(common.requests);
  state.shutdown = common.shutdown;
  return state;
}

std::string Encode(const State& state) {
  std::string all;
  Encode(state, all);
  return all;
}

void Encode(const State& state, std::string& out) {
  codec::Writer writer(out);
  writer.Sized([&] { writer(kStateVersion, codec::CommonOf{state}); });
  for (const Service& service : state.services) {
    writer.Sized([&] { writer(kStateVersion, service); });
  }
}

Result<State> Decode(ByteView bytes) {
  codec::Reader reader(bytes);
  const ByteView common = reader.Sized();
  if (!reader.ok()) return MakeError("state: cut off");
  OXHERD_TRY_ASSIGN(State state, DecodeCommon(common));
  while (!reader.at_end()) {
    const ByteView record = reader.Sized();
    if (!reader.ok()) return MakeError("state: cut off");
    OXHERD_TRY_ASSIGN(Service service, DecodeService(record));
    state.services.push_back(std::move(service));
  }
  return state;
}

}  // namespace oxherd
