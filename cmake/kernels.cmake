# One line per instruction set: its folder under src/kernels/cpu and the flags its files are compiled with.
function(sterna_kernels isa)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/kernels/cpu/${isa}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_library(sterna_kernels_${isa} OBJECT ${sources})
  # Hermetic files: raw loops that the optimiser must see, whatever the build type asks for, so that a debug build stays usable.
  target_compile_options(sterna_kernels_${isa} PRIVATE ${ARGN} -fno-exceptions -fno-rtti)
  target_include_directories(sterna_kernels_${isa} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(sterna_kernels_${isa} PRIVATE sterna_flags)
  target_sources(sterna PRIVATE $<TARGET_OBJECTS:sterna_kernels_${isa}>)
  set(STERNA_KERNEL_ISAS ${STERNA_KERNEL_ISAS} ${isa} PARENT_SCOPE)  # those compiled here, for tools/check_symbols
endfunction()

sterna_kernels(generic)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  sterna_kernels(avx2 -mavx2 -mf16c -mbmi2)
endif()
