# One line per instruction set: its folder under src/kernels/cpu and the flags its files are compiled with.
function(sterna_kernels isa)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/kernels/cpu/${isa}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_library(sterna_kernels_${isa} OBJECT ${sources})
  # -O3 in every build type: the loops are written for an optimiser (without one, vectors live in memory and a test takes
  # minutes), and so the code that the tests see is the code that ships. Sanitizers check what the source says, and their
  # checks in unrolled loops keep the compiler busy: g++ 12 takes 100 s and more for avx2/attention.cpp with -O3, 8 s with -O1.
  # No optimisation that may change a float result is on.
  # -fno-math-errno: sqrt is the instruction, not a call.
  set(level -O3)
  if(STERNA_SANITIZE)
    set(level -O1)
  endif()
  target_compile_options(sterna_kernels_${isa} PRIVATE ${ARGN} ${level} -fno-math-errno -fno-exceptions -fno-rtti)
  target_include_directories(sterna_kernels_${isa} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(sterna_kernels_${isa} PRIVATE sterna_flags)
  target_sources(sterna PRIVATE $<TARGET_OBJECTS:sterna_kernels_${isa}>)
  set(STERNA_KERNEL_ISAS ${STERNA_KERNEL_ISAS} ${isa} PARENT_SCOPE)  # those compiled here, for tools/check_symbols
endfunction()

sterna_kernels(generic)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  sterna_kernels(avx2 -mavx2 -mfma -mf16c -mbmi2)
  set(avx512 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mf16c -mbmi2)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND avx512 -Wno-uninitialized)  # GCC 12 reports its own intrinsics (GCC bug 105593)
  endif()
  sterna_kernels(avx512 ${avx512})
  sterna_kernels(amx ${avx512} -mamx-tile -mamx-int8)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  sterna_kernels(neon)
  sterna_kernels(neon_dot -march=armv8.2-a+dotprod)
  sterna_kernels(neon_i8mm -march=armv8.2-a+dotprod+i8mm)
endif()
