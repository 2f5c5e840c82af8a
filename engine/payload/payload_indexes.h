// The payload indexes of one collection, by path.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>

#include "engine/payload/filter.h"
#include "engine/payload/payload_index.h"
#include "engine/payload/payload_path.h"
#include "engine/payload/slot_set.h"

namespace almagest {

// One writer at a time and any number of readers; every function
// takes the lock it needs.
class PayloadIndexes {
 public:
  // Adds or replaces the index of its path.
  void Install(std::unique_ptr<PayloadIndex> index);
  // False if there is none. The path in any spelling.
  bool Drop(const PayloadPath& path);

  // ---- An index that is being filled while writes go on ---------------------------------------
  // Joins `index`, still empty, as one under construction: it answers nothing yet. The builder
  // enters the payloads in the order of the slots, a batch at a time; changes of slots that it has
  // passed are applied by Update, later ones it will meet itself. The writer must be kept out
  // during each call of ContinueBuild and FinishBuild, as during Update.
  using BuildId = uint64_t;
  BuildId BeginBuild(std::unique_ptr<PayloadIndex> index);
  struct BuildEntry {
    Slot slot = kNoSlot;
    std::string payload;
  };
  // `limit` is the first slot that has not been passed.
  void ContinueBuild(BuildId build, std::span<const BuildEntry> entries, Slot limit);
  // Installs it. After AbandonBuild it is gone.
  void FinishBuild(BuildId build);
  void AbandonBuild(BuildId build);

  // Applies a payload change to every index.
  void Update(Slot slot, std::string_view old_payload, std::string_view new_payload);

  struct Description {
    PayloadIndexConfig config;
    uint64_t point_count;  // Slots with a value of the index's type.
    uint64_t memory_bytes;
  };
  // By canonical path.
  std::map<std::string, Description> Describe() const;
  // None, and none under construction.
  bool empty() const;

  // nullopt where no index has the path, here and below.
  std::optional<PayloadIndexConfig> ConfigAt(const PayloadPath& path) const;
  std::optional<IndexAnswer> Answer(const PayloadPath& path, const FieldCondition& condition) const;
  std::optional<SlotSet> Filled(const PayloadPath& path) const;
  std::optional<SlotSet> Nulls(const PayloadPath& path) const;
  // PayloadIndex::VisitOrdered of that path's index; false if there is none. Writers wait.
  bool VisitOrdered(const PayloadPath& path, bool descending, std::optional<double> start,
                    const std::function<bool(double, const SlotSet&)>& visit) const;

 private:
  const PayloadIndex* Find(const PayloadPath& path) const;

  struct Build {
    std::unique_ptr<PayloadIndex> index;
    Slot limit = 0;
  };

  mutable std::shared_mutex mutex_;
  std::map<std::string, std::unique_ptr<PayloadIndex>> indexes_;
  std::map<BuildId, Build> builds_;
  BuildId last_build_ = 0;
};

}  // namespace almagest
