#!/usr/bin/env bash
# Checks what the compiler does not: layer order, library confinement, file length, leftover debug
# code, dead links in the documentation. Prints every offence and exits 1 if there is one.
# Looks at tracked files (and, outside of a git checkout, at all of them).
set -euo pipefail
cd "$1"
offences=0
offence() { printf '%s\n' "$*"; offences=$((offences + 1)); }

if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  mapfile -t files < <(git ls-files --cached --others --exclude-standard | while read -r f; do [ -f "$f" ] && echo "$f"; done)
else
  mapfile -t files < <(find . -path ./build -prune -o -type f -print | sed 's|^\./||')
fi
sources=() documents=()
for file in "${files[@]}"; do
  case "$file" in
    *.h | *.cpp) sources+=("$file") ;;
    *.md) documents+=("$file") ;;
  esac
done
[ ${#sources[@]} -gt 50 ] || offence "only ${#sources[@]} source files found: this check looks at the wrong folder"

# 1. Who may include whom. A folder on the left may include only what stands on the right.
may_include() { # layer -> pattern of allowed project includes
  case "$1" in
    storage/base/*) echo '^storage/base/' ;;
    storage/*) echo '^storage/' ;;
    engine/index/* | engine/linalg/*) echo '^(storage/base|engine/index|engine/linalg)/' ;;
    engine/text/*) echo '^(storage/base|engine/linalg|engine/text)/' ;;
    engine/*) echo '^(storage|engine)/' ;;
    http/*) echo '^(storage/base|engine|http)/|^storage/key_value_store\.h' ;;
    training/*) echo '^(storage/base|training)/' ;;
    client/*) echo '^client/' ;;
    *) echo '.' ;;
  esac
}
for file in "${sources[@]}"; do
  case "$file" in tests/*) continue ;; esac
  allowed="$(may_include "$file")"
  while read -r include; do
    [[ "$include" =~ $allowed ]] || offence "$file: includes $include, against the layer order"
  done < <(sed -nE 's/^#include "((storage|engine|http|training|client|tests)\/[^"]+)".*/\1/p' "$file")
done

# 2. Libraries stay inside their own .cpp files.
confine() { # pattern, name, allowed file pattern
  local file
  while read -r file; do
    [[ "$file" =~ $3 ]] || offence "$file: includes $2, which may stand only in $3"
  done < <(grep -lE "^#include <$1" "${sources[@]}" || true)
}
# (Two private headers share library types between the .cpp files of one folder.)
confine 'rocksdb/' RocksDB '^storage/([a-z_]+\.cpp|rocksdb_options\.h)$'
confine 'boost/(beast|asio)' Beast/Asio '^((http|client|tests/http)/.*\.cpp|http/(session|transport|operation_timer)\.h)$'
confine '(torch|ATen|c10)/' LibTorch '^(training|tests/training|tests/bench/learning)/'
confine '(oneapi/dnnl|dnnl)' oneDNN '^engine/linalg/[a-z_]+\.cpp$'

# 3. Files stay about one thing.
for file in "${sources[@]}"; do
  lines=$(wc -l <"$file")
  [ "$lines" -le 400 ] || offence "$file: $lines lines; the limit is 400"
  case "$(basename "$file")" in
    *util* | *helper* | common.* | misc.*) offence "$file: a name that says nothing" ;;
  esac
done

# 4. Leftovers. (The words are cut in two, so that this file does not find itself.)
for word in '\bTO''DO\b' '\bFIX''ME\b' '\bXX''X\b' 'DISA''BLED_' 'GTEST_''SKIP\(\);'; do
  while read -r hit; do offence "leftover: $hit"; done < <(grep -nE "$word" "${sources[@]}" || true)
done
while read -r hit; do offence "printf in a library: $hit"; done < <(
  grep -nE '(^|[^a-z_:])(std::cout|printf\()' "${sources[@]}" | grep -vE '^(tests/|client/|training/|engine/text/convert_encoder_main|http/main)' || true)

# 5. Every header guards itself; every .cpp is built.
for file in "${sources[@]}"; do
  case "$file" in
    *.h) grep -q '^#pragma once' "$file" || offence "$file: no #pragma once" ;;
    *.cpp)
      grep -rqw --include=CMakeLists.txt -- "$(basename "$file")" "${file%%/*}" ||
        offence "$file: in no CMakeLists.txt"
      ;;
  esac
done

# 6. Links in the documentation lead somewhere.
for file in "${documents[@]}"; do
  while read -r link; do
    case "$link" in http*://* | '#'* | mailto:*) continue ;; esac
    target="${link%%#*}"
    [ -e "$(dirname "$file")/$target" ] || offence "$file: dead link $link"
  done < <(grep -oE '\]\([^) ]+\)' "$file" | sed -E 's/^\]\(//; s/\)$//')
done

if [ $offences -gt 0 ]; then
  echo "tidy: $offences offences"
  exit 1
fi
echo "tidy: ${#sources[@]} source files and ${#documents[@]} documents are in order"
