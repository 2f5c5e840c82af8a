// A whole server without a socket: a database in a temporary folder and the dispatcher over it.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "http/application.h"

namespace almagest {

struct Answer {
  unsigned status = 0;
  nlohmann::json body;  // Null when the body is no JSON.
  std::string text;
  NameValues headers;

  const nlohmann::json& result() const { return body.at("result"); }
  std::string error() const { return body.at("status").at("error").get<std::string>(); }
  std::string Header(const std::string& name) const;
};

// A .npy array of float32 as NumPy writes it; `shape` as in "3, 2".
std::string NpyBody(const std::string& shape, const std::vector<float>& values);

class TestApplication {
 public:
  explicit TestApplication(ApplicationOptions options = {});
  ~TestApplication();

  // `target` is a path with an optional query string.
  Answer Call(const std::string& method, const std::string& target, const std::string& body = "",
              const NameValues& headers = {});
  // What a network thread answers to a POST without a worker; nullopt: it leaves it to one.
  std::optional<Answer> CallAtOnce(const std::string& target, const std::string& body);
  // Closes the database and opens it again.
  void Restart();
  const std::filesystem::path& folder() const { return folder_; }
  Application& application() { return *application_; }
  Database& database() { return *database_; }

 private:
  void OpenDatabase();
  HttpResponse Serve(HttpRequest request, const std::string& body);

  std::filesystem::path folder_;
  const ApplicationOptions options_;
  std::unique_ptr<Database> database_;
  Metrics metrics_;
  std::unique_ptr<WorkerPool> background_ = std::make_unique<WorkerPool>(1, 16);
  std::unique_ptr<Service> service_;
  std::unique_ptr<Application> application_;
};

}  // namespace almagest
