#include "tests/http/test_application.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "storage/base/file.h"
#include "storage/base/log.h"

namespace almagest {

std::string Answer::Header(const std::string& name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

TestApplication::TestApplication(ApplicationOptions options) : options_(std::move(options)) {
  SetLogLevel(LogLevel::kError);
  std::string pattern = (std::filesystem::temp_directory_path() / "almagest-http-XXXXXX").string();
  folder_ = mkdtemp(pattern.data());
  OpenDatabase();
}

void TestApplication::Restart() {
  application_.reset();
  service_.reset();
  database_.reset();
  OpenDatabase();
}

void TestApplication::OpenDatabase() {
  DatabaseOptions options;
  options.data_directory = folder_ / "data";
  options.model_directory = folder_ / "models";
  options.trainer_executable = folder_ / "almagest-trainer";
  options.block_cache_bytes = 4u << 20;
  options.optimizer_enabled = false;
  auto database = Database::Open(options);
  if (!database) {
    ADD_FAILURE() << database.error().message;
    std::abort();
  }
  database_ = *std::move(database);
  service_ =
      std::make_unique<Service>(Service{*database_, metrics_, "0.0.1", std::string(40, '0'), 1});
  service_->background = background_.get();
  application_ = std::make_unique<Application>(*service_, options_);
}

TestApplication::~TestApplication() {
  application_.reset();
  background_.reset();  // Ends what it has begun.
  service_.reset();
  database_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

// As the session does: admit, confirm, then take the body.
HttpResponse TestApplication::Serve(HttpRequest request, const std::string& body) {
  auto refusal = application_->Admit(request);
  if (!refusal && application_->NeedsConfirmation(request))
    refusal = application_->Confirm(request);
  if (refusal) return *std::move(refusal);
  if (request.upload) {
    EXPECT_TRUE(WriteFileAtomically(request.upload->path, body));
  } else {
    request.body = body;
  }
  return application_->Handle(request);
}

namespace {

HttpRequest MakeRequest(const std::string& method, const std::string& target,
                        const std::string& body, const NameValues& headers) {
  HttpRequest request;
  request.method = method;
  const size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string::npos) {
    request.query_params.emplace_back("", target.substr(question + 1));
  }
  request.headers = headers;
  if (!body.empty()) {
    request.headers.emplace_back("content-length", std::to_string(body.size()));
    if (request.FindHeader("content-type") == nullptr) {
      request.headers.emplace_back("content-type", "application/json");
    }
  }
  return request;
}

Answer ToAnswer(HttpResponse response) {
  Answer answer;
  answer.status = response.status;
  answer.text = std::move(response.body);
  if (!response.file.empty()) answer.text = ReadFile(response.file).value_or("");
  answer.body = nlohmann::json::parse(answer.text, nullptr, /*allow_exceptions=*/false);
  if (answer.body.is_discarded()) answer.body = nullptr;
  answer.headers = std::move(response.headers);
  if (response.chunks) {
    while (const auto piece = response.chunks()) answer.text += *piece;
  }
  return answer;
}

}  // namespace

Answer TestApplication::Call(const std::string& method, const std::string& target,
                             const std::string& body, const NameValues& headers) {
  return ToAnswer(Serve(MakeRequest(method, target, body, headers), body));
}

std::optional<Answer> TestApplication::CallAtOnce(const std::string& target,
                                                  const std::string& body) {
  HttpRequest request = MakeRequest("POST", target, body, {});
  if (application_->Admit(request)) return std::nullopt;
  request.body = body;
  std::optional<HttpResponse> response = application_->HandleAtOnce(request);
  return response ? std::optional(ToAnswer(*std::move(response))) : std::nullopt;
}

std::string NpyBody(const std::string& shape, const std::vector<float>& values) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + shape + "), }";
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string body("\x93NUMPY\x01\x00", 8);
  body += static_cast<char>(header.size());
  body += '\0';
  body += header;
  return body.append(reinterpret_cast<const char*>(values.data()), values.size() * 4);
}

}  // namespace almagest
