// The point table as of one operation, as a mapped file (section_file.h): the checkpoint that lets
// a collection open without reading its points. Disposable: RocksDB has the points, and a
// CheckpointRecord there names the file that counts. docs/decisions/0006-restart.md has the why.
//
// Sections:
//   info        PointsFileInfo
//   entries     slot_count StoredPoint, by slot; kAbsent where no point was live
//   buckets     bucket_count u32: open addressing by PointIdHash, linear probing; kNoSlot is empty
//   live        SlotSet of live points
//   fieldF      SlotSet of points with a vector of field F
//   unsealed    u32: live slots whose rows were in no sealed segment
//   deletedS    words of the bitmap of dead rows of segment S, if it has any
//   termsF      TermCount of sparse field F, ascending by term
//   pointsF     u64: points with a vector of sparse field F
// `entries` and `buckets` may be newer than the rest (they are copied while writes go on): whoever
// opens the file replays the changes since, and replaying is idempotent.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/index/section_file.h"
#include "engine/payload/slot_set.h"
#include "engine/types.h"
#include "storage/records.h"

namespace almagest {

// A point as it lies in the file and in the change log.
struct StoredPoint {
  enum Kind : uint64_t { kNumber = 0, kUuid = 1, kAbsent = 2 };
  uint8_t id[16] = {};  // A number in the first eight bytes, little-endian.
  uint64_t kind = kAbsent;
  SequenceNumber version = 0;
  SequenceNumber vector_sequence = 0;
  uint64_t fields = 0;  // Bit f: the point has a vector of field f.

  void SetId(const PointId& point);
  PointId Id() const;  // 0 for kAbsent.
};
static_assert(sizeof(StoredPoint) == 48);

struct TermCount {
  uint32_t term = 0;
  uint32_t points = 0;
};

struct PointsFileInfo {
  uint32_t format = 1;
  CollectionId collection = 0;
  SequenceNumber sequence = 0;
  uint64_t nonce = 0;
  uint64_t slot_count = 0;
  uint64_t bucket_count = 0;  // A power of two.
};

// Immutable, thread-safe to read.
class PointsFile {
 public:
  // Checks structure and the small sections. kCorruption unless it is the file that `record` means.
  // `entries` and `buckets` are not read: any bytes in them are safe to use, Verify() tells
  // whether they are the right ones.
  static Result<std::shared_ptr<const PointsFile>> Open(const std::filesystem::path& path,
                                                        CollectionId collection,
                                                        const CheckpointRecord& record);
  // Checksums of the two large sections: reads 60 bytes a point, 10 GB/s from memory.
  Result<> Verify() const;
  uint64_t large_bytes() const;

  const PointsFileInfo& info() const { return info_; }
  std::span<const StoredPoint> entries() const { return entries_; }
  // Calls `visit` with every slot that may hold the id until it returns true.
  template <class Visit>
  void Probe(const PointId& id, const Visit& visit) const {
    const uint64_t mask = buckets_.size() - 1;
    uint64_t place = PointIdHash()(id) & mask;
    for (uint64_t step = 0; step < buckets_.size(); ++step, place = (place + 1) & mask) {
      const Slot slot = buckets_[place];
      if (slot == kNoSlot) return;
      if (slot < entries_.size() && visit(slot)) return;
    }
  }
  Result<SlotSet> live() const { return Set("live"); }
  Result<SlotSet> with_field(FieldId field) const;  // Empty if the section is missing.
  Result<std::span<const Slot>> unsealed() const;
  // Empty if no row of the segment was dead.
  Result<std::span<const uint64_t>> deleted_words(uint64_t segment) const;
  Result<std::span<const TermCount>> terms(FieldId field) const;
  Result<uint64_t> term_points(FieldId field) const;

 private:
  explicit PointsFile(SectionFile file) : file_(std::move(file)) {}
  Result<SlotSet> Set(const std::string& section) const;

  SectionFile file_;
  PointsFileInfo info_;
  std::span<const StoredPoint> entries_;
  std::span<const Slot> buckets_;
};

// What a new file holds besides entries: the state at one moment, copied under the locks.
struct PointsFileContent {
  PointsFileInfo info;  // But for bucket_count.
  SlotSet live;
  std::map<FieldId, SlotSet> with_field;
  std::vector<Slot> unsealed;
  std::map<uint64_t, std::vector<uint64_t>> deleted_words;
  std::map<FieldId, std::vector<TermCount>> terms;
  std::map<FieldId, uint64_t> term_points;
};
// Writes the file whole or not at all. `read` fills the entries of [first, first + count) as they
// are now; `going_on` is asked between pieces and stops the work (kTimeout) by returning false.
Result<> WritePointsFile(const std::filesystem::path& path, const PointsFileContent& content,
                         const std::function<void(Slot first, std::span<StoredPoint>)>& read,
                         const std::function<bool()>& going_on);

}  // namespace almagest
