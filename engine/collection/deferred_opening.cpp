#include "engine/collection/deferred_opening.h"

#include <algorithm>

#include "engine/collection/collection_state.h"
#include "engine/collection/recovery.h"
#include "engine/collection/row_factors.h"
#include "engine/payload/payload_path.h"
#include "storage/base/log.h"

namespace almagest {

DeferredOpening::DeferredOpening(CollectionState& state, DeferredWork work)
    : state_(state), work_(std::move(work)) {}

DeferredOpening::~DeferredOpening() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void DeferredOpening::Start() {
  thread_ = std::thread([this] {
    if (const auto done = Run(); !done) {
      LogError("collection '" + state_.name + "': " + done.error().message);
    }
    MarkDone();
  });
}

Result<> DeferredOpening::Finish() {
  auto done = Run();
  MarkDone();
  return done;
}

void DeferredOpening::MarkDone() {
  const std::lock_guard lock(mutex_);
  done_ = true;
  changed_.notify_all();
}

void DeferredOpening::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return done_; });
}

Result<> DeferredOpening::Run() {
  if (work_.points) ALMAGEST_TRY_VOID(CheckPoints());
  for (const uint64_t segment : work_.segments) {
    if (stop_) return {};
    ALMAGEST_TRY_VOID(CheckSegment(segment));
  }
  files_checked_ = true;
  ALMAGEST_TRY_VOID(BuildIndexes());
  ALMAGEST_TRY_VOID(PrepareFactors());
  MoveGraphsToMemory();
  return {};
}

void DeferredOpening::MoveGraphsToMemory() {
  std::vector<std::shared_ptr<SealedSegment>> sealed;
  {
    const std::lock_guard lock(state_.writer_mutex);
    for (const SegmentHandle& handle : state_.segments) {
      if (handle.sealed) sealed.push_back(handle.sealed);
    }
  }
  // What is sealed or rewritten from now on is moved by whoever does it.
  for (const auto& segment : sealed) {
    if (stop_) return;
    segment->MoveGraphsToMemory();
  }
}

Result<> DeferredOpening::CheckPoints() {
  std::shared_ptr<const PointsFile> file;
  {
    const std::shared_lock lock(state_.points_mutex);
    file = state_.points.file();
  }
  // Reads all of it: without the lock, so that writes wait only if they come first.
  if (file == nullptr || file->Verify()) state_.points_verified = true;
  const std::lock_guard lock(state_.writer_mutex);
  return EnsurePointsVerified(state_);
}

Result<> DeferredOpening::CheckSegment(uint64_t id) {
  std::shared_ptr<const SealedSegment> segment;
  for (const auto& candidate : state_.View()->segments) {
    if (candidate->id() == id) segment = std::dynamic_pointer_cast<const SealedSegment>(candidate);
  }
  if (segment == nullptr) return {};  // Rewritten meanwhile.
  const auto verified = segment->Verify();
  if (verified) return {};
  return ReplaceDamagedSegment(state_, id, verified.error().message);
}

Result<> DeferredOpening::PrepareFactors() {
  const auto view = state_.View();
  for (const auto& segment : view->segments) {
    for (const auto& [field, set] : view->versions) {
      if (stop_) return {};
      ALMAGEST_TRY_VOID(PrepareActive(*set, *segment, field));
    }
  }
  return {};
}

Result<> DeferredOpening::BuildIndexes() {
  for (const auto& [key, config] : state_.Config().payload_indexes) {
    ALMAGEST_TRY(const PayloadPath path, PayloadPath::Parse(key));
    if (state_.indexes.ConfigAt(path) == config) continue;
    const auto build = state_.indexes.BeginBuild(PayloadIndex::Make(path, config));
    const auto entered = EnterPayloads(state_, build, &stop_);
    const std::lock_guard lock(state_.writer_mutex);
    const auto wanted = state_.Config().payload_indexes;
    const auto found = wanted.find(key);
    // It may have been dropped, or created anew, meanwhile.
    const bool current =
        found != wanted.end() && found->second == config && !state_.indexes.ConfigAt(path);
    if (entered && !stop_ && current) {
      state_.indexes.FinishBuild(build);
    } else {
      state_.indexes.AbandonBuild(build);
    }
    ALMAGEST_TRY_VOID(entered);
    if (stop_) return {};
  }
  return {};
}

}  // namespace almagest
