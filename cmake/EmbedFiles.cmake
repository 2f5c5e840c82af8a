# cmake -DOUTPUT=FILE.cpp -DFILES="a;b" -P EmbedFiles.cmake: the text files as an array of
# almagest::DashboardFile (http/dashboard_files.h), in the binary, so that a server is one file.
set(texts "")
set(entries "")
set(number 0)
foreach(file IN LISTS FILES)
  file(READ "${file}" text)
  string(FIND "${text}" ")~asset~\"" clash)
  if(NOT clash EQUAL -1)
    message(FATAL_ERROR "${file} holds the delimiter of its own literal")
  endif()
  get_filename_component(name "${file}" NAME)
  string(APPEND texts "constexpr std::string_view kText${number} = R\"~asset~(${text})~asset~\";\n")
  string(APPEND entries "    {\"${name}\", kText${number}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUTPUT}" "#include \"http/dashboard_files.h\"

namespace almagest {
namespace {

${texts}
constexpr DashboardFile kDashboardFiles[] = {
${entries}};

}  // namespace

std::span<const DashboardFile> DashboardFiles() { return kDashboardFiles; }

}  // namespace almagest
")
