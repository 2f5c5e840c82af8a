#include "engine/collection/points_file.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/index/section_writer.h"

namespace almagest {
namespace {

constexpr size_t kEntriesPerPiece = 16'384;
constexpr uint64_t kBucketsMin = 16;

std::string FieldSection(const char* name, uint64_t number) {
  return name + std::to_string(number);
}

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

void StoredPoint::SetId(const PointId& point) {
  std::memset(id, 0, sizeof id);
  if (const auto* number = std::get_if<uint64_t>(&point)) {
    kind = kNumber;
    std::memcpy(id, number, sizeof *number);
  } else {
    kind = kUuid;
    std::memcpy(id, std::get<Uuid>(point).bytes.data(), sizeof id);
  }
}

PointId StoredPoint::Id() const {
  if (kind == kUuid) {
    Uuid uuid;
    std::memcpy(uuid.bytes.data(), id, sizeof id);
    return uuid;
  }
  uint64_t number = 0;
  if (kind == kNumber) std::memcpy(&number, id, sizeof number);
  return number;
}

Result<std::shared_ptr<const PointsFile>> PointsFile::Open(const std::filesystem::path& path,
                                                           CollectionId collection,
                                                           const CheckpointRecord& record) {
  ALMAGEST_TRY(SectionFile file, SectionFile::Open(path, SectionFile::Verify::kStructure));
  std::shared_ptr<PointsFile> points(new PointsFile(std::move(file)));
  ALMAGEST_TRY(points->info_, points->file_.Value<PointsFileInfo>("info"));
  ALMAGEST_TRY_VOID(points->file_.VerifySection("info"));
  const PointsFileInfo& info = points->info_;
  if (info.format != PointsFileInfo().format || info.collection != collection ||
      info.sequence != record.sequence || info.nonce != record.nonce) {
    return Fail(ErrorCode::kCorruption, "it is not the file that was written last");
  }
  ALMAGEST_TRY(points->entries_, points->file_.Array<StoredPoint>("entries"));
  ALMAGEST_TRY(points->buckets_, points->file_.Array<Slot>("buckets"));
  if (points->entries_.size() != info.slot_count || points->buckets_.size() != info.bucket_count ||
      !std::has_single_bit(info.bucket_count)) {
    return Fail(ErrorCode::kCorruption, "its sections have other sizes than it says");
  }
  return std::shared_ptr<const PointsFile>(std::move(points));
}

Result<> PointsFile::Verify() const {
  ALMAGEST_TRY_VOID(file_.VerifySection("entries"));
  return file_.VerifySection("buckets");
}

uint64_t PointsFile::large_bytes() const { return entries_.size_bytes() + buckets_.size_bytes(); }

Result<SlotSet> PointsFile::Set(const std::string& section) const {
  ALMAGEST_TRY_VOID(file_.VerifySection(section));
  ALMAGEST_TRY(const auto bytes, file_.Section(section));
  auto set = SlotSet::FromSerialized({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!set) return Fail(ErrorCode::kCorruption, "section " + section + " holds no set of slots");
  return std::move(*set);
}

Result<SlotSet> PointsFile::with_field(FieldId field) const {
  const std::string section = FieldSection("field", field);
  if (!file_.Has(section)) return SlotSet();
  return Set(section);
}

Result<std::span<const Slot>> PointsFile::unsealed() const {
  ALMAGEST_TRY_VOID(file_.VerifySection("unsealed"));
  return file_.Array<Slot>("unsealed");
}

Result<std::span<const uint64_t>> PointsFile::deleted_words(uint64_t segment) const {
  const std::string section = FieldSection("deleted", segment);
  if (!file_.Has(section)) return std::span<const uint64_t>();
  ALMAGEST_TRY_VOID(file_.VerifySection(section));
  return file_.Array<uint64_t>(section);
}

Result<std::span<const TermCount>> PointsFile::terms(FieldId field) const {
  const std::string section = FieldSection("terms", field);
  if (!file_.Has(section)) return std::span<const TermCount>();
  ALMAGEST_TRY_VOID(file_.VerifySection(section));
  return file_.Array<TermCount>(section);
}

Result<uint64_t> PointsFile::term_points(FieldId field) const {
  const std::string section = FieldSection("points", field);
  if (!file_.Has(section)) return uint64_t{0};
  ALMAGEST_TRY_VOID(file_.VerifySection(section));
  return file_.Value<uint64_t>(section);
}

Result<> WritePointsFile(const std::filesystem::path& path, const PointsFileContent& content,
                         const std::function<void(Slot first, std::span<StoredPoint>)>& read,
                         const std::function<bool()>& going_on) {
  ALMAGEST_TRY(SectionWriter writer, SectionWriter::Create(path));
  PointsFileInfo info = content.info;
  info.bucket_count = std::max(kBucketsMin, std::bit_ceil(content.live.size() * 3 / 2 + 1));
  ALMAGEST_TRY_VOID(writer.AddValue("info", info));
  std::vector<Slot> buckets(info.bucket_count, kNoSlot);
  std::vector<StoredPoint> piece;
  ALMAGEST_TRY_VOID(writer.Begin("entries"));
  for (uint64_t first = 0; first < info.slot_count; first += kEntriesPerPiece) {
    if (!going_on()) return Fail(ErrorCode::kTimeout, "stopped");
    piece.assign(std::min<uint64_t>(kEntriesPerPiece, info.slot_count - first), StoredPoint());
    read(static_cast<Slot>(first), piece);
    for (size_t i = 0; i < piece.size(); ++i) {
      const Slot slot = static_cast<Slot>(first + i);
      if (piece[i].kind == StoredPoint::kAbsent) continue;
      uint64_t place = PointIdHash()(piece[i].Id()) & (info.bucket_count - 1);
      while (buckets[place] != kNoSlot) place = (place + 1) & (info.bucket_count - 1);
      buckets[place] = slot;
    }
    ALMAGEST_TRY_VOID(writer.Append(std::as_bytes(std::span<const StoredPoint>(piece))));
  }
  ALMAGEST_TRY_VOID(writer.End());
  ALMAGEST_TRY_VOID(writer.AddArray<Slot>("buckets", buckets));
  ALMAGEST_TRY_VOID(writer.Add("live", BytesOf(content.live.Serialized())));
  for (const auto& [field, slots] : content.with_field) {
    ALMAGEST_TRY_VOID(writer.Add(FieldSection("field", field), BytesOf(slots.Serialized())));
  }
  ALMAGEST_TRY_VOID(writer.AddArray<Slot>("unsealed", content.unsealed));
  for (const auto& [segment, words] : content.deleted_words) {
    ALMAGEST_TRY_VOID(writer.AddArray<uint64_t>(FieldSection("deleted", segment), words));
  }
  for (const auto& [field, terms] : content.terms) {
    ALMAGEST_TRY_VOID(writer.AddArray<TermCount>(FieldSection("terms", field), terms));
  }
  for (const auto& [field, points] : content.term_points) {
    ALMAGEST_TRY_VOID(writer.AddValue(FieldSection("points", field), points));
  }
  return writer.Finish();
}

}  // namespace almagest
