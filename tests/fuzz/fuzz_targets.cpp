#include "tests/fuzz/fuzz_targets.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdlib>

#include "engine/learning/trainer_options.h"
#include "engine/snapshot/snapshot_reader.h"
#include "engine/snapshot/snapshot_writer.h"
#include "http/adaptation_parser.h"
#include "http/feedback_parser.h"
#include "http/filter_parser.h"
#include "http/json_reader.h"
#include "http/json_web_token.h"
#include "http/multipart.h"
#include "http/npy_array.h"
#include "http/query_parser.h"
#include "http/router.h"
#include "http/text_resolver.h"
#include "http/vector_parser.h"
#include "http/write_parser.h"
#include "storage/base/check.h"
#include "storage/base/checksum.h"

namespace almagest {
namespace {

constexpr std::string_view kTokenKey = "0123456789abcdef";

// No model is ever loaded: texts are noted and not embedded.
TextModels& Models() {
  static TextModels models("/nonexistent");
  return models;
}

// A body of any write call.
void FuzzJson(std::string_view bytes) {
  const auto body = ParseJsonBody(bytes);
  if (!body) return;
  // What was read and written again reads the same.
  const std::string text = body->ToJson();
  const auto again = ParseJsonBody(text);
  ALMAGEST_CHECK(again.has_value() && again->ToJson() == text);
  const auto original = ParseJsonBody(bytes);
  TextResolver texts(Models(), 1);
  (void)ParseUpsert(*original, texts);
  (void)ParseUpdateVectors(*original, texts);
  (void)ParseBatch(*original, texts);
  (void)ParseDeletePoints(*original);
  (void)ParseDeleteVectors(*original);
  (void)ParseSetPayload(*original);
  (void)ParseDeletePayloadKeys(*original);
}

void FuzzFilter(std::string_view bytes) {
  const auto body = ParseJsonBody(bytes);
  if (body) (void)ParseFilter(*body);
}

void FuzzQuery(std::string_view bytes) {
  const auto body = ParseJsonBody(bytes);
  if (!body) return;
  TextResolver texts(Models(), 1);
  (void)ParseQueryRequest(*body, texts);
  (void)ParseSearchRequest(*body, texts);
  (void)ParseRecommendRequest(*body, texts);
  (void)ParseDiscoverRequest(*body, texts);
  (void)ParseScrollRequest(*body);
}

// A body of the calls about feedback.
void FuzzFeedback(std::string_view bytes) {
  const auto body = ParseJsonBody(bytes);
  if (!body) return;
  TextResolver texts(Models(), 1);
  const auto events = ParseFeedback(*body, texts);
  if (events) {
    for (const FeedbackInput& event : *events) {
      for (const Grade& grade : event.event.grades) {
        ALMAGEST_CHECK(grade.grade >= 0 && grade.grade <= kGradeMax);
      }
    }
  }
  (void)ParseFeedbackFilter(*body);
  (void)ParseFeedbackPart(*body);
}

// The request for a job, with trusted judgements, and what becomes of its options.
void FuzzAdaptation(std::string_view bytes) {
  const auto body = ParseJsonBody(bytes);
  if (!body) return;
  TextResolver texts(Models(), 1);
  const auto request = ParseAdaptation(*body, texts);
  if (!request) return;
  TrainerJob job;
  job.dimension = 8;
  const auto config = MakeTrainerConfig(job, *request);
  if (config) ALMAGEST_CHECK(ParseJsonBody(*config).has_value());
}

void FuzzToken(std::string_view bytes) {
  AccessRights rights;
  (void)ReadToken(bytes, kTokenKey, 1'000'000'000, &rights);
}

std::string Base64Url(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  uint32_t bits = 0;
  size_t count = 0;
  for (const char byte : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(byte);
    for (count += 8; count >= 6; count -= 6) text += kDigits[bits >> (count - 6) & 63];
  }
  if (count > 0) text += kDigits[bits << (6 - count) & 63];
  return text;
}

// Signed rightly, or no claim would ever be looked at.
void FuzzClaims(std::string_view bytes) {
  std::string token = Base64Url(R"({"alg":"HS256","typ":"JWT"})") + '.' + Base64Url(bytes);
  unsigned char signature[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  ALMAGEST_CHECK(HMAC(EVP_sha256(), kTokenKey.data(), static_cast<int>(kTokenKey.size()),
                      reinterpret_cast<const unsigned char*>(token.data()), token.size(), signature,
                      &length) != nullptr);
  token += '.' + Base64Url({reinterpret_cast<const char*>(signature), length});
  AccessRights rights;
  ALMAGEST_CHECK(ReadToken(token, kTokenKey, 1'000'000'000, &rights) !=
                 TokenVerdict::kInvalidSignature);
}

// Checksums are put right first, or nothing behind them would ever be reached.
void FuzzSnapshot(std::string_view bytes) {
  std::string text(bytes);
  size_t position = kSnapshotMagic.size();
  while (text.size() >= position + kSnapshotFrameHead) {
    uint64_t length = 0;
    for (size_t i = 0; i < 4; ++i) {
      length |= uint64_t{static_cast<unsigned char>(text[position + 1 + i])} << (8 * i);
    }
    if (length > text.size() - position - kSnapshotFrameHead) break;
    const uint64_t sum = Checksum(text.data() + position + kSnapshotFrameHead, length);
    for (size_t i = 0; i < 8; ++i) {
      text[position + 5 + i] = static_cast<char>(sum >> (8 * i) & 0xff);
    }
    position += kSnapshotFrameHead + length;
  }
  const auto span = std::as_bytes(std::span(text.data(), text.size()));
  const auto contents = VerifySnapshot(span);
  if (!contents) return;
  uint64_t records = 0;
  for (size_t i = 0; i < contents->collections.size(); ++i) {
    const auto visited =
        VisitSnapshot(span, i, [&](ColumnFamily, std::string_view, std::string_view) -> Result<> {
          ++records;
          return {};
        });
    ALMAGEST_CHECK(visited.has_value());
  }
  ALMAGEST_CHECK(records == contents->records);
}

// Vectors of every kind, in the body of a point.
void FuzzSparse(std::string_view bytes) {
  const auto body = ParseJsonBody(bytes);
  if (!body) return;
  TextResolver texts(Models(), 1);
  NamedVectors vectors;
  if (!ParsePointVectors(*body, texts, vectors)) return;
  for (const auto& [name, data] : vectors) {
    const auto* sparse = std::get_if<SparseVector>(&data);
    if (sparse == nullptr) continue;
    ALMAGEST_CHECK(sparse->indices.size() == sparse->values.size());
    for (size_t i = 1; i < sparse->indices.size(); ++i) {
      ALMAGEST_CHECK(sparse->indices[i - 1] < sparse->indices[i]);
    }
  }
}

// The boundary is the first line.
void FuzzMultipart(std::string_view bytes) {
  (void)MultipartBoundary(bytes);
  const size_t line = bytes.find('\n');
  if (line == std::string_view::npos || line == 0) return;
  const auto part = FindPart(bytes.substr(line + 1), bytes.substr(0, line), "snapshot");
  if (part) ALMAGEST_CHECK(part->size() <= bytes.size());
}

// Its rows lie within the bytes.
void FuzzNpy(std::string_view bytes) {
  const auto array = ReadNpyArray(bytes);
  if (!array) return;
  const char* const end = bytes.data() + bytes.size();
  ALMAGEST_CHECK(array->values + array->rows * array->dimension * sizeof(float) == end);
  if (array->rows > 0) ALMAGEST_CHECK(array->Row(array->rows - 1).size() == array->dimension);
}

void FuzzUrl(std::string_view bytes) {
  static const Router router(Routes());
  (void)ParseQueryString(bytes);
  for (const char* method : {"GET", "POST", "PUT", "DELETE"}) (void)router.Match(method, bytes);
}

const std::vector<std::string> kJsonWords = {"{",
                                             "}",
                                             "[",
                                             "]",
                                             ":",
                                             ",",
                                             "\"",
                                             "null",
                                             "true",
                                             "-1",
                                             "1e400",
                                             "0.5",
                                             "18446744073709551616",
                                             "\"id\":",
                                             "\"points\":",
                                             "\"vector\":",
                                             "\"filter\":",
                                             "\"must\":",
                                             "\"should\":",
                                             "\"match\":",
                                             "\"range\":",
                                             "\"key\":",
                                             "\"value\":",
                                             "\"any\":",
                                             "\"nested\":",
                                             "\"has_id\":",
                                             "\"prefetch\":",
                                             "\"query\":",
                                             "\"fusion\":",
                                             "\"rrf\"",
                                             "\"limit\":",
                                             "\"formula\":",
                                             "\"recommend\":",
                                             "\"positive\":",
                                             "\"context\":",
                                             "\"indices\":",
                                             "\"values\":",
                                             "\"geo_polygon\":",
                                             "\"min_should\":",
                                             "\\ud800",
                                             "\xc3\x28",
                                             "\"operations\":",
                                             "\"upsert\":"};

const std::vector<std::string> kLearningWords = {"{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 ":",
                                                 ",",
                                                 "null",
                                                 "true",
                                                 "-1",
                                                 "1e400",
                                                 "0.5",
                                                 "18446744073709551616",
                                                 "\"id\":",
                                                 "\"events\":",
                                                 "\"query\":",
                                                 "\"vector\":",
                                                 "\"vectors\":",
                                                 "\"text\":",
                                                 "\"point\":",
                                                 "\"query_id\":",
                                                 "\"user\":",
                                                 "\"tag\":",
                                                 "\"time_ms\":",
                                                 "\"weight\":",
                                                 "\"rank\":",
                                                 "\"clicks\":",
                                                 "\"impressions\":",
                                                 "\"grades\":",
                                                 "\"grade\":",
                                                 "\"preferences\":",
                                                 "\"preferred\":",
                                                 "\"over\":",
                                                 "\"negatives\":",
                                                 "\"from_ms\":",
                                                 "\"until_ms\":",
                                                 "\"ids\":",
                                                 "\"using\":",
                                                 "\"all\":",
                                                 "\"feedback\":",
                                                 "\"trusted\":",
                                                 "\"model\":",
                                                 "\"queries\":",
                                                 "\"judgements\":",
                                                 "\"options\":",
                                                 "\"gate\":",
                                                 "\"temperature\":",
                                                 "\"auto\"",
                                                 "\"objective\":",
                                                 "\"seed\":",
                                                 "\\ud800",
                                                 "\xc3\x28"};

const FuzzTarget kTargets[] = {
    {"json", FuzzJson, kJsonWords},
    {"filter", FuzzFilter, kJsonWords},
    {"query", FuzzQuery, kJsonWords},
    {"feedback", FuzzFeedback, kLearningWords},
    {"adaptation", FuzzAdaptation, kLearningWords},
    {"token", FuzzToken, {".", "eyJhbGciOiJIUzI1NiJ9", "e30", "=", "-", "_"}},
    {"claims",
     FuzzClaims,
     {"{", "}", "[", "]", ":", ",", "\"", "\"exp\"", "\"access\"", "\"rw\"", "\"collection\"",
      "\"value_exists\"", "\"matches\"", "\"key\""}},
    {"snapshot", FuzzSnapshot, {"ALMSNAP1", "C", "R", "A", "E", std::string(8, '\0')}},
    {"sparse", FuzzSparse, kJsonWords},
    {"multipart", FuzzMultipart, {"\r\n", "--", "name=\"snapshot\"", "Content-Disposition:", ";"}},
    {"npy",
     FuzzNpy,
     {"\x93NUMPY", "'descr': '<f4'", "'fortran_order': False", "'shape': (", ")", ", ",
      "18446744073709551615", "4611686018427387904", "\x01", "\x02"}},
    {"url", FuzzUrl, {"/", "%2f", "%", "..", "//", "/collections/", "/points", "&", "=", "+"}},
};

}  // namespace

std::span<const FuzzTarget> FuzzTargets() { return kTargets; }

}  // namespace almagest
