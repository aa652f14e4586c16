# Flags of every target. Kernel files add their instruction set (cmake/kernels.cmake).
add_library(sterna_flags INTERFACE)
target_compile_options(sterna_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Werror
  # Results are the same bits on every machine: no fused multiply-add that the source does not ask for.
  -ffp-contract=off)
if(STERNA_SANITIZE)
  target_compile_options(sterna_flags INTERFACE -fsanitize=${STERNA_SANITIZE} -fno-omit-frame-pointer -g)
  target_link_options(sterna_flags INTERFACE -fsanitize=${STERNA_SANITIZE})
  if(STERNA_SANITIZE MATCHES "undefined")
    target_compile_options(sterna_flags INTERFACE -fno-sanitize-recover=undefined)
  endif()
endif()
if(STERNA_FUZZ)
  target_compile_options(sterna_flags INTERFACE -fsanitize=fuzzer-no-link)  # coverage, for libFuzzer to follow
endif()
