#include "storage/record_codec.h"

#include <bit>
#include <cereal/cereal.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>
#include <concepts>
#include <cstring>
#include <exception>
#include <type_traits>

#include "storage/base/check.h"
#include "storage/base/checksum.h"

namespace almagest {

static_assert(std::endian::native == std::endian::little, "all formats are little endian");

// cereal's stream archives trust the lengths they read and go through std::iostream. This pair
// works on a string, and a length can never exceed the bytes that are left.
class RecordWriter : public cereal::OutputArchive<RecordWriter, cereal::AllowEmptyClassElision> {
 public:
  explicit RecordWriter(std::string* out) : OutputArchive(this), out_(out) {}
  void Append(const void* data, size_t bytes) {
    out_->append(static_cast<const char*>(data), bytes);
  }

 private:
  std::string* out_;
};

class RecordReader : public cereal::InputArchive<RecordReader, cereal::AllowEmptyClassElision> {
 public:
  explicit RecordReader(std::string_view in) : InputArchive(this), in_(in) {}
  void Take(void* data, size_t bytes) {
    if (bytes > in_.size()) throw cereal::Exception("it ends early");
    if (bytes != 0) std::memcpy(data, in_.data(), bytes);
    in_.remove_prefix(bytes);
  }
  size_t left() const { return in_.size(); }

 private:
  std::string_view in_;
};

template <class T>
requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(RecordWriter& archive, const T& value) {
  archive.Append(&value, sizeof value);
}
template <class T>
requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(RecordReader& archive, T& value) {
  archive.Take(&value, sizeof value);
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(RecordWriter& archive, const cereal::BinaryData<T>& data) {
  archive.Append(data.data, data.size);
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(RecordReader& archive, cereal::BinaryData<T>& data) {
  archive.Take(data.data, data.size);
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(RecordWriter& archive, const cereal::SizeTag<T>& size) {
  const uint64_t value = size.size;
  archive.Append(&value, sizeof value);
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(RecordReader& archive, cereal::SizeTag<T>& size) {
  uint64_t value = 0;
  archive.Take(&value, sizeof value);
  if (value > archive.left()) throw cereal::Exception("a length exceeds the record");
  size.size = value;
}
template <class Archive, class T>
requires std::same_as<Archive, RecordWriter> || std::same_as<Archive, RecordReader>
void CEREAL_SERIALIZE_FUNCTION_NAME(Archive& archive, cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}

template <class Archive>
void serialize(Archive& archive, PointRecord& r) {
  archive(r.slot, r.sequence, r.vector_sequence, r.dense_fields, r.sparse_fields);
}
template <class Archive>
void serialize(Archive& archive, SegmentRecord& r) {
  archive(r.id, r.file_name, r.row_count, r.sequence, r.versions);
}
template <class Archive>
void serialize(Archive& archive, FieldVersions& r) {
  archive(r.active, r.previous, r.next);
}
template <class Archive>
void serialize(Archive& archive, ManifestRecord& r) {
  archive(r.next_segment_id, r.next_field_id, r.segments, r.fields);
}
template <class Archive>
void serialize(Archive& archive, CatalogRecord& r) {
  archive(r.id, r.name, r.config, r.created_at_micros);
}
template <class Archive>
void serialize(Archive& archive, SequenceRecord& r) {
  archive(r.last_sequence, r.next_slot, r.next_event);
}
template <class Archive>
void serialize(Archive& archive, CheckpointRecord& r) {
  archive(r.file_name, r.sequence, r.nonce);
}
template <class Archive>
void serialize(Archive& archive, AliasRecord& r) {
  archive(r.collection);
}
template <class Archive>
void serialize(Archive& archive, CounterRecord& r) {
  archive(r.next);
}
template <class Archive>
void serialize(Archive& archive, OpaqueRecord& r) {
  archive(r.kind, r.body, r.blobs);
}

namespace {

constexpr size_t kHeaderBytes = 2 + sizeof(uint64_t);
constexpr size_t kRawHeaderBytes = 8;

// Part of the format: never renumber.
enum RecordType : uint8_t {
  kPointType = 1,
  kManifestType,
  kCatalogType,
  kSequenceType,
  kAliasType,
  kCounterType,
  kFeedbackType,
  kVersionType,
  kJobType,
  kDenseType,
  kSparseType,
  kPayloadType,
  kCheckpointType,
};
// The newest of each type, which is what is written; older ones are read. Of adapter versions: 2
// since their matrices are records of their own.
constexpr uint8_t FormatVersion(RecordType type) { return type == kVersionType ? 2 : 1; }
constexpr const char* kTypeNames[] = {
    "",         "point",   "manifest", "catalog",      "sequence",      "alias",   "counter",
    "feedback", "version", "job",      "dense vector", "sparse vector", "payload", "checkpoint"};

template <class Record>
struct Form {
  static constexpr RecordType type = std::same_as<Record, PointRecord>        ? kPointType
                                     : std::same_as<Record, ManifestRecord>   ? kManifestType
                                     : std::same_as<Record, CatalogRecord>    ? kCatalogType
                                     : std::same_as<Record, SequenceRecord>   ? kSequenceType
                                     : std::same_as<Record, AliasRecord>      ? kAliasType
                                     : std::same_as<Record, CounterRecord>    ? kCounterType
                                     : std::same_as<Record, FeedbackRecord>   ? kFeedbackType
                                     : std::same_as<Record, VersionRecord>    ? kVersionType
                                     : std::same_as<Record, CheckpointRecord> ? kCheckpointType
                                                                              : kJobType;
  // What cereal sees: the opaque records share one form.
  using Fields = std::conditional_t<std::derived_from<Record, OpaqueRecord>, OpaqueRecord, Record>;
};

tl::unexpected<Error> Damaged(RecordType type, const std::string& reason) {
  return Fail(ErrorCode::kCorruption,
              std::string("a ") + kTypeNames[type] + " record is damaged: " + reason);
}

Result<> CheckHeader(std::string_view bytes, size_t header_bytes, RecordType type) {
  if (bytes.size() < header_bytes) return Damaged(type, "it is shorter than its header");
  if (static_cast<uint8_t>(bytes[1]) != type) return Damaged(type, "it has another type");
  const auto version = static_cast<uint8_t>(bytes[0]);
  if (version > FormatVersion(type)) {
    return Fail(ErrorCode::kFailedPrecondition,
                std::string("a ") + kTypeNames[type] + " record has format version " +
                    std::to_string(version) + ", this program reads up to " +
                    std::to_string(FormatVersion(type)) + ": start a newer one");
  }
  if (version == 0) return Damaged(type, "it has format version 0");
  return {};
}

template <class Record>
std::string Encode(const Record& record) {
  std::string bytes(kHeaderBytes, '\0');
  RecordWriter archive(&bytes);
  archive(static_cast<const typename Form<Record>::Fields&>(record));
  bytes[0] = static_cast<char>(FormatVersion(Form<Record>::type));
  bytes[1] = static_cast<char>(Form<Record>::type);
  const uint64_t checksum = Checksum(bytes.data() + kHeaderBytes, bytes.size() - kHeaderBytes);
  std::memcpy(bytes.data() + 2, &checksum, sizeof checksum);
  return bytes;
}

std::string RawHeader(RecordType type, size_t body_bytes) {
  std::string bytes(kRawHeaderBytes, '\0');
  bytes.reserve(kRawHeaderBytes + body_bytes);
  bytes[0] = static_cast<char>(FormatVersion(type));
  bytes[1] = static_cast<char>(type);
  return bytes;
}

void SealRaw(std::string* bytes) {
  const auto checksum = static_cast<uint32_t>(
      Checksum(bytes->data() + kRawHeaderBytes, bytes->size() - kRawHeaderBytes));
  std::memcpy(bytes->data() + 4, &checksum, sizeof checksum);
}

// The bytes behind the header, verified.
Result<std::string_view> RawBody(std::string_view bytes, RecordType type) {
  ALMAGEST_TRY_VOID(CheckHeader(bytes, kRawHeaderBytes, type));
  const std::string_view body = bytes.substr(kRawHeaderBytes);
  uint32_t checksum = 0;
  std::memcpy(&checksum, bytes.data() + 4, sizeof checksum);
  if (bytes[2] != 0 || bytes[3] != 0 ||
      static_cast<uint32_t>(Checksum(body.data(), body.size())) != checksum) {
    return Damaged(type, "its checksum does not match");
  }
  return body;
}

template <class T>
void AppendArray(std::string* bytes, std::span<const T> values) {
  bytes->append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

}  // namespace

std::string EncodeRecord(const PointRecord& record) { return Encode(record); }
std::string EncodeRecord(const ManifestRecord& record) { return Encode(record); }
std::string EncodeRecord(const CatalogRecord& record) { return Encode(record); }
std::string EncodeRecord(const SequenceRecord& record) { return Encode(record); }
std::string EncodeRecord(const AliasRecord& record) { return Encode(record); }
std::string EncodeRecord(const CheckpointRecord& record) { return Encode(record); }
std::string EncodeRecord(const CounterRecord& record) { return Encode(record); }
std::string EncodeRecord(const FeedbackRecord& record) { return Encode(record); }
std::string EncodeRecord(const VersionRecord& record) { return Encode(record); }
std::string EncodeRecord(const JobRecord& record) { return Encode(record); }

template <class Record>
Result<Record> DecodeRecord(std::string_view bytes) {
  constexpr RecordType type = Form<Record>::type;
  ALMAGEST_TRY_VOID(CheckHeader(bytes, kHeaderBytes, type));
  const std::string_view body = bytes.substr(kHeaderBytes);
  uint64_t checksum = 0;
  std::memcpy(&checksum, bytes.data() + 2, sizeof checksum);
  if (Checksum(body.data(), body.size()) != checksum) {
    return Damaged(type, "its checksum does not match");
  }
  try {
    Record record;
    RecordReader archive(body);
    archive(static_cast<typename Form<Record>::Fields&>(record));
    if (archive.left() != 0) return Damaged(type, "bytes follow its end");
    return record;
  } catch (const std::exception& exception) {
    return Damaged(type, exception.what());
  }
}

template Result<PointRecord> DecodeRecord(std::string_view);
template Result<ManifestRecord> DecodeRecord(std::string_view);
template Result<CatalogRecord> DecodeRecord(std::string_view);
template Result<SequenceRecord> DecodeRecord(std::string_view);
template Result<AliasRecord> DecodeRecord(std::string_view);
template Result<CheckpointRecord> DecodeRecord(std::string_view);
template Result<CounterRecord> DecodeRecord(std::string_view);
template Result<FeedbackRecord> DecodeRecord(std::string_view);
template Result<VersionRecord> DecodeRecord(std::string_view);
template Result<JobRecord> DecodeRecord(std::string_view);

std::string EncodeDenseVector(std::span<const float> values) {
  std::string bytes = RawHeader(kDenseType, values.size_bytes());
  AppendArray(&bytes, values);
  SealRaw(&bytes);
  return bytes;
}

Result<> DecodeDenseVector(std::string_view bytes, std::span<float> out) {
  ALMAGEST_TRY(const std::string_view body, RawBody(bytes, kDenseType));
  if (body.size() != out.size_bytes()) {
    return Damaged(kDenseType, "it has " + std::to_string(body.size()) + " bytes of values, not " +
                                   std::to_string(out.size_bytes()));
  }
  if (!body.empty()) std::memcpy(out.data(), body.data(), body.size());
  return {};
}

Result<std::vector<float>> DecodeDenseVector(std::string_view bytes) {
  if (bytes.size() < kRawHeaderBytes || (bytes.size() - kRawHeaderBytes) % sizeof(float)) {
    return Damaged(kDenseType, "its size is no whole number of floats");
  }
  std::vector<float> values((bytes.size() - kRawHeaderBytes) / sizeof(float));
  ALMAGEST_TRY_VOID(DecodeDenseVector(bytes, values));
  return values;
}

std::string EncodeSparseVector(std::span<const uint32_t> indices, std::span<const float> values) {
  ALMAGEST_CHECK(indices.size() == values.size());
  std::string bytes = RawHeader(kSparseType, indices.size_bytes() + values.size_bytes());
  AppendArray(&bytes, indices);
  AppendArray(&bytes, values);
  SealRaw(&bytes);
  return bytes;
}

Result<SparseRecord> DecodeSparseVector(std::string_view bytes) {
  ALMAGEST_TRY(const std::string_view body, RawBody(bytes, kSparseType));
  constexpr size_t kTermBytes = sizeof(uint32_t) + sizeof(float);
  if (body.size() % kTermBytes != 0) return Damaged(kSparseType, "it ends inside a term");
  const size_t terms = body.size() / kTermBytes;
  SparseRecord record;
  record.indices.resize(terms);
  record.values.resize(terms);
  if (terms == 0) return record;
  std::memcpy(record.indices.data(), body.data(), terms * sizeof(uint32_t));
  std::memcpy(record.values.data(), body.data() + terms * sizeof(uint32_t), terms * sizeof(float));
  for (size_t i = 1; i < terms; ++i) {
    if (record.indices[i - 1] >= record.indices[i]) {
      return Damaged(kSparseType, "its indices do not ascend");
    }
  }
  return record;
}

std::string EncodePayload(std::string_view text) {
  std::string bytes = RawHeader(kPayloadType, text.size());
  bytes += text;
  SealRaw(&bytes);
  return bytes;
}

Result<std::string_view> DecodePayload(std::string_view bytes) {
  return RawBody(bytes, kPayloadType);
}

}  // namespace almagest

CEREAL_REGISTER_ARCHIVE(almagest::RecordWriter)
CEREAL_REGISTER_ARCHIVE(almagest::RecordReader)
CEREAL_SETUP_ARCHIVE_TRAITS(almagest::RecordReader, almagest::RecordWriter)
