# Every library Sterna stands on, and why; the Debian packages are listed in tools/packages.txt.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)            # text of error messages and reports
find_package(nlohmann_json REQUIRED)  # config.json, tokenizer.json, safetensors headers, --json reports
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)           # the Unicode patterns of byte-level BPE
pkg_check_modules(SENTENCEPIECE REQUIRED IMPORTED_TARGET sentencepiece)  # tokenizer.model
pkg_check_modules(HWLOC REQUIRED IMPORTED_TARGET hwloc)                # cores, caches, NUMA nodes, pinning
find_package(Boost 1.74 REQUIRED COMPONENTS stacktrace_backtrace)        # who allocated: stacks with names and lines
pkg_check_modules(CPUINFO REQUIRED IMPORTED_TARGET libcpuinfo)         # instruction sets
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)                 # vectors of any instruction set, for the tensor operations
include(${CMAKE_CURRENT_LIST_DIR}/openblas.cmake)                       # products of matrices, LAPACK's factorizations
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)              # .npz: zip archives, inflate and deflate, CRC
find_package(dlpack REQUIRED)                                          # tensors to and from other libraries: one header

if(STERNA_APPS)
  find_package(CLI11 REQUIRED)   # the command line
  find_package(spdlog REQUIRED)  # warnings on stderr
  pkg_check_modules(EDIT REQUIRED IMPORTED_TARGET libedit)  # line editing and history of `chat` (BSD licence)
endif()
if(STERNA_TESTS)
  find_package(GTest REQUIRED)
endif()
