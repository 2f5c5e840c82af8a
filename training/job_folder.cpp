#include "training/job_folder.h"

#include <cmath>

#include "storage/base/file.h"

namespace almagest::training {
namespace {

constexpr char kVectors[] = "vectors.safetensors";
constexpr char kJudgements[] = "judgements.safetensors";
constexpr char kQueryNames[] = "query_names.safetensors";
constexpr char kTextLeg[] = "text_leg.safetensors";
constexpr char kNeighbours[] = "neighbours.safetensors";
constexpr char kGuard[] = "guard.safetensors";
constexpr char kTrusted[] = "trusted.safetensors";

tl::unexpected<Error> Bad(const std::string& file, const std::string& message) {
  return Fail(ErrorCode::kInvalidArgument, file + ": " + message);
}

Result<const TensorView*> Find(const Safetensors& file, const char* file_name, const char* name,
                               TensorType type, size_t dimensions) {
  const TensorView* view = file.Find(name);
  if (view == nullptr) return Bad(file_name, std::string("there is no tensor '") + name + "'");
  if (view->type != type) {
    return Bad(file_name, std::string("tensor '") + name + "' must be " +
                              (type == TensorType::kFloat32 ? "F32"
                               : type == TensorType::kInt64 ? "I64"
                                                            : "I32"));
  }
  if (view->shape.size() != dimensions) {
    return Bad(file_name, std::string("tensor '") + name + "' has " +
                              std::to_string(view->shape.size()) + " dimensions, it must have " +
                              std::to_string(dimensions));
  }
  return view;
}

Result<const TensorView*> FindMatrix(const Safetensors& file, const char* file_name,
                                     const char* name, int64_t dimension) {
  ALMAGEST_TRY(const TensorView* view, Find(file, file_name, name, TensorType::kFloat32, 2));
  if (view->shape[1] != dimension) {
    return Bad(file_name, std::string("tensor '") + name + "' has " +
                              std::to_string(view->shape[1]) + " columns, config.json says " +
                              std::to_string(dimension));
  }
  if (view->shape[0] > INT32_MAX) {
    return Bad(file_name, std::string("tensor '") + name + "' has " +
                              std::to_string(view->shape[0]) + " rows, the limit is 2147483647");
  }
  const auto values = view->as_float32();
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return Bad(file_name, std::string("tensor '") + name + "' row " +
                                std::to_string(i / static_cast<size_t>(dimension)) +
                                " holds a value that is not finite");
    }
  }
  return view;
}

Result<> CheckIndexes(const char* file, const char* name, std::span<const int32_t> values,
                      int64_t low, int64_t limit) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] < low || values[i] >= limit) {
      return Bad(file, std::string("tensor '") + name + "' entry " + std::to_string(i) + " is " +
                           std::to_string(values[i]) + ", it must be from " + std::to_string(low) +
                           " to " + std::to_string(limit - 1));
    }
  }
  return {};
}

Result<> ReadJudgements(JobFolder* job) {
  ALMAGEST_TRY(job->judgements_file, Safetensors::Open(job->path / kJudgements));
  const Safetensors& file = job->judgements_file;
  ALMAGEST_TRY(const auto* query, Find(file, kJudgements, "query", TensorType::kInt32, 1));
  ALMAGEST_TRY(const auto* document, Find(file, kJudgements, "document", TensorType::kInt32, 1));
  ALMAGEST_TRY(const auto* grade, Find(file, kJudgements, "grade", TensorType::kFloat32, 1));
  ALMAGEST_TRY(const auto* weight, Find(file, kJudgements, "weight", TensorType::kFloat32, 1));
  ALMAGEST_TRY(const auto* user, Find(file, kJudgements, "user", TensorType::kInt32, 1));
  for (const auto* view : {document, grade, weight, user}) {
    if (view->shape != query->shape) {
      return Bad(kJudgements, "the tensors differ in length: query has " +
                                  std::to_string(query->shape[0]) + " entries, another has " +
                                  std::to_string(view->shape[0]));
    }
  }
  job->judgements = {query->as_int32(), document->as_int32(), grade->as_float32(),
                     weight->as_float32(), user->as_int32()};
  const JudgementColumns& columns = job->judgements;
  ALMAGEST_TRY_VOID(CheckIndexes(kJudgements, "query", columns.query, 0, job->query_count));
  ALMAGEST_TRY_VOID(
      CheckIndexes(kJudgements, "document", columns.document, 0, job->document_count));
  ALMAGEST_TRY_VOID(CheckIndexes(kJudgements, "user", columns.user, -1, INT32_MAX));
  for (size_t i = 0; i < columns.grade.size(); ++i) {
    if (!std::isfinite(columns.grade[i])) {
      return Bad(kJudgements, "tensor 'grade' entry " + std::to_string(i) + " is not finite");
    }
    if (!std::isfinite(columns.weight[i]) || columns.weight[i] <= 0) {
      return Bad(kJudgements,
                 "tensor 'weight' entry " + std::to_string(i) + " must be a finite number above 0");
    }
  }
  return {};
}

// Optional: only the report has a use for it.
Result<> ReadQueryNames(JobFolder* job) {
  if (!std::filesystem::exists(job->path / kQueryNames)) return {};
  ALMAGEST_TRY(job->query_names_file, Safetensors::Open(job->path / kQueryNames));
  ALMAGEST_TRY(const auto* event,
               Find(*job->query_names_file, kQueryNames, "event", TensorType::kInt64, 1));
  if (event->shape[0] != job->query_count) {
    return Bad(kQueryNames, "tensor 'event' has " + std::to_string(event->shape[0]) +
                                " entries, there are " + std::to_string(job->query_count) +
                                " queries");
  }
  job->query_events = event->as_int64();
  return {};
}

// The file is optional: not every collection has texts.
Result<> ReadTextLeg(JobFolder* job) {
  if (!std::filesystem::exists(job->path / kTextLeg)) return {};
  ALMAGEST_TRY(job->text_leg_file, Safetensors::Open(job->path / kTextLeg));
  ALMAGEST_TRY(const auto* documents,
               Find(*job->text_leg_file, kTextLeg, "documents", TensorType::kInt32, 2));
  if (documents->shape[0] != job->query_count) {
    return Bad(kTextLeg, "tensor 'documents' has " + std::to_string(documents->shape[0]) +
                             " rows, there are " + std::to_string(job->query_count) + " queries");
  }
  job->text_leg = documents->as_int32();
  job->text_leg_depth = documents->shape[1];
  return CheckIndexes(kTextLeg, "documents", job->text_leg, -1, job->document_count);
}

// Optional, for the same reason.
Result<> ReadNeighbours(JobFolder* job) {
  if (!std::filesystem::exists(job->path / kNeighbours)) return {};
  ALMAGEST_TRY(job->neighbours_file, Safetensors::Open(job->path / kNeighbours));
  const Safetensors& file = *job->neighbours_file;
  ALMAGEST_TRY(const auto* documents, Find(file, kNeighbours, "documents", TensorType::kInt32, 1));
  ALMAGEST_TRY(const auto* rows, Find(file, kNeighbours, "neighbours", TensorType::kInt32, 2));
  if (rows->shape[0] != documents->shape[0]) {
    return Bad(kNeighbours, "tensor 'neighbours' has " + std::to_string(rows->shape[0]) +
                                " rows, there are " + std::to_string(documents->shape[0]) +
                                " documents");
  }
  job->neighbours = {documents->as_int32(), rows->as_int32(), rows->shape[1]};
  ALMAGEST_TRY_VOID(
      CheckIndexes(kNeighbours, "documents", job->neighbours.documents, 0, job->document_count));
  return CheckIndexes(kNeighbours, "neighbours", job->neighbours.neighbours, -1,
                      job->document_count);
}

// Optional: a server that was just started has seen no queries.
Result<> ReadGuard(JobFolder* job) {
  if (!std::filesystem::exists(job->path / kGuard)) return {};
  ALMAGEST_TRY(job->guard_file, Safetensors::Open(job->path / kGuard));
  ALMAGEST_TRY(const TensorView* queries,
               FindMatrix(*job->guard_file, kGuard, "queries", job->config.dimension));
  job->guard = queries->as_float32();
  job->guard_count = queries->shape[0];
  return {};
}

// Optional: most jobs come without judgements of the admin's.
Result<> ReadTrusted(JobFolder* job) {
  if (!std::filesystem::exists(job->path / kTrusted)) return {};
  ALMAGEST_TRY(job->trusted_file, Safetensors::Open(job->path / kTrusted));
  const Safetensors& file = *job->trusted_file;
  ALMAGEST_TRY(const auto* queries, FindMatrix(file, kTrusted, "queries", job->config.dimension));
  ALMAGEST_TRY(const auto* own, Find(file, kTrusted, "own", TensorType::kInt32, 1));
  ALMAGEST_TRY(const auto* query, Find(file, kTrusted, "query", TensorType::kInt32, 1));
  ALMAGEST_TRY(const auto* document, Find(file, kTrusted, "document", TensorType::kInt32, 1));
  ALMAGEST_TRY(const auto* grade, Find(file, kTrusted, "grade", TensorType::kFloat32, 1));
  if (own->shape[0] != queries->shape[0]) {
    return Bad(kTrusted, "tensor 'own' has " + std::to_string(own->shape[0]) +
                             " entries, there are " + std::to_string(queries->shape[0]) +
                             " queries");
  }
  if (document->shape != query->shape || grade->shape != query->shape) {
    return Bad(kTrusted,
               "the tensors differ in length: query has " + std::to_string(query->shape[0]) +
                   " entries, another has " +
                   std::to_string((document->shape == query->shape ? grade : document)->shape[0]));
  }
  job->trusted = {queries->as_float32(), own->as_int32(), query->as_int32(), document->as_int32(),
                  grade->as_float32()};
  const TrustedColumns& columns = job->trusted;
  ALMAGEST_TRY_VOID(CheckIndexes(kTrusted, "own", columns.own, -1, job->document_count));
  ALMAGEST_TRY_VOID(CheckIndexes(kTrusted, "query", columns.query, 0, queries->shape[0]));
  ALMAGEST_TRY_VOID(CheckIndexes(kTrusted, "document", columns.document, -1, job->document_count));
  for (size_t i = 0; i < columns.grade.size(); ++i) {
    if (std::isfinite(columns.grade[i])) continue;
    return Bad(kTrusted, "tensor 'grade' entry " + std::to_string(i) + " is not finite");
  }
  return {};
}

}  // namespace

Result<JobFolder> OpenJobFolder(const std::filesystem::path& path) {
  JobFolder job;
  job.path = path;
  ALMAGEST_TRY(const std::string text, ReadFile(path / "config.json"));
  ALMAGEST_TRY(job.config, ParseJobConfig(text));
  ALMAGEST_TRY(job.vectors, Safetensors::Open(path / kVectors));
  ALMAGEST_TRY(const TensorView* documents,
               FindMatrix(job.vectors, kVectors, "documents", job.config.dimension));
  ALMAGEST_TRY(const TensorView* queries,
               FindMatrix(job.vectors, kVectors, "queries", job.config.dimension));
  job.documents = documents->as_float32();
  job.queries = queries->as_float32();
  job.document_count = documents->shape[0];
  job.query_count = queries->shape[0];
  ALMAGEST_TRY_VOID(ReadJudgements(&job));
  ALMAGEST_TRY_VOID(ReadQueryNames(&job));
  ALMAGEST_TRY_VOID(ReadTextLeg(&job));
  ALMAGEST_TRY_VOID(ReadNeighbours(&job));
  ALMAGEST_TRY_VOID(ReadGuard(&job));
  ALMAGEST_TRY_VOID(ReadTrusted(&job));
  for (const int64_t id : job.config.live_versions) {
    if (id == 0) {
      job.versions.emplace(0, LinearAdapter::Identity(job.config.dimension));
      continue;
    }
    ALMAGEST_TRY(LinearAdapter adapter,
                 ReadAdapter(path / "versions" / (std::to_string(id) + ".safetensors"),
                             job.config.dimension));
    job.versions.emplace(id, std::move(adapter));
  }
  return job;
}

}  // namespace almagest::training
