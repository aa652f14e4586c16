# sterna_layer(NAME): an object library of src/NAME, without its *_test.cpp and without the kernels' instruction-set folders.
set(STERNA_LAYERS "")
add_library(sterna)
add_library(Sterna::sterna ALIAS sterna)
set_target_properties(sterna PROPERTIES EXPORT_NAME sterna)
target_include_directories(sterna PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
target_link_libraries(sterna PUBLIC dlpack::dlpack)  # sterna/dlpack.hpp includes its header
target_compile_features(sterna PUBLIC cxx_std_20)
target_link_libraries(sterna PRIVATE $<BUILD_INTERFACE:sterna_flags> fmt::fmt nlohmann_json::nlohmann_json
  PkgConfig::PCRE2 PkgConfig::SENTENCEPIECE PkgConfig::HWLOC PkgConfig::CPUINFO PkgConfig::HWY PkgConfig::LIBZIP Sterna::linalg
  Boost::stacktrace_backtrace
  Threads::Threads)
target_include_directories(sterna PRIVATE ${PROJECT_SOURCE_DIR}/src)

function(sterna_layer name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$|/kernels/cpu/")
  target_sources(sterna PRIVATE ${sources})
endfunction()

# The loops of the tensor operations, the packings and the quantisers, for the instruction sets that Highway chooses from at
# run time. -O3 in every build type, as for the kernels: the compiler vectorises those not written in vectors. The two other
# flags let it: no result depends on errno or on floating-point exceptions, and no float result changes.
set(STERNA_OPS ${PROJECT_SOURCE_DIR}/src/tensor/ops)
set(STERNA_SIMD ${STERNA_OPS}/simd ${PROJECT_SOURCE_DIR}/src/packing/simd ${PROJECT_SOURCE_DIR}/src/quantize/simd)
list(TRANSFORM STERNA_SIMD APPEND /*.cpp OUTPUT_VARIABLE loops)
file(GLOB loops CONFIGURE_DEPENDS ${loops})
set_property(SOURCE ${loops} ${STERNA_OPS}/convert.cpp ${STERNA_OPS}/../linalg/integer_product.cpp
  ${PROJECT_SOURCE_DIR}/src/quantize/calibration/statistics.cpp ${PROJECT_SOURCE_DIR}/src/quantize/calibration/gram.cpp
  ${PROJECT_SOURCE_DIR}/src/quantize/grid.cpp ${PROJECT_SOURCE_DIR}/src/quantize/compensated.cpp
  PROPERTY COMPILE_OPTIONS -O3 -fno-math-errno -fno-trapping-math
  $<$<CXX_COMPILER_ID:Clang>:-Wno-pass-failed>)  # a loop that Clang cannot vectorise is no fault
# The only files that see the headers of OpenBLAS and LAPACKE.
set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/tensor/linalg/blas.cpp ${PROJECT_SOURCE_DIR}/src/tensor/linalg/lapack.cpp
  PROPERTY INCLUDE_DIRECTORIES ${OPENBLAS_INCLUDE_DIRS} ${LAPACKE_INCLUDE_DIRS})
# The same loops one element at a time, to compare with.
list(TRANSFORM STERNA_SIMD APPEND /scalar.cpp OUTPUT_VARIABLE scalar_loops)
set_property(SOURCE ${scalar_loops} APPEND PROPERTY COMPILE_OPTIONS -fno-tree-vectorize -fno-tree-slp-vectorize)
