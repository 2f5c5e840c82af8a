#include "engine/learning/bridge_export.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <unordered_map>

#include "engine/learning/job_export.h"
#include "engine/learning/judgement_builder.h"
#include "engine/learning/vector_file_writer.h"
#include "engine/linalg/row_kernels.h"
#include "storage/base/file.h"
#include "storage/base/safetensors.h"

namespace almagest {
namespace {

constexpr size_t kPairsAtOnce = 1'024;

Result<SlotSet> SlotsWithVector(const Collection& collection, const std::string& vector_name) {
  Filter filter;
  filter.must.push_back(HasVectorCondition{vector_name});
  return collection.MatchingSlots(filter, {});
}

Result<Collection::Field> BridgeableField(const Collection& collection, const std::string& name,
                                          const char* side) {
  ALMAGEST_TRY(Collection::Field field, collection.FindField(name));
  if (field.is_sparse || field.is_multi()) {
    return Fail(ErrorCode::kInvalidArgument, std::string(side) + ": vector '" + name + "' is a " +
                                                 (field.is_sparse ? "sparse" : "multi-vector") +
                                                 " one; bridges are between dense vectors");
  }
  const Distance distance = field.dense.distance;
  if (distance != Distance::kCosine && distance != Distance::kDot) {
    return Fail(ErrorCode::kFailedPrecondition,
                std::string(side) + ": vector '" + name + "' has the distance " +
                    std::string(DistanceName(distance)) + "; bridges are for Cosine and Dot");
  }
  return field;
}

// Queries with what is known of their answers, before points have rows.
struct JudgedQueries {
  std::vector<DenseVector> from, to;  // `to` is empty where it is unknown.
  Judgements judgements;              // Documents are slots.
};

Result<JudgedQueries> CollectQueries(const Collection& collection, const FeedbackStore& feedback,
                                     const AdaptationRequest& request, size_t dimension,
                                     const std::atomic<bool>& cancel) {
  JudgedQueries queries;
  const auto slot_of = [&](const PointId& id) -> std::optional<int32_t> {
    const Slot slot = collection.FindSlot(id);
    if (slot == kNoSlot || slot > static_cast<Slot>(INT32_MAX)) return std::nullopt;
    return static_cast<int32_t>(slot);
  };
  JudgementBuilder builder(slot_of);
  const auto visit = [&](const FeedbackEvent& event) {
    const bool is_new = event.vector_name == request.vector_name;
    if (is_new && event.query.size() == dimension && builder.Add(event)) {
      queries.from.push_back(event.query);
    }
    return !cancel.load(std::memory_order_relaxed);
  };
  ALMAGEST_TRY_VOID(feedback.Visit(collection.id(), 1, nullptr, visit));
  JudgementCounts counts;
  queries.judgements = builder.Finish(&counts);
  queries.to.resize(queries.from.size());  // Feedback knows a query by one model.
  for (const BridgeQuery& given : request.bridge->queries) {
    const auto row = static_cast<int32_t>(queries.from.size());
    queries.from.push_back(given.from);
    queries.to.push_back(given.to.value_or(DenseVector()));
    for (const Grade& grade : given.judgements) {
      const auto slot = slot_of(grade.id);
      if (!slot) continue;
      queries.judgements.query.push_back(row);
      queries.judgements.document.push_back(*slot);
      queries.judgements.grade.push_back(static_cast<float>(grade.grade));
      queries.judgements.weight.push_back(1);
      queries.judgements.user.push_back(-1);
    }
  }
  return queries;
}

// Ascending. Judged points first, then any.
std::vector<Slot> Sample(const SlotSet& both, const Judgements& judgements, uint64_t limit,
                         uint64_t seed) {
  SlotSet judged;
  for (size_t i = 0; i < judgements.document.size(); ++i) {
    const auto slot = static_cast<Slot>(judgements.document[i]);
    if (judgements.grade[i] > 0 && both.Contains(slot)) judged.Add(slot);
  }
  std::vector<Slot> sample;
  std::mt19937_64 random(seed);
  for (const SlotSet& set : {judged, both - judged}) {
    std::vector<Slot> slots = set.ToVector();
    for (size_t i = slots.size(); i-- > 1;) std::swap(slots[i], slots[random() % (i + 1)]);
    const size_t room = limit - std::min<uint64_t>(limit, sample.size());
    slots.resize(std::min(slots.size(), room));
    sample.insert(sample.end(), slots.begin(), slots.end());
  }
  std::ranges::sort(sample);
  return sample;
}

// Both vectors of each sampled point that still has both. Returns the row of each slot.
Result<std::unordered_map<Slot, int32_t>> WritePairs(
    const Collection& collection, const Collection::Field& from, const Collection::Field& to,
    const std::vector<Slot>& sample, const std::atomic<bool>& cancel,
    const std::function<void(double)>& on_progress, VectorFileWriter* from_file,
    VectorFileWriter* to_file) {
  std::unordered_map<Slot, int32_t> row_of;
  from_file->BeginMatrix("documents");
  to_file->BeginMatrix("documents");
  std::vector<bool> has_from;
  std::vector<bool> has_to;
  for (size_t first = 0; first < sample.size(); first += kPairsAtOnce) {
    if (cancel.load()) return Fail(ErrorCode::kUnavailable, "cancelled");
    const auto some =
        std::span(sample).subspan(first, std::min(kPairsAtOnce, sample.size() - first));
    ALMAGEST_TRY(const auto from_rows, collection.BaseVectors(from.id, some, &has_from));
    ALMAGEST_TRY(const auto to_rows, collection.BaseVectors(to.id, some, &has_to));
    for (size_t i = 0; i < some.size(); ++i) {
      if (!has_from[i] || !has_to[i]) continue;
      row_of.emplace(some[i], static_cast<int32_t>(row_of.size()));
      const size_t d = from.dense.dimension;
      const size_t e = to.dense.dimension;
      ALMAGEST_TRY_VOID(from_file->Append(std::span(from_rows).subspan(i * d, d)));
      ALMAGEST_TRY_VOID(to_file->Append(std::span(to_rows).subspan(i * e, e)));
    }
    on_progress(static_cast<double>(first) / static_cast<double>(sample.size()));
  }
  return row_of;
}

// As the field stores its vectors; zeros for one that is unknown.
Result<> AppendQuery(const DenseVector& query, const Collection::Field& field,
                     VectorFileWriter* file) {
  DenseVector row = query;
  row.resize(field.dense.dimension);
  if (field.dense.distance == Distance::kCosine) NormalizeInPlace(row.data(), row.size());
  return file->Append(row);
}

Result<uint64_t> WriteJudged(const std::filesystem::path& path, const JudgedQueries& queries,
                             const std::unordered_map<Slot, int32_t>& row_of) {
  const Judgements& all = queries.judgements;
  Judgements kept;
  for (size_t i = 0; i < all.query.size(); ++i) {
    const auto row = row_of.find(static_cast<Slot>(all.document[i]));
    if (row == row_of.end()) continue;
    kept.query.push_back(all.query[i]);
    kept.document.push_back(row->second);
    kept.grade.push_back(all.grade[i]);
    kept.weight.push_back(all.weight[i]);
    kept.user.push_back(all.user[i]);
  }
  std::vector<int32_t> has_to;
  for (const DenseVector& query : queries.to) has_to.push_back(query.empty() ? 0 : 1);
  SafetensorsWriter writer;
  AddJudgementTensors(kept, &writer);
  writer.AddInt32("has_to", {static_cast<int64_t>(has_to.size())}, has_to);
  ALMAGEST_TRY_VOID(writer.Write(path));
  return uint64_t{kept.query.size()};
}

Result<VersionId> WriteActiveVersion(const Collection& collection, const Collection::Field& field,
                                     const std::string& vector_name,
                                     const std::filesystem::path& path) {
  ALMAGEST_TRY(const auto versions, collection.Versions(vector_name));
  const VersionId active = versions->active();
  if (active != 0) {
    ALMAGEST_TRY_VOID(WriteAdapterFile(path, versions->Find(active)->kind, versions->active_maps(),
                                       field.dense.dimension));
  }
  return active;
}

nlohmann::json SideConfig(const std::string& vector_name, const Collection::Field& field) {
  return {{"vector", vector_name},
          {"dimension", field.dense.dimension},
          {"distance", field.dense.distance == Distance::kDot ? "Dot" : "Cosine"}};
}

}  // namespace

Result<BridgeProgress> MeasureBridgeProgress(const Collection& collection, const std::string& from,
                                             const std::string& to) {
  ALMAGEST_TRY(const SlotSet with_from, SlotsWithVector(collection, from));
  ALMAGEST_TRY(const SlotSet with_to, SlotsWithVector(collection, to));
  BridgeProgress progress;
  progress.with_from = with_from.size();
  progress.with_to = with_to.size();
  progress.with_both = with_from.IntersectionSize(with_to);
  progress.points = progress.with_from + progress.with_to - progress.with_both;
  return progress;
}

Result<> CheckBridgeRequest(const Collection& collection, const AdaptationRequest& request) {
  const BridgeRequest& bridge = *request.bridge;
  ALMAGEST_TRY(const auto from, BridgeableField(collection, request.vector_name, "from"));
  ALMAGEST_TRY(const auto to, BridgeableField(collection, bridge.to, "to"));
  if (from.id == to.id) {
    return Fail(ErrorCode::kInvalidArgument,
                "from and to are both '" + bridge.to + "'; a bridge is between two vectors");
  }
  if (bridge.sample < kBridgePairsMin || bridge.sample > kBridgeSampleMax) {
    return Fail(ErrorCode::kOutOfRange, "sample is " + std::to_string(bridge.sample) +
                                            ", it must be from " + std::to_string(kBridgePairsMin) +
                                            " to " + std::to_string(kBridgeSampleMax));
  }
  for (size_t i = 0; i < bridge.queries.size(); ++i) {
    const BridgeQuery& query = bridge.queries[i];
    const auto check = [&](const char* side, size_t given, size_t wanted) -> Result<> {
      if (given == wanted) return {};
      return Fail(ErrorCode::kOutOfRange,
                  "queries[" + std::to_string(i) + "]." + side + " has " + std::to_string(given) +
                      " dimensions, the vector has " + std::to_string(wanted));
    };
    ALMAGEST_TRY_VOID(check("from", query.from.size(), from.dense.dimension));
    if (query.to) ALMAGEST_TRY_VOID(check("to", query.to->size(), to.dense.dimension));
  }
  ALMAGEST_TRY(const BridgeProgress progress,
               MeasureBridgeProgress(collection, request.vector_name, bridge.to));
  if (progress.with_both < kBridgePairsMin) {
    return Fail(ErrorCode::kFailedPrecondition,
                std::to_string(progress.with_both) + " points have both '" + request.vector_name +
                    "' and '" + bridge.to + "', at least " + std::to_string(kBridgePairsMin) +
                    " are needed to fit a bridge");
  }
  if (progress.with_from == progress.points) {
    return Fail(ErrorCode::kFailedPrecondition,
                "every point that has '" + bridge.to + "' has '" + request.vector_name +
                    "', so there is nothing to bridge; from is the new model, which queries come "
                    "in, to the old one");
  }
  return {};
}

Result<BridgeExport> ExportBridge(const Collection& collection, const FeedbackStore& feedback,
                                  const std::string& job_id, const AdaptationRequest& request,
                                  const std::filesystem::path& folder, unsigned threads,
                                  const std::atomic<bool>& cancel,
                                  const std::function<void(double)>& on_progress) {
  const std::string& from_name = request.vector_name;
  const std::string& to_name = request.bridge->to;
  ALMAGEST_TRY(const auto from, collection.FindField(from_name));
  ALMAGEST_TRY(const auto to, collection.FindField(to_name));
  BridgeExport done;
  ALMAGEST_TRY(done.progress, MeasureBridgeProgress(collection, from_name, to_name));
  ALMAGEST_TRY(const JudgedQueries queries,
               CollectQueries(collection, feedback, request, from.dense.dimension, cancel));
  ALMAGEST_TRY(SlotSet both, SlotsWithVector(collection, from_name));
  ALMAGEST_TRY(const SlotSet with_to, SlotsWithVector(collection, to_name));
  both &= with_to;
  const auto sample = Sample(both, queries.judgements, request.bridge->sample, request.seed);
  ALMAGEST_TRY(const auto from_file,
               VectorFileWriter::Create(folder / "from.safetensors", from.dense.dimension));
  ALMAGEST_TRY(const auto to_file,
               VectorFileWriter::Create(folder / "to.safetensors", to.dense.dimension));
  ALMAGEST_TRY(const auto row_of, WritePairs(collection, from, to, sample, cancel, on_progress,
                                             from_file.get(), to_file.get()));
  done.documents = row_of.size();
  from_file->BeginMatrix("queries");
  to_file->BeginMatrix("queries");
  for (size_t i = 0; i < queries.from.size(); ++i) {
    ALMAGEST_TRY_VOID(AppendQuery(queries.from[i], from, from_file.get()));
    ALMAGEST_TRY_VOID(AppendQuery(queries.to[i], to, to_file.get()));
  }
  done.queries = queries.from.size();
  done.bytes = from_file->bytes_written() + to_file->bytes_written();
  ALMAGEST_TRY_VOID(from_file->Finish());
  ALMAGEST_TRY_VOID(to_file->Finish());
  ALMAGEST_TRY(done.judgements, WriteJudged(folder / "judgements.safetensors", queries, row_of));
  ALMAGEST_TRY(done.from_version, WriteActiveVersion(collection, from, from_name,
                                                     folder / "from_version.safetensors"));
  ALMAGEST_TRY(done.to_version,
               WriteActiveVersion(collection, to, to_name, folder / "to_version.safetensors"));
  const nlohmann::json config = {{"format_version", 1},
                                 {"job_id", job_id},
                                 {"collection", collection.name()},
                                 {"seed", request.seed},
                                 {"threads", threads},
                                 {"share", done.progress.share()},
                                 {"from", SideConfig(from_name, from)},
                                 {"to", SideConfig(to_name, to)}};
  ALMAGEST_TRY_VOID(
      WriteFileAtomically(folder / "bridge.json",
                          config.dump(2, ' ', false, nlohmann::json::error_handler_t::replace)));
  on_progress(1);
  return done;
}

}  // namespace almagest
