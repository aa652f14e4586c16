# Flags of every target. Kernel files add their instruction set (cmake/kernels.cmake).
add_library(sterna_flags INTERFACE)
target_compile_options(sterna_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
  # Results are the same bits on every machine: no fused multiply-add that the source does not ask for.
  -ffp-contract=off)
# A newer compiler's new warning must not stop somebody's build; the presets that the tests use ask for it.
option(STERNA_WERROR "Treat warnings as errors" OFF)
if(STERNA_WERROR)
  target_compile_options(sterna_flags INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports these inside the standard library's own string and optional (GCC bugs 105651, 80635).
  target_compile_options(sterna_flags INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(STERNA_SANITIZE)
  target_compile_options(sterna_flags INTERFACE -fsanitize=${STERNA_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(sterna_flags INTERFACE -fsanitize=${STERNA_SANITIZE})
  if(STERNA_SANITIZE MATCHES "undefined")
    # Left out: what the address sanitizer stops as well, and a third of the time to compile with g++ 12.
    target_compile_options(sterna_flags INTERFACE -fno-sanitize-recover=undefined -fno-sanitize=null,object-size,vptr)
  endif()
endif()
if(STERNA_FUZZ)
  target_compile_options(sterna_flags INTERFACE -fsanitize=fuzzer-no-link)  # coverage, for libFuzzer to follow
endif()
