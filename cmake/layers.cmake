# sterna_layer(NAME): an object library of src/NAME, without its *_test.cpp and without the kernels' instruction-set folders.
set(STERNA_LAYERS "")
add_library(sterna)
add_library(Sterna::sterna ALIAS sterna)
set_target_properties(sterna PROPERTIES EXPORT_NAME sterna)
target_include_directories(sterna PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
target_compile_features(sterna PUBLIC cxx_std_20)
target_link_libraries(sterna PRIVATE $<BUILD_INTERFACE:sterna_flags> fmt::fmt nlohmann_json::nlohmann_json
  PkgConfig::PCRE2 PkgConfig::SENTENCEPIECE PkgConfig::HWLOC PkgConfig::CPUINFO Threads::Threads)
target_include_directories(sterna PRIVATE ${PROJECT_SOURCE_DIR}/src)

function(sterna_layer name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$|/kernels/cpu/")
  target_sources(sterna PRIVATE ${sources})
endfunction()
