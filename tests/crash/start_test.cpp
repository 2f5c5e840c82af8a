// How the server starts, and how it says that it cannot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/client/scratch_folder.h"
#include "tests/crash/server_process.h"

namespace almagest::client {
namespace {

using testing::HasSubstr;

constexpr long kIdleMemoryLimitKb = 80 * 1024;

int Lines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

std::string PortOf(const std::string& url) { return url.substr(url.rfind(':') + 1); }

TEST(Start, APortInUseIsOneLineAndANonZeroExit) {
  const ScratchFolder folder;
  const ServerProcess first(folder / "a");
  const std::string port = PortOf(first.url());
  const ProcessEnd end =
      RunServer({"--data", (folder / "b").string(), "--port", port, "--log-level", "error"});
  EXPECT_GT(end.exit_code, 0);
  EXPECT_EQ(Lines(end.errors), 1) << end.errors;
  EXPECT_THAT(end.errors, HasSubstr(port));
}

TEST(Start, ALockedDataFolderIsOneLineAndANonZeroExit) {
  const ScratchFolder folder;
  const ServerProcess first(folder / "data");
  const ProcessEnd end =
      RunServer({"--data", (folder / "data").string(), "--port", "0", "--log-level", "error"});
  EXPECT_GT(end.exit_code, 0);
  EXPECT_EQ(Lines(end.errors), 1) << end.errors;
  EXPECT_THAT(end.errors, HasSubstr((folder / "data").string()));
  EXPECT_TRUE(first.Connect().Ready()) << "the first one goes on";
}

TEST(Start, WrongArgumentsAreOneLineAndANonZeroExit) {
  const ProcessEnd end = RunServer({"--no-such-flag"});
  EXPECT_GT(end.exit_code, 0);
  EXPECT_EQ(Lines(end.errors), 1) << end.errors;
}

TEST(Start, AMissingTrainerIsOneLineAndANonZeroExit) {
  const ScratchFolder folder;
  const std::string absent = (folder / "absent").string();
  const ProcessEnd end = RunServer({"--data", (folder / "data").string(), "--port", "0",
                                    "--log-level", "error", "--trainer", absent});
  EXPECT_GT(end.exit_code, 0);
  EXPECT_EQ(Lines(end.errors), 1) << end.errors;
  EXPECT_THAT(end.errors, HasSubstr(absent));
  EXPECT_FALSE(std::filesystem::exists(folder / "data"));
}

TEST(Start, WithoutATrainerJobsAreRefused) {
  const ScratchFolder folder;
  ServerProcess server(folder / "data", {"--no-trainer"});
  Client client = server.Connect();
  client.CreateCollection("c", {{"vectors", {{"size", 4}, {"distance", "Cosine"}}}});
  try {
    client.StartAdaptation("c", {{"objective", "auto"}});
    FAIL() << "a job started without a trainer";
  } catch (const ClientError& error) {
    EXPECT_EQ(error.status(), 409);
    EXPECT_THAT(error.what(), HasSubstr("without a trainer"));
  }
  EXPECT_TRUE(client.Ready());
  EXPECT_EQ(server.Stop(), 0);
}

TEST(Start, AnIdleServerIsSmallAndWithoutLibTorch) {
  const ScratchFolder folder;
  const ServerProcess server(folder / "data", TrainerArguments());
  EXPECT_TRUE(server.Connect().Ready());
  const std::string process = "/proc/" + std::to_string(server.pid());
  std::ifstream maps(process + "/maps");
  std::string line, all;
  while (std::getline(maps, line)) all += line + '\n';
  EXPECT_THAT(all, HasSubstr("librocksdb"));  // The reading itself works.
  EXPECT_THAT(all, testing::Not(HasSubstr("libtorch")));
  std::ifstream status(process + "/status");
  long resident_kb = 0;
  while (std::getline(status, line)) {
    if (line.starts_with("VmRSS:")) resident_kb = std::stol(line.substr(6));
  }
  EXPECT_GT(resident_kb, 0);
  EXPECT_LT(resident_kb, kIdleMemoryLimitKb);
}

}  // namespace
}  // namespace almagest::client
