#include "keeper/protocol.h"

#include <cstring>
#include <type_traits>
#include <utility>

namespace oxherd::keeper {
namespace {

// One list of fields for each message, used in both directions: what is written is what is read.
// `io` is a Writer or a Reader; a Reader takes references to what it fills.
template <typename Io>
void Fields(Io& io, Spawn& m) {
  io(m.token, m.label, m.roles);
}
template <typename Io>
void Fields(Io& io, Stop& m) {
  io(m.token, m.signal, m.scope, m.kill_at);
}
template <typename Io>
void Fields(Io& io, Kill& m) {
  io(m.token);
}
template <typename Io>
void Fields(Io& io, Signal& m) {
  io(m.token, m.signal, m.scope);
}
template <typename Io>
void Fields(Io& io, Ack& m) {
  io(m.token);
}
template <typename Io>
void Fields(Io& io, Hold& m) {
  io(m.name);
}
template <typename Io>
void Fields(Io& io, Drop& m) {
  io(m.name);
}
template <typename Io>
void Fields(Io& /*io*/, World& /*m*/) {}
template <typename Io>
void Fields(Io& io, BeatAnswer& m) {
  io(m.number);
}
template <typename Io>
void Fields(Io& /*io*/, Upgrade& /*m*/) {}
template <typename Io>
void Fields(Io& io, Bye& m) {
  io(m.exit_code, m.remains);
}

template <typename Io>
void Fields(Io& io, Hello& m) {
  io(m.version, m.keeper, m.daemon_number, m.use_image, m.terminations, m.listen_socket);
}
template <typename Io>
void Fields(Io& io, Started& m) {
  io(m.token, m.pid, m.in_cgroup, m.at);
}
template <typename Io>
void Fields(Io& io, SpawnFailed& m) {
  io(m.token, m.stage, m.error_number);
}
template <typename Io>
void Fields(Io& io, ExitRecord& m) {
  io(m.status.kind, m.status.number, m.status.out_of_memory, m.user_time, m.system_time, m.at);
}
template <typename Io>
void Fields(Io& io, Exited& m) {
  io(m.token);
  Fields(io, m.record);
}
template <typename Io>
void Fields(Io& io, Gone& m) {
  io(m.token, m.at);
}
template <typename Io>
void Fields(Io& io, KillFired& m) {
  io(m.token, m.at);
}
template <typename Io>
void Fields(Io& io, WorldRecord& m) {
  io(m.token, m.label, m.phase, m.pid, m.in_cgroup, m.started_at, m.stop_sent_at, m.kill_at,
     m.kill_fired_at);
  Fields(io, m.exit);
  io(m.gone_at, m.held, m.in_doubt, m.has_pidfd, m.listen_number);
}
template <typename Io>
void Fields(Io& io, WorldHeld& m) {
  io(m.name);
}
template <typename Io>
void Fields(Io& io, WorldEnd& m) {
  io(m.records, m.held, m.highest);
}
template <typename Io>
void Fields(Io& io, Beat& m) {
  io(m.number);
}
template <typename Io>
void Fields(Io& io, Refused& m) {
  io(m.request, m.token, m.name, m.error_number);
}
template <typename Io>
void Fields(Io& io, Stray& m) {
  io(m.pid);
}
template <typename Io>
void Fields(Io& /*io*/, NewControlSocket& /*m*/) {}
template <typename Io>
void Fields(Io& io, ListenTaken& m) {
  io(m.token, m.name);
}
template <typename Io>
void Fields(Io& io, ListenRefused& m) {
  io(m.token, m.why, m.asked);
}

// The last value of each enum that travels; a larger number is no message.
constexpr std::uint8_t Last(ProcessKind) { return std::to_underlying(ProcessKind::kCheck); }
constexpr std::uint8_t Last(Role) { return std::to_underlying(Role::kPassed); }
constexpr std::uint8_t Last(Scope) { return std::to_underlying(Scope::kMain); }
constexpr std::uint8_t Last(Remains) { return std::to_underlying(Remains::kLeave); }
constexpr std::uint8_t Last(Stage) { return std::to_underlying(Stage::kDied); }
constexpr std::uint8_t Last(Phase) { return std::to_underlying(Phase::kGone); }
constexpr std::uint8_t Last(ListenMismatch) {
  return std::to_underlying(ListenMismatch::kUnlisted);
}
constexpr std::uint8_t Last(ExitStatus::Kind) {
  return std::to_underlying(ExitStatus::Kind::kUnknown);
}

class Writer {
 public:
  explicit Writer(MessageBuffer& buffer) : buffer_(buffer) {}

  template <typename... Values>
  void operator()(Values&... values) {
    (Put(values), ...);
  }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  // Both ends are one machine and one build's protocol version: numbers go in its own byte order.
  template <typename Number>
    requires std::is_integral_v<Number>
  void Put(Number number) {
    std::memcpy(buffer_.data() + size_, &number, sizeof number);
    size_ += sizeof number;
  }
  template <typename Enum>
    requires std::is_enum_v<Enum>
  void Put(Enum value) {
    Put(std::to_underlying(value));
  }
  template <typename Tag, typename Number>
  void Put(const Id<Tag, Number>& id) {
    Put(id.number());
  }
  void Put(Instant at) { Put(Nanoseconds(at)); }
  void Put(Duration length) { Put(length.count()); }
  template <std::size_t kMost>
  void Put(const ShortText<kMost>& name) {
    const std::string_view text = name.text();
    Put(static_cast<std::uint8_t>(text.size()));
    std::memcpy(buffer_.data() + size_, text.data(), text.size());
    size_ += text.size();
  }
  void Put(const Label& label) {
    Put(label.service);
    Put(label.slot);
    Put(label.generation);
    Put(label.kind);
  }
  void Put(const TcpAddress& address) {
    Put(std::to_underlying(address.family));
    Put(address.port);
    for (const std::uint8_t byte : address.host) Put(byte);
  }
  void Put(const Roles& roles) {
    Put(roles.count);
    for (const Role role : roles.view()) Put(role);
  }

  MessageBuffer& buffer_;
  std::size_t size_ = 0;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename... Values>
  void operator()(Values&... values) {
    (Get(values), ...);
  }
  // Everything was there, made sense, and nothing is left.
  [[nodiscard]] bool complete() const { return ok_ && bytes_.empty(); }

 private:
  template <typename Number>
    requires(std::is_integral_v<Number> && !std::is_same_v<Number, bool>)
  void Get(Number& number) {
    if (bytes_.size() < sizeof number) {
      ok_ = false;
      bytes_ = {};
      return;
    }
    std::memcpy(&number, bytes_.data(), sizeof number);
    bytes_ = bytes_.subspan(sizeof number);
  }
  void Get(bool& value) {
    std::uint8_t number = 0;
    Get(number);
    if (number > 1) ok_ = false;
    value = number == 1;
  }
  template <typename Enum>
    requires std::is_enum_v<Enum>
  void Get(Enum& value) {
    std::uint8_t number = 0;
    Get(number);
    if (number > Last(Enum{})) {
      ok_ = false;
      return;
    }
    value = static_cast<Enum>(number);
  }
  template <typename Tag, typename Number>
  void Get(Id<Tag, Number>& id) {
    Number number{};
    Get(number);
    id = Id<Tag, Number>(number);
  }
  void Get(Instant& at) {
    std::int64_t count = 0;
    Get(count);
    at = InstantFromNanoseconds(count);
  }
  void Get(Duration& length) {
    std::int64_t count = 0;
    Get(count);
    length = Duration(count);
  }
  template <std::size_t kMost>
  void Get(ShortText<kMost>& name) {
    std::uint8_t size = 0;
    Get(size);
    if (size > kMost || size > bytes_.size()) {
      ok_ = false;
      return;
    }
    const auto* text = reinterpret_cast<const char*>(bytes_.data());
    name = ShortText<kMost>(std::string_view(text, size));
    bytes_ = bytes_.subspan(size);
  }
  void Get(Label& label) {
    Get(label.service);
    Get(label.slot);
    Get(label.generation);
    Get(label.kind);
  }
  void Get(TcpAddress& address) {
    std::uint8_t family = 0;
    Get(family);
    if (family != 4 && family != 6) ok_ = false;
    address.family = static_cast<TcpAddress::Family>(family == 6 ? 6 : 4);
    Get(address.port);
    for (std::uint8_t& byte : address.host) Get(byte);
  }
  void Get(Roles& roles) {
    Get(roles.count);
    if (roles.count > kMaxAttached) {
      ok_ = false;
      roles.count = 0;
    }
    for (std::uint8_t i = 0; i < roles.count; ++i) Get(roles.list[i]);
  }

  std::span<const std::byte> bytes_;
  bool ok_ = true;
};

// The largest message, with every text as long as it can be.
constexpr std::size_t kHeaderBytes = 3;
static_assert(kHeaderBytes + sizeof(WorldRecord) <= kMaxMessageBytes &&
                  kHeaderBytes + sizeof(Refused) <= kMaxMessageBytes,
              "the packed form is no longer than the struct");

template <typename Message>
std::span<const std::byte> EncodeMessage(const Message& message, MessageBuffer& buffer) {
  Writer writer(buffer);
  const std::uint16_t version = kProtocolVersion;
  const auto kind = static_cast<std::uint8_t>(message.index());
  writer(version, kind);
  Message copy = message;  // Fields takes what a Reader could change
  std::visit([&writer](auto& m) { Fields(writer, m); }, copy);
  return std::span(buffer).first(writer.size());
}

template <typename Message, std::size_t... kIndex>
Message Blank(std::size_t index, std::index_sequence<kIndex...> /*all*/) {
  Message message;
  ((kIndex == index ? static_cast<void>(message.template emplace<kIndex>()) : void()), ...);
  return message;
}

template <typename Message>
std::optional<Message> DecodeMessage(std::span<const std::byte> bytes) {
  constexpr std::size_t kKinds = std::variant_size_v<Message>;
  if (bytes.size() < kHeaderBytes || bytes.size() > kMaxMessageBytes) return std::nullopt;
  std::uint16_t version = 0;
  std::memcpy(&version, bytes.data(), sizeof version);
  const auto kind = std::to_integer<std::size_t>(bytes[2]);
  if (version != kProtocolVersion || kind >= kKinds) return std::nullopt;
  Message message = Blank<Message>(kind, std::make_index_sequence<kKinds>());
  Reader reader(bytes.subspan(kHeaderBytes));
  std::visit([&reader](auto& m) { Fields(reader, m); }, message);
  if (!reader.complete()) return std::nullopt;
  return message;
}

}  // namespace

std::span<const std::byte> Encode(const Request& request, MessageBuffer& buffer) {
  return EncodeMessage(request, buffer);
}
std::span<const std::byte> Encode(const Report& report, MessageBuffer& buffer) {
  return EncodeMessage(report, buffer);
}
std::optional<Request> DecodeRequest(std::span<const std::byte> bytes) {
  return DecodeMessage<Request>(bytes);
}
std::optional<Report> DecodeReport(std::span<const std::byte> bytes) {
  return DecodeMessage<Report>(bytes);
}

std::size_t AttachedCount(const Request& request) {
  if (const auto* spawn = std::get_if<Spawn>(&request)) return spawn->roles.count;
  const bool one =
      std::holds_alternative<Hold>(request) || std::holds_alternative<Upgrade>(request);
  return one ? 1 : 0;
}

std::size_t AttachedCount(const Report& report) {
  if (const auto* record = std::get_if<WorldRecord>(&report)) {
    return (HasPidfd(*record) ? 1U : 0U) + record->held.count;
  }
  const bool one = std::holds_alternative<Started>(report) ||
                   std::holds_alternative<WorldHeld>(report) ||
                   std::holds_alternative<NewControlSocket>(report);
  return one ? 1 : 0;
}

std::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kTable:
      return "table";
    case Stage::kPlan:
      return "plan";
    case Stage::kPipe:
      return "pipe";
    case Stage::kClone:
      return "clone";
    case Stage::kDescriptors:
      return "descriptors";
    case Stage::kSession:
      return "session";
    case Stage::kLimits:
      return "limits";
    case Stage::kUser:
      return "user";
    case Stage::kDirectory:
      return "chdir";
    case Stage::kExec:
      return "exec";
    case Stage::kDied:
      return "died";
  }
  return "unknown";
}

}  // namespace oxherd::keeper
