// almagest-convert-encoder INPUT_DIR OUTPUT_DIR: run once at set-up (see encoder_conversion.h).
#include <cstdio>

#include "engine/text/encoder_conversion.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: almagest-convert-encoder INPUT_DIR OUTPUT_DIR\n");
    return 2;
  }
  if (const auto converted = almagest::ConvertEncoder(argv[1], argv[2]); !converted) {
    std::fprintf(stderr, "almagest-convert-encoder: %s\n", converted.error().message.c_str());
    return 1;
  }
  std::printf("wrote use-lite.safetensors and use-lite.vocab.json to %s\n", argv[2]);
  return 0;
}
