// HTTPS, and a certificate that changes while the server runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <thread>

#include "tests/http/raw_client.h"
#include "tests/http/test_application.h"

namespace almagest {
namespace {

using ::testing::HasSubstr;

// A self-signed certificate for `name`, as two PEM files.
void WriteCertificate(const std::string& name, const std::filesystem::path& certificate_file,
                      const std::filesystem::path& key_file) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  X509_sign(certificate, key, EVP_sha256());
  FILE* file = std::fopen(certificate_file.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen(key_file.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

struct TlsAnswer {
  std::string name;  // The certificate's.
  std::string text;
};

TlsAnswer AskByTls(uint16_t port, const std::string& path) {
  TlsAnswer answer;
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  BIO* connection = BIO_new_ssl_connect(context);
  BIO_set_conn_hostname(connection, ("127.0.0.1:" + std::to_string(port)).c_str());
  SSL* ssl = nullptr;
  BIO_get_ssl(connection, &ssl);
  if (BIO_do_connect(connection) == 1) {
    if (X509* peer = SSL_get1_peer_certificate(ssl)) {
      char name[64] = "";
      X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, name, sizeof name);
      answer.name = name;
      X509_free(peer);
    }
    BIO_puts(connection, ("GET " + path + " HTTP/1.1\r\nConnection: close\r\n\r\n").c_str());
    char buffer[4096];
    int count = 0;
    while ((count = BIO_read(connection, buffer, sizeof buffer)) > 0) {
      answer.text.append(buffer, static_cast<size_t>(count));
    }
  }
  BIO_free_all(connection);
  SSL_CTX_free(context);
  return answer;
}

TEST(Tls, ServesAndTakesChangedCertificates) {
  TestApplication application;
  ServerOptions options;
  const auto certificate = application.folder() / "certificate.pem";
  const auto key = application.folder() / "key.pem";
  options.tls_certificate_file = certificate.string();
  options.tls_key_file = key.string();
  options.tls_reload_interval = std::chrono::milliseconds(0);
  options.header_timeout = std::chrono::milliseconds(500);
  EXPECT_FALSE(Server::Start(options, application.application())) << "there are no such files";
  WriteCertificate("first", certificate, key);
  auto server = Server::Start(options, application.application());
  ASSERT_TRUE(server) << server.error().message;
  const uint16_t port = (*server)->port();
  TlsAnswer answer = AskByTls(port, "/healthz");
  EXPECT_EQ(answer.name, "first");
  EXPECT_THAT(answer.text, HasSubstr("healthz check passed"));

  WriteCertificate("second", certificate, key);
  answer = AskByTls(port, "/collections");
  EXPECT_EQ(answer.name, "second");
  EXPECT_THAT(answer.text, HasSubstr("\"collections\":[]"));

  std::filesystem::resize_file(certificate, 10);
  EXPECT_EQ(AskByTls(port, "/healthz").name, "second") << "unusable files change nothing";

  RawClient plain(port);
  plain.Send("GET /healthz HTTP/1.1\r\n\r\n");
  EXPECT_EQ(plain.ReadToEnd().find("healthz check passed"), std::string::npos);
  RawClient silent(port);
  EXPECT_EQ(silent.ReadToEnd(), "") << "closed when the handshake does not come";
  EXPECT_EQ(AskByTls(port, "/healthz").name, "second");
}

}  // namespace
}  // namespace almagest
