#include "engine/snapshot/snapshot_reader.h"

#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/snapshot/record_check.h"
#include "engine/snapshot/snapshot_writer.h"
#include "storage/base/checksum.h"

namespace almagest {
namespace {

using Json = nlohmann::json;

uint64_t ReadInteger(const char* bytes, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    value |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return value;
}

struct Frame {
  char kind = 0;
  std::string_view payload;
};

// Goes from frame to frame.
class FrameReader {
 public:
  explicit FrameReader(std::span<const std::byte> bytes)
      : text_(reinterpret_cast<const char*>(bytes.data()), bytes.size()) {}

  Result<> Begin() {
    if (!text_.starts_with(kSnapshotMagic)) return Fault("it is not a snapshot of this program");
    position_ = kSnapshotMagic.size();
    return {};
  }
  bool AtEnd() const { return position_ == text_.size(); }

  Result<Frame> Next(bool check) {
    const size_t left = text_.size() - position_;
    if (left < kSnapshotFrameHead) return Fault("it ends early");
    const char* head = text_.data() + position_;
    const uint64_t length = ReadInteger(head + 1, 4);
    if (length > left - kSnapshotFrameHead) return Fault("it ends early");
    Frame frame;
    frame.kind = head[0];
    frame.payload = text_.substr(position_ + kSnapshotFrameHead, length);
    if (check && ReadInteger(head + 5, 8) != Checksum(frame.payload.data(), length)) {
      return Fault("a checksum does not fit");
    }
    position_ += kSnapshotFrameHead + length;
    return frame;
  }

  tl::unexpected<Error> Fault(const std::string& what) const {
    return Fail(ErrorCode::kInvalidArgument, "the snapshot cannot be used: " + what + " (at byte " +
                                                 std::to_string(position_) + " of " +
                                                 std::to_string(text_.size()) + ")");
  }

 private:
  std::string_view text_;
  size_t position_ = 0;
};

// The records of an 'R' frame.
Result<> ForEachRecord(std::string_view payload, const SnapshotVisit& visit) {
  const auto broken = [] {
    return Fail(ErrorCode::kInvalidArgument, "a list of records is broken");
  };
  if (payload.empty()) return broken();
  const auto number = static_cast<unsigned char>(payload[0]);
  if (number >= std::size(kSnapshotFamilies)) return broken();
  const auto family = static_cast<ColumnFamily>(number);
  payload.remove_prefix(1);
  constexpr size_t kHead = 8;
  while (!payload.empty()) {
    if (payload.size() < kHead) return broken();
    const uint64_t key_size = ReadInteger(payload.data(), 4);
    const uint64_t value_size = ReadInteger(payload.data() + 4, 4);
    payload.remove_prefix(kHead);
    if (key_size + value_size > payload.size()) return broken();
    ALMAGEST_TRY_VOID(
        visit(family, payload.substr(0, key_size), payload.substr(key_size, value_size)));
    payload.remove_prefix(key_size + value_size);
  }
  return {};
}

std::optional<SnapshotCollection> ParseCollection(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    SnapshotCollection collection;
    collection.name = json.at("name").get<std::string>();
    collection.created_at_micros = json.at("created_at_micros").get<int64_t>();
    auto config = ConfigFromJson(json.at("config").get<std::string>());
    if (!config || !ValidateConfig(*config) || !ValidateCollectionName(collection.name)) {
      return std::nullopt;
    }
    collection.config = std::move(*config);
    return collection;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

class Verifier {
 public:
  explicit Verifier(std::span<const std::byte> bytes) : frames_(bytes) {}

  Result<SnapshotContents> Run() {
    ALMAGEST_TRY_VOID(frames_.Begin());
    while (true) {
      ALMAGEST_TRY(const Frame frame, frames_.Next(/*check=*/true));
      if (frame.kind == 'E') {
        ALMAGEST_TRY_VOID(End(frame.payload));
        return std::move(contents_);
      }
      if (auto taken = Take(frame); !taken) return frames_.Fault(taken.error().message);
    }
  }

 private:
  Result<> Take(const Frame& frame) {
    switch (frame.kind) {
      case 'C':
        return Collection(frame.payload);
      case 'R':
        return Records(frame.payload);
      case 'A':
        return Aliases(frame.payload);
      default:
        return Fail(ErrorCode::kInvalidArgument, "there is a frame of an unknown kind");
    }
  }

  Result<> Collection(std::string_view payload) {
    ALMAGEST_TRY_VOID(FinishCollection());
    auto collection = ParseCollection(payload);
    if (!collection) {
      return Fail(ErrorCode::kInvalidArgument, "the description of a collection is broken");
    }
    for (const SnapshotCollection& other : contents_.collections) {
      if (other.name != collection->name) continue;
      return Fail(ErrorCode::kInvalidArgument, "it has two collections of the same name");
    }
    contents_.collections.push_back(std::move(*collection));
    check_.emplace(contents_.collections.back().config);
    return {};
  }

  Result<> Records(std::string_view payload) {
    if (!check_) return Fail(ErrorCode::kInvalidArgument, "a record belongs to no collection");
    return ForEachRecord(
        payload,
        [&](ColumnFamily family, std::string_view key, std::string_view value) -> Result<> {
          ++contents_.records;
          ++contents_.collections.back().records;
          return check_->Add(family, key, value);
        });
  }

  Result<> FinishCollection() {
    if (!check_) return {};
    ALMAGEST_TRY(contents_.collections.back().points, check_->Finish());
    check_.reset();
    return {};
  }

  Result<> Aliases(std::string_view payload) {
    const auto broken = [] { return Fail(ErrorCode::kInvalidArgument, "its aliases are broken"); };
    try {
      const Json json = Json::parse(payload);
      if (!contents_.aliases.empty() || !json.is_object()) return broken();
      contents_.aliases = json.get<std::map<std::string, std::string>>();
    } catch (const Json::exception&) {
      return broken();
    }
    for (const auto& [alias, collection] : contents_.aliases) {
      bool known = false;
      for (const SnapshotCollection& other : contents_.collections) {
        known = known || other.name == collection;
        if (other.name == alias) return broken();
      }
      if (!known || !ValidateCollectionName(alias)) return broken();
    }
    return {};
  }

  Result<> End(std::string_view payload) {
    if (auto finished = FinishCollection(); !finished) {
      return frames_.Fault(finished.error().message);
    }
    bool fits = false;
    try {
      const Json json = Json::parse(payload);
      fits = json.at("collections").get<uint64_t>() == contents_.collections.size() &&
             json.at("records").get<uint64_t>() == contents_.records;
    } catch (const Json::exception&) {
      fits = false;
    }
    if (!fits || !frames_.AtEnd()) return frames_.Fault("its end does not fit what came before");
    return {};
  }

  FrameReader frames_;
  SnapshotContents contents_;
  std::optional<RecordCheck> check_;
};

}  // namespace

Result<SnapshotContents> VerifySnapshot(std::span<const std::byte> bytes) {
  return Verifier(bytes).Run();
}

Result<> VisitSnapshot(std::span<const std::byte> bytes, size_t index, const SnapshotVisit& visit) {
  FrameReader frames(bytes);
  ALMAGEST_TRY_VOID(frames.Begin());
  size_t begun = 0;
  while (begun <= index + 1) {
    ALMAGEST_TRY(const Frame frame, frames.Next(/*check=*/false));
    if (frame.kind == 'E') return {};
    if (frame.kind == 'C') ++begun;
    if (frame.kind == 'R' && begun == index + 1) {
      ALMAGEST_TRY_VOID(ForEachRecord(frame.payload, visit));
    }
  }
  return {};
}

}  // namespace almagest
