#include "storage/key_layout.h"

#include <cstring>
#include <utility>

#include "storage/base/check.h"

namespace almagest {
namespace {

enum ServerKind : uint8_t { kNextCollectionId = 1, kAlias = 2, kCatalog = 3 };
enum MetaKind : uint8_t { kManifest = 1, kSequence = 2, kCheckpoint = 3 };
enum IdKind : uint8_t { kNumber = 0, kUuid = 1 };

template <class Integer>
void AppendBigEndian(std::string* key, Integer value) {
  for (int shift = 8 * (static_cast<int>(sizeof value) - 1); shift >= 0; shift -= 8) {
    key->push_back(static_cast<char>((value >> shift) & 0xff));
  }
}

std::string Prefix(CollectionId collection) {
  std::string key;
  key.reserve(24);
  AppendBigEndian(&key, collection);
  return key;
}

std::string Prefix(CollectionId collection, uint8_t kind) {
  std::string key = Prefix(collection);
  AppendBigEndian(&key, kind);
  return key;
}

void AppendPointId(std::string* key, const PointId& id) {
  if (const auto* number = std::get_if<uint64_t>(&id)) {
    AppendBigEndian<uint8_t>(key, kNumber);
    AppendBigEndian(key, *number);
  } else {
    AppendBigEndian<uint8_t>(key, kUuid);
    const auto& bytes = std::get<Uuid>(id).bytes;
    key->append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
}

// Takes integers off the front of a key; `ok` stays false once the key was too short.
struct KeyReader {
  std::string_view rest;
  bool ok = true;

  template <class Integer>
  Integer Read() {
    if (rest.size() < sizeof(Integer)) {
      ok = false;
      return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof(Integer); ++i) {
      value = (value << 8) | static_cast<uint8_t>(rest[i]);
    }
    rest.remove_prefix(sizeof(Integer));
    return static_cast<Integer>(value);
  }
  bool AtEnd() const { return ok && rest.empty(); }
};

}  // namespace

KeyRange PrefixRange(std::string prefix) {
  std::string limit = prefix;
  while (!limit.empty() && static_cast<uint8_t>(limit.back()) == 0xff) limit.pop_back();
  if (!limit.empty()) limit.back() = static_cast<char>(static_cast<uint8_t>(limit.back()) + 1);
  return {std::move(prefix), std::move(limit)};
}

std::string NextCollectionIdKey() { return Prefix(kServerRecords, kNextCollectionId); }
std::string AliasKey(std::string_view alias) {
  return Prefix(kServerRecords, kAlias).append(alias);
}
std::string CatalogKey(CollectionId collection) {
  std::string key = Prefix(kServerRecords, kCatalog);
  AppendBigEndian(&key, collection);
  return key;
}
std::string ManifestKey(CollectionId collection) { return Prefix(collection, kManifest); }
std::string SequenceKey(CollectionId collection) { return Prefix(collection, kSequence); }
std::string CheckpointKey(CollectionId collection) { return Prefix(collection, kCheckpoint); }

std::string PointKey(CollectionId collection, const PointId& id) {
  std::string key = Prefix(collection);
  AppendPointId(&key, id);
  return key;
}

std::string VectorKey(CollectionId collection, FieldId field, Slot slot) {
  std::string key = Prefix(collection);
  AppendBigEndian(&key, field);
  AppendBigEndian(&key, slot);
  return key;
}

std::string PayloadKey(CollectionId collection, Slot slot) {
  std::string key = Prefix(collection);
  AppendBigEndian(&key, slot);
  return key;
}

std::string FeedbackKey(CollectionId collection, EventId event) {
  std::string key = Prefix(collection);
  AppendBigEndian(&key, event);
  return key;
}

std::string ChangeKey(CollectionId collection, SequenceNumber sequence) {
  std::string key = Prefix(collection);
  AppendBigEndian(&key, sequence);
  return key;
}

std::string LearningKey(CollectionId collection, LearningKind kind, uint64_t number) {
  std::string key = Prefix(collection, static_cast<uint8_t>(kind));
  AppendBigEndian(&key, number);
  return key;
}

KeyRange AliasRange() { return PrefixRange(Prefix(kServerRecords, kAlias)); }
KeyRange CatalogRange() { return PrefixRange(Prefix(kServerRecords, kCatalog)); }
KeyRange CollectionRange(CollectionId collection) { return PrefixRange(Prefix(collection)); }

KeyRange PointRange(CollectionId collection, const PointId& first) {
  return {PointKey(collection, first), CollectionRange(collection).limit};
}

KeyRange VectorRange(CollectionId collection, FieldId field) {
  std::string key = Prefix(collection);
  AppendBigEndian(&key, field);
  return PrefixRange(std::move(key));
}

KeyRange FeedbackRange(CollectionId collection, EventId first) {
  return {FeedbackKey(collection, first), CollectionRange(collection).limit};
}

KeyRange ChangeRange(CollectionId collection, SequenceNumber first) {
  return {ChangeKey(collection, first), CollectionRange(collection).limit};
}

KeyRange LearningRange(CollectionId collection, LearningKind kind) {
  return PrefixRange(Prefix(collection, static_cast<uint8_t>(kind)));
}

std::optional<std::string> ParseAliasKey(std::string_view key) {
  const std::string prefix = Prefix(kServerRecords, kAlias);
  if (!key.starts_with(prefix)) return std::nullopt;
  return std::string(key.substr(prefix.size()));
}

std::optional<CollectionId> ParseCatalogKey(std::string_view key) {
  KeyReader reader{key};
  if (reader.Read<CollectionId>() != kServerRecords) return std::nullopt;
  if (reader.Read<uint8_t>() != kCatalog) return std::nullopt;
  const auto collection = reader.Read<CollectionId>();
  if (!reader.AtEnd()) return std::nullopt;
  return collection;
}

std::optional<PointKeyParts> ParsePointKey(std::string_view key) {
  KeyReader reader{key};
  PointKeyParts parts{reader.Read<CollectionId>(), uint64_t{0}};
  const auto kind = reader.Read<uint8_t>();
  if (kind == kNumber) {
    parts.id = reader.Read<uint64_t>();
    if (!reader.AtEnd()) return std::nullopt;
    return parts;
  }
  Uuid uuid;
  if (!reader.ok || kind != kUuid || reader.rest.size() != uuid.bytes.size()) return std::nullopt;
  std::memcpy(uuid.bytes.data(), reader.rest.data(), uuid.bytes.size());
  parts.id = uuid;
  return parts;
}

std::optional<VectorKeyParts> ParseVectorKey(std::string_view key) {
  KeyReader reader{key};
  VectorKeyParts parts{};
  parts.collection = reader.Read<CollectionId>();
  parts.field = reader.Read<FieldId>();
  parts.slot = reader.Read<Slot>();
  if (!reader.AtEnd()) return std::nullopt;
  return parts;
}

std::optional<PayloadKeyParts> ParsePayloadKey(std::string_view key) {
  KeyReader reader{key};
  PayloadKeyParts parts{};
  parts.collection = reader.Read<CollectionId>();
  parts.slot = reader.Read<Slot>();
  if (!reader.AtEnd()) return std::nullopt;
  return parts;
}

std::optional<SequenceNumber> ParseChangeKey(std::string_view key) {
  KeyReader reader{key};
  reader.Read<CollectionId>();
  const auto sequence = reader.Read<SequenceNumber>();
  if (!reader.AtEnd()) return std::nullopt;
  return sequence;
}

std::optional<FeedbackKeyParts> ParseFeedbackKey(std::string_view key) {
  KeyReader reader{key};
  FeedbackKeyParts parts{};
  parts.collection = reader.Read<CollectionId>();
  parts.event = reader.Read<EventId>();
  if (!reader.AtEnd()) return std::nullopt;
  return parts;
}

std::optional<LearningKeyParts> ParseLearningKey(std::string_view key) {
  KeyReader reader{key};
  LearningKeyParts parts{};
  parts.collection = reader.Read<CollectionId>();
  const auto kind = reader.Read<uint8_t>();
  parts.number = reader.Read<uint64_t>();
  const bool known = kind >= static_cast<uint8_t>(LearningKind::kVersion) &&
                     kind <= static_cast<uint8_t>(LearningKind::kAdapter);
  if (!reader.AtEnd() || !known) return std::nullopt;
  parts.kind = static_cast<LearningKind>(kind);
  return parts;
}

void AddCollectionRemoval(CollectionId collection, WriteBatch* batch) {
  ALMAGEST_CHECK(collection != kServerRecords);
  batch->Delete(ColumnFamily::kMeta, CatalogKey(collection));
  for (size_t family = 0; family < kColumnFamilyCount; ++family) {
    KeyRange range = CollectionRange(collection);
    batch->DeleteRange(static_cast<ColumnFamily>(family), std::move(range.first),
                       std::move(range.limit));
  }
}

}  // namespace almagest
